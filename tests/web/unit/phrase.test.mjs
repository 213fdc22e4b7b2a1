// SPDX-License-Identifier: GPL-3.0-or-later
// The ear that judges timbre transfer is judged itself: it must hear what is out of tune.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { followed, lengthOf, PHRASE, waveFile } from '../phrase.mjs';

const RATE_HZ = 48_000;
const DELAY_S = 1.3;

/** The phrase's own sound, later by DELAY_S, and sharp by some cents. */
function played(cents) {
    const file = waveFile(PHRASE);
    const source = new Int16Array(file.buffer, file.byteOffset + 44, (file.length - 44) >> 1);
    const speed = 2 ** (cents / 1200);
    const samples = Float64Array.from({ length: Math.round(4.5 * RATE_HZ) }, (_, i) => {
        const at = Math.round((i - DELAY_S * RATE_HZ) * speed) + source.length;
        return source[at % source.length] / 32768;
    });
    return { samples, rate: RATE_HZ };
}

test('a phrase that is followed exactly is found, and where it begins', () => {
    const { lagS, median, most, voiced } = followed(played(0), PHRASE);
    assert.ok(Math.abs(lagS - DELAY_S) < 0.03, `begins at ${lagS} of ${lengthOf(PHRASE)} s`);
    assert.ok(median < 2 && most < 15, `${median} and ${most} cents`);
    assert.ok(voiced > 0.95, `${voiced}`);
});

test('a phrase that is followed out of tune is heard as that', () => {
    const { median } = followed(played(40), PHRASE);
    assert.ok(median > 25, `${median} cents`);
});
