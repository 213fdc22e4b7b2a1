// SPDX-License-Identifier: GPL-3.0-or-later
// Models under the working copy: chosen, saved with patches, missing, back after restarts.
import assert from 'node:assert/strict';
import { appendFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Daemon, Socket, sleep } from './lib.mjs';
import { modelFile, upload } from './model_file.mjs';

const d = new Daemon();
let flute;
let other;
before(async () => {
    await d.start();
    flute = (await upload(d, modelFile({ name: 'Flute' }, { seed: 1 }))).json;
    other = (await upload(d, modelFile({ name: 'Other', width: '12' }, { seed: 2 }))).json;
});
after(() => d.end());

const state = async () => (await d.api('GET', '/state')).json;
const ref = (m) => ({ uuid: m.uuid, sha256: m.sha256, name: m.name });
const use = (body) => d.api('PUT', '/state/model', body);
const eventually = async (what, holds) => {
    for (let i = 0; i < 200; i++) {
        if (await holds()) return;
        await sleep(25);
    }
    assert.fail(what);
};

test('chosen, exchanged, taken away', async () => {
    const chosen = await use({ uuid: flute.uuid });
    assert.equal(chosen.status, 200, chosen.json.detail);
    assert.deepEqual(chosen.json.model, { ...ref(flute), missing: false });
    assert.equal(chosen.json.model_b, null);
    assert.ok(chosen.json.modified);
    const both = (await use({ b: other.uuid })).json;
    assert.equal(both.model.uuid, flute.uuid, 'an absent member stays');
    assert.equal(both.model_b.uuid, other.uuid);
    assert.equal((await use({ uuid: other.uuid })).json.model_b, null, 'A against itself is A');
    const none = (await use({ uuid: null, b: null })).json;
    assert.equal(none.model, null);
    assert.equal(none.modified, false);
});

test('what is no choice', async () => {
    assert.equal((await use({})).status, 400);
    assert.equal((await use({ uuid: 5 })).status, 400);
    assert.equal((await use({ uuid: '../x' })).status, 400);
    assert.equal((await use({ uuid: flute.uuid, path: '/etc/passwd' })).status, 400);
    const gone = await use({ uuid: '00000000-0000-4000-8000-000000000000' });
    assert.equal(gone.status, 404);
    assert.equal((await state()).model, null);
});

test('a patch keeps its models, in every form', async () => {
    await use({ uuid: flute.uuid, b: other.uuid });
    const saved = await d.api('POST', '/state/save-as', { name: 'Neural pair' });
    assert.equal(saved.status, 201, saved.json.detail);
    assert.deepEqual([saved.json.model, saved.json.model_b], [ref(flute), ref(other)]);
    assert.equal((await state()).modified, false);
    const path = `/patches/${saved.json.uuid}`;
    const changed = await d.api(
        'PATCH',
        path,
        { model_b: null },
        { headers: { 'If-Match': '"1"' } },
    );
    assert.equal(changed.json.model_b, null);
    await eventually('the working copy follows', async () => (await state()).model_b === null);
    assert.deepEqual((await d.api('GET', `${path}/revisions/1`)).json.model_b, ref(other));
    const file = (await d.api('GET', `${path}/export`)).json;
    assert.deepEqual(file.patches[0].model, ref(flute));
    file.patches[0].name = 'Came back';
    const imported = (await d.api('POST', '/imports', file)).json.created[0];
    assert.deepEqual((await d.api('GET', `/patches/${imported.uuid}`)).json.model, ref(flute));
    const loaded = await d.api('PUT', '/state/patch', { uuid: imported.uuid });
    assert.equal(loaded.status, 200);
    assert.equal(loaded.json.model.uuid, flute.uuid);
});

test('a patch whose model is not here is stored, and refused by name', async () => {
    const model = {
        uuid: '99999999-2222-4333-8444-555555555555',
        sha256: 'ab'.repeat(32),
        name: 'Oboe',
    };
    const made = await d.api('POST', '/patches', { name: 'Elsewhere', model });
    assert.deepEqual(made.json.model, model);
    const was = await state();
    const answer = await d.api('PUT', '/state/patch', { uuid: made.json.uuid });
    assert.equal(answer.status, 409);
    assert.match(answer.json.detail, /^model: Oboe \(99999999-2222-.*\) is not on this device$/);
    assert.deepEqual(await state(), was, 'what plays goes on');
});

test('comparing with a patch without models, and an edit in between', async () => {
    const plain = (await d.api('POST', '/patches', { name: 'Plain' })).json;
    await d.api('PUT', '/state/patch', { uuid: plain.uuid });
    await use({ uuid: flute.uuid });
    const saved = await d.api('POST', '/state/compare', { on: true });
    assert.equal(saved.json.model, null);
    const edited = await d.api('PATCH', '/state', { values: { 'play.transpose': 3 } });
    if (edited.status === 400) await d.api('PATCH', '/state', { values: { 'fm.feedback': 3 } });
    const now = await state();
    assert.equal(now.comparing, false);
    assert.equal(now.model.uuid, flute.uuid);
});

test('over WebSocket: an answer when it plays, and everybody hears of it', async () => {
    const a = await Socket.open(d, { topics: ['state'] });
    const b = await Socket.open(d, { topics: ['state'] });
    assert.equal((await a.ask({ type: 'model', uuid: other.uuid })).type, 'ack');
    const told = await b.next((m) => m.type === 'state' && m.model?.uuid === other.uuid);
    assert.equal(told.model.missing, false);
    const refused = await a.ask({ type: 'model', uuid: '00000000-0000-4000-8000-000000000000' });
    assert.deepEqual([refused.type, refused.status], ['error', 404]);
    assert.equal((await a.ask({ type: 'model', uuid: 'x' })).status, 400);
    const patches = (await d.api('GET', '/patches?q=neural%20pair')).json.items;
    assert.equal((await a.ask({ type: 'load', patch: patches[0].uuid })).type, 'ack');
    assert.equal((await state()).model.uuid, flute.uuid);
    assert.equal((await a.ask({ type: 'compare', on: true })).type, 'ack');
    assert.equal((await a.ask({ type: 'compare', on: false })).type, 'ack');
    a.end();
    b.end();
});

// The loudest that a note gets; without a model the working copy is silent: all levels are 0.
const sounds = async (ms = 3000) => {
    const c = await Socket.open(d, { topics: ['telemetry'] });
    await d.api('POST', '/notes', { key: 69, velocity: 100, duration_ms: 1500 });
    const end = Date.now() + ms;
    let peak = 0;
    while (peak < 1e-4 && Date.now() < end) {
        await sleep(20);
        for (const m of c.binary.splice(0))
            if (m.data[0] === 1) peak = Math.max(peak, m.data.readFloatLE(16));
    }
    c.end();
    await d.api('POST', '/panic');
    return peak;
};

test('rendered: the same bytes twice, and what is asked for', async () => {
    const notes = [{ time_s: 0, key: 69, velocity: 100, duration_s: 0.2 }];
    const render = (what) => d.api('POST', '/renders', { notes, tail_s: 0.5, ...what });
    const one = await render({ values: {}, model: flute.uuid });
    assert.equal(one.status, 200, one.json?.detail);
    assert.deepEqual((await render({ values: {}, model: flute.uuid })).data, one.data);
    assert.notDeepEqual((await render({ values: {}, model: other.uuid })).data, one.data);
    assert.notDeepEqual((await render({ values: {} })).data, one.data);
    const pair = { values: { 'ab.mix': 1 }, model: flute.uuid, model_b: other.uuid };
    assert.notDeepEqual((await render(pair)).data, one.data);
    const patch = (await d.api('GET', '/patches?q=came%20back')).json.items[0].uuid;
    const ofPatch = await render({ patch });
    assert.equal(ofPatch.status, 200);
    assert.notDeepEqual((await render({ patch, model: null })).data, ofPatch.data);
    assert.equal((await render({ values: {}, model: patch })).status, 404);
    assert.equal((await render({ values: {}, model: '../x' })).status, 404);
    const gone = (await d.api('GET', '/patches?q=elsewhere')).json.items[0].uuid;
    assert.equal((await render({ patch: gone })).status, 409);
});

/** A tone as a WAV file of 16 bits. */
const tone = (hz, seconds, rate = 48000) => {
    const n = Math.round(seconds * rate);
    const wav = Buffer.alloc(44 + 2 * n);
    wav.write('RIFF');
    wav.writeUInt32LE(36 + 2 * n, 4);
    wav.write('WAVEfmt ', 8);
    [16, 1 | (1 << 16), rate, 2 * rate, 2 | (16 << 16)].forEach((v, i) =>
        wav.writeUInt32LE(v, 16 + 4 * i),
    );
    wav.write('data', 36);
    wav.writeUInt32LE(2 * n, 40);
    for (let i = 0; i < n; i++)
        wav.writeInt16LE(Math.round(9000 * Math.sin((2 * Math.PI * hz * i) / rate)), 44 + 2 * i);
    return wav;
};

test('a recording plays a model', async () => {
    const render = (what) =>
        d.api('POST', '/renders', { values: {}, model: flute.uuid, tail_s: 0.5, ...what });
    const one = await render({ input: tone(330, 0.5).toString('base64') });
    assert.equal(one.status, 200, one.json?.detail);
    assert.deepEqual((await render({ input: tone(330, 0.5).toString('base64') })).data, one.data);
    const samples = new Float32Array(one.data.buffer.slice(one.data.byteOffset + 80));
    assert.ok(samples.some((v) => Math.abs(v) > 1e-3));
    const other = await render({ input: tone(220, 0.5).toString('base64') });
    assert.notDeepEqual(other.data, one.data);
    const silent = await render({ input: Buffer.alloc(44 + 9600).toString('base64') });
    assert.equal(silent.status, 400);
    const large = await render({ input: tone(330, 60).toString('base64'), tail_s: 0 });
    assert.equal(large.status, 200);
    for (const [input, status] of [
        ['!!!', 400],
        ['', 400],
        [7, 400],
        [Buffer.alloc((8 << 20) + 1).toString('base64'), 413],
    ])
        assert.equal((await render({ input })).status, status, String(input).slice(0, 9));
    assert.equal(
        (await render({ model: null, input: tone(330, 0.1).toString('base64') })).status,
        400,
    );
});

test('it sounds, and goes on when the web role is killed', async () => {
    const quiet = {};
    for (let i = 1; i <= 6; i++) quiet[`fm.op${i}.level`] = 0;
    await use({ uuid: null, b: null });
    await d.api('PATCH', '/state', { values: { ...quiet, 'reverb.mix': 0, 'chorus.mix': 0 } });
    await sleep(300);
    assert.ok((await sounds(700)) < 1e-4, 'plain FM with all levels at 0');
    await use({ uuid: flute.uuid });
    assert.ok((await sounds()) > 1e-4);
    const late = (await d.api('GET', '/status')).json.audio.late;
    await d.killWeb();
    const now = await state();
    assert.deepEqual(now.model, { ...ref(flute), missing: false });
    assert.ok((await sounds()) > 1e-4);
    assert.ok((await d.api('GET', '/status')).json.audio.late <= late + 2);
});

test('another rate of the device: built again', async () => {
    const answer = await d.api('PUT', '/audio/device', {
        driver: 'null',
        name: '',
        rate_hz: 44100,
    });
    assert.equal(answer.status, 200, answer.json.detail);
    assert.equal((await state()).model.uuid, flute.uuid);
    assert.ok((await sounds()) > 1e-4);
    assert.equal((await use({ uuid: other.uuid })).status, 200);
    await use({ uuid: flute.uuid });
});

test('back after a power cut', async () => {
    await sleep(800); /* the last state is saved after half a second */
    await d.kill();
    await d.start();
    assert.deepEqual((await state()).model, { ...ref(flute), missing: false });
    assert.ok((await sounds()) > 1e-4);
});

test('deleting what plays needs force, and it plays on', async () => {
    const path = `/models/${flute.uuid}`;
    const refused = await d.api('DELETE', path);
    assert.equal(refused.status, 409);
    assert.equal((await d.api('DELETE', `${path}?force=true`)).status, 204);
    assert.ok((await sounds()) > 1e-4);
    assert.equal((await state()).model.uuid, flute.uuid);
    await d.killWeb();
    assert.equal((await state()).model.missing, false, 'it still plays');
});

test('missing after a restart, back when it is uploaded', async () => {
    await d.stop();
    await d.start();
    assert.deepEqual((await state()).model, { ...ref(flute), missing: true });
    assert.ok((await sounds(500)) < 1e-4, 'plain FM');
    await upload(d, modelFile({ name: 'Flute' }, { seed: 1 }));
    await eventually('it is found again', async () => !(await state()).model.missing);
    assert.ok((await sounds()) > 1e-4);
});

test('a file that the disk has changed is refused', async () => {
    await use({ uuid: other.uuid });
    appendFileSync(join(d.state, 'models', `${flute.sha256}.safetensors`), 'x');
    const answer = await use({ uuid: flute.uuid });
    assert.ok(answer.status >= 400, `${answer.status}`);
    assert.match(answer.json.detail, /the file has changed/);
    assert.equal((await state()).model.uuid, other.uuid);
    rmSync(join(d.state, 'models', `${flute.sha256}.safetensors`));
    assert.equal((await use({ uuid: flute.uuid })).status, 409);
});
