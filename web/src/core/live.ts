// SPDX-License-Identifier: GPL-3.0-or-later
// What moves by itself: telemetry history, the newest scope block, and the one animation frame
// in which everything is drawn. Nothing is drawn while the page or a picture is out of sight.
import { Pace } from './pace';
import type { Neural, Point, Scope, Telemetry } from './wire';
import { OPERATORS } from './wire';

/** Points of history; at 16 points in a thirtieth of a second this is 4 s. */
const HISTORY = 2048;
const PEAK_HOLD_MS = 1200;
const PEAK_FALL_PER_S = 0.7;

export class History {
    readonly times = new Float64Array(HISTORY);
    readonly levels = Array.from({ length: OPERATORS }, () => new Float32Array(HISTORY));
    readonly semitones = new Float32Array(HISTORY);
    readonly lfo = new Float32Array(HISTORY);
    private next = 0;
    private readonly pace = new Pace();
    length = 0;

    /** Spreads the points over the time since the message before. now in ms. */
    push(points: Point[], now: number): void {
        const { end, span } = this.pace.next(now);
        points.forEach((point, i) => {
            const at = this.next;
            this.times[at] = end - span + (span * (i + 1)) / points.length;
            for (let op = 0; op < OPERATORS; op++) this.levels[op]![at] = point.levels[op] ?? 0;
            this.semitones[at] = point.semitones;
            this.lfo[at] = point.lfo;
            this.next = (at + 1) % HISTORY;
            this.length = Math.min(this.length + 1, HISTORY);
        });
    }

    /** Index of the point that is `back` before the newest (0). */
    at(back: number): number {
        return (this.next - 1 - back + 2 * HISTORY) % HISTORY;
    }

    newest(op: number): number {
        return this.length ? this.levels[op]![this.at(0)]! : 0;
    }

    clear(): void {
        this.length = 0;
    }
}

/** Messages of history: 8 s at 30 a second. */
const CURVE = 240;

/** Pitch and loudness over time: what the network hears, and what comes in. */
export class Curves {
    readonly times = new Float64Array(CURVE);
    readonly f0Hz = new Float32Array(CURVE);
    readonly loudnessDb = new Float32Array(CURVE);
    readonly inputF0Hz = new Float32Array(CURVE);
    readonly inputDb = new Float32Array(CURVE);
    private next = 0;
    private readonly pace = new Pace();
    length = 0;

    push(frame: Neural, now: number): void {
        const at = this.next;
        this.times[at] = this.pace.next(now).end;
        this.f0Hz[at] = frame.f0Hz;
        this.loudnessDb[at] = frame.loudnessDb;
        this.inputF0Hz[at] = frame.inputF0Hz;
        this.inputDb[at] = frame.inputDb;
        this.next = (at + 1) % CURVE;
        this.length = Math.min(this.length + 1, CURVE);
    }

    /** Index of the message that is `back` before the newest (0). */
    at(back: number): number {
        return (this.next - 1 - back + 2 * CURVE) % CURVE;
    }

    clear(): void {
        this.length = 0;
    }
}

class PeakHold {
    value = 0;
    private since = 0;

    push(peak: number, now: number): void {
        const fallen =
            this.value - (PEAK_FALL_PER_S * Math.max(0, now - this.since - PEAK_HOLD_MS)) / 1000;
        if (peak >= fallen) {
            this.value = peak;
            this.since = now;
        }
    }

    shown(now: number): number {
        const idle = Math.max(0, now - this.since - PEAK_HOLD_MS);
        return Math.max(0, this.value - (PEAK_FALL_PER_S * idle) / 1000);
    }
}

export const history = new History();
export const holds: [PeakHold, PeakHold] = [new PeakHold(), new PeakHold()];
export const curves = new Curves();
export const live: {
    telemetry: Telemetry | null;
    scope: Scope | null;
    neural: Neural | null;
} = {
    telemetry: null,
    scope: null,
    neural: null,
};

export function pushTelemetry(frame: Telemetry): void {
    const now = performance.now();
    live.telemetry = frame;
    history.push(frame.points, now);
    holds[0].push(frame.peak[0], now);
    holds[1].push(frame.peak[1], now);
    requestDraw();
}

export function pushScope(frame: Scope): void {
    live.scope = frame;
    requestDraw();
}

export function pushNeural(frame: Neural): void {
    live.neural = frame;
    curves.push(frame, performance.now());
    requestDraw();
}

export function quiet(): void {
    live.telemetry = null;
    live.scope = null;
    live.neural = null;
    history.clear();
    curves.clear();
    requestDraw();
}

type Draw = (now: number) => void;
const pictures = new Set<Draw>();
let pending = 0;

export function addPicture(draw: Draw): () => void {
    pictures.add(draw);
    requestDraw();
    return () => pictures.delete(draw);
}

export function requestDraw(): void {
    if (pending || document.hidden) return;
    pending = requestAnimationFrame((now) => {
        pending = 0;
        for (const draw of pictures) draw(now);
    });
}

document.addEventListener('visibilitychange', () => {
    if (!document.hidden) requestDraw();
});
