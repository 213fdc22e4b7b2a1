// SPDX-License-Identifier: GPL-3.0-or-later
// What the training page makes of file names, messages and numbers.
import assert from 'node:assert/strict';
import test from 'node:test';
import { load } from './load.mjs';

const runs = await load('core/runs');

const RUN = {
    uuid: 'r',
    name: 'Flute',
    state: 'running',
    phase: 'training',
    detail: '',
    progress: 0,
    step: 0,
    steps_per_s: null,
    loss: null,
    validation: null,
    best: null,
    left_s: null,
    history: [],
};

test('what is a recording, which names tell notes, and the instrument they name', () => {
    for (const name of ['a.wav', 'B.FLAC', 'c.mp3', 'd.ogg', 'e.aiff'])
        assert.ok(runs.isRecording(name), name);
    for (const name of ['a.txt', 'wav', 'bank.syx', 'x.wav.zip', '.DS_Store'])
        assert.ok(!runs.isRecording(name), name);
    const notes = ['flute_A4_mf.wav', 'flute_c#5_ff.wav', 'Flute-Bb3.wav', 'flute Gs6 pp.wav'];
    assert.equal(runs.guessLabels(notes), 'names');
    assert.equal(runs.guessLabels(['take1.wav', 'take2.wav', 'solo_A4.wav']), 'none');
    assert.equal(runs.guessLabels([]), 'none');
    assert.equal(runs.guessInstrument(notes), 'Flute');
    assert.equal(runs.guessInstrument(['01.wav', '02.wav']), '');
    assert.equal(runs.guessInstrument(['cello_A.wav', 'oboe.wav', 'take.wav']), '');
});

test('a curve grows by messages, keeps what was held back, and never grows for ever', () => {
    let run = RUN;
    for (let step = 1; step <= 5000; step++) {
        const validation = step % 100 ? run.validation : 5 - step / 5000;
        run = runs.advance(run, { ...RUN, step, loss: 5, validation, history: undefined });
    }
    assert.ok(run.history.length > 500 && run.history.length <= 1200, `${run.history.length}`);
    assert.equal(run.history.filter(([, , held]) => held !== null).length, 50);
    assert.deepEqual(run.history.at(-1).slice(0, 2), [5000, 5]);
    const again = runs.advance(run, { ...RUN, step: 5000, loss: 4, history: undefined });
    assert.equal(again.history, run.history, 'a message that came twice adds nothing');
    const ended = runs.advance(run, { state: 'done', phase: null, history: undefined });
    assert.deepEqual([ended.state, ended.step], ['done', 5000]);
    assert.equal(runs.advance({ ...run, history: null }, { ...RUN, step: 9 }).history, null);
});

test('an axis shows the curve and leaves out the first leap', () => {
    const falling = Array.from({ length: 100 }, (_, i) => [i, i ? 3 + 2 / i : 900, null]);
    const [low, high] = runs.lossRange([...falling, [100, 3, 2.5]]);
    assert.ok(low < 2.5 && low > 2, `${low}`);
    assert.ok(high > 3.2 && high < 9, `${high}`);
    assert.deepEqual(runs.lossRange([]), [0, 1]);
    const [flat, top] = runs.lossRange([[0, 3, null]]);
    assert.ok(flat < 3 && top > 3);
});

test('times, as a person says them', () => {
    const said = [0.2, 42, 61, 3599, 3600, 7900, 86400].map(runs.span);
    assert.deepEqual(said, ['1 s', '42 s', '1 min', '1 h', '1 h', '2 h 12 min', '24 h']);
});

test('each state in words: what happened, what is kept, what can be done', () => {
    const cases = [
        [{ phase: 'preparing', detail: 'file 3 of 9' }, /^Listening/, /file 3 of 9/, 'live'],
        [{ left_s: 125 }, /^Learning/, /About 2 min left/, 'live'],
        [{ state: 'done', phase: null }, /^Finished/, /keep/, 'good'],
        [{ state: 'stopped', phase: null, best: 3 }, /^Stopped/, /best so far is kept/, 'still'],
        [{ state: 'stopped', phase: null }, /^Stopped/, /^It goes on where it was\.$/, 'still'],
        [{ state: 'interrupted', phase: null }, /^Interrupted/, /Nothing is lost/, 'bad'],
        [{ state: 'interrupted', detail: 'power' }, /^Interrupted/, /^Power\. Nothing/, 'bad'],
        [
            { state: 'failed', phase: null, detail: 'the loss diverges at step 9', best: 3 },
            /^Lost its way/,
            /^The loss diverges at step 9\. The best so far is kept/,
            'bad',
        ],
        [{ state: 'failed', detail: 'no room.' }, /^Failed/, /^No room\.$/, 'bad'],
    ];
    for (const [change, word, text, tone] of cases) {
        const said = runs.describe({ ...RUN, ...change });
        assert.match(said.word, word);
        assert.match(said.text, text);
        assert.equal(said.tone, tone);
    }
});

test('what a heap of recordings is worth, and its range', () => {
    const report = (minutes) => ({ minutes });
    const said = [1, 5, 20].map((minutes) => runs.advice(report(minutes)));
    assert.equal(new Set(said).size, 3);
    assert.match(said[0], /little/);
    const bin = (key, minutes) => ({
        low: 440 * 2 ** ((key - 69.5) / 12),
        high: 440 * 2 ** ((key - 68.5) / 12),
        minutes,
    });
    assert.equal(runs.noteRange([bin(50, 0), bin(57, 2), bin(81, 1), bin(90, 0)]), 'A3–A5');
    assert.equal(runs.noteRange([]), '');
});

test('two sounds come to one loudness, and none above full scale', () => {
    const sine = (level) => Float32Array.from({ length: 4800 }, (_, i) => level * Math.sin(i / 9));
    assert.ok(Math.abs(runs.matchedGain(sine(0.4), sine(0.1)) - 4) < 1e-3);
    assert.ok(Math.abs(runs.matchedGain(sine(0.1), sine(0.4)) - 0.25) < 1e-3);
    const click = new Float32Array(4800);
    click[9] = 0.5;
    assert.equal(runs.matchedGain(sine(0.9), click), 2);
    assert.equal(runs.matchedGain(sine(0.9), new Float32Array(4800)), 1);
});
