// SPDX-License-Identifier: GPL-3.0-or-later
// The binary messages of /ws (server/API.md): little-endian, a head of 8 bytes.

export const OPERATORS = 6;
const KIND_TELEMETRY = 1;
const KIND_PCM = 2;
const KIND_SCOPE = 3;
const KIND_NEURAL = 4;
const VERSION = 1;
const HEAD_BYTES = 8;
const TELEMETRY_BYTES = 52;
const POINT_BYTES = 8;
const PCM_BYTES = 24;
const SCOPE_BYTES = 16;
const NEURAL_BYTES = 32;
const KIND_MICROPHONE = 16;
const MICROPHONE_BYTES = 16;

/** By the number that telemetry gives them. */
export const FAMILIES = ['fm', 'hpn', 'wavetable', 'ddx7', 'fm_envelope'] as const;
export type Family = (typeof FAMILIES)[number];

export interface Point {
    /** Per operator, 0 silent .. 1 full level, linear in dB over 96 dB. */
    levels: number[];
    /** Pitch envelope, LFO and bend together. */
    semitones: number;
    /** -1 .. 1 */
    lfo: number;
}

export interface Telemetry {
    kind: 'telemetry';
    sequence: number;
    loadMean: number;
    loadMax: number;
    peak: [number, number];
    rms: number;
    limiterDb: number;
    f0Hz: number;
    semitones: number;
    late: number;
    xruns: number;
    voices: number;
    /** Oldest first, evenly spaced over the time since the last message. */
    points: Point[];
}

export interface Pcm {
    kind: 'pcm';
    sequence: number;
    rateHz: number;
    /** Position of the first frame since the device started. */
    frame: number;
    left: Float32Array;
    right: Float32Array;
}

export interface Scope {
    kind: 'scope';
    sequence: number;
    rateHz: number;
    samples: Float32Array;
}

/** What a network decides now, for the voice that was started last. */
export interface Neural {
    kind: 'neural';
    sequence: number;
    family: Family;
    /** What the network hears; 0 where nothing plays. */
    f0Hz: number;
    loudnessDb: number;
    /** Of the input's pitch, 0..1. */
    confidence: number;
    inputDb: number;
    inputF0Hz: number;
    /** 0 silent .. 1 full, linear in dB over 96 dB. */
    harmonics: Float32Array;
    bands: Float32Array;
    /** Shares of the wavetables. */
    tables: Float32Array;
}

export type Frame = Telemetry | Pcm | Scope | Neural;

/** null for what this panel does not know or what is cut short. */
export function decodeFrame(buffer: ArrayBuffer): Frame | null {
    if (buffer.byteLength < HEAD_BYTES) return null;
    const view = new DataView(buffer);
    if (view.getUint8(1) !== VERSION) return null;
    const count = view.getUint16(2, true);
    switch (view.getUint8(0)) {
        case KIND_TELEMETRY:
            return telemetry(view, count);
        case KIND_PCM:
            return pcm(view, count);
        case KIND_SCOPE:
            return scope(view, count);
        case KIND_NEURAL:
            return neural(view);
        default:
            return null;
    }
}

function telemetry(view: DataView, count: number): Telemetry | null {
    if (view.byteLength < TELEMETRY_BYTES + count * POINT_BYTES) return null;
    const real = (index: number) => view.getFloat32(HEAD_BYTES + 4 * index, true);
    const points: Point[] = [];
    for (let i = 0; i < count; i++) {
        const at = TELEMETRY_BYTES + i * POINT_BYTES;
        const levels: number[] = [];
        for (let op = 0; op < OPERATORS; op++) levels.push(view.getUint8(at + op) / 255);
        points.push({
            levels,
            semitones: view.getInt8(at + OPERATORS) / 4,
            lfo: view.getInt8(at + OPERATORS + 1) / 127,
        });
    }
    return {
        kind: 'telemetry',
        sequence: view.getUint32(4, true),
        loadMean: real(0),
        loadMax: real(1),
        peak: [real(2), real(3)],
        rms: real(4),
        limiterDb: real(5),
        f0Hz: real(6),
        semitones: real(7),
        late: view.getUint32(40, true),
        xruns: view.getUint32(44, true),
        voices: view.getUint16(48, true),
        points,
    };
}

function pcm(view: DataView, count: number): Pcm | null {
    if (view.byteLength < PCM_BYTES + count * 4) return null;
    const left = new Float32Array(count);
    const right = new Float32Array(count);
    for (let i = 0; i < count; i++) {
        left[i] = view.getInt16(PCM_BYTES + 4 * i, true) / 32768;
        right[i] = view.getInt16(PCM_BYTES + 4 * i + 2, true) / 32768;
    }
    return {
        kind: 'pcm',
        sequence: view.getUint32(4, true),
        rateHz: view.getUint32(8, true),
        frame: Number(view.getBigUint64(16, true)),
        left,
        right,
    };
}

function scope(view: DataView, count: number): Scope | null {
    if (view.byteLength < SCOPE_BYTES + count * 2) return null;
    const samples = new Float32Array(count);
    for (let i = 0; i < count; i++) samples[i] = view.getInt16(SCOPE_BYTES + 2 * i, true) / 32768;
    return {
        kind: 'scope',
        sequence: view.getUint32(4, true),
        rateHz: view.getFloat32(8, true),
        samples,
    };
}

function neural(view: DataView): Neural | null {
    if (view.byteLength < NEURAL_BYTES) return null;
    const family = FAMILIES[view.getUint8(8)];
    const counts = [9, 10, 11].map((at) => view.getUint8(at)) as [number, number, number];
    const total = counts[0] + counts[1] + counts[2];
    if (!family || view.byteLength < NEURAL_BYTES + total) return null;
    let at = NEURAL_BYTES;
    const take = (n: number) => Float32Array.from({ length: n }, () => view.getUint8(at++) / 255);
    const real = (index: number) => view.getFloat32(12 + 4 * index, true);
    return {
        kind: 'neural',
        sequence: view.getUint32(4, true),
        family,
        f0Hz: real(0),
        loudnessDb: real(1),
        confidence: real(2),
        inputDb: real(3),
        inputF0Hz: real(4),
        harmonics: take(counts[0]),
        bands: take(counts[1]),
        tables: take(counts[2]),
    };
}

/** What this browser's microphone heard, to the server; samples in -1..1. */
export function encodeMicrophone(
    samples: Float32Array,
    rateHz: number,
    sequence: number,
): ArrayBuffer {
    const buffer = new ArrayBuffer(MICROPHONE_BYTES + 2 * samples.length);
    const view = new DataView(buffer);
    view.setUint8(0, KIND_MICROPHONE);
    view.setUint8(1, VERSION);
    view.setUint16(2, samples.length, true);
    view.setUint32(4, sequence, true);
    view.setUint32(8, rateHz, true);
    samples.forEach((v, i) => {
        const clipped = Math.max(-1, Math.min(1, v));
        view.setInt16(MICROPHONE_BYTES + 2 * i, Math.round(clipped * 32767), true);
    });
    return buffer;
}
