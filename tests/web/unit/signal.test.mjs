// SPDX-License-Identifier: GPL-3.0-or-later
import assert from 'node:assert/strict';
import test from 'node:test';
import { load } from './load.mjs';

const { Spectrum, trigger } = await load('core/fft');
const { Jitter } = await load('core/jitter');
const SIZE = 1024;

const sine = (cycles, gain = 1, n = SIZE, phase = 0) =>
    Float32Array.from(
        { length: n },
        (_, i) => gain * Math.sin((2 * Math.PI * cycles * i) / SIZE + phase),
    );

test('spectrum agrees with a plain DFT in double precision', () => {
    const samples = sine(37.3, 0.6).map((v, i) => v + 0.1 * Math.cos(i * i));
    const db = new Spectrum(SIZE).analyse(samples);
    for (const bin of [1, 36, 37, 38, 100, 511]) {
        let re = 0;
        let im = 0;
        for (let i = 0; i < SIZE; i++) {
            const value = samples[i] * (0.5 - 0.5 * Math.cos((2 * Math.PI * i) / SIZE));
            re += value * Math.cos((2 * Math.PI * bin * i) / SIZE);
            im -= value * Math.sin((2 * Math.PI * bin * i) / SIZE);
        }
        const expected = 20 * Math.log10(Math.hypot(re, im) / (SIZE / 4));
        assert.ok(Math.abs(db[bin] - expected) < 0.01, `bin ${bin}: ${db[bin]} for ${expected}`);
    }
});

test('a full-scale sine on a bin is 0 dB, silence is the floor', () => {
    const spectrum = new Spectrum(SIZE);
    assert.ok(Math.abs(spectrum.analyse(sine(64))[64]) < 0.01);
    assert.ok(spectrum.analyse(new Float32Array(SIZE)).every((db) => db === -120));
    assert.throws(() => new Spectrum(1000), RangeError);
});

test('trigger finds a rising zero crossing', () => {
    const samples = sine(8, 0.5, SIZE, 2);
    const at = trigger(samples);
    assert.ok(at > 0 && at < SIZE / 2);
    assert.ok(samples[at - 1] < 0 && samples[at] >= 0);
    assert.equal(trigger(new Float32Array(SIZE)), 0);
});

function ramp(from, n) {
    return Float32Array.from({ length: n }, (_, i) => (from + i) / 2 ** 20);
}

test('jitter buffer: at one rate every sample once and in order', () => {
    const jitter = new Jitter(48000);
    const heard = [];
    let sent = 0;
    for (let block = 0; block < 400; block++) {
        if (block % 4 === 0) {
            jitter.push(ramp(sent, 512), ramp(sent, 512), 48000);
            sent += 512;
        }
        const left = new Float32Array(128);
        jitter.pull(left, new Float32Array(128));
        heard.push(...left);
    }
    const start = heard.findIndex((v) => v > 0);
    assert.ok(start > 0 && start < 48000 * 0.12, `starts after ${start} frames`);
    for (let i = start + 1; i < heard.length; i++)
        assert.equal(Math.round((heard[i] - heard[i - 1]) * 2 ** 20), 1, `frame ${i}`);
    assert.equal(jitter.gaps, 0);
});

test('jitter buffer: a stall is one gap and makes the reserve larger', () => {
    const jitter = new Jitter(48000);
    const before = jitter.reserveMs;
    jitter.push(ramp(0, 4800), ramp(0, 4800), 48000);
    const left = new Float32Array(128);
    for (let i = 0; i < 100; i++) jitter.pull(left, new Float32Array(128));
    assert.equal(jitter.gaps, 1);
    assert.ok(jitter.reserveMs > before);
    assert.ok(left.every((v) => v === 0));
});

test('jitter buffer: another rate is resampled', () => {
    const jitter = new Jitter(48000);
    const hz = 1000;
    const tone = Float32Array.from({ length: 44100 }, (_, i) =>
        Math.sin((2 * Math.PI * hz * i) / 44100),
    );
    const heard = [];
    for (let at = 0; at + 441 <= tone.length; at += 441) {
        jitter.push(tone.slice(at, at + 441), tone.slice(at, at + 441), 44100);
        for (let k = 0; k < 15; k++) {
            const left = new Float32Array(32);
            jitter.pull(left, new Float32Array(32));
            heard.push(...left);
        }
    }
    const steady = heard.slice(heard.length - 24000);
    let crossings = 0;
    for (let i = 1; i < steady.length; i++) if (steady[i - 1] < 0 && steady[i] >= 0) crossings++;
    assert.ok(Math.abs(crossings - 500) <= 4, `${crossings} periods in half a second`);
    assert.equal(jitter.gaps, 0);
});
