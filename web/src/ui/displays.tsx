// SPDX-License-Identifier: GPL-3.0-or-later
// Scope, spectrum and meters.
import { signal } from '@preact/signals';
import { Spectrum, trigger } from '../core/fft';
import { holds, live } from '../core/live';
import { formatHz, nearestNote, noteName } from '../core/pitch';
import { Picture, type Draw } from './picture';
import { color, faint, glow } from './theme';

const LOW_HZ = 30;
const HIGH_HZ = 16000;
const FLOOR_DB = -96;
const METER_FLOOR_DB = -54;
const DECADES = [100, 1000, 10000];
const FALL_DB = 3;
const AXIS_PX = 16;
/** A curve through the bass instead of a polygon. */
const FINER = 4;

const drawScope: Draw = (context, width, height) => {
    const middle = height / 2;
    context.strokeStyle = color('line');
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(0, Math.round(middle) + 0.5);
    context.lineTo(width, Math.round(middle) + 0.5);
    context.stroke();
    const samples = live.scope?.samples;
    if (!samples) return;
    const start = trigger(samples);
    const shown = samples.length / 2;
    let peak = 0.02;
    for (let i = 0; i < shown; i++) peak = Math.max(peak, Math.abs(samples[start + i] ?? 0));
    const gain = Math.min(16, 1 / peak) * (height / 2 - Math.min(28, height / 6));
    const trace = () => {
        context.beginPath();
        for (let i = 0; i < shown; i++) {
            const x = (i / (shown - 1)) * width;
            context.lineTo(x, middle - (samples[start + i] ?? 0) * gain);
        }
        context.stroke();
    };
    glow(context, color('teal'), trace);
};

let analyser: Spectrum | null = null;
let shownDb: Float32Array | null = null;
let analysed = -1;

function analyse(): Float32Array | null {
    const scope = live.scope;
    if (!scope || (scope.samples.length & (scope.samples.length - 1)) !== 0) return null;
    if (scope.sequence === analysed && shownDb) return shownDb;
    if (analyser?.size !== FINER * scope.samples.length) {
        analyser = new Spectrum(FINER * scope.samples.length);
        shownDb = new Float32Array(analyser.db.length).fill(FLOOR_DB);
    }
    const db = analyser.analyse(scope.samples);
    for (let i = 0; i < db.length; i++) shownDb![i] = Math.max(db[i]!, shownDb![i]! - FALL_DB);
    analysed = scope.sequence;
    return shownDb;
}

const drawSpectrum: Draw = (context, width, whole) => {
    const height = whole - AXIS_PX;
    const span = Math.log(HIGH_HZ / LOW_HZ);
    const x = (hz: number) => (Math.log(hz / LOW_HZ) / span) * width;
    const y = (db: number) => height * Math.min(1, db / FLOOR_DB);
    context.font = '11px "Barlow Semi Condensed", system-ui, sans-serif';
    context.fillStyle = color('dim');
    context.strokeStyle = color('line');
    context.lineWidth = 1;
    for (const hz of DECADES) {
        const at = Math.round(x(hz)) + 0.5;
        context.beginPath();
        context.moveTo(at, 0);
        context.lineTo(at, whole);
        context.stroke();
        const text = hz < 1000 ? String(hz) : `${hz / 1000}k`;
        context.textAlign = at + 28 > width ? 'right' : 'left';
        context.fillText(text, at + (at + 28 > width ? -4 : 4), whole - 4);
    }
    context.strokeRect(-1, -1, width + 2, height + 1);
    const db = analyse();
    if (!db || !live.scope) return;
    const binHz = live.scope.rateHz / (2 * db.length);
    context.beginPath();
    context.moveTo(0, height);
    for (let i = 1; i < db.length; i++) {
        const hz = i * binHz;
        if (hz > HIGH_HZ) break;
        context.lineTo(Math.max(0, x(hz)), y(db[i]!));
    }
    context.lineTo(width, height);
    const fill = context.createLinearGradient(0, 0, 0, height);
    fill.addColorStop(0, faint(color('amber'), 0.7));
    fill.addColorStop(1, faint(color('amber'), 0.05));
    context.fillStyle = fill;
    context.fill();
    context.strokeStyle = color('amber');
    context.lineWidth = 1.25;
    context.stroke();
};

function meterShare(linear: number): number {
    const db = 20 * Math.log10(linear + 1e-9);
    return Math.max(0, Math.min(1, 1 - db / METER_FLOOR_DB));
}

const drawMeters: Draw = (context, width, height, now) => {
    const telemetry = live.telemetry;
    const bar = (width - 12) / 3;
    const gradient = context.createLinearGradient(0, height, 0, 0);
    gradient.addColorStop(0, color('teal'));
    gradient.addColorStop(0.75, color('amber'));
    gradient.addColorStop(1, color('red'));
    for (let channel = 0; channel < 2; channel++) {
        const x = channel * (bar + 4);
        const share = meterShare(telemetry?.peak[channel] ?? 0);
        const rms = meterShare(telemetry?.rms ?? 0);
        context.fillStyle = color('well');
        context.fillRect(x, 0, bar, height);
        context.globalAlpha = 0.45;
        context.fillStyle = gradient;
        context.fillRect(x, height * (1 - share), bar, height * share);
        context.globalAlpha = 1;
        context.fillRect(x, height * (1 - rms), bar, height * rms);
        const held = meterShare(holds[channel]!.shown(now));
        if (held > 0.01) context.fillRect(x, Math.round(height * (1 - held)), bar, 2);
    }
    const reduction = Math.min(1, (telemetry?.limiterDb ?? 0) / 12);
    context.fillStyle = color('well');
    context.fillRect(2 * (bar + 6), 0, bar, height);
    context.fillStyle = color('red');
    context.fillRect(2 * (bar + 6), 0, bar, height * reduction);
};

const drawPitch: Draw = (context, width, height) => {
    const hz = live.telemetry?.f0Hz ?? 0;
    context.textAlign = 'right';
    context.textBaseline = 'alphabetic';
    if (!(hz > 0)) return;
    const { key, cents } = nearestNote(hz);
    const sign = cents > 0 ? `+${cents} ct` : cents < 0 ? `${cents} ct` : '';
    const line = `${formatHz(hz)} ${sign}`.trim();
    context.font = '12px "Barlow Semi Condensed", system-ui, sans-serif';
    const wide = Math.max(32, context.measureText(line).width) + 6;
    context.fillStyle = faint(color('well'), 0.85);
    context.fillRect(width - wide, 0, wide, height);
    context.fillStyle = color('dim');
    context.fillText(line, width, Math.min(height - 2, 36));
    context.fillStyle = color('text');
    context.font = '600 22px "Barlow Semi Condensed", system-ui, sans-serif';
    context.fillText(noteName(key), width, 20);
};

export function Scope() {
    return (
        <figure class="screen scope">
            <Picture draw={drawScope} label="Oscilloscope of the output" />
            <figcaption>Scope</figcaption>
            <Picture class="pitch-now" draw={drawPitch} />
        </figure>
    );
}

export function SpectrumView() {
    return (
        <figure class="screen spectrum">
            <Picture draw={drawSpectrum} label="Spectrum of the output, 30 Hz to 16 kHz" />
            <figcaption>Spectrum</figcaption>
        </figure>
    );
}

export function Meters() {
    return (
        <figure class="meters">
            <Picture draw={drawMeters} label="Level left and right, and limiter" />
            <figcaption>
                <span>L</span>
                <span>R</span>
                <abbr title="Limiter: how much it holds back, up to 12 dB">Lim</abbr>
            </figcaption>
        </figure>
    );
}

const wave = signal(true);

/** On a narrow screen the two share one place. */
export function Display() {
    return (
        <button
            type="button"
            class="plain display"
            aria-label={wave.value ? 'Scope; show the spectrum' : 'Spectrum; show the scope'}
            onClick={() => (wave.value = !wave.value)}
        >
            {wave.value ? <Scope /> : <SpectrumView />}
        </button>
    );
}
