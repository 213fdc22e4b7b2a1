// SPDX-License-Identifier: GPL-3.0-or-later
// Timbre transfer: a sound at the input plays the network. Meter, tracker and how it is fitted.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import * as api from '../core/api';
import type { Section } from '../core/layout';
import { live } from '../core/live';
import * as mic from '../core/microphone';
import { nearestNote, noteName } from '../core/pitch';
import { attempt, role, status, value } from '../core/store';
import { Control } from './control';
import type { AudioDevice } from './device';
import { Icon } from './icons';
import { CurvesNow } from './neural';
import { Picture, type Draw } from './picture';
import { color, faint } from './theme';

const FLOOR_DB = -90;
const CENTS = 50;
/** Stands for what it listens to already. */
const NOW = 'now';
/** Below this the tracker is guessing. */
const SURE = 0.5;

export function TransferPage({ section }: { section: Section }) {
    const params = section.groups.flatMap((group) => group.params);
    const find = (name: string) => params.find(({ key }) => key.endsWith(`.${name}`));
    const gate = find('gate');
    const source = find('source');
    const rest = params.filter((param) => param !== source);
    return (
        <div class="page transfer">
            <div class="group">
                {source && <Control param={source} />}
                <Listening />
            </div>
            <figure class="screen input-meter">
                <Picture
                    draw={drawInput(gate ? value(gate.key).value : FLOOR_DB)}
                    label="Level of the input, and the gate"
                />
                <figcaption>Input</figcaption>
            </figure>
            <figure class="screen tracker">
                <Picture draw={drawTracker} label="Pitch of the input, and how sure it is" />
                <figcaption>Tracker</figcaption>
            </figure>
            <div class="knobs">
                {rest.map((param) => (
                    <Control key={param.key} param={param} />
                ))}
            </div>
            <div class="wide-screen">
                <CurvesNow />
            </div>
        </div>
    );
}

/** What the device listens to; a person who may can choose it. */
function Listening() {
    const devices = useSignal<AudioDevice[]>([]);
    const chosen = useSignal('');
    const input = status.value?.audio.input;
    useEffect(() => {
        void attempt(() => api.get<{ items: AudioDevice[] }>('/audio/devices')).then(
            (answer) => (devices.value = answer?.items ?? []),
        );
    }, []);
    const current = devices.value.find((device) => device.current);
    const choose = (name: string) =>
        attempt(async () => {
            if (!current) return;
            const { driver, name: playing } = current;
            await api.send('PUT', '/audio/device', { driver, name: playing, input: name });
            chosen.value = name;
        });
    return (
        <>
            {input && role.value === 'admin' && (
                <label class="control choice">
                    <span class="name">The device listens to</span>
                    <select
                        value={chosen.value || (input.on ? NOW : '')}
                        onChange={(event) => void choose(event.currentTarget.value)}
                    >
                        {input.on && !chosen.value && (
                            <option value={NOW} disabled>
                                {input.text}
                            </option>
                        )}
                        <option value="">nothing</option>
                        <option value="same">the card that plays</option>
                        {devices.value
                            .filter(({ capture }) => capture)
                            .map(({ name, text }) => (
                                <option key={name} value={name}>
                                    {text || name}
                                </option>
                            ))}
                    </select>
                </label>
            )}
            {mic.allowed ? (
                <button
                    type="button"
                    class="small"
                    aria-pressed={mic.microphone.value}
                    onClick={mic.toggle}
                >
                    <Icon name="mic" />
                    {mic.microphone.value ? 'This microphone plays' : 'Use this microphone'}
                </button>
            ) : (
                <p class="hint">
                    A browser gives its microphone to https and localhost only, so not to this page.
                </p>
            )}
            <p class="hint">
                {input?.text || 'Choose “input”, then sing or play into the device’s sound card.'}
            </p>
        </>
    );
}

function drawInput(gateDb: number): Draw {
    return (context, width, height) => {
        const y = (db: number) => height * Math.min(1, Math.max(0, db / FLOOR_DB));
        const level = live.neural?.inputDb ?? -120;
        const paint = context.createLinearGradient(0, height, 0, 0);
        paint.addColorStop(0, color('teal'));
        paint.addColorStop(0.8, color('amber'));
        paint.addColorStop(1, color('red'));
        context.fillStyle = paint;
        context.globalAlpha = level >= gateDb ? 1 : 0.35;
        context.fillRect(10, y(level), width - 20, height - y(level));
        context.globalAlpha = 1;
        context.strokeStyle = color('text');
        context.setLineDash([3, 3]);
        context.beginPath();
        context.moveTo(4, y(gateDb));
        context.lineTo(width - 4, y(gateDb));
        context.stroke();
        context.setLineDash([]);
    };
}

/** A tuner: name, needle in cents, and confidence as the brightness and a bar. */
const drawTracker: Draw = (context, width, height) => {
    const now = live.neural;
    const middle = width / 2;
    const base = height - 34;
    context.strokeStyle = color('line');
    context.lineWidth = 1;
    for (let cents = -CENTS; cents <= CENTS; cents += 10) {
        const x = middle + (cents / CENTS) * (width / 2 - 16);
        context.beginPath();
        context.moveTo(x, base);
        context.lineTo(x, base - (cents % 50 === 0 ? 14 : 8));
        context.stroke();
    }
    const sure = now?.confidence ?? 0;
    context.fillStyle = faint(color('teal'), 0.2);
    context.fillRect(16, height - 16, width - 32, 6);
    context.fillStyle = color(sure >= SURE ? 'teal' : 'dim');
    context.fillRect(16, height - 16, (width - 32) * sure, 6);
    if (!now || !(now.inputF0Hz > 0)) return;
    const { key, cents } = nearestNote(now.inputF0Hz);
    context.textAlign = 'center';
    context.fillStyle = color(sure >= SURE ? 'text' : 'dim');
    context.font = '600 30px "Barlow Semi Condensed", system-ui, sans-serif';
    context.fillText(noteName(key), middle, base - 26);
    context.font = '12px "Barlow Semi Condensed", system-ui, sans-serif';
    context.fillStyle = color('dim');
    context.textAlign = 'right';
    context.fillText(`${now.inputF0Hz.toFixed(1)} Hz`, width - 10, 18);
    const x = middle + (cents / CENTS) * (width / 2 - 16);
    context.fillStyle = color(Math.abs(cents) <= 5 ? 'teal' : 'amber');
    context.fillRect(x - 1.5, base - 20, 3, 22);
};
