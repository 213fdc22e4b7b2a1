// SPDX-License-Identifier: GPL-3.0-or-later
// What GET /params says, and how values are shown. No parameter is named here.
import { noteName } from './pitch';

export interface Param {
    key: string;
    group: string;
    label: string;
    help: string;
    unit: string;
    min: number;
    max: number;
    default: number;
    scale: 'linear' | 'log' | 'int' | 'bool' | 'enum';
    choices?: string[];
    owner: 'patch' | 'device';
}

export interface Algorithm {
    carriers: number[];
    /** [modulator, modulated], operators from 1 */
    edges: [number, number][];
    /** [from, to] */
    feedback: [number, number];
}

export interface Schema {
    params: Param[];
    algorithms: Algorithm[];
}

export function clamp(param: Param, value: number): number {
    const inside = Math.min(param.max, Math.max(param.min, value));
    return param.scale === 'linear' || param.scale === 'log' ? inside : Math.round(inside);
}

export function normalise(param: Param, value: number): number {
    if (param.max === param.min) return 0;
    const inside = Math.min(param.max, Math.max(param.min, value));
    if (param.scale === 'log')
        return Math.log(inside / param.min) / Math.log(param.max / param.min);
    return (inside - param.min) / (param.max - param.min);
}

export function denormalise(param: Param, share: number): number {
    const inside = Math.min(1, Math.max(0, share));
    if (param.scale === 'log') return clamp(param, param.min * (param.max / param.min) ** inside);
    return clamp(param, param.min + inside * (param.max - param.min));
}

/** Share of the range that one press of an arrow key moves. */
export function keyStep(param: Param): number {
    return param.scale === 'linear' || param.scale === 'log' ? 0.01 : 1 / (param.max - param.min);
}

const NAMES_A_VALUE = /(?:^|[;,.] )(-?\d+) is ([a-z]+(?: [a-z]+)?)\.$/;
const NAMES_A_KEY = /MIDI note minus (\d+)/;

/** What the help calls a value in words ("0 is off.", a key of the keyboard), else null. */
export function wordFor(param: Param, value: number): string | null {
    const named = NAMES_A_VALUE.exec(param.help);
    if (named && Number(named[1]) === value) return named[2]!;
    const lowest = NAMES_A_KEY.exec(param.help)?.[1];
    return lowest ? noteName(value + Number(lowest)) : null;
}

/** A value as it is read: short times in ms, special values in words. */
export function reading(param: Param, value: number): { text: string; unit: string } {
    const word = wordFor(param, value);
    if (word) return { text: word, unit: '' };
    if (param.unit === 's' && value > 0 && value < 0.0995)
        return { text: (value * 1000).toFixed(value < 0.00995 ? 1 : 0), unit: 'ms' };
    return { text: formatNumber(param, value), unit: param.unit };
}

export function format(param: Param, value: number): string {
    if (param.scale === 'bool') return value ? 'on' : 'off';
    if (param.scale === 'enum') return param.choices?.[value] ?? String(value);
    const { text, unit } = reading(param, value);
    return unit && unit !== 'x' ? `${text} ${unit}` : text;
}

export function formatNumber(param: Param, value: number): string {
    if (!param.unit && param.scale === 'linear' && param.min === 0 && param.max === 1)
        return `${Math.round(value * 100)} %`;
    const text = Math.abs(value).toFixed(digitsOf(param, value));
    if (param.unit === 'x') return `× ${text}`;
    if (Number(text) === 0) return text;
    return `${value < 0 ? '−' : param.min < 0 ? '+' : ''}${text}`;
}

/** As many as an ear can tell apart. */
function digitsOf(param: Param, value: number): number {
    if (param.scale === 'int') return 0;
    if (param.unit === 'dB' || param.unit === 'cents') return 1;
    return Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
}

/** The number that a field for typing begins with, in the parameter's own unit. */
export function typed(param: Param, value: number): string {
    if (param.unit === 's') return String(Number(value.toPrecision(3)));
    return formatNumber(param, value)
        .replace(/[+× %]/g, '')
        .replace('−', '-');
}

/** What a person typed, null when it is nothing: a number, a share as per cent, a time in ms, or
 *  the word or the key that stands for a whole number. */
export function parse(param: Param, text: string): number | null {
    if (param.scale === 'int')
        for (let value = param.min; value <= param.max; value++)
            if (wordFor(param, value)?.toLowerCase() === text.trim().toLowerCase()) return value;
    const match = /^\s*×?\s*([+-]?\d*[.,]?\d+)/.exec(text.replace('−', '-'));
    if (!match) return null;
    const number = Number(match[1]!.replace(',', '.'));
    if (!Number.isFinite(number)) return null;
    if (param.unit === 's' && /ms\s*$/i.test(text)) return clamp(param, number / 1000);
    const percent = !param.unit && param.min === 0 && param.max === 1 && number > 1;
    return clamp(param, percent ? number / 100 : number);
}

export function prefix(key: string): string {
    return key.slice(0, key.lastIndexOf('.'));
}

export function suffix(key: string): string {
    return key.slice(key.lastIndexOf('.') + 1);
}
