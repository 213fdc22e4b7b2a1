// SPDX-License-Identifier: GPL-3.0-or-later
// Where parameters go, by the shape of their keys. What no pattern knows gets a section of its
// own, so a new parameter appears without a change here.
import { prefix, suffix, type Param, type Schema } from './params';
import type { Algorithm } from './params';
import type { Family } from './wire';

const PATTERNS: [RegExp, string][] = [
    [/^fm\.op\d\./, 'operator'],
    [/^neural\.op\d\./, 'bend'],
    [/^fm\.pitch_eg\./, 'Pitch EG'],
    [/^fm\./, 'Voice'],
    [/^lfo\./, 'LFO'],
    [/^neural\./, 'Bend'],
    [/^note\./, 'Notes'],
    [/^ab\./, 'A/B'],
    [/^transfer\./, 'Transfer'],
    [/^(play|bend)\./, 'Play'],
    [/^(wheel|foot|breath|aftertouch)\./, 'Controllers'],
    [/^(patch|chorus|reverb)\./, 'Effects'],
];
const ORDER = [
    'Bend',
    'Notes',
    'A/B',
    'Transfer',
    'LFO',
    'Pitch EG',
    'Play',
    'Controllers',
    'Effects',
];

/** Headings within a section, where keys alone would make one long row. */
const HEADINGS: [RegExp, string][] = [
    [/^neural\.(pitch|loudness)$/, 'Network hears'],
    [/^neural\.(feedback|routing)$/, 'Operators'],
    [/^neural\.(attention|table)$/, 'Wavetables'],
    [/^neural\.reverb/, 'Learned room'],
    [/^neural\./, 'Spectrum'],
    [/^note\.(attack|decay|sustain|release)$/, 'Loudness'],
    [/^note\.vibrato/, 'Vibrato'],
    [/^note\.wheel/, 'Wheel'],
    [/^note\.breath/, 'Breath'],
    [/^note\.pressure/, 'Pressure'],
    [/^note\.timbre/, 'Timbre'],
    [/^note\./, 'Touch'],
];

/** Who listens to a parameter; what is not here concerns everything. The first that fits. */
const USERS: [RegExp, Family[]][] = [
    [/^neural\.(op\d\.|feedback$|routing$)/, ['ddx7', 'fm_envelope']],
    [/^neural\.(stretch|odd_even|harmonic_gain)$/, ['hpn']],
    [/^neural\.tilt$/, ['hpn', 'ddx7', 'fm_envelope']],
    [/^neural\.noise_gain$/, ['hpn', 'wavetable']],
    [/^neural\.(attention|table)$/, ['wavetable']],
    [/^(neural|note|ab|transfer)\./, ['hpn', 'wavetable', 'ddx7', 'fm_envelope']],
    [/^(fm|lfo|wheel|foot|breath|aftertouch)\./, ['fm']],
];

export function concerns({ key }: Param, families: readonly Family[]): boolean {
    const users = USERS.find(([pattern]) => pattern.test(key))?.[1];
    return !users || users.some((family) => families.includes(family));
}

export interface Envelope {
    prefix: string;
    rates: [Param, Param, Param, Param];
    levels: [Param, Param, Param, Param];
}

/** Parameters whose keys begin alike, or that share a heading. */
export interface Group {
    title: string;
    params: Param[];
    envelope: Envelope | null;
    /** The parameter that chooses a low-frequency wave, where the group has one. */
    lfo: Param | null;
}

export interface Section {
    title: string;
    groups: Group[];
}

export interface Operator {
    number: number;
    envelope: Envelope | null;
    /** By the last word of the key. */
    byName: Map<string, Param>;
    rest: Param[];
}

export interface Layout {
    operators: Operator[];
    /** What can be bent of the operators that a network plays. */
    bends: Operator[];
    voice: Param[];
    sections: Section[];
    device: Section[];
}

function place(param: Param): string {
    if (param.owner === 'device') return 'device';
    return PATTERNS.find(([pattern]) => pattern.test(param.key))?.[1] ?? param.group;
}

export function layout({ params }: Schema, families: readonly Family[] = ['fm']): Layout {
    const places = new Map<string, Param[]>();
    for (const param of params.filter((each) => concerns(each, families))) {
        const at = place(param);
        places.set(at, [...(places.get(at) ?? []), param]);
    }
    const sections = [...places]
        .filter(([title]) => !['operator', 'bend', 'Voice', 'device'].includes(title))
        .sort(([a], [b]) => rank(a) - rank(b))
        .map(([title, list]) => ({ title, groups: groups(list) }));
    return {
        operators: operators(places.get('operator') ?? []),
        bends: operators(places.get('bend') ?? []),
        voice: places.get('Voice') ?? [],
        sections,
        device: [{ title: 'Settings', groups: groups(places.get('device') ?? []) }],
    };
}

function rank(title: string): number {
    const at = ORDER.indexOf(title);
    return at < 0 ? ORDER.length : at;
}

function groups(params: Param[]): Group[] {
    const byPrefix = new Map<string, Param[]>();
    for (const param of params) {
        const heading = HEADINGS.find(([pattern]) => pattern.test(param.key))?.[1];
        const key = heading ?? prefix(param.key);
        byPrefix.set(key, [...(byPrefix.get(key) ?? []), param]);
    }
    return [...byPrefix].map(([key, list]) => ({
        title: titleOf(key),
        params: list.filter((param) => !isStage(param)).map((param) => under(key, param)),
        envelope: envelope(key, list),
        lfo: list.find((param) => param.key === 'lfo.wave') ?? null,
    }));
}

/** What the heading says already is left out: "Wheel: vibrato" under "Wheel". */
function under(heading: string, param: Param): Param {
    const first = titleOf(heading).split(' ')[0]!;
    const rest = param.label.startsWith(first) ? param.label.slice(first.length) : '';
    const text = rest.replace(/^:? /, '');
    if (text === rest || !text) return param;
    return { ...param, label: text.charAt(0).toUpperCase() + text.slice(1) };
}

function titleOf(key: string): string {
    const word = suffix(`.${key}`).replace(/_/g, ' ');
    return (word.charAt(0).toUpperCase() + word.slice(1)).replace(
        /\b(eg|midi|lfo|mpe)\b/i,
        (name) => name.toUpperCase(),
    );
}

function operators(params: Param[]): Operator[] {
    const numbers = [...new Set(params.map((param) => Number(/op(\d)/.exec(param.key)![1])))];
    return numbers.map((number) => {
        const own = params.filter((param) => param.key.includes(`.op${number}.`));
        const rest = own.filter((param) => !isStage(param));
        return {
            number,
            envelope: envelope(prefix(own.find(isStage)?.key ?? ''), own),
            byName: new Map(rest.map((param) => [suffix(param.key), param])),
            rest,
        };
    });
}

function isStage(param: Param): boolean {
    return /\.[rl][1-4]$/.test(param.key);
}

function envelope(at: string, params: Param[]): Envelope | null {
    const find = (name: string) => params.find((param) => param.key === `${at}.${name}`);
    const four = (letter: string) => [1, 2, 3, 4].map((i) => find(letter + i));
    const rates = four('r');
    const levels = four('l');
    if (![...rates, ...levels].every(Boolean)) return null;
    return {
        prefix: at,
        rates: rates as Envelope['rates'],
        levels: levels as Envelope['levels'],
    };
}

export interface Spot {
    operator: number;
    /** Columns from the left and rows from the carriers upwards; boxes are centred on them. */
    column: number;
    row: number;
}

export interface Diagram {
    spots: Spot[];
    columns: number;
    rows: number;
}

/** Carriers below, each modulator above what it modulates, side by side without overlap. */
export function diagram(algorithm: Algorithm, operators: number): Diagram {
    const targets = (op: number) => algorithm.edges.filter(([m]) => m === op).map(([, t]) => t);
    const row = (op: number): number => {
        const below = targets(op);
        return below.length ? 1 + Math.max(...below.map(row)) : 0;
    };
    const children = (op: number) =>
        algorithm.edges.filter(([m, t]) => t === op && targets(m)[0] === op).map(([m]) => m);
    const columns = new Map<number, number>();
    const spread = (op: number, left: number): number => {
        const above = children(op).sort((a, b) => a - b);
        const width = above.reduce((sum, child) => sum + spread(child, left + sum), 0);
        columns.set(op, left + (Math.max(1, width) - 1) / 2);
        return Math.max(1, width);
    };
    let total = 0;
    for (const carrier of [...algorithm.carriers].sort((a, b) => a - b))
        total += spread(carrier, total);
    const spots: Spot[] = [];
    for (let op = 1; op <= operators; op++) {
        const below = targets(op);
        const shared = below.length > 1;
        const column = shared
            ? below.reduce((sum, target) => sum + (columns.get(target) ?? 0), 0) / below.length
            : (columns.get(op) ?? 0);
        spots.push({ operator: op, column, row: row(op) });
    }
    return { spots, columns: total, rows: 1 + Math.max(...spots.map((spot) => spot.row)) };
}
