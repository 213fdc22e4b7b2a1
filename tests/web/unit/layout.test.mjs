// SPDX-License-Identifier: GPL-3.0-or-later
import assert from 'node:assert/strict';
import test from 'node:test';
import { load } from './load.mjs';

const { diagram, layout } = await load('core/layout');

function param(key, more = {}) {
    return {
        key,
        group: 'Newcomers',
        label: key,
        help: '',
        unit: '',
        min: 0,
        max: 99,
        default: 0,
        scale: 'int',
        owner: 'patch',
        ...more,
    };
}

const ENVELOPE = ['r1', 'r2', 'r3', 'r4', 'l1', 'l2', 'l3', 'l4'];

test('parameters go where their keys say, and none is lost', () => {
    const params = [
        param('fm.algorithm'),
        ...[1, 2].flatMap((n) => [
            param(`fm.op${n}.level`),
            param(`fm.op${n}.shine`),
            ...ENVELOPE.map((stage) => param(`fm.op${n}.eg.${stage}`)),
        ]),
        ...ENVELOPE.map((stage) => param(`fm.pitch_eg.${stage}`)),
        param('lfo.speed'),
        param('wheel.range'),
        param('shimmer.mix'),
        param('master.gain', { owner: 'device', unit: 'dB' }),
    ];
    const { operators, voice, sections, device } = layout({
        params,
        algorithms: [],
    });
    assert.deepEqual(
        operators.map(({ number }) => number),
        [1, 2],
    );
    assert.equal(operators[1].envelope.rates[3].key, 'fm.op2.eg.r4');
    assert.deepEqual(
        operators[0].rest.map(({ key }) => key),
        ['fm.op1.level', 'fm.op1.shine'],
    );
    assert.deepEqual(
        voice.map(({ key }) => key),
        ['fm.algorithm'],
    );
    assert.deepEqual(
        sections.map(({ title }) => title),
        ['LFO', 'Pitch EG', 'Controllers', 'Newcomers'],
    );
    assert.ok(sections[1].groups[0].envelope);
    assert.equal(device[0].groups[0].params[0].key, 'master.gain');
    const shown = new Set([
        ...voice,
        ...operators.flatMap(({ rest, envelope }) => [
            ...rest,
            ...envelope.rates,
            ...envelope.levels,
        ]),
        ...[...sections, ...device].flatMap(({ groups }) =>
            groups.flatMap(({ params: list, envelope }) => [
                ...list,
                ...(envelope ? [...envelope.rates, ...envelope.levels] : []),
            ]),
        ),
    ]);
    assert.equal(shown.size, params.length);
});

test('an incomplete envelope stays a row of controls', () => {
    const params = [param('odd.r1'), param('odd.l1')];
    const [section] = layout({ params, algorithms: [] }).sections;
    assert.equal(section.groups[0].envelope, null);
});

const ALGORITHMS = [
    {
        carriers: [1, 3],
        edges: [
            [2, 1],
            [4, 3],
            [5, 4],
            [6, 5],
        ],
        feedback: [6, 6],
    },
    {
        carriers: [1],
        edges: [
            [2, 1],
            [3, 1],
            [5, 1],
            [4, 3],
            [6, 5],
        ],
        feedback: [6, 6],
    },
    {
        carriers: [1, 4, 5],
        edges: [
            [2, 1],
            [3, 2],
            [6, 4],
            [6, 5],
        ],
        feedback: [6, 6],
    },
    {
        carriers: [1, 2, 4],
        edges: [
            [3, 1],
            [3, 2],
            [5, 4],
            [6, 4],
        ],
        feedback: [3, 3],
    },
    {
        carriers: [1, 3, 4, 5],
        edges: [
            [2, 1],
            [6, 3],
            [6, 4],
            [6, 5],
        ],
        feedback: [6, 6],
    },
    { carriers: [1, 2, 3, 4, 5, 6], edges: [], feedback: [6, 6] },
];

for (const algorithm of ALGORITHMS)
    test(`diagram: ${JSON.stringify(algorithm.edges)}`, () => {
        const { spots, columns, rows } = diagram(algorithm, 6);
        assert.equal(spots.length, 6);
        for (const { operator, row, column } of spots) {
            assert.equal(row === 0, algorithm.carriers.includes(operator));
            assert.ok(column >= 0 && column <= columns - 1 && row < rows);
        }
        for (const [from, to] of algorithm.edges)
            assert.ok(spots[from - 1].row > spots[to - 1].row, `${from} above ${to}`);
        for (const a of spots)
            for (const b of spots)
                if (a !== b && a.row === b.row)
                    assert.ok(
                        Math.abs(a.column - b.column) >= 1,
                        `${a.operator} and ${b.operator} overlap`,
                    );
    });

test('a network shows what its family listens to, and none of the machine it replaces', () => {
    const keys = [
        'fm.op1.level',
        'lfo.speed',
        'play.mode',
        'neural.op1.ratio',
        'neural.op2.ratio',
        'neural.routing',
        'neural.stretch',
        'neural.noise_gain',
        'neural.table',
        'note.attack',
        'note.wheel_vibrato',
        'ab.mix',
        'transfer.source',
        'reverb.mix',
    ];
    const of = (...families) => {
        const made = layout({ params: keys.map((key) => param(key)), algorithms: [] }, families);
        const shown = made.sections.flatMap(({ groups }) =>
            groups.flatMap(({ params: list }) => list.map(({ key }) => key)),
        );
        return { ...made, shown, titles: made.sections.map(({ title }) => title) };
    };
    assert.deepEqual(of('fm').titles, ['LFO', 'Play', 'Effects']);
    assert.equal(of('fm').bends.length, 0);
    const hpn = of('hpn');
    assert.deepEqual(hpn.titles, ['Bend', 'Notes', 'A/B', 'Transfer', 'Play', 'Effects']);
    assert.deepEqual(
        hpn.shown.filter((key) => key.startsWith('neural.')),
        ['neural.stretch', 'neural.noise_gain'],
    );
    assert.equal(hpn.operators.length + hpn.bends.length, 0);
    const fm = of('ddx7');
    assert.deepEqual(
        fm.bends.map(({ number }) => number),
        [1, 2],
    );
    assert.ok(fm.shown.includes('neural.routing') && !fm.shown.includes('neural.table'));
    const both = of('hpn', 'wavetable').shown;
    assert.ok(both.includes('neural.table') && both.includes('neural.stretch'));
});

test('a heading takes its word out of the labels below it', () => {
    const made = layout(
        {
            params: [
                param('note.wheel_vibrato', { label: 'Wheel: vibrato' }),
                param('note.vibrato_rate', { label: 'Vibrato rate' }),
                param('note.vibrato_depth', { label: 'Vibrato' }),
            ],
            algorithms: [],
        },
        ['hpn'],
    );
    const labels = made.sections[0].groups.map(({ title, params: list }) => [
        title,
        ...list.map(({ label }) => label),
    ]);
    assert.deepEqual(labels, [
        ['Wheel', 'Vibrato'],
        ['Vibrato', 'Rate', 'Vibrato'],
    ]);
});
