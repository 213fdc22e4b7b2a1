// SPDX-License-Identifier: GPL-3.0-or-later
// What shall be learned: family, size and time, in plain words, with defaults that work.
import { signal } from '@preact/signals';
import { FAMILY_NAMES } from '../core/models';
import { span, type LearnedFamily, type Preset } from '../core/runs';
import { attempt } from '../core/store';
import * as training from '../core/training';

export const minuteChoices = [1, 5, 15, 30, 60, 180, 480, 1440];

const FAMILIES: [LearnedFamily, string][] = [
    ['hpn', 'Overtones and breath, note by note. Nearest to winds and strings.'],
    ['ddx7', 'Six FM operators whose levels are learned: every ratio can be bent.'],
    ['wavetable', 'A few learned waves and their mix. Smooth, and the lightest to play.'],
];

const PRESETS: [Preset, string, string][] = [
    ['reduced', 'Reduced', 'Small: learns in minutes, plays many voices. Begin here.'],
    ['full', 'Full', 'Large: finer, but wants hours and far more computing.'],
];

/** DX7 voices whose routing and ratios the operators begin with. */
const VOICES = ['flute', 'violin', 'trumpet', 'piano'];

const family = signal<LearnedFamily>('hpn');
const preset = signal<Preset>('reduced');
const minutes = signal(15);
const voice = signal('');
const name = signal('');

function voiceFor(instrument: string): string {
    const kind: [RegExp, string][] = [
        [/viol|cello|bass|string|fiddle/i, 'violin'],
        [/trump|tromb|horn|tuba|brass|sax/i, 'trumpet'],
        [/piano|guitar|harp|bell|vibra|marimba|mallet/i, 'piano'],
    ];
    return kind.find(([pattern]) => pattern.test(instrument))?.[1] ?? 'flute';
}

interface ChoiceProps<T extends string> {
    legend: string;
    now: T;
    all: [T, string, string][];
    choose(value: T): void;
}

function Choice<T extends string>({ legend, now, all, choose }: ChoiceProps<T>) {
    return (
        <fieldset class="wish">
            <legend>{legend}</legend>
            {all.map(([value, title, text]) => (
                <label key={value} class={now === value ? `option on ${value}` : 'option'}>
                    <input
                        type="radio"
                        name={legend}
                        checked={now === value}
                        onChange={() => choose(value)}
                    />
                    <b>{title}</b>
                    <small>{text}</small>
                </label>
            ))}
        </fieldset>
    );
}

export function Wishes() {
    const data = training.data.value;
    const running = training.running.value;
    const instrument = data?.name ?? '';
    const usual = instrument && `${instrument} ${FAMILY_NAMES[family.value]}`;
    const sending = training.uploads.value.some(({ state }) => state !== 'refused');
    const ready = data !== null && data.recordings.length > 0 && !running && !sending;
    const start = () =>
        void attempt(async () => {
            await training.start({
                dataset: data!.uuid,
                name: name.value.trim() || usual,
                family: family.value,
                preset: preset.value,
                minutes: minutes.value,
                ...(family.value === 'ddx7' ? { voice: voice.value || voiceFor(instrument) } : {}),
            });
            name.value = '';
        });
    return (
        <section class="card wishes" aria-label="Instrument">
            <h2>Instrument</h2>
            <Choice
                legend="Family"
                now={family.value}
                all={FAMILIES.map(([key, text]) => [key, FAMILY_NAMES[key], text])}
                choose={(value) => (family.value = value)}
            />
            <Choice
                legend="Size"
                now={preset.value}
                all={PRESETS}
                choose={(value) => (preset.value = value)}
            />
            <div class="fields">
                <label>
                    Name
                    <input
                        value={name.value}
                        maxLength={96}
                        placeholder={usual || 'of the instrument'}
                        onInput={(event) => (name.value = event.currentTarget.value)}
                    />
                </label>
                <label>
                    Time to learn
                    <select
                        value={String(minutes.value)}
                        onChange={(event) => (minutes.value = Number(event.currentTarget.value))}
                    >
                        {minuteChoices.map((each) => (
                            <option key={each} value={String(each)}>
                                {span(60 * each)}
                            </option>
                        ))}
                    </select>
                </label>
                {family.value === 'ddx7' && (
                    <label>
                        Begins as
                        <select
                            value={voice.value || voiceFor(instrument)}
                            onChange={(event) => (voice.value = event.currentTarget.value)}
                        >
                            {VOICES.map((each) => (
                                <option key={each}>{each}</option>
                            ))}
                        </select>
                    </label>
                )}
            </div>
            <footer class="row-of">
                <p class="hint grow">
                    {running
                        ? `“${running.name}” is learning; one at a time.`
                        : sending
                          ? 'The recordings are still on their way.'
                          : ready
                            ? 'Can be stopped at any time and gone on with. Playing comes first.'
                            : 'Recordings first.'}
                </p>
                <button type="button" class="small primary" disabled={!ready} onClick={start}>
                    Start learning
                </button>
            </footer>
        </section>
    );
}
