// SPDX-License-Identifier: GPL-3.0-or-later
import assert from 'node:assert/strict';
import test from 'node:test';
import { load } from './load.mjs';

const { decodeFrame, encodeMicrophone } = await load('core/wire');

function head(bytes, kind, count, sequence, version = 1) {
    const buffer = Buffer.alloc(bytes);
    buffer.writeUInt8(kind, 0);
    buffer.writeUInt8(version, 1);
    buffer.writeUInt16LE(count, 2);
    buffer.writeUInt32LE(sequence, 4);
    return buffer;
}

const exact = (buffer) =>
    buffer.buffer.slice(buffer.byteOffset, buffer.byteOffset + buffer.byteLength);

function telemetry(count) {
    const buffer = head(52 + 8 * count, 1, count, 77);
    [0.25, 0.5, 0.125, 0.75, 0.0625, 3.5, 440, -1.5].forEach((v, i) =>
        buffer.writeFloatLE(v, 8 + 4 * i),
    );
    buffer.writeUInt32LE(5, 40);
    buffer.writeUInt32LE(6, 44);
    buffer.writeUInt16LE(32, 48);
    for (let i = 0; i < count; i++) {
        for (let op = 0; op < 6; op++) buffer.writeUInt8(op * 51, 52 + 8 * i + op);
        buffer.writeInt8(-48, 52 + 8 * i + 6);
        buffer.writeInt8(127, 52 + 8 * i + 7);
    }
    return buffer;
}

test('telemetry: every field from its place', () => {
    const frame = decodeFrame(exact(telemetry(2)));
    assert.deepEqual(frame, {
        kind: 'telemetry',
        sequence: 77,
        loadMean: 0.25,
        loadMax: 0.5,
        peak: [0.125, 0.75],
        rms: 0.0625,
        limiterDb: 3.5,
        f0Hz: 440,
        semitones: -1.5,
        late: 5,
        xruns: 6,
        voices: 32,
        points: Array(2).fill({
            levels: [0, 0.2, 0.4, 0.6, 0.8, 1],
            semitones: -12,
            lfo: 1,
        }),
    });
});

test('PCM: stereo frames and a 64-bit position', () => {
    const buffer = head(24 + 8, 2, 2, 1);
    buffer.writeUInt32LE(44100, 8);
    buffer.writeBigUInt64LE(2n ** 40n + 3n, 16);
    [16384, -32768, 0, 32767].forEach((v, i) => buffer.writeInt16LE(v, 24 + 2 * i));
    const frame = decodeFrame(exact(buffer));
    assert.equal(frame.rateHz, 44100);
    assert.equal(frame.frame, 2 ** 40 + 3);
    assert.deepEqual([...frame.left], [0.5, 0]);
    assert.deepEqual([...frame.right], [-1, Math.fround(32767 / 32768)]);
});

test('scope: mono samples', () => {
    const buffer = head(16 + 2 * 3, 3, 3, 9);
    buffer.writeFloatLE(48000, 8);
    [8192, -8192, 0].forEach((v, i) => buffer.writeInt16LE(v, 16 + 2 * i));
    const frame = decodeFrame(exact(buffer));
    assert.equal(frame.kind, 'scope');
    assert.deepEqual([...frame.samples], [0.25, -0.25, 0]);
});

function neural(family, counts) {
    const buffer = head(32 + counts.reduce((a, b) => a + b), 4, 0, 5);
    [family, ...counts].forEach((v, i) => buffer.writeUInt8(v, 8 + i));
    [220, -30, 0.75, -48, 110].forEach((v, i) => buffer.writeFloatLE(v, 12 + 4 * i));
    for (let i = 32; i < buffer.length; i++) buffer[i] = i - 32;
    return buffer;
}

test('neural: what a network says, its lists one after another', () => {
    const frame = decodeFrame(exact(neural(2, [0, 3, 2])));
    assert.equal(frame.kind, 'neural');
    assert.equal(frame.family, 'wavetable');
    assert.equal(frame.f0Hz, 220);
    assert.equal(frame.loudnessDb, -30);
    assert.equal(frame.confidence, 0.75);
    assert.equal(frame.inputDb, -48);
    assert.equal(frame.inputF0Hz, 110);
    assert.equal(frame.harmonics.length, 0);
    assert.deepEqual(
        [...frame.bands],
        [0, 1, 2].map((v) => Math.fround(v / 255)),
    );
    assert.deepEqual(
        [...frame.tables],
        [3, 4].map((v) => Math.fround(v / 255)),
    );
});

test('a microphone: head, rate, clipped samples', () => {
    const made = Buffer.from(encodeMicrophone(Float32Array.from([0, 1, -2, 0.5]), 44100, 7));
    assert.equal(made.length, 24);
    assert.deepEqual([made[0], made[1], made.readUInt16LE(2), made.readUInt32LE(4)], [16, 1, 4, 7]);
    assert.equal(made.readUInt32LE(8), 44100);
    assert.deepEqual(
        [16, 18, 20, 22].map((at) => made.readInt16LE(at)),
        [0, 32767, -32767, 16384],
    );
});

for (const [name, buffer] of [
    ['empty', Buffer.alloc(0)],
    ['half a head', Buffer.alloc(7)],
    ['unknown kind', head(64, 9, 0, 0)],
    ['unknown version', head(52, 1, 0, 0, 2)],
    ['telemetry cut short', telemetry(3).subarray(0, 75)],
    ['PCM cut short', head(27, 2, 1, 0)],
    ['neural cut short', neural(1, [100, 65, 0]).subarray(0, 196)],
    ['neural of a family to come', neural(9, [0, 0, 0])],
    ['scope cut short', head(17, 3, 1, 0)],
])
    test(`refused: ${name}`, () => assert.equal(decodeFrame(exact(buffer)), null));
