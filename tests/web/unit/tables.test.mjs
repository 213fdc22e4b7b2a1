// SPDX-License-Identifier: GPL-3.0-or-later
import assert from 'node:assert/strict';
import test from 'node:test';
import { load } from './load.mjs';

const { half, mix, wavetables } = await load('core/tables');

function file(dtype, shape, data) {
    const entry = { dtype, shape, data_offsets: [0, data.length] };
    const header = Buffer.from(JSON.stringify({ __metadata__: { a: 'b' }, wavetables: entry }));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    const whole = Buffer.concat([length, header, data]);
    return whole.buffer.slice(whole.byteOffset, whole.byteOffset + whole.length);
}

const floats = Buffer.from(Float32Array.from([1, -1, 0.5, 0.25]).buffer);

test('wavetables: single and half precision, one row a table', () => {
    const halves = Buffer.from(Uint16Array.from([0x3c00, 0xbc00, 0x3800, 0x3400]).buffer);
    const brains = Buffer.from(Uint16Array.from([0x3f80, 0xbf80, 0x3f00, 0x3e80]).buffer);
    for (const [dtype, data] of [
        ['F32', floats],
        ['F16', halves],
        ['BF16', brains],
    ])
        assert.deepEqual(
            wavetables(file(dtype, [2, 2], data)).map((table) => [...table]),
            [
                [1, -1],
                [0.5, 0.25],
            ],
            dtype,
        );
});

test('half floats: zero, the smallest, a large one, infinity', () => {
    for (const [bits, value] of [
        [0, 0],
        [1, 2 ** -24],
        [0x7bff, 65504],
        [0x7c00, Infinity],
        [0xc000, -2],
    ])
        assert.equal(half(bits), value);
    assert.ok(Number.isNaN(half(0x7e00)));
});

test('wavetables: none, of another type, or more than the file holds', () => {
    assert.equal(wavetables(new ArrayBuffer(3)), null);
    assert.equal(wavetables(file('I8', [2, 2], floats)), null);
    assert.equal(wavetables(file('F32', [2, 3], floats)), null);
    const none = Buffer.from('\x02\0\0\0\0\0\0\0{}');
    assert.equal(wavetables(none.buffer.slice(none.byteOffset, none.byteOffset + 10)), null);
});

test('the wave is the sum of the tables by their shares, as high as the picture', () => {
    const tables = [Float32Array.from([1, 0, -1]), Float32Array.from([0, 1, 0])];
    assert.deepEqual([...mix(tables, Float32Array.from([1, 0.5]))], [1, 0.5, -1]);
    assert.deepEqual([...mix(tables, Float32Array.from([0.25, 0]))], [1, 0, -1]);
});
