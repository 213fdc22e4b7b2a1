// SPDX-License-Identifier: GPL-3.0-or-later
// What is known of data sets and trainings, and how it is said in plain words. No I/O.
import { nearestNote, noteName } from './pitch';

export type Labels = 'none' | 'names' | 'known';
export type LearnedFamily = 'hpn' | 'ddx7' | 'wavetable';
export type Preset = 'reduced' | 'full';
export type RunState = 'running' | 'stopped' | 'done' | 'failed' | 'interrupted';

export interface Recording {
    name: string;
    bytes: number;
    rejected: string | null;
}

/** low and high in Hz or dB */
export interface Bin {
    low: number;
    high: number;
    minutes: number;
}

export interface Report {
    minutes: number;
    clips: { train: number; validation: number; test: number };
    pitch: Bin[];
    loudness: Bin[];
    rejected: { name: string; reason: string }[];
}

export interface DatasetHead {
    uuid: string;
    name: string;
    instrument: string;
    labels: Labels;
    licence: string;
    credit: string;
    created: number;
    bytes: number;
    state: 'open' | 'prepared';
}

export interface Dataset extends DatasetHead {
    recordings: Recording[];
    report: Report | null;
}

/** step, loss, loss on what is held back (null where it was not measured) */
export type Point = [number, number | null, number | null];

export interface Clip {
    index: number;
    recording: string;
    seconds: number;
    /** What it was for; with few recordings it may have been learned from. */
    split: 'test' | 'validation' | 'train';
}

export interface Progress {
    state: RunState;
    phase: 'preparing' | 'training' | null;
    detail: string;
    progress: number;
    step: number;
    steps_per_s: number;
    loss: number | null;
    validation: number | null;
    best: number | null;
    left_s: number | null;
}

export interface Training extends Progress {
    uuid: string;
    dataset: string;
    name: string;
    instrument: string;
    family: LearnedFamily;
    preset: Preset;
    minutes: number;
    created: number;
    best_step: number;
    /** What it was kept as, and the patch that plays it. */
    model: string | null;
    patch: string | null;
    history?: Point[];
    clips?: Clip[];
}

const TOLD: (keyof Progress)[] = [
    'state',
    'phase',
    'detail',
    'progress',
    'step',
    'steps_per_s',
    'loss',
    'validation',
    'best',
    'left_s',
];
/** Points that are kept of a curve before every other one goes. */
const HISTORY_MOST = 1200;
const FEW_MINUTES = 3;
const GOOD_MINUTES = 10;
const NOTE_IN_NAME = /(^|[^a-z])[a-g](#|s|b|sharp|flat)?-?[0-8]([^a-z0-9]|$)/i;
const SOUND = /\.(wav|wave|flac|ogg|oga|opus|mp3|aiff?)$/i;

export function isRecording(name: string): boolean {
    return SOUND.test(name);
}

/** Whether nearly all names tell a note: "flute_A4_mf.wav". */
export function guessLabels(names: string[]): Labels {
    const telling = names.filter((name) => NOTE_IN_NAME.test(name.replace(SOUND, '')));
    return names.length > 0 && telling.length >= 0.8 * names.length ? 'names' : 'none';
}

/** The word that most names begin with: "Flute" for flute_A4.wav, flute_B4.wav. */
export function guessInstrument(names: string[]): string {
    const counts = new Map<string, number>();
    for (const name of names) {
        const [word = ''] = name.replace(SOUND, '').split(/[\s._\-()[\]\d]+/);
        if (word.length < 3) continue;
        const known = word.charAt(0).toUpperCase() + word.slice(1).toLowerCase();
        counts.set(known, (counts.get(known) ?? 0) + 1);
    }
    const [best, count] = [...counts].sort(([, a], [, b]) => b - a)[0] ?? ['', 0];
    return 2 * count >= names.length ? best : '';
}

/** A run after a message about it; its curve grows by what is new. */
export function advance(run: Training, now: Progress): Training {
    const next: Training = { ...run };
    for (const key of TOLD) if (now[key] !== undefined) Object.assign(next, { [key]: now[key] });
    const { history } = run;
    const last = history?.[history.length - 1];
    if (!history || now.phase !== 'training' || now.loss === null || now.loss === undefined)
        return next;
    if (last && now.step <= last[0]) return next;
    const fresh = now.validation !== run.validation ? now.validation : null;
    const grown: Point[] = [...history, [now.step, now.loss, fresh ?? null]];
    next.history = grown.length > HISTORY_MOST ? thinned(grown) : grown;
    return next;
}

/** Half of the points, and all at which something held back was measured. */
function thinned(points: Point[]): Point[] {
    return points.filter(([, , held], i) => i % 2 === 0 || held !== null);
}

/** Without the first leap: what most of a curve is between, for an axis. */
export function lossRange(points: Point[]): [number, number] {
    const all = points
        .flatMap(([, loss, held]) => [loss, held])
        .filter((loss): loss is number => Number.isFinite(loss))
        .sort((a, b) => a - b);
    if (!all.length) return [0, 1];
    const low = all[0]!;
    const most = all[Math.floor(0.97 * (all.length - 1))]!;
    const margin = Math.max(0.02 * Math.abs(most), 0.08 * (most - low), 1e-6);
    return [low - margin, most + margin];
}

/** "40 s", "4 min", "2 h 10 min" */
export function span(seconds: number): string {
    if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
    const minutes = Math.round(seconds / 60);
    if (minutes < 60) return `${minutes} min`;
    const rest = minutes % 60;
    return rest ? `${Math.floor(minutes / 60)} h ${rest} min` : `${minutes / 60} h`;
}

export type Tone = 'live' | 'good' | 'bad' | 'still';

/** What a training does now, or why not any more, and what can be done about it. */
export function describe(run: Training): { word: string; text: string; tone: Tone } {
    const { state, phase, detail, left_s: left, best } = run;
    const kept = best === null ? '' : ' The best so far is kept and can be played.';
    if (state === 'running' && phase !== 'training')
        return {
            word: 'Listening to the recordings',
            text: detail || 'Pitch and loudness are found, silence is cut.',
            tone: 'live',
        };
    if (state === 'running')
        return {
            word: 'Learning',
            text: left === null ? detail : `About ${span(left)} left.`,
            tone: 'live',
        };
    if (state === 'done')
        return { word: 'Finished', text: 'Listen, then keep it or let it learn on.', tone: 'good' };
    if (state === 'stopped')
        return { word: 'Stopped', text: `It goes on where it was.${kept}`, tone: 'still' };
    if (state === 'interrupted') {
        const why = sentence(detail || 'the device was restarted meanwhile');
        return { word: 'Interrupted', text: `${why} Nothing is lost: it can go on.`, tone: 'bad' };
    }
    const word = /diverg/i.test(detail) ? 'Lost its way' : 'Failed';
    return { word, text: `${sentence(detail)}${kept}`, tone: 'bad' };
}

function sentence(text: string): string {
    const end = /[.!?]$/.test(text) || !text ? '' : '.';
    return text.charAt(0).toUpperCase() + text.slice(1) + end;
}

/** What the amount of sound is worth. */
export function advice({ minutes }: Report): string {
    if (minutes < FEW_MINUTES)
        return 'That is little: it will learn these notes and guess the others.';
    if (minutes < GOOD_MINUTES) return 'Enough for a playable instrument; more sounds better.';
    return 'Plenty for a good instrument.';
}

export function noteRange(bins: Bin[]): string {
    const used = bins.filter(({ minutes }) => minutes > 0);
    if (!used.length) return '';
    const name = ({ low, high }: Bin) => noteName(nearestNote(Math.sqrt(low * high)).key);
    return `${name(used[0]!)}–${name(used[used.length - 1]!)}`;
}

/** Gain that brings b to the loudness of a (rms), never above full scale. */
export function matchedGain(a: Float32Array, b: Float32Array): number {
    const rms = (x: Float32Array) => Math.sqrt(x.reduce((sum, v) => sum + v * v, 0) / x.length);
    const peak = b.reduce((most, v) => Math.max(most, Math.abs(v)), 1e-6);
    const level = rms(b);
    if (!(level > 1e-6)) return 1;
    return Math.min(rms(a) / level, 1 / peak);
}
