// SPDX-License-Identifier: GPL-3.0-or-later
// The low-frequency oscillator: the wave that is chosen, and what it does now.
import { history } from '../core/live';
import type { Param } from '../core/params';
import { edit, value } from '../core/store';
import { Picture, type Draw } from './picture';
import { color, faint, reducedMotion } from './theme';

const WINDOW_MS = 2500;
const LAG_MS = 40;
/** Pseudo-random steps of sample and hold, the same in every picture. */
const STEPS = [0.3, -0.7, 0.9, -0.2, 0.6, -0.9];

/** One period in -1..1 at a phase in 0..1, by the name of the wave. */
function shape(name: string, phase: number): number {
    if (/saw down/.test(name)) return 1 - 2 * phase;
    if (/saw up/.test(name)) return 2 * phase - 1;
    if (/square/.test(name)) return phase < 0.5 ? 1 : -1;
    if (/sine/.test(name)) return Math.sin(2 * Math.PI * phase);
    if (/hold/.test(name)) return STEPS[Math.floor(phase * STEPS.length)] ?? 0;
    return phase < 0.5 ? 4 * phase - 1 : 3 - 4 * phase;
}

export function LfoView({ wave }: { wave: Param }) {
    const draw: Draw = (context, width, height, now) => {
        const y = (level: number) => height / 2 - level * (height / 2 - 8);
        context.strokeStyle = color('line');
        context.lineWidth = 1;
        context.strokeRect(-1, Math.round(height / 2) - 0.5, width + 2, height);
        if (!history.length || reducedMotion()) return;
        context.beginPath();
        for (let back = 0; back < history.length; back++) {
            const at = history.at(back);
            const x = width * (1 - (now - LAG_MS - history.times[at]!) / WINDOW_MS);
            if (x < 0) break;
            context.lineTo(x, y(history.lfo[at]!));
        }
        context.strokeStyle = color('teal');
        context.lineWidth = 1.5;
        context.stroke();
        const level = history.lfo[history.at(0)]!;
        context.fillStyle = faint(color('teal'), 0.25);
        context.fillRect(width - 6, Math.min(y(0), y(level)), 6, Math.abs(y(level) - y(0)));
    };
    return (
        <div class="lfo">
            <div class="waves" role="group" aria-label={wave.label}>
                {(wave.choices ?? []).map((name, i) => (
                    <button
                        type="button"
                        key={name}
                        class="plain"
                        title={name}
                        aria-label={name}
                        aria-pressed={value(wave.key).value === wave.min + i}
                        onClick={() => edit(wave, wave.min + i)}
                    >
                        <Wave name={name} />
                    </button>
                ))}
            </div>
            <Picture class="lfo-now" draw={draw} label="What the LFO does now" />
        </div>
    );
}

function Wave({ name }: { name: string }) {
    const points = Array.from({ length: 49 }, (_, i) => {
        const y = 12 - 8 * shape(name, (i / 48) % 1);
        return `${(2 + (i * 28) / 48).toFixed(1)},${y.toFixed(1)}`;
    });
    return (
        <svg class="icon wave" viewBox="0 0 32 24" aria-hidden="true">
            <polyline points={points.join(' ')} />
        </svg>
    );
}
