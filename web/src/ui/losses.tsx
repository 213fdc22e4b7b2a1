// SPDX-License-Identifier: GPL-3.0-or-later
// Pictures of learning: the loss as it falls, what the recordings hold, and two waves to compare.
import { heard, pair, place } from '../core/compare';
import { nearestNote, noteName } from '../core/pitch';
import { lossRange, type Bin, type Training } from '../core/runs';
import type { Side } from '../core/training';
import { Picture, type Draw } from './picture';
import { color, faint } from './theme';

const AXIS_PX = 18;
const LEFT_PX = 36;
/** Above the curves, for the caption. */
const TOP_PX = 30;
const LINES = 4;
const FONT = '11px "Barlow Semi Condensed", system-ui, sans-serif';

function decimals(range: number): number {
    return range > 20 ? 0 : range > 2 ? 1 : range > 0.2 ? 2 : 3;
}

function drawLosses(run: Training): Draw {
    const points = run.history ?? [];
    return (context, width, whole) => {
        const height = whole - AXIS_PX;
        const [low, high] = lossRange(points);
        const last = points[points.length - 1]?.[0] ?? 0;
        const x = (step: number) => LEFT_PX + (step / Math.max(1, last)) * (width - LEFT_PX - 10);
        const y = (loss: number) =>
            TOP_PX + Math.max(0, (high - loss) / (high - low)) * (height - TOP_PX - 4);
        context.font = FONT;
        context.fillStyle = color('dim');
        context.strokeStyle = color('line');
        context.lineWidth = 1;
        if (!points.length) return;
        context.textAlign = 'right';
        for (let i = 0; i <= LINES; i++) {
            const loss = low + ((i + 0.5) / (LINES + 1)) * (high - low);
            const at = Math.round(y(loss)) + 0.5;
            context.strokeRect(LEFT_PX, at, width - LEFT_PX - 10, 0);
            context.fillText(loss.toFixed(decimals(high - low)), LEFT_PX - 6, at + 4);
        }
        context.fillText(`step ${last.toLocaleString()}`, width - 10, whole - 4);
        const trace = (all: [number, number][], tint: string, line: number) => {
            context.strokeStyle = tint;
            context.lineWidth = line;
            context.lineJoin = 'round';
            context.beginPath();
            for (const [step, loss] of all) context.lineTo(x(step), y(loss));
            context.stroke();
        };
        const measured = (which: 1 | 2) =>
            points.flatMap((point): [number, number][] => {
                const loss = point[which];
                return loss === null ? [] : [[point[0], loss]];
            });
        trace(measured(1), faint(color('amber'), 0.55), 1.25);
        const held = measured(2);
        trace(held, color('teal'), 2);
        context.fillStyle = color('teal');
        if (!held.length) return;
        const best = held.reduce((least, each) => (each[1] < least[1] ? each : least));
        context.beginPath();
        context.arc(x(best[0]), y(best[1]), 4, 0, 2 * Math.PI);
        context.fill();
    };
}

export function Losses({ run }: { run: Training }) {
    const best = run.best === null ? 'not measured yet' : `at best ${run.best.toFixed(3)}`;
    return (
        <figure class="screen losses">
            <Picture
                draw={drawLosses(run)}
                label={`Error over ${run.step} steps; on recordings held back ${best}`}
            />
            <figcaption>
                Error <i class="train">while learning</i> <i class="held">on what is held back</i>
            </figcaption>
        </figure>
    );
}

interface Amounts {
    bins: Bin[];
    title: string;
    kind: 'pitch' | 'loudness';
}

/** Where a bin's middle is: on the keyboard, or in dB. */
const KINDS = {
    pitch: {
        tint: 'op5',
        scale: Math.log2,
        name: (share: number) => noteName(nearestNote(2 ** share).key),
    },
    loudness: {
        tint: 'op3',
        scale: (db: number) => db,
        name: (db: number) => `${db.toFixed(0)} dB`,
    },
};

/** Minutes by pitch or loudness. */
export function Histogram({ bins, title, kind }: Amounts) {
    const { tint, scale, name } = KINDS[kind];
    const places = bins.map(({ low, high, minutes }) => ({
        from: scale(low),
        to: scale(high),
        minutes,
    }));
    const [first, last] = [places[0], places[places.length - 1]];
    if (!first || !last) return null;
    const most = Math.max(...bins.map(({ minutes }) => minutes), 1e-9);
    const middle = ({ from, to }: typeof first) => (from + to) / 2;
    const draw: Draw = (context, width, whole) => {
        const height = whole - AXIS_PX;
        const x = (at: number) => ((at - first.from) / (last.to - first.from)) * width;
        context.fillStyle = color(tint);
        for (const { from, to, minutes } of places) {
            const up = (minutes / most) * (height - 26);
            const wide = x(to) - x(from);
            context.fillRect(x(from), height - up, wide - (wide > 4 ? 1.5 : 0), up);
        }
        context.strokeStyle = color('line');
        context.strokeRect(0, height + 0.5, width, 0);
        context.font = FONT;
        context.fillStyle = color('dim');
        const label = (at: number, left: number, align: CanvasTextAlign) => {
            context.textAlign = align;
            context.fillText(name(at), left, whole - 4);
        };
        label(middle(first), 6, 'left');
        label((first.from + last.to) / 2, width / 2, 'center');
        label(middle(last), width - 6, 'right');
    };
    const range = `from ${name(middle(first))} to ${name(middle(last))}`;
    return (
        <figure class="screen histogram">
            <Picture draw={draw} label={`Minutes by ${title.toLowerCase()}: ${range}`} />
            <figcaption>{title}</figcaption>
        </figure>
    );
}

const TINTS: Record<Side, string> = { original: 'teal', model: 'amber' };

/** Mirrored at its middle; as far as it was played it is bright. */
const drawPair: Draw = (context, width, height) => {
    const now = pair.value;
    if (!now) return;
    const at = place() * width;
    const { original, model } = now.sounds;
    const longest = Math.max(original.duration, model.duration);
    const loudest = Math.max(...now.waves.original, ...now.waves.model, 1e-3);
    (['original', 'model'] as const).forEach((side, lane) => {
        const wave = now.waves[side];
        const middle = height * (lane ? 0.75 : 0.25);
        const x = (i: number) => ((i / wave.length) * width * now.sounds[side].duration) / longest;
        const y = (v: number) => 0.5 + (v / loudest) * (height / 4 - 4);
        context.beginPath();
        wave.forEach((v, i) => context.lineTo(x(i), middle - y(v)));
        for (let i = wave.length - 1; i >= 0; i--) context.lineTo(x(i), middle + y(wave[i]!));
        const on = heard.value === side;
        const paint = context.createLinearGradient(0, 0, width, 0);
        const split = Math.min(1, at / width);
        paint.addColorStop(split, faint(color(TINTS[side]), on ? 1 : 0.35));
        paint.addColorStop(split, faint(color(TINTS[side]), on ? 0.55 : 0.35));
        context.fillStyle = paint;
        context.fill();
    });
    if (!heard.value) return;
    context.fillStyle = color('text');
    context.fillRect(at - 0.75, 0, 1.5, height);
};

export function Waves() {
    return (
        <figure class="screen waves-pair">
            <Picture draw={drawPair} />
        </figure>
    );
}
