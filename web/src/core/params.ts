// SPDX-License-Identifier: GPL-3.0-or-later
// What GET /params says, and how values are shown. No parameter is named here.

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

export function format(param: Param, value: number): string {
    if (param.scale === 'bool') return value ? 'on' : 'off';
    if (param.scale === 'enum') return param.choices?.[value] ?? String(value);
    const text = formatNumber(param, value);
    return param.unit && param.unit !== 'x' ? `${text} ${param.unit}` : text;
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

/** What a person typed; null when it is no number. A share may be typed as per cent. */
export function parse(param: Param, text: string): number | null {
    const match = /^\s*×?\s*([+-]?\d*[.,]?\d+)/.exec(text.replace('−', '-'));
    if (!match) return null;
    const number = Number(match[1]!.replace(',', '.'));
    if (!Number.isFinite(number)) return null;
    const percent = !param.unit && param.min === 0 && param.max === 1 && number > 1;
    return clamp(param, percent ? number / 100 : number);
}

export function prefix(key: string): string {
    return key.slice(0, key.lastIndexOf('.'));
}

export function suffix(key: string): string {
    return key.slice(key.lastIndexOf('.') + 1);
}
