// SPDX-License-Identifier: GPL-3.0-or-later
import assert from 'node:assert/strict';
import test from 'node:test';
import { load } from './load.mjs';

const pitch = await load('core/pitch');
const envelope = await load('core/envelope');
const params = await load('core/params');

test('note names and nearest notes', () => {
    for (const [key, name] of [
        [0, 'C-1'],
        [60, 'C4'],
        [69, 'A4'],
        [70, 'A♯4'],
        [127, 'G9'],
    ])
        assert.equal(pitch.noteName(key), name);
    assert.deepEqual(pitch.nearestNote(440), { key: 69, cents: 0 });
    assert.deepEqual(pitch.nearestNote(450), { key: 69, cents: 39 });
});

test('operator pitch as the DX7 counts', () => {
    for (const [fixed, coarse, fine, text] of [
        [false, 1, 0, '× 1.00'],
        [false, 0, 0, '× 0.50'],
        [false, 14, 0, '× 14.00'],
        [false, 2, 50, '× 3.00'],
        [true, 0, 0, '1.00 Hz'],
        [true, 3, 99, '9.77 kHz'],
        [true, 6, 0, '100.0 Hz'],
    ])
        assert.equal(pitch.operatorPitch(fixed, coarse, fine), text);
});

test('velocity grows towards the edge of a key', () => {
    assert.equal(pitch.touchVelocity(-1), 28);
    assert.equal(pitch.touchVelocity(0), 28);
    assert.equal(pitch.touchVelocity(0.85), 127);
    assert.equal(pitch.touchVelocity(2), 127);
    for (let d = 0.05; d <= 1; d += 0.05)
        assert.ok(pitch.touchVelocity(d) >= pitch.touchVelocity(d - 0.05));
});

test('keys lie where fingers find them', () => {
    const places = pitch.layoutKeys(60, 8);
    assert.equal(places.filter(({ black }) => !black).length, 8);
    assert.equal(places.filter(({ black }) => black).length, 5);
    const at = (x, y) => pitch.keyAt(places, x, y, 0.6)?.key;
    assert.equal(at(0.1, 0.1), 60);
    assert.equal(at(1.0, 0.1), 61);
    assert.equal(at(1.01, 0.9), 62);
    assert.equal(at(3.0, 0.1), 65);
    assert.equal(at(7.5, 0.99), 72);
    assert.equal(at(8.1, 0.5), undefined);
    assert.equal(at(1, 1.1), undefined);
    assert.equal(pitch.layoutKeys(120, 8).at(-1).key, 127);
});

test('computer keys go by place', () => {
    assert.equal(pitch.computerKey('KeyA'), 0);
    assert.equal(pitch.computerKey('KeyW'), 1);
    assert.equal(pitch.computerKey('KeyK'), 12);
    assert.equal(pitch.computerKey('KeyQ'), -1);
});

const STAGES = { rates: [96, 25, 40, 67], levels: [99, 75, 20, 0] };

test('envelope: nodes go right, levels are heights', () => {
    const { nodes, release } = envelope.shape(STAGES);
    for (let i = 1; i < nodes.length; i++) assert.ok(nodes[i].x > nodes[i - 1].x);
    assert.ok(release > nodes[3].x && release < nodes[4].x && nodes[4].x <= 1);
    assert.deepEqual(
        nodes.map(({ y }) => Math.round(y * 99)),
        [0, 99, 75, 20, 0],
    );
});

test('envelope: dragging a node to a place gives the rate and level that put it there', () => {
    for (let rate = 0; rate <= 99; rate += 9)
        for (let node = 1; node <= 4; node++) {
            const stages = structuredClone(STAGES);
            stages.rates[node - 1] = rate;
            stages.levels[node - 1] = 99 - rate;
            const to = envelope.shape(stages).nodes[node];
            assert.deepEqual(envelope.dragNode(STAGES, node, to), {
                rate,
                level: 99 - rate,
            });
        }
    assert.deepEqual(envelope.dragNode(STAGES, 1, { x: -5, y: 5 }), {
        rate: 99,
        level: 99,
    });
    assert.deepEqual(envelope.dragNode(STAGES, 1, { x: 5, y: -5 }), {
        rate: 0,
        level: 0,
    });
});

test('envelope: the nearest node is the one under the finger', () => {
    const { nodes } = envelope.shape(STAGES);
    for (let node = 1; node <= 4; node++)
        assert.equal(envelope.nearestNode(STAGES, nodes[node], 300, 100), node);
});

test('envelope: stage times of the hardware, within 3 %', () => {
    // TX7 measurements quoted in hexter (src/dx7_voice_tables.c): attack 0 to 99, decay 99 to 0.
    for (const [from, to, rate, seconds] of [
        [0, 99, 20, 4.958],
        [0, 99, 40, 0.496],
        [0, 99, 50, 0.1549],
        [99, 0, 20, 39.68],
        [99, 0, 40, 3.968],
        [99, 0, 50, 1.24],
    ]) {
        const got = envelope.stageSeconds(from, to, rate);
        assert.ok(Math.abs(got / seconds - 1) < 0.03, `${from} to ${to} at ${rate}: ${got}`);
    }
});

const HZ = {
    key: 'a.b',
    unit: 'Hz',
    min: 0.05,
    max: 5,
    default: 0.6,
    scale: 'log',
};
const STEPS = {
    key: 'a.c',
    unit: '',
    min: -7,
    max: 7,
    default: 0,
    scale: 'int',
};
const SHARE = {
    key: 'a.d',
    unit: '',
    min: 0,
    max: 1,
    default: 0,
    scale: 'linear',
};

test('parameters: normalised and back', () => {
    for (const param of [HZ, STEPS, SHARE])
        for (let i = 0; i <= 14; i++) {
            const value = params.denormalise(param, i / 14);
            assert.ok(value >= param.min && value <= param.max);
            assert.ok(Math.abs(params.normalise(param, value) - i / 14) < 1e-9);
        }
    assert.ok(Math.abs(params.denormalise(HZ, 0.5) - 0.5) < 1e-9);
    assert.equal(params.denormalise(STEPS, 7), 7);
});

test('parameters: shown and typed', () => {
    assert.equal(params.format(STEPS, 3), '+3');
    assert.equal(params.format(HZ, 0.6), '0.60 Hz');
    assert.equal(params.format(SHARE, 0.25), '25 %');
    assert.equal(params.format({ ...STEPS, scale: 'enum', min: 0, choices: ['x', 'y'] }, 1), 'y');
    for (const [param, text, value] of [
        [STEPS, '+3', 3],
        [STEPS, '−2', -2],
        [STEPS, '99', 7],
        [STEPS, '2.6', 3],
        [HZ, '1,5 Hz', 1.5],
        [HZ, 'fast', null],
        [HZ, '', null],
        [SHARE, '25 %', 0.25],
        [SHARE, '0.25', 0.25],
    ])
        assert.equal(params.parse(param, text), value, text);
});

test('values are read in words where the help has one, and short times in ms', () => {
    const time = { ...HZ, unit: 's', min: 0.001, max: 5, help: 'Time.' };
    const channel = { ...STEPS, min: 0, max: 16, help: '0 is all.' };
    const zone = { ...channel, help: 'Channels that carry one note each; 0 is no zone.' };
    const key = { ...channel, max: 99, help: 'Key: MIDI note minus 21.' };
    const tune = { ...channel, help: '0 is A4 = 440 Hz.' };
    for (const [param, value, text] of [
        [time, 0.004, '4.0 ms'],
        [time, 0.05, '50 ms'],
        [time, 0.3, '0.30 s'],
        [channel, 0, 'all'],
        [channel, 3, '3'],
        [zone, 0, 'no zone'],
        [key, 0, 'A0'],
        [key, 39, 'C4'],
        [tune, 0, '0'],
    ]) {
        assert.equal(params.format(param, value), text);
        assert.equal(params.parse(param, text), value, text);
    }
    assert.equal(params.typed(time, 0.004), '0.004');
    assert.equal(params.parse(key, 'c5'), 51);
});
