// SPDX-License-Identifier: GPL-3.0-or-later
// A phrase of known pitch for the browser's microphone, and how well something follows it.
import { wav } from '../api/recordings.mjs';
import { pitchTrack } from './ears.mjs';

const RATE_HZ = 48_000;
const ATTACK_S = 0.03;
const HARMONICS = 8;
const PEAK = 0.2;
/** Between two tracked pitches. */
const STEP_S = 0.02;
const LAG_STEP_S = 0.01;
const SILENT = 0.003;
const LOW_HZ = 150;
const HIGH_HZ = 1000;

/** Seconds, and MIDI keys from and to: off the keys of a piano, held, legato, gliding; a rest. */
export const PHRASE = [
    [0.7, 67.31, 67.31],
    [0.6, 69.31, 69.31],
    [1.4, 69.31, 73.81],
    [0.5, 73.81, 73.81],
    [1.2, 73.81, 70.4],
    [0.6, 62.75, 62.75],
    [0.5, 0, 0],
];

export const lengthOf = (phrase) => phrase.reduce((sum, [seconds]) => sum + seconds, 0);

const hzOf = (key) => 440 * 2 ** ((key - 69) / 12);

/** Hz at a time, 0 in a rest. The phrase goes round and round. */
export function pitchAt(phrase, time) {
    const whole = lengthOf(phrase);
    let rest = ((time % whole) + whole) % whole;
    for (const [seconds, from, to] of phrase) {
        if (rest < seconds) return from ? hzOf(from + ((to - from) * rest) / seconds) : 0;
        rest -= seconds;
    }
    return 0;
}

/** As a WAV file of 16 bits: harmonics that fall by 6 dB an octave, joined without a breath. */
export function waveFile(phrase) {
    const samples = new Float32Array(Math.round(lengthOf(phrase) * RATE_HZ));
    let phase = 0;
    let level = 0;
    for (let i = 0; i < samples.length; i++) {
        const hz = pitchAt(phrase, i / RATE_HZ);
        phase += (2 * Math.PI * hz) / RATE_HZ;
        const change = (hz ? 1 : -1) / (ATTACK_S * RATE_HZ);
        level = Math.min(1, Math.max(0, level + change));
        let sum = 0;
        for (let k = 1; k <= HARMONICS; k++) sum += Math.sin(k * phase) / k;
        samples[i] = PEAK * level * sum;
    }
    return wav(samples, RATE_HZ);
}

function quantile(sorted, share) {
    return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Infinity;
}

function judged(track, phrase, lagS) {
    const cents = [];
    let voiced = 0;
    for (const { time, hz } of track) {
        const wanted = pitchAt(phrase, time - lagS);
        if (!wanted) continue;
        voiced++;
        if (hz) cents.push(Math.abs(1200 * Math.log2(hz / wanted)));
    }
    cents.sort((a, b) => a - b);
    return {
        lagS,
        median: quantile(cents, 0.5),
        most: quantile(cents, 0.9),
        voiced: voiced ? cents.length / voiced : 0,
    };
}

/**
 * How far what was heard is from the phrase, in cents (median and 90th percentile), and the share
 * of its notes that sound. Where the phrase begins is found: the delay that fits best.
 */
export function followed(heard, phrase) {
    const options = { stepS: STEP_S, silent: SILENT, lowHz: LOW_HZ, highHz: HIGH_HZ };
    const track = pitchTrack(heard, options);
    let best = judged(track, phrase, 0);
    for (let lag = STEP_S; lag < lengthOf(phrase); lag += LAG_STEP_S) {
        const now = judged(track, phrase, lag);
        if (now.most + 10 * now.median < best.most + 10 * best.median) best = now;
    }
    return best;
}
