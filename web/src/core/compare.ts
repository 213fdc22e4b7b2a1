// SPDX-License-Identifier: GPL-3.0-or-later
// Two sounds as one: both run, one is heard, at the same loudness, and a tap goes to the other
// one at the same place. Also where a page is not secure.
import { effect, signal } from '@preact/signals';
import { requestDraw } from './live';
import { matchedGain } from './runs';
import type { Side } from './training';

const FADE_S = 0.02;
/** Points of a drawn wave. */
const POINTS = 600;

export interface Pair {
    key: string;
    sounds: Record<Side, AudioBuffer>;
    /** Highest level in each of POINTS parts, 0..1, as heard. */
    waves: Record<Side, Float32Array>;
    /** That brings the model to the loudness of the original. */
    gain: number;
}

export const pair = signal<Pair | null>(null);
export const heard = signal<Side | null>(null);
export const fetching = signal(false);

let context: AudioContext | null = null;
let sources: AudioBufferSourceNode[] = [];
let gains: Record<Side, GainNode> | null = null;
let began = 0;
let wanted = '';

type Fetch = (side: Side) => Promise<ArrayBuffer>;

/** 0..1 of what is played */
export function place(): number {
    if (!context || !heard.peek() || !pair.peek()) return 0;
    const { original, model } = pair.peek()!.sounds;
    const seconds = Math.max(original.duration, model.duration);
    return Math.min(1, Math.max(0, (context.currentTime - began) / seconds));
}

/** Call from a tap. key: what the two sounds are; they are fetched where they are new. */
export async function hear(side: Side, key: string, fetch: Fetch): Promise<void> {
    context ??= new AudioContext();
    void context.resume();
    if (heard.peek() === side) {
        hush();
        return;
    }
    if (heard.peek() && pair.peek()?.key === key) {
        turn(side);
        return;
    }
    hush();
    wanted = key;
    if (pair.peek()?.key !== key) {
        fetching.value = true;
        try {
            const [original, model] = await Promise.all([
                fetch('original').then((bytes) => context!.decodeAudioData(bytes)),
                fetch('model').then((bytes) => context!.decodeAudioData(bytes)),
            ]);
            pair.value = paired(key, { original, model });
        } finally {
            fetching.value = false;
        }
    }
    if (wanted === key) begin(side);
}

function paired(key: string, sounds: Record<Side, AudioBuffer>): Pair {
    const original = sounds.original.getChannelData(0);
    const model = sounds.model.getChannelData(0);
    const gain = matchedGain(original, model);
    return { key, sounds, gain, waves: { original: wave(original, 1), model: wave(model, gain) } };
}

function wave(samples: Float32Array, gain: number): Float32Array {
    const peaks = new Float32Array(POINTS);
    samples.forEach((v, i) => {
        const at = Math.floor((i / samples.length) * POINTS);
        peaks[at] = Math.max(peaks[at]!, Math.abs(v) * gain);
    });
    return peaks;
}

function begin(side: Side): void {
    const { sounds, gain } = pair.peek()!;
    const now = context!;
    const at = now.currentTime + FADE_S;
    const one = (which: Side, level: number) => {
        const source = now.createBufferSource();
        const match = now.createGain();
        const volume = now.createGain();
        source.buffer = sounds[which];
        match.gain.value = level;
        volume.gain.value = which === side ? 1 : 0;
        source.connect(match).connect(volume);
        volume.connect(now.destination);
        source.start(at);
        sources.push(source);
        return volume;
    };
    gains = { original: one('original', 1), model: one('model', gain) };
    const longer = sounds.original.duration < sounds.model.duration ? 1 : 0;
    sources[longer]!.onended = hush;
    began = at;
    heard.value = side;
}

function turn(side: Side): void {
    for (const which of ['original', 'model'] as const)
        gains![which].gain.setTargetAtTime(
            which === side ? 1 : 0,
            context!.currentTime,
            FADE_S / 3,
        );
    heard.value = side;
}

export function hush(): void {
    wanted = '';
    for (const source of sources) {
        source.onended = null;
        source.stop();
        source.disconnect();
    }
    sources = [];
    gains = null;
    heard.value = null;
}

/** Draws on while something runs. */
effect(() => {
    if (!heard.value) return;
    const timer = setInterval(requestDraw, 33);
    return () => clearInterval(timer);
});
