// SPDX-License-Identifier: GPL-3.0-or-later
// What a network decides, as it plays: harmonics, noise, wavetables, pitch and loudness.
import { curves, live } from '../core/live';
import type { Model } from '../core/models';
import { formatHz, nearestNote, noteName } from '../core/pitch';
import { mix } from '../core/tables';
import { Picture, type Draw } from './picture';
import { color, faint, glow, reducedMotion } from './theme';

const AXIS_PX = 16;
const TITLE_PX = 22;
const RANGE_DB = 96;
const GRID_DB = 24;
/** Bars fall this much a picture, so that a short flash is seen. */
const FALL = 0.012;
const EDGE_LEAST = 24;
const EDGE_FALL = 0.1;
const SHARE_LEAST = 0.2;
const WINDOW_MS = 6000;
const LAG_MS = 40;
const TRAIL = 24;
/** At the right of the curves, for the readings. */
const READINGS_PX = 84;
const FONT = '11px "Barlow Semi Condensed", system-ui, sans-serif';
/** Where nothing is known of the model. */
const ANY = { low_hz: 55, high_hz: 1760, low_db: -80, high_db: 0 };

class Falling {
    private shown = new Float32Array(0);

    take(levels: Float32Array): Float32Array {
        if (this.shown.length !== levels.length) this.shown = new Float32Array(levels.length);
        const fall = reducedMotion() ? 1 : FALL;
        for (let i = 0; i < levels.length; i++)
            this.shown[i] = Math.max(levels[i]!, this.shown[i]! - fall);
        return this.shown;
    }
}

function grid(context: CanvasRenderingContext2D, width: number, height: number): void {
    context.font = FONT;
    context.fillStyle = color('dim');
    context.strokeStyle = color('line');
    context.lineWidth = 1;
    context.beginPath();
    for (let db = GRID_DB; db < RANGE_DB; db += GRID_DB) {
        const y = Math.round((height * db) / RANGE_DB) + 0.5;
        context.moveTo(0, y);
        context.lineTo(width, y);
    }
    context.moveTo(0, height + 0.5);
    context.lineTo(width, height + 0.5);
    context.stroke();
}

interface Bars {
    levels: Float32Array;
    width: number;
    height: number;
    /** First and last colour. */
    tints: [string, string];
    /** A label under every so many, counted from `first`. */
    every: number;
    first: number;
}

function drawBars(context: CanvasRenderingContext2D, bars: Bars): void {
    const { levels, width, tints } = bars;
    const height = bars.height - AXIS_PX;
    grid(context, width, height);
    const n = levels.length;
    if (!n) return;
    const pitch = width / n;
    const gap = pitch > 4 ? Math.min(3, pitch * 0.25) : 0;
    const paint = context.createLinearGradient(0, 0, width, 0);
    paint.addColorStop(0, tints[0]);
    paint.addColorStop(1, tints[1]);
    context.fillStyle = paint;
    for (let i = 0; i < n; i++) {
        const y = height * (1 - levels[i]!);
        context.globalAlpha = 0.45;
        context.fillRect(i * pitch, y, pitch - gap, height - y);
        context.globalAlpha = 1;
        if (levels[i]! > 0) context.fillRect(i * pitch, y, pitch - gap, 2);
    }
    context.fillStyle = color('dim');
    context.textAlign = 'center';
    for (let i = 0; i < n; i++) {
        const number = i + bars.first;
        if (i > 0 && number % bars.every !== 0) continue;
        context.fillText(
            String(number),
            Math.min(width - 10, Math.max(6, (i + 0.5) * pitch - gap / 2)),
            height + 13,
        );
    }
}

const NONE = new Float32Array(0);
const harmonics = new Falling();
const bands = new Falling();
const tables = new Falling();

/** The highest harmonic that sounds is near the right edge; the edge comes back slowly. */
let edge = EDGE_LEAST;

const drawHarmonics: Draw = (context, width, height) => {
    const levels = harmonics.take(live.neural?.harmonics ?? NONE);
    const highest = levels.reduce((top, level, i) => (level > 0 ? i + 1 : top), 0);
    edge = Math.max(EDGE_LEAST, highest * 1.1, edge - EDGE_FALL);
    drawBars(context, {
        levels: levels.subarray(0, Math.ceil(edge)),
        width,
        height,
        tints: [color('amber'), color('op2')],
        every: edge > 40 ? 10 : 5,
        first: 1,
    });
};

/** The largest share fills the picture, where there is any to speak of. */
const drawTables: Draw = (context, width, height) => {
    const levels = tables.take(live.neural?.tables ?? NONE);
    const most = levels.reduce((top, level) => Math.max(top, level), SHARE_LEAST) * 1.1;
    drawBars(context, {
        levels: levels.map((level) => level / most),
        width,
        height,
        tints: [color('op4'), color('op5')],
        every: 5,
        first: 0,
    });
};

/** rate: of the training audio, Hz; the bands lie evenly up to its half. */
function drawBands(rate: number): Draw {
    return (context, width, whole) => {
        const height = whole - AXIS_PX;
        grid(context, width, height);
        const top = rate / 2000;
        context.textAlign = 'center';
        for (let khz = 2; khz < top; khz += 2)
            context.fillText(`${khz}k`, (khz / top) * width, height + 13);
        const levels = bands.take(live.neural?.bands ?? NONE);
        if (!levels.length) return;
        const x = (i: number) => (i / (levels.length - 1)) * width;
        context.beginPath();
        levels.forEach((level, i) => context.lineTo(x(i), height * (1 - level)));
        context.strokeStyle = color('teal');
        context.lineWidth = 1.5;
        context.stroke();
        context.lineTo(width, height);
        context.lineTo(0, height);
        const fill = context.createLinearGradient(0, 0, 0, height);
        fill.addColorStop(0, faint(color('teal'), 0.6));
        fill.addColorStop(1, faint(color('teal'), 0.08));
        context.fillStyle = fill;
        context.fill();
    };
}

/** One period: of the tables as they are mixed now, where they are known. */
function drawWave(known: Float32Array[] | null): Draw {
    return (context, width, height) => {
        context.strokeStyle = color('line');
        context.strokeRect(-1, Math.round(height / 2) + 0.5, width + 2, height);
        const shares = live.neural?.tables;
        if (!known || !shares?.length || !shares.some((share) => share > 0)) return;
        const wave = mix(known, shares);
        const trace = () => {
            context.beginPath();
            wave.forEach((v, i) =>
                context.lineTo((i / (wave.length - 1)) * width, height / 2 - v * (height / 2 - 24)),
            );
            context.stroke();
        };
        glow(context, color('op4'), trace);
    };
}

interface Range {
    low_hz: number;
    high_hz: number;
    low_db: number;
    high_db: number;
}

function rangeOf(model: Model | null): Range {
    return model ? { ...model.pitch, ...model.loudness } : ANY;
}

/** 0 at the lowest pitch that is shown, 1 at the highest: half an octave more than the range. */
function pitchShare({ low_hz, high_hz }: Range, hz: number): number {
    const low = Math.log2(low_hz) - 0.5;
    return (Math.log2(hz) - low) / (Math.log2(high_hz) + 0.5 - low);
}

/** Likewise, with 6 dB more on each side. */
function loudnessShare({ low_db, high_db }: Range, db: number): number {
    return (db - low_db + 6) / (high_db - low_db + 12);
}

function octaves({ low_hz, high_hz }: Range): number[] {
    const keys: number[] = [];
    for (let key = 0; key <= 120; key += 12) {
        const hz = 440 * 2 ** ((key - 69) / 12);
        if (hz > low_hz / 1.41 && hz < high_hz * 1.41) keys.push(key);
    }
    return keys;
}

interface Lane {
    /** Of a message, 0..1; NaN where there is none. */
    share(at: number): number;
    top: number;
    height: number;
    width: number;
    now: number;
    tint: string;
    /** 1 solid */
    alpha: number;
    line: number;
}

function drawLane(context: CanvasRenderingContext2D, lane: Lane): void {
    let drawing = false;
    context.beginPath();
    for (let back = 0; back < curves.length; back++) {
        const at = curves.at(back);
        const x = lane.width * (1 - (lane.now - LAG_MS - curves.times[at]!) / WINDOW_MS);
        if (x < 0) break;
        const share = lane.share(at);
        if (!Number.isFinite(share)) {
            drawing = false;
            continue;
        }
        const y = lane.top + lane.height * (1 - Math.min(1, Math.max(0, share)));
        if (drawing) context.lineTo(x, y);
        else context.moveTo(x, y);
        drawing = true;
    }
    context.lineJoin = 'round';
    context.lineWidth = lane.line;
    context.strokeStyle = faint(lane.tint, lane.alpha);
    context.stroke();
}

/** Pitch above, loudness below, newest at the right; dim what comes in. */
function drawCurves(range: Range, input: boolean): Draw {
    return (context, whole, height, now) => {
        const width = whole - READINGS_PX;
        const middle = Math.round(height * 0.58);
        context.font = FONT;
        context.textAlign = 'left';
        context.strokeStyle = color('line');
        context.lineWidth = 1;
        for (const key of octaves(range)) {
            const y = middle * (1 - pitchShare(range, 440 * 2 ** ((key - 69) / 12)));
            if (y < TITLE_PX || y > middle) continue;
            context.strokeRect(24, Math.round(y) + 0.5, width - 24, 0);
            context.fillStyle = color('dim');
            context.fillText(noteName(key), 4, y + 4);
        }
        context.fillStyle = color('back');
        context.fillRect(0, middle, width, 2);
        if (reducedMotion()) return;
        const lane = { width, now, line: 2, alpha: 1 };
        const pitch = (hz: number) => (hz > 0 ? pitchShare(range, hz) : NaN);
        const loud = (db: number) => (db > range.low_db - 6 ? loudnessShare(range, db) : NaN);
        const low = { top: middle + 4, height: height - middle - 8 };
        if (input) {
            const dim = { ...lane, alpha: 0.35, line: 4 };
            drawLane(context, {
                ...dim,
                top: 0,
                height: middle,
                tint: color('text'),
                share: (at) => pitch(curves.inputF0Hz[at]!),
            });
            drawLane(context, {
                ...dim,
                ...low,
                tint: color('text'),
                share: (at) => loud(curves.inputDb[at]!),
            });
        }
        drawLane(context, {
            ...lane,
            top: 0,
            height: middle,
            tint: color('amber'),
            share: (at) => pitch(curves.f0Hz[at]!),
        });
        drawLane(context, {
            ...lane,
            ...low,
            tint: color('teal'),
            share: (at) => (curves.f0Hz[at]! > 0 ? loud(curves.loudnessDb[at]!) : NaN),
        });
    };
}

/** What the model was trained on as a box, and where it is asked to play now. */
function drawRange(range: Range): Draw {
    return (context, width, whole) => {
        const height = whole - AXIS_PX;
        const x = (hz: number) => pitchShare(range, hz) * width;
        const y = (db: number) => TITLE_PX + (1 - loudnessShare(range, db)) * (height - TITLE_PX);
        context.font = FONT;
        context.textAlign = 'center';
        context.fillStyle = color('dim');
        context.strokeStyle = color('line');
        for (const key of octaves(range)) {
            const at = Math.round(x(440 * 2 ** ((key - 69) / 12))) + 0.5;
            context.strokeRect(at, TITLE_PX, 0, height - TITLE_PX);
            context.fillText(noteName(key), Math.min(width - 10, Math.max(10, at)), height + 13);
        }
        const [left, top] = [x(range.low_hz), y(range.high_db)];
        context.fillStyle = faint(color('teal'), 0.1);
        context.strokeStyle = faint(color('teal'), 0.8);
        context.lineWidth = 1.5;
        context.beginPath();
        context.roundRect(left, top, x(range.high_hz) - left, y(range.low_db) - top, 6);
        context.fill();
        context.stroke();
        const trail = reducedMotion() ? 1 : Math.min(TRAIL, curves.length);
        for (let back = trail - 1; back >= 0; back--) {
            const at = curves.at(back);
            if (!curves.length || !(curves.f0Hz[at]! > 0)) continue;
            const inside = (share: number, most: number) => Math.min(most, Math.max(0, share));
            const spotX = inside(x(curves.f0Hz[at]!), width);
            const spotY = inside(y(curves.loudnessDb[at]!), height);
            context.beginPath();
            context.arc(spotX, spotY, back ? 2.5 : 6, 0, 2 * Math.PI);
            context.fillStyle = faint(color('amber'), back ? 0.5 * (1 - back / TRAIL) : 1);
            context.fill();
        }
    };
}

const drawNow: Draw = (context, width, height) => {
    const now = live.neural;
    if (!now || !(now.f0Hz > 0)) return;
    const { key, cents } = nearestNote(now.f0Hz);
    context.textAlign = 'right';
    context.fillStyle = color('text');
    context.font = '600 20px "Barlow Semi Condensed", system-ui, sans-serif';
    context.fillText(noteName(key), width, 18);
    context.fillStyle = color('dim');
    context.font = '12px "Barlow Semi Condensed", system-ui, sans-serif';
    const text = `${formatHz(now.f0Hz)} ${cents > 0 ? '+' : ''}${cents} ct`;
    context.fillText(text, width, Math.min(height - 2, 34));
    context.fillText(`${now.loudnessDb.toFixed(1)} dB`, width, Math.min(height, 50));
};

export function HarmonicsView() {
    return (
        <figure class="screen harmonics">
            <Picture draw={drawHarmonics} label="Level of each harmonic" />
            <figcaption>Harmonics</figcaption>
        </figure>
    );
}

export function BandsView({ model }: { model: Model | null }) {
    return (
        <figure class="screen bands">
            <Picture draw={drawBands(model?.sample_rate ?? 16000)} label="Level of the noise" />
            <figcaption>Noise</figcaption>
        </figure>
    );
}

export function TablesView() {
    return (
        <figure class="screen tables">
            <Picture draw={drawTables} label="Share of each wavetable" />
            <figcaption>Attention to the tables</figcaption>
        </figure>
    );
}

export function WaveView({ tables: known }: { tables: Float32Array[] | null }) {
    return (
        <figure class="screen wave-now">
            <Picture draw={drawWave(known)} label="The wave as it is mixed now" />
            <figcaption>Wave</figcaption>
        </figure>
    );
}

export function CurvesView({ model, input }: { model: Model | null; input: boolean }) {
    return (
        <figure class="screen curves">
            <Picture
                draw={drawCurves(rangeOf(model), input)}
                label="Pitch and loudness over the last seconds"
            />
            <figcaption>Pitch and loudness</figcaption>
            <Picture class="pitch-now" draw={drawNow} />
        </figure>
    );
}

export function RangeView({ model }: { model: Model | null }) {
    return (
        <figure class="screen range">
            <Picture
                draw={drawRange(rangeOf(model))}
                label="Range of pitch and loudness of the model, and where it plays now"
            />
            <figcaption>Range</figcaption>
        </figure>
    );
}
