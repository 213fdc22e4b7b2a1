// SPDX-License-Identifier: GPL-3.0-or-later
// Undo across patches and models: nothing that was edited goes because something else was loaded.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Daemon, Socket, sleep } from './lib.mjs';
import { modelFile, upload } from './model_file.mjs';

const folder = mkdtempSync(join(tmpdir(), 'timbred-undo-'));
const fifo = join(folder, 'midi');
execFileSync('mkfifo', [fifo]);
const d = new Daemon([`--midi.in=${fifo}`]);
let flute;
let other;
before(async () => {
    await d.start();
    flute = (await upload(d, modelFile({ name: 'Flute' }, { seed: 1 }))).json;
    other = (await upload(d, modelFile({ name: 'Other', width: '12' }, { seed: 2 }))).json;
});
after(async () => {
    await d.end();
    rmSync(folder, { recursive: true });
});

const state = async () => (await d.api('GET', '/state')).json;
const ref = ({ uuid, sha256, name }) => ({ uuid, sha256, name });
const load = async ({ uuid }) => (await d.api('PUT', '/state/patch', { uuid })).json;
const edit = async (values) => (await d.api('PATCH', '/state', { values })).json;
const undo = async () => (await d.api('POST', '/state/undo')).json;
const redo = async () => (await d.api('POST', '/state/redo')).json;
const create = async (name, body = {}) => (await d.api('POST', '/patches', { name, ...body })).json;
const use = async (body) => (await d.api('PUT', '/state/model', body)).json;
const said = (s) => ({ ...s, can_undo: undefined, can_redo: undefined });

test('a load of another patch is a step, with its edits behind it', async () => {
    const a = await create('A', { values: { 'fm.op2.level': 50 } });
    const b = await create('B', { values: { 'fm.op2.level': 20 } });
    await load(a);
    await edit({ 'fm.op2.level': 51 });
    const edited = await edit({ 'fm.op3.level': 33 });
    const loaded = await load(b);
    assert.ok(loaded.can_undo && !loaded.modified);
    await edit({ 'fm.op2.level': 21 });
    await edit({ 'master.gain': -7 });
    assert.equal((await undo()).values['fm.op2.level'], 20);
    const back = await undo();
    assert.deepEqual(said(back), {
        ...said(edited),
        values: { ...edited.values, 'master.gain': -7 },
    });
    assert.ok(back.modified && back.can_undo && back.can_redo);
    assert.equal((await undo()).values['fm.op3.level'], a.values['fm.op3.level']);
    await redo();
    assert.equal((await redo()).patch.uuid, b.uuid);
    assert.equal((await redo()).values['fm.op2.level'], 21);
    assert.equal((await d.api('POST', '/state/redo')).status, 409);
});

test('patches looked through without an edit are one step', async () => {
    const [a, b, c] = [await create('1'), await create('2'), await create('3')];
    await load(a);
    await edit({ 'fm.feedback': 5 });
    for (const patch of [b, c, b, c]) await load(patch);
    const back = await undo();
    assert.deepEqual([back.patch.uuid, back.values['fm.feedback']], [a.uuid, 5]);
    assert.equal((await redo()).patch.uuid, c.uuid);
    assert.equal((await undo()).patch.uuid, a.uuid);
    const own = await load(a);
    assert.deepEqual([own.modified, own.values['fm.feedback']], [false, 0]);
    assert.equal((await undo()).values['fm.feedback'], 5, 'its own stored state is a load, too');
});

test('a patch that was changed or deleted meanwhile', async () => {
    const [a, b] = [await create('Goes'), await create('Stays')];
    await load(a);
    await edit({ 'fm.feedback': 4 });
    await load(b);
    const headers = { 'If-Match': '"1"' };
    await d.api('PATCH', `/patches/${a.uuid}`, { name: 'Went' }, { headers });
    const renamed = await undo();
    assert.deepEqual(
        [renamed.patch.name, renamed.patch.revision, renamed.modified],
        ['Went', 2, true],
    );
    await redo();
    await d.api('DELETE', `/patches/${a.uuid}`, undefined, { headers: { 'If-Match': '"2"' } });
    const orphan = await undo();
    assert.deepEqual([orphan.patch, orphan.modified], [null, true]);
    assert.equal(orphan.values['fm.feedback'], 4);
});

test('a choice of models is a step', async () => {
    await load(await create('Plain'));
    await use({ uuid: flute.uuid });
    await use({ b: other.uuid });
    await use({ b: other.uuid }); // no other choice: no step
    const one = await undo();
    assert.deepEqual([one.model.uuid, one.model_b, one.modified], [flute.uuid, null, true]);
    const none = await undo();
    assert.deepEqual([none.model, none.modified], [null, false]);
    await redo();
    assert.equal((await redo()).model_b.uuid, other.uuid);
});

test('back to a patch with models, by WebSocket; to a deleted one, silent', async () => {
    const [a, b] = [await create('With', { model: ref(flute) }), await create('Without')];
    await load(a);
    await edit({ 'fm.feedback': 2 });
    await load(b);
    const c = await Socket.open(d, { topics: ['state'] });
    assert.equal((await c.ask({ type: 'undo' })).type, 'ack');
    const now = await state();
    assert.deepEqual([now.patch.uuid, now.model.uuid, now.modified], [a.uuid, flute.uuid, true]);
    assert.equal((await c.ask({ type: 'redo' })).type, 'ack');
    assert.equal((await state()).patch.uuid, b.uuid);
    c.end();
    assert.equal((await d.api('DELETE', `/models/${flute.uuid}`)).status, 204);
    const gone = await undo();
    assert.deepEqual([gone.model.uuid, gone.model.missing], [flute.uuid, true]);
    assert.equal(gone.values['fm.feedback'], 2);
});

test('a program change of a keyboard takes no edit with it', async () => {
    const [a, b] = [await create('Played'), await create('Called')];
    const bank = { name: 'Calls', number: 77, patches: [b.uuid] };
    assert.equal((await d.api('POST', '/banks', bank)).status, 201);
    await load(a);
    await edit({ 'fm.algorithm': 9 });
    const midi = openSync(fifo, 'r+');
    writeSync(midi, Buffer.from([0xb0, 0, 0, 0xb0, 32, 77, 0xc0, 0]));
    for (let i = 0; i < 80 && (await state()).patch.uuid !== b.uuid; i++) await sleep(25);
    closeSync(midi);
    assert.equal((await state()).patch.uuid, b.uuid);
    const back = await undo();
    assert.deepEqual(
        [back.patch.uuid, back.values['fm.algorithm'], back.modified],
        [a.uuid, 9, true],
    );
});
