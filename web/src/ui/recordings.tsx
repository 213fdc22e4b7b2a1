// SPDX-License-Identifier: GPL-3.0-or-later
// What an instrument learns from: brought in, looked through, taken out.
import { useSignal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import { formatBytes } from '../core/models';
import { advice, noteRange, type Labels, type Recording, type Report } from '../core/runs';
import { attempt, role } from '../core/store';
import * as training from '../core/training';
import { Icon } from './icons';
import { Histogram } from './losses';

/** Lines of a long list; what needs a look comes first. */
const LINES = 60;
const AUDIO = 'audio/*,.wav,.flac,.ogg,.opus,.mp3,.aif,.aiff';

const LABELS: [Labels, string][] = [
    ['none', 'Found by ear'],
    ['names', 'File names tell the note (A4, c#3)'],
    ['known', 'File names are exact (piano)'],
];

export function Recordings() {
    const data = training.data.value;
    const admin = role.value === 'admin';
    return (
        <section class="card recordings" aria-label="Recordings">
            <header>
                <h2>Recordings</h2>
                <Sets />
            </header>
            {!data && admin && <Sketch />}
            {admin && <Dropzone empty={!data} />}
            <Files />
            {data?.report && <Contents report={data.report} />}
        </section>
    );
}

function Sets() {
    const sets = training.sets.value;
    const now = training.data.value?.uuid ?? '';
    const asking = useSignal(false);
    if (!sets.length) return null;
    const choose = (uuid: string) => void attempt(() => training.fill(uuid || null));
    if (asking.value && now)
        return (
            <div class="row-of">
                <span>Delete all of them?</span>
                <button type="button" class="small" onClick={() => (asking.value = false)}>
                    Cancel
                </button>
                <button
                    type="button"
                    class="small danger"
                    onClick={() => {
                        asking.value = false;
                        void attempt(() => training.dropSet(now));
                    }}
                >
                    Delete
                </button>
            </div>
        );
    return (
        <div class="row-of">
            <select
                aria-label="Which recordings"
                value={now}
                onChange={(event) => choose(event.currentTarget.value)}
            >
                <option value="">New …</option>
                {sets.map(({ uuid, name }) => (
                    <option key={uuid} value={uuid}>
                        {name}
                    </option>
                ))}
            </select>
            {now && role.value === 'admin' && (
                <button
                    type="button"
                    class="iconic"
                    aria-label="Delete these recordings …"
                    onClick={() => (asking.value = true)}
                >
                    <Icon name="trash" />
                </button>
            )}
        </div>
    );
}

/** What the next data set is: asked before the first file, since it stays. */
function Sketch() {
    const { instrument, labels, licence, credit } = training.draft.value;
    const text = (name: string, value: string, hint: string, key: 'licence' | 'credit') => (
        <label>
            {name}
            <input
                value={value}
                maxLength={key === 'licence' ? 64 : 256}
                placeholder={hint}
                onInput={(event) => training.sketch({ [key]: event.currentTarget.value })}
            />
        </label>
    );
    return (
        <div class="fields">
            <label>
                Instrument
                <input
                    value={instrument}
                    maxLength={64}
                    placeholder="from the file names"
                    onInput={(event) => training.sketch({ instrument: event.currentTarget.value })}
                />
            </label>
            <label>
                Pitch
                <select
                    value={labels}
                    onChange={(event) =>
                        training.sketch({ labels: event.currentTarget.value as Labels })
                    }
                >
                    {LABELS.map(([value, what]) => (
                        <option key={value} value={value}>
                            {what}
                        </option>
                    ))}
                </select>
            </label>
            {text('Licence', licence, 'of the recordings, e.g. CC BY 4.0', 'licence')}
            {text('Credit', credit, 'who played or recorded', 'credit')}
        </div>
    );
}

function Dropzone({ empty }: { empty: boolean }) {
    const input = useRef<HTMLInputElement>(null);
    return (
        <div class={empty ? 'dropzone empty' : 'dropzone'}>
            <Icon name="wave" />
            <p>
                {empty ? (
                    <>
                        <b>Drop recordings of one instrument here</b>, files or a folder: single
                        notes at all pitches and strengths, or phrases, one note at a time, dry. Ten
                        minutes are good, three will do.
                    </>
                ) : (
                    'Drop more at any time.'
                )}
            </p>
            <button type="button" class="small" onClick={() => input.current?.click()}>
                <Icon name="upload" /> Choose files
            </button>
            <input
                ref={input}
                type="file"
                class="hidden"
                accept={AUDIO}
                multiple
                tabIndex={-1}
                aria-label="Recordings"
                onChange={(event) => {
                    const files = [...(event.currentTarget.files ?? [])];
                    event.currentTarget.value = '';
                    void training.addFiles(files);
                }}
            />
        </div>
    );
}

function Files() {
    const uploads = training.uploads.value;
    const all = training.data.value?.recordings ?? [];
    const rejected = all.filter((one) => one.rejected !== null);
    const lines = [...rejected, ...all.filter((one) => one.rejected === null)];
    const shown = lines.slice(0, LINES);
    const bytes = all.reduce((sum, one) => sum + one.bytes, 0);
    const sending = uploads.filter(({ state }) => state !== 'refused');
    const left = sending.reduce((sum, one) => sum + (1 - one.share) * one.bytes, 0);
    if (!all.length && !uploads.length) return null;
    return (
        <>
            <p role="status">
                <b>{all.length}</b> {all.length === 1 ? 'recording' : 'recordings'},{' '}
                {formatBytes(bytes)}
                {rejected.length > 0 && <span class="bad">, {rejected.length} of no use</span>}
                {sending.length > 0 && `; ${sending.length} on the way, ${formatBytes(left)}`}
            </p>
            <ul class="files" tabIndex={0} aria-label="Files">
                {uploads.slice(0, LINES).map((upload) => (
                    <Coming key={`${upload.name} ${upload.bytes}`} upload={upload} />
                ))}
                {shown.map((one) => (
                    <Line key={one.name} one={one} />
                ))}
                {lines.length > shown.length && <li>and {lines.length - shown.length} more</li>}
            </ul>
        </>
    );
}

function Coming({ upload }: { upload: training.Upload }) {
    const { name, state, share, why } = upload;
    return (
        <li class={state}>
            <span class="filename">{name}</span>
            {state === 'refused' ? (
                <>
                    <span class="bad">{why}</span>
                    <button
                        type="button"
                        class="iconic"
                        aria-label={`Forget ${name}`}
                        onClick={() => training.dismiss(upload)}
                    >
                        <Icon name="close" />
                    </button>
                </>
            ) : (
                <progress max={1} value={share} aria-label={`${name} is uploaded`} />
            )}
        </li>
    );
}

function Line({ one }: { one: Recording }) {
    return (
        <li>
            <span class="filename">{one.name}</span>
            {one.rejected === null ? (
                <small>{formatBytes(one.bytes)}</small>
            ) : (
                <span class="bad">{one.rejected}</span>
            )}
            {role.value === 'admin' && (
                <button
                    type="button"
                    class="iconic"
                    aria-label={`Delete ${one.name}`}
                    onClick={() => void attempt(() => training.dropRecording(one.name))}
                >
                    <Icon name="close" />
                </button>
            )}
        </li>
    );
}

function Contents({ report }: { report: Report }) {
    const { minutes, clips, pitch, loudness } = report;
    const held = clips.validation + clips.test;
    const amount = minutes.toFixed(minutes < 10 ? 1 : 0);
    return (
        <div class="contents">
            <p>
                <b>{amount} minutes</b> of sound, {noteRange(pitch)}. {advice(report)} {held} of
                {` ${held + clips.train} `}
                clips are held back to judge it.
            </p>
            <Histogram bins={pitch} title="Pitch" kind="pitch" />
            <Histogram bins={loudness} title="Loudness" kind="loudness" />
        </div>
    );
}
