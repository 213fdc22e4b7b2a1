// SPDX-License-Identifier: GPL-3.0-or-later
import assert from 'node:assert/strict';
import test from 'node:test';
import { load } from './load.mjs';

const { Pace } = await load('core/pace');

const FRAME_MS = 1000 / 30;

/** The times given to messages that arrive at these times. */
function paced(arrivals) {
    const pace = new Pace();
    return arrivals.map((now) => pace.next(now));
}

function inOrder(times) {
    times.forEach(({ end, span }, i) => {
        if (i === 0) return;
        assert.ok(end > times[i - 1].end, `message ${i} at ${end} after ${times[i - 1].end}`);
        assert.ok(Math.abs(end - span - times[i - 1].end) < 1e-9, 'no gap and no overlap');
    });
}

test('messages that come evenly keep their times', () => {
    const arrivals = Array.from({ length: 60 }, (_, i) => 5000 + i * FRAME_MS);
    const times = paced(arrivals);
    inOrder(times);
    times.forEach(({ end }, i) => assert.ok(Math.abs(end - arrivals[i]) < 1e-6));
});

test('a page that stalls gets several at once: spread over the pause, never backwards', () => {
    const arrivals = [];
    for (let i = 0; i < 120; i++) {
        const left = 5000 + i * FRAME_MS;
        arrivals.push(left > 6000 && left < 6400 ? 6400 : left);
    }
    const times = paced(arrivals);
    inOrder(times);
    for (const [i, { end }] of times.entries()) {
        assert.ok(end <= arrivals[i] + 60, 'not far ahead of now');
        if (i >= 90) assert.ok(Math.abs(end - arrivals[i]) < 20, 'back in step');
    }
});

test('late by chance: smoothed to a quarter', () => {
    let seed = 7;
    const chance = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
    const arrivals = Array.from({ length: 300 }, (_, i) => 5000 + i * FRAME_MS + 30 * chance());
    const times = paced(arrivals);
    inOrder(times);
    const steps = times.slice(60).map(({ span }) => Math.abs(span - FRAME_MS));
    assert.ok(Math.max(...steps) < 7.5, `${Math.max(...steps)} ms`);
});

test('after a long pause it starts again', () => {
    const times = paced([5000, 5000 + FRAME_MS, 60_000]);
    assert.equal(times[2].end, 60_000);
    assert.ok(times[2].span < 40);
});
