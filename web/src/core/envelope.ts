// SPDX-License-Identifier: GPL-3.0-or-later
// Geometry of a four-stage envelope (rates and levels 0..99) and its times on the DX7.

export interface Stages {
    /** Speed towards level 1..4. */
    rates: [number, number, number, number];
    levels: [number, number, number, number];
}

export interface Node {
    x: number;
    y: number;
}

/** All in 0..1: x to the right, y up. Five nodes: the start, after stages 1..3, after release. */
export interface Shape {
    nodes: [Node, Node, Node, Node, Node];
    /** Where the key is let go: the plateau of level 3 ends. */
    release: number;
}

export const MAX = 99;
const STAGE_WIDTH = 0.22;
const PLATEAU = 1 - 4 * STAGE_WIDTH;
const MIN_SHARE = 0.06;

/** A rate is felt as the logarithm of a time, so slow stages are wide, evenly in the rate. */
function stageWidth(rate: number): number {
    return STAGE_WIDTH * (MIN_SHARE + (1 - MIN_SHARE) * (1 - rate / MAX));
}

export function rateOfWidth(width: number): number {
    const share = (width / STAGE_WIDTH - MIN_SHARE) / (1 - MIN_SHARE);
    return clampStep(MAX * (1 - share));
}

export function levelOfHeight(y: number): number {
    return clampStep(y * MAX);
}

function clampStep(value: number): number {
    return Math.min(MAX, Math.max(0, Math.round(value)));
}

export function shape({ rates, levels }: Stages): Shape {
    const x1 = stageWidth(rates[0]);
    const x2 = x1 + stageWidth(rates[1]);
    const x3 = x2 + stageWidth(rates[2]);
    const release = x3 + PLATEAU;
    const height = (level: number) => level / MAX;
    return {
        nodes: [
            { x: 0, y: height(levels[3]) },
            { x: x1, y: height(levels[0]) },
            { x: x2, y: height(levels[1]) },
            { x: x3, y: height(levels[2]) },
            { x: release + stageWidth(rates[3]), y: height(levels[3]) },
        ],
        release,
    };
}

/** Moves node 1..4 to a place; gives the rate and level of that stage. */
export function dragNode(stages: Stages, node: number, to: Node): { rate: number; level: number } {
    const { nodes, release } = shape(stages);
    const from = node === 4 ? release : nodes[node - 1]!.x;
    return { rate: rateOfWidth(to.x - from), level: levelOfHeight(to.y) };
}

/** The node 1..4 nearest to a place, weighed by the picture's width and height in pixels. */
export function nearestNode(stages: Stages, to: Node, width: number, height: number): number {
    const { nodes } = shape(stages);
    let best = 1;
    let bestDistance = Infinity;
    for (let i = 1; i <= 4; i++) {
        const node = nodes[i]!;
        const distance = Math.hypot((node.x - to.x) * width, (node.y - to.y) * height);
        if (distance < bestDistance) {
            bestDistance = distance;
            best = i;
        }
    }
    return best;
}

// Attenuation in steps of 6.02/256 dB; output level 99 adds 240 and 4080 is silence.
const TL = [
    127, 122, 118, 114, 110, 107, 104, 102, 100, 98, 96, 94, 92, 90, 88, 86, 85, 84, 82, 81,
];
const FULL = 240;
const SILENT = 4080;
const JUMP = 2364;

function attenuation(level: number): number {
    const tl = level < TL.length ? TL[level]! : MAX - level;
    return Math.min(SILENT, 64 * (tl >> 1) + FULL);
}

function speed(rate: number): number {
    const q = Math.min(63, (164 * rate) >> 8);
    return ((49096.354 * (4 + (q & 3))) / 8) * 2 ** ((q >> 2) - 11);
}

/** Seconds that an operator takes from one level to another; no rate scaling. */
export function stageSeconds(from: number, to: number, rate: number): number {
    const target = attenuation(to);
    let at = attenuation(from);
    const v = speed(rate);
    if (target >= at) return (target - at) / v;
    at = Math.min(at, JUMP);
    let seconds = 0;
    while (at > target) {
        const k = Math.max(1, 1 + Math.floor((at + 16) / 256));
        const floor = Math.max(target, Math.min(at - 1, (k - 1) * 256 - 16));
        seconds += (at - floor) / (v * k);
        at = floor;
    }
    return seconds;
}

export function formatSeconds(seconds: number): string {
    if (seconds < 0.0095) return `${(seconds * 1000).toFixed(1)} ms`;
    if (seconds < 0.995) return `${Math.round(seconds * 1000)} ms`;
    return `${seconds.toFixed(seconds < 9.95 ? 2 : 1)} s`;
}
