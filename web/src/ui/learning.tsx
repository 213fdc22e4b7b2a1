// SPDX-License-Identifier: GPL-3.0-or-later
// One training: how it goes, what it sounds like by now, and keeping it.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import * as api from '../core/api';
import * as compare from '../core/compare';
import * as models from '../core/models';
import * as patches from '../core/patches';
import { describe, span, type Clip, type Training } from '../core/runs';
import { attempt, role, tell } from '../core/store';
import * as training from '../core/training';
import { Dialog } from './dialog';
import { Icon } from './icons';
import { Losses, Waves } from './losses';
import { minuteChoices } from './wishes';

const MORE_MINUTES = 15;

export function Learning({ run }: { run: Training }) {
    const { word, text, tone } = describe(run);
    const live = run.state === 'running';
    return (
        <section class="card learning" aria-label="Training">
            <header>
                <h2>{run.name}</h2>
                <small>
                    {models.FAMILY_NAMES[run.family]}, {run.preset}
                </small>
            </header>
            <p class={`state ${tone}`} role="status">
                <b>{word}.</b> {text}
            </p>
            {live && (
                <progress
                    max={1}
                    value={run.phase === 'preparing' && !run.progress ? undefined : run.progress}
                    aria-label="How far it is"
                />
            )}
            {run.step > 0 && <Losses run={run} />}
            {run.step > 0 && <Figures run={run} />}
            <Listen run={run} />
            {role.value === 'admin' && <Actions run={run} />}
        </section>
    );
}

function Figures({ run }: { run: Training }) {
    const live = run.state === 'running';
    const number = (value: number | null, digits: number) =>
        value === null ? '–' : value.toFixed(digits);
    const all: [string, string][] = [
        ['Step', run.step.toLocaleString()],
        ['Error', number(run.loss, 3)],
        ['Held back', number(run.validation, 3)],
        ['Best', number(run.best, 3)],
    ];
    if (live) all.push(['Steps a second', number(run.steps_per_s, 1)]);
    if (live && run.left_s !== null) all.push(['Time left', span(run.left_s)]);
    return (
        <dl class="figures">
            {all.map(([name, text]) => (
                <div key={name}>
                    <dt>{name}</dt>
                    <dd>{text}</dd>
                </div>
            ))}
        </dl>
    );
}

const UNHEARD = 'A recording that it never learned from,';
const HEARD = 'One of the recordings that it learns from,';

const SIDES: [training.Side, string][] = [
    ['original', 'Recording'],
    ['model', 'Model'],
];

/** The best so far beside a recording that it never saw, at the same loudness. */
function Listen({ run }: { run: Training }) {
    const chosen = useSignal(0);
    useEffect(() => compare.hush, [run.uuid]);
    const clips = run.clips ?? [];
    const clip = clips[Math.min(chosen.value, clips.length - 1)];
    if (!clip) return null;
    const ready = run.best !== null;
    const key = `${run.uuid} ${clip.index} ${run.best}`;
    const hear = (side: training.Side) =>
        void attempt(async () => {
            try {
                await compare.hear(side, key, (of) => training.clip(run.uuid, clip.index, of));
            } catch (error) {
                if (!(error instanceof api.Problem) || error.status !== 409) throw error;
                tell('Its first model is just being written; try again in a moment.');
            }
        });
    return (
        <section class="listen-pair" aria-label="Listen">
            <div class="row-of">
                <div class="pair" role="group" aria-label="Hear">
                    {SIDES.map(([side, text]) => (
                        <button
                            type="button"
                            key={side}
                            class={`small ${side}`}
                            aria-pressed={compare.heard.value === side}
                            disabled={!ready}
                            onClick={() => hear(side)}
                        >
                            <Icon name={compare.heard.value === side ? 'wave' : 'play'} /> {text}
                        </button>
                    ))}
                </div>
                <Clips clips={clips} now={clip} choose={(at) => (chosen.value = at)} />
            </div>
            {compare.pair.value?.key.startsWith(run.uuid) && <Waves />}
            <p class="hint" role="status">
                {compare.fetching.value
                    ? 'The best so far plays it …'
                    : ready
                      ? `${clip.split === 'train' ? HEARD : UNHEARD} and the same played by ` +
                        'the model. Tap the other one while one plays.'
                      : 'Can be heard when it was measured for the first time.'}
            </p>
        </section>
    );
}

interface ClipsProps {
    clips: Clip[];
    now: Clip;
    choose(at: number): void;
}

function Clips({ clips, now, choose }: ClipsProps) {
    if (clips.length < 2) return null;
    return (
        <select
            aria-label="Which recording"
            value={String(clips.indexOf(now))}
            onChange={(event) => {
                compare.hush();
                choose(Number(event.currentTarget.value));
            }}
        >
            {clips.map(({ index, recording, seconds }, i) => (
                <option key={index} value={String(i)}>
                    {recording || `Clip ${i + 1}`}, {seconds.toFixed(1)} s
                </option>
            ))}
        </select>
    );
}

function Actions({ run }: { run: Training }) {
    const keeping = useSignal(false);
    const minutes = useSignal(MORE_MINUTES);
    const live = run.state === 'running';
    const another = training.running.value !== null && !live;
    const more = run.state === 'done' || run.state === 'stopped';
    const act = (work: () => Promise<unknown>) => () => void attempt(work);
    return (
        <footer class="row-of">
            {live ? (
                <button type="button" class="small" onClick={act(() => training.stop(run))}>
                    Stop
                </button>
            ) : (
                <span class="together">
                    <button
                        type="button"
                        class="small"
                        disabled={another}
                        title={another ? 'One learns at a time' : undefined}
                        onClick={act(() => training.resume(run, minutes.value))}
                    >
                        {more ? 'Learn on' : 'Go on'}
                    </button>
                    <select
                        aria-label="For how long"
                        value={String(minutes.value)}
                        onChange={(event) => (minutes.value = Number(event.currentTarget.value))}
                    >
                        {minuteChoices.map((each) => (
                            <option key={each} value={String(each)}>
                                for {span(60 * each)}
                            </option>
                        ))}
                    </select>
                </span>
            )}
            <span class="grow" />
            <button
                type="button"
                class={run.model ? 'small' : 'small primary'}
                disabled={run.best === null}
                onClick={() => (keeping.value = true)}
            >
                {run.model ? 'Keep it again …' : 'Keep it …'}
            </button>
            {run.model && (
                <button type="button" class="small primary" onClick={act(() => play(run))}>
                    <Icon name="play" /> Play it
                </button>
            )}
            {keeping.value && <Keep run={run} onClose={() => (keeping.value = false)} />}
        </footer>
    );
}

async function play({ model, patch }: Training): Promise<void> {
    if (patch) patches.load(patch);
    else await models.play(model);
}

function Keep({ run, onClose }: { run: Training; onClose(): void }) {
    const set = training.sets.value.find(({ uuid }) => uuid === run.dataset);
    const submit = (event: SubmitEvent) => {
        event.preventDefault();
        const form = new FormData(event.currentTarget as HTMLFormElement);
        const text = (key: string) => String(form.get(key) ?? '').trim();
        onClose();
        void attempt(async () => {
            await training.keep(run, {
                name: text('name'),
                licence: text('licence'),
                credit: text('credit'),
            });
        });
    };
    const field = (name: keyof training.Names, title: string, value: string, most: number) => (
        <label>
            {title}
            <input
                name={name}
                defaultValue={value}
                maxLength={most}
                required={name === 'name'}
                autocomplete="off"
            />
        </label>
    );
    return (
        <Dialog title="Keep this instrument" onClose={onClose}>
            <form class="details" onSubmit={submit}>
                {field('name', 'Name', run.name, 96)}
                {field('licence', 'Licence', set?.licence ?? '', 64)}
                {field('credit', 'Credit', set?.credit ?? '', 256)}
                <p class="hint">
                    {run.model
                        ? 'Its best so far takes the place of what was kept before.'
                        : 'Its best so far comes to the models and gets a patch. It may learn on.'}
                </p>
                <footer>
                    <button type="button" class="small" onClick={onClose}>
                        Cancel
                    </button>
                    <button type="submit" class="small primary">
                        Keep
                    </button>
                </footer>
            </form>
        </Dialog>
    );
}
