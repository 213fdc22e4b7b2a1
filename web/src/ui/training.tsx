// SPDX-License-Identifier: GPL-3.0-or-later
// The page where instruments are made: recordings in, a model out.
import { useSignal } from '@preact/signals';
import { FAMILY_NAMES } from '../core/models';
import { describe, type Training } from '../core/runs';
import { attempt, role } from '../core/store';
import * as training from '../core/training';
import { Icon } from './icons';
import { Learning } from './learning';
import { when } from './patchbar';
import { Recordings } from './recordings';
import { Wishes } from './wishes';

export function TrainingPage() {
    const run = training.run.value;
    return (
        <div class={`training-page ${training.running.value ? 'busy' : ''}`}>
            <div class="column make">
                <Recordings />
                {role.value === 'admin' && <Wishes />}
            </div>
            <div class="column made">
                {run ? <Learning key={run.uuid} run={run} /> : <How />}
                {training.list.value.length > 0 && <Earlier />}
            </div>
        </div>
    );
}

const STEPS: [string, string][] = [
    ['Recordings', 'of one instrument: notes or phrases, one note at a time.'],
    ['Learn', 'for a quarter of an hour, here on the device, while you play on.'],
    ['Listen', 'to what it can do beside a recording it never heard.'],
    ['Keep it', 'and it plays from keys, from MIDI, from your voice.'],
];

function How() {
    return (
        <section class="card how" aria-label="How it goes">
            <h2>Your own instrument</h2>
            <ol>
                {STEPS.map(([title, text]) => (
                    <li key={title}>
                        <b>{title}</b> {text}
                    </li>
                ))}
            </ol>
            <p>The recordings stay on this device.</p>
        </section>
    );
}

function Earlier() {
    return (
        <section class="card earlier" aria-label="Trainings">
            <h2>Trainings</h2>
            <ul class="plainlist">
                {training.list.value.map((each) => (
                    <Line key={each.uuid} each={each} />
                ))}
            </ul>
        </section>
    );
}

function Line({ each }: { each: Training }) {
    const asking = useSignal(false);
    const { word, tone } = describe(each);
    const current = training.run.value?.uuid === each.uuid;
    if (asking.value)
        return (
            <li>
                <span class="grow">Delete “{each.name}” and what it learned?</span>
                <button type="button" class="small" onClick={() => (asking.value = false)}>
                    Cancel
                </button>
                <button
                    type="button"
                    class="small danger"
                    onClick={() => void attempt(() => training.remove(each))}
                >
                    Delete
                </button>
            </li>
        );
    return (
        <li>
            <button
                type="button"
                class="small wide"
                aria-pressed={current}
                onClick={() => void attempt(() => training.show(each.uuid))}
            >
                <b>{each.name}</b>
                <small>
                    <i class={tone}>{word}</i> · {FAMILY_NAMES[each.family]}, {each.preset}
                    {each.best !== null && ` · ${each.best.toFixed(3)}`} · {when(each.created)}
                    {each.model && ' · kept'}
                </small>
            </button>
            {role.value === 'admin' && each.state !== 'running' && (
                <button
                    type="button"
                    class="iconic"
                    aria-label={`Delete ${each.name}`}
                    onClick={() => (asking.value = true)}
                >
                    <Icon name="trash" />
                </button>
            )}
        </li>
    );
}
