// SPDX-License-Identifier: GPL-3.0-or-later
// Every operation at least once, every exchange valid against the document.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { modelFile, upload } from './model_file.mjs';
import { Daemon, singleVoice, sleep } from './lib.mjs';
import { dataset, until } from './recordings.mjs';

const d = new Daemon();
before(() => d.start());
after(() => d.end());

const etag = (answer) => ({ 'If-Match': answer.headers.etag });
const create = async (body) => (await d.api('POST', '/patches', body)).json;

test('a data set for training', async () => {
    const made = await d.api('POST', '/datasets', { name: 'Take 1', instrument: 'flute' });
    assert.equal(made.status, 201);
    const path = `/datasets/${made.json.uuid}`;
    assert.equal(made.headers.location, `/api/v1${path}`);
    const sent = await d.api('POST', `${path}/recordings?filename=A4.wav`, Buffer.from('RIFF'), {
        type: 'application/octet-stream',
    });
    assert.equal(sent.status, 201);
    assert.deepEqual(sent.json, { name: 'A4.wav', bytes: 4, rejected: null });
    assert.equal((await d.api('GET', path)).json.count, 1);
    assert.equal((await d.api('GET', '/datasets')).json.items[0].name, 'Take 1');
    assert.equal((await d.api('DELETE', `${path}/recordings?filename=A4.wav`)).status, 204);
    assert.equal((await d.api('DELETE', path)).status, 204);
});

test('a training', async () => {
    const set = await dataset(d, { n: 3, seconds: 4 });
    const body = { dataset: set, minutes: 0.05, batch: 1, seconds: 0.25 };
    const made = await d.api('POST', '/trainings', body);
    assert.equal(made.status, 202, JSON.stringify(made.json));
    const path = `/trainings/${made.json.uuid}`;
    assert.equal(made.headers.location, `/api/v1${path}`);
    assert.equal((await d.api('GET', '/trainings')).json.items.length, 1);
    await until(d, made.json.uuid, (t) => t.step > 0);
    const stopped = await d.api('POST', `${path}/stop`);
    assert.ok([204, 409].includes(stopped.status)); // it may just be over
    await until(d, made.json.uuid, (t) => t.state !== 'running');
    assert.equal((await d.api('POST', `${path}/resume`, { minutes: 1 })).status, 202);
    await until(d, made.json.uuid, (t) => t.phase === 'training');
    assert.equal((await d.api('POST', `${path}/stop`)).status, 204);
    const { clips } = await until(d, made.json.uuid, (t) => t.state !== 'running');
    for (const of of ['original', 'model']) {
        const clip = await d.api('GET', `${path}/clips/${clips[0].index}?of=${of}`);
        assert.equal(clip.status, 200, clip.data.toString());
        assert.equal(clip.data.length, 44 + 2 * 64000);
    }
    const kept = await d.api('POST', `${path}/keep`, { name: 'Kept' });
    assert.equal(kept.status, 201, kept.data.toString());
    assert.equal((await d.api('POST', `${path}/keep`, { name: 'Kept' })).status, 200);
    assert.equal((await d.api('DELETE', `/models/${kept.json.uuid}`)).status, 204);
    assert.equal((await d.api('DELETE', path)).status, 204);
    assert.equal((await d.api('DELETE', `/datasets/${set}`)).status, 204);
});

test('what needs nothing', async () => {
    for (const path of ['/', '/status', '/params', '/state', '/categories', '/banks', '/about'])
        assert.equal((await d.api('GET', path)).status, 200, path);
    for (const path of ['/health', '/metrics', '/openapi.json', '/tokens', '/benchmarks'])
        assert.equal((await d.api('GET', path)).status, 200, path);
    const { links } = (await d.api('GET', '/')).json;
    for (const name of Object.keys(d.openapi.paths).map((path) => path.split('/')[1]))
        if (name) assert.ok(d.openapi.paths[links[name]?.replace('/api/v1', '')], name);
    const params = (await d.api('GET', '/params')).json;
    assert.ok(params.params.length > 150);
    assert.deepEqual(params.algorithms[31].carriers, [1, 2, 3, 4, 5, 6]);
    assert.deepEqual(params.algorithms[0].carriers, [1, 3]);
    const metrics = (await d.api('GET', '/metrics')).data.toString();
    assert.match(metrics, /^timbred_blocks_total [1-9]/m);
});

test('HEAD is GET without the body', async () => {
    const get = await d.plain('GET', '/api/v1/about');
    const head = await d.plain('HEAD', '/api/v1/about');
    assert.equal(head.status, 200);
    assert.equal(head.data.length, 0);
    assert.equal(head.headers['content-length'], get.headers['content-length']);
});

test('the life of a patch', async () => {
    const made = await d.api('POST', '/patches', {
        name: 'Glass "Ünï" <b>',
        category: 'Keys',
        tags: ['bright', 'two'],
        values: { 'fm.algorithm': 5, 'reverb.mix': 0.3 },
    });
    assert.equal(made.status, 201);
    assert.equal(made.headers.location, `/api/v1/patches/${made.json.uuid}`);
    const path = `/patches/${made.json.uuid}`;
    const read = await d.api('GET', path);
    assert.deepEqual(read.json, made.json);
    assert.equal(read.json.values['reverb.mix'], 0.3);
    assert.equal(read.json.values['fm.op1.level'], 99, 'defaults fill');
    assert.equal(read.headers.etag, '"1"');

    const again = await d.api('GET', path, undefined, {
        headers: { 'If-None-Match': '"1"' },
    });
    assert.equal(again.status, 304);
    const packed = await d.plain('GET', `/api/v1${path}`, {
        token: d.token,
        headers: { 'Accept-Encoding': 'gzip' },
    });
    assert.equal(packed.headers['content-encoding'], 'gzip');
    assert.deepEqual(JSON.parse(gunzipSync(packed.data).toString()), read.json);

    const patched = await d.api(
        'PATCH',
        path,
        { favourite: true, values: { 'fm.feedback': 7 }, comment: null },
        { headers: etag(read), type: 'application/merge-patch+json' },
    );
    assert.equal(patched.status, 200);
    assert.equal(patched.json.revision, 2);
    assert.equal(patched.json.favourite, true);
    assert.equal(patched.json.values['fm.algorithm'], 5);
    assert.deepEqual((await d.api('GET', path)).json, patched.json, 'the cache forgets');

    const put = await d.api('PUT', path, { name: 'Plain' }, { headers: etag(patched) });
    assert.equal(put.json.revision, 3);
    assert.equal(put.json.values['fm.algorithm'], 1, 'replaced by defaults');
    assert.equal(put.json.created, made.json.created);

    const history = await d.api('GET', `${path}/revisions`);
    assert.deepEqual(
        history.json.items.map((r) => r.revision),
        [3, 2, 1],
    );
    assert.equal((await d.api('GET', `${path}/revisions/1`)).json.name, made.json.name);
    const back = await d.api('POST', `${path}/revert`, { revision: 1 });
    assert.equal(back.json.revision, 4);
    assert.equal(back.json.values['fm.algorithm'], 5);

    const file = await d.api('GET', `${path}/export?format=json`);
    assert.equal(file.json.patches[0].uuid, made.json.uuid);
    const syx = await d.api('GET', `${path}/export?format=syx`);
    assert.equal(syx.data.length, 163);

    const gone = await d.api('DELETE', path, undefined, { headers: etag(back) });
    assert.equal(gone.status, 204);
    assert.equal((await d.api('GET', path)).status, 404);
});

test('lists: search, filter, sort, page', async () => {
    for (let i = 0; i < 5; i++)
        await create({
            name: `Zither ${i}`,
            category: i % 2 ? 'Odd' : 'Even',
            favourite: i === 3,
        });
    const all = await d.api('GET', '/patches?q=zith&sort=name&order=desc&limit=2&offset=1');
    assert.equal(all.json.total, 5);
    assert.deepEqual(
        all.json.items.map((p) => p.name),
        ['Zither 3', 'Zither 2'],
    );
    assert.equal((await d.api('GET', '/patches?category=Odd')).json.total, 2);
    assert.equal((await d.api('GET', '/patches?q=zither&favourite=true')).json.total, 1);
    assert.ok((await d.api('GET', '/categories')).json.items.some((c) => c.name === 'Even'));
});

test('the working copy', async () => {
    const patch = await create({ name: 'Base', values: { 'fm.op2.level': 50 } });
    const loaded = await d.api('PUT', '/state/patch', { uuid: patch.uuid });
    assert.equal(loaded.json.patch.uuid, patch.uuid);
    assert.equal(loaded.json.modified, false);
    const edited = await d.api('PATCH', '/state', {
        values: { 'fm.op2.level': 60 },
    });
    assert.equal(edited.json.values['fm.op2.level'], 60);
    assert.ok(edited.json.modified && edited.json.can_undo);
    const undone = await d.api('POST', '/state/undo');
    assert.equal(undone.json.values['fm.op2.level'], 50);
    assert.equal(undone.json.modified, false);
    assert.equal((await d.api('POST', '/state/undo')).status, 409);
    assert.equal((await d.api('POST', '/state/redo')).json.values['fm.op2.level'], 60);
    const saved = await d.api('POST', '/state/compare', { on: true });
    assert.equal(saved.json.values['fm.op2.level'], 50);
    assert.ok(saved.json.comparing);
    const mine = await d.api('POST', '/state/compare', { on: false });
    assert.equal(mine.json.values['fm.op2.level'], 60);

    assert.equal((await d.api('POST', '/state/save')).status, 428);
    const stale = await d.api('POST', '/state/save', undefined, {
        headers: { 'If-Match': '"7"' },
    });
    assert.equal(stale.status, 412);
    assert.equal(stale.headers.etag, '"1"');
    const kept = await d.api('POST', '/state/save', undefined, {
        headers: { 'If-Match': '"1"' },
    });
    assert.equal(kept.json.values['fm.op2.level'], 60);
    const state = (await d.api('GET', '/state')).json;
    assert.equal(state.modified, false);
    assert.equal(state.patch.revision, 2);
    const copy = await d.api('POST', '/state/save-as', {
        name: 'Copy',
        category: 'Test',
    });
    assert.equal(copy.status, 201);
    assert.equal((await d.api('GET', '/state')).json.patch.uuid, copy.json.uuid);
    await d.api('PATCH', '/state', { values: { 'master.gain': -20 } });
    assert.equal((await d.api('GET', '/state')).json.modified, false, 'volume is not the patch');
});

test('an unmodified working copy follows its patch', async () => {
    const patch = await create({ name: 'Follow', values: { 'fm.feedback': 1 } });
    await d.api('PUT', '/state/patch', { uuid: patch.uuid });
    const headers = { 'If-Match': '"1"' };
    await d.api('PATCH', `/patches/${patch.uuid}`, { values: { 'fm.feedback': 6 } }, { headers });
    const state = (await d.api('GET', '/state')).json;
    assert.equal(state.values['fm.feedback'], 6);
    assert.equal(state.patch.revision, 2);
    assert.equal(state.modified, false);
});

test('notes sound', async () => {
    const voices = async () => (await d.api('GET', '/status')).json.audio.voices;
    assert.equal((await d.api('POST', '/notes', { key: 60, velocity: 100 })).status, 204);
    assert.equal(
        (await d.api('POST', '/notes', { key: 64, velocity: 100, duration_ms: 30 })).status,
        204,
    );
    await sleep(200);
    assert.equal(await voices(), 1, 'the short one has ended');
    assert.equal((await d.api('DELETE', '/notes/60')).status, 204);
    await d.api('POST', '/notes', { key: 61, velocity: 1 });
    assert.equal((await d.api('POST', '/panic')).status, 204);
    await sleep(200);
    assert.equal(await voices(), 0);
});

test('imports and exports', async () => {
    const one = await d.api('POST', '/imports?filename=my.syx', singleVoice(), {
        type: 'application/octet-stream',
    });
    assert.equal(one.status, 201);
    assert.equal(one.json.created.length, 1);
    assert.equal(one.json.created[0].name, 'TEST VOICE');
    const uuid = one.json.created[0].uuid;
    const back = await d.api('GET', `/patches/${uuid}/export?format=syx`);
    assert.deepEqual(back.data, singleVoice(), 'bit for bit');
    // the display's own characters and blanks, through an edit and a save
    const odd = singleVoice(' \x01A\x00~ \x7f ');
    const kept = await d.api('POST', '/imports', odd, { type: 'application/octet-stream' });
    assert.equal(kept.status, 201);
    const loaded = await d.api('PUT', '/state/patch', { uuid: kept.json.created[0].uuid });
    assert.equal(loaded.status, 200);
    await d.api('PATCH', '/state', { values: { 'fm.op1.level': 98 } });
    await d.api('PATCH', '/state', { values: { 'fm.op1.level': 99 } });
    const made = await d.api('GET', `/patches/${kept.json.created[0].uuid}`);
    const saved = await d.api('POST', '/state/save', undefined, {
        headers: { 'If-Match': made.headers.etag },
    });
    assert.equal(saved.status, 200);
    const same = await d.api('GET', `/patches/${saved.json.uuid}/export?format=syx`);
    assert.deepEqual(same.data, odd, 'a name that is no text comes back too');
    const again = await d.api('POST', '/imports', singleVoice(), {
        type: 'application/octet-stream',
    });
    assert.equal(again.json.skipped, 1);
    const bulk = await d.api('GET', `/exports?format=syx&uuid=${uuid}`);
    assert.equal(bulk.data.length, 4104);
    const json = await d.api('GET', `/exports?uuid=${uuid}`);
    assert.equal(json.json.patches.length, 1);
    const read = await d.api('POST', '/imports', json.data.toString(), {
        type: 'application/json',
    });
    assert.equal(read.status, 201);
});

test('a factory patch can be changed, not deleted', async () => {
    const list = (await d.api('GET', '/patches?limit=500')).json.items;
    const { uuid, name } = list.find((p) => p.factory);
    const path = `/patches/${uuid}`;
    const made = await d.api('GET', path);
    const refused = await d.api('DELETE', path, undefined, { headers: etag(made) });
    assert.equal(refused.status, 409);
    assert.equal(refused.json.detail, `patch: ${name} is a factory patch, which stays`);
    const change = { values: { 'fm.feedback': 6 } };
    const saved = await d.api('PATCH', path, change, { headers: etag(made) });
    assert.deepEqual([saved.json.revision, saved.json.factory], [2, true]);
    const again = await d.api('DELETE', path, undefined, { headers: etag(saved) });
    assert.equal(again.status, 409, 'a changed one stays, too');
    const back = await d.api('POST', `${path}/revert`, { revision: 1 });
    assert.deepEqual(back.json.values, made.json.values);
});

test('what a network plays is nothing for a DX7', async () => {
    const model = { uuid: crypto.randomUUID(), sha256: 'ab'.repeat(32), name: 'Oboe' };
    const neural = await create({ name: 'Oboe', model });
    const beside = await create({ name: 'Beside', model_b: model });
    const plain = await create({ name: 'Plain FM' });
    const bank = await d.api('POST', '/banks', {
        name: 'Mixed',
        number: 903,
        patches: [plain.uuid, neural.uuid],
    });
    for (const path of [
        `/patches/${neural.uuid}/export?format=syx`,
        `/exports?format=syx&uuid=${plain.uuid}&uuid=${neural.uuid}`,
        `/exports?format=syx&bank=${bank.json.uuid}`,
    ]) {
        const refused = await d.api('GET', path);
        assert.equal(refused.status, 409, path);
        assert.equal(refused.json.detail, 'a network plays "Oboe"; a DX7 cannot');
    }
    assert.equal((await d.api('GET', `/exports?format=syx&uuid=${beside.uuid}`)).status, 409);
    assert.equal((await d.api('GET', `/exports?format=json&bank=${bank.json.uuid}`)).status, 200);
    assert.equal((await d.api('GET', `/exports?format=syx&uuid=${plain.uuid}`)).status, 200);
    const listed = (await d.api('GET', `/patches?bank=${bank.json.uuid}`)).json.items;
    assert.deepEqual(
        listed.map(({ name, network }) => [name, network]),
        [
            ['Plain FM', false],
            ['Oboe', true],
        ],
    );
    const found = (await d.api('GET', '/patches?q=beside')).json.items;
    assert.deepEqual([found.length, found[0].network], [1, true]);
});

test('kept connections are told how long they may rest, others are not', async () => {
    const patch = await create({ name: 'Kept' });
    const ask = (path, Connection) =>
        d.plain('GET', path, { headers: { Connection }, token: d.token });
    for (const path of ['/', '/api/v1/health', `/api/v1/patches/${patch.uuid}`, '/api/v1/nothing'])
        for (let times = 0; times < 2; times++) {
            assert.match((await ask(path, 'keep-alive')).headers['keep-alive'], /^timeout=\d+$/);
            const ended = await ask(path, 'close');
            assert.equal(ended.headers['keep-alive'], undefined, path);
            assert.equal(ended.headers.connection.toLowerCase(), 'close', path);
        }
    const headers = { Connection: 'close', 'If-None-Match': '"1"' };
    const path = `/api/v1/patches/${patch.uuid}`;
    assert.equal((await d.plain('GET', path, { headers, token: d.token })).status, 304);
});

test('banks', async () => {
    const patch = await create({ name: 'In a bank' });
    const made = await d.api('POST', '/banks', {
        name: 'Mine',
        number: 900,
        patches: [patch.uuid],
    });
    assert.equal(made.status, 201);
    const path = `/banks/${made.json.uuid}`;
    assert.deepEqual((await d.api('GET', path)).json, made.json);
    const put = await d.api('PUT', path, {
        name: 'Ours',
        number: 901,
        patches: [patch.uuid],
    });
    assert.equal(put.json.name, 'Ours');
    assert.equal((await d.api('GET', `/patches?bank=${made.json.uuid}`)).json.total, 1);
    assert.equal((await d.api('GET', `/exports?bank=${made.json.uuid}`)).json.banks.length, 1);
    assert.equal((await d.api('DELETE', path)).status, 204);
    assert.equal((await d.api('GET', path)).status, 404);
});

test('audio', async () => {
    const devices = (await d.api('GET', '/audio/devices')).json.items;
    assert.ok(devices.some((device) => device.driver === 'null' && device.current));
    assert.equal((await d.api('POST', '/audio/test-tone')).status, 204);
    const set = await d.api('PUT', '/audio/device', {
        driver: 'null',
        block: 128,
    });
    assert.equal(set.status, 200);
    await sleep(300);
    assert.equal((await d.api('GET', '/status')).json.audio.block, 128);
});

test('a render is a WAV file', async () => {
    const notes = [{ time_s: 0, key: 60, velocity: 100, duration_s: 0.2 }];
    const wav = await d.api('POST', '/renders', {
        values: {},
        notes,
        tail_s: 0.1,
    });
    assert.equal(wav.status, 200);
    assert.equal(wav.data.subarray(0, 4).toString(), 'RIFF');
    assert.ok(wav.data.length > 0.3 * 48000 * 8);
    assert.ok(
        wav.data.subarray(100).some((byte) => byte !== 0),
        'it sounds',
    );
});

test('a benchmark: one at a time, then stored', async () => {
    const body = {
        voices: [4],
        blocks: [64],
        rates: [48000],
        seconds: 0.3,
        paced: false,
    };
    const started = await d.api('POST', '/benchmarks', { ...body, force: true });
    assert.equal(started.status, 202);
    assert.equal((await d.api('POST', '/benchmarks', { ...body, force: true })).status, 409);
    const path = `/benchmarks/${started.json.id}`;
    let result;
    for (let i = 0; i < 100; i++) {
        result = (await d.api('GET', path)).json;
        if (result.state !== 'running') break;
        await sleep(100);
    }
    assert.equal(result.state, 'done', result.detail);
    assert.equal(result.result.results.length > 0, true);
    assert.ok((await d.api('GET', '/benchmarks')).json.items.some((b) => b.id === result.id));
    const csv = await d.api('GET', `${path}?format=csv`);
    assert.match(csv.data.toString(), /voices/);
    assert.equal((await d.api('DELETE', path)).status, 204);
    assert.equal((await d.api('GET', path)).status, 404);
});

test('tokens', async () => {
    const made = await d.api('POST', '/tokens', { role: 'read', label: 'test' });
    assert.equal(made.status, 201);
    assert.match(made.json.token, /^[\w-]{22}$/);
    assert.equal((await d.api('GET', '/state', undefined, { token: made.json.token })).status, 200);
    assert.equal((await d.api('DELETE', `/tokens/${made.json.id}`)).status, 204);
    assert.equal((await d.api('GET', '/state', undefined, { token: made.json.token })).status, 401);
});

test('backup and restore', async () => {
    const before = await create({ name: 'Before the backup' });
    const backup = await d.api('GET', '/backup');
    assert.equal(backup.status, 200);
    assert.equal(backup.data.subarray(0, 15).toString(), 'SQLite format 3');
    const later = await create({ name: 'After the backup' });
    await d.api('PUT', '/state/patch', { uuid: later.uuid });
    await d.api('PATCH', '/state', { values: { 'fm.op3.level': 21 } });
    const restored = await d.api('PUT', '/backup', backup.data, {
        type: 'application/vnd.sqlite3',
    });
    assert.equal(restored.status, 200);
    assert.equal((await d.api('GET', `/patches/${before.uuid}`)).status, 200);
    assert.equal((await d.api('GET', `/patches/${later.uuid}`)).status, 404);
    const now = (await d.api('GET', '/state')).json; // what plays goes on, without its patch
    assert.equal(now.patch, null);
    assert.equal(now.modified, true);
    assert.equal(now.values['fm.op3.level'], 21);
    assert.equal((await d.api('PUT', '/state/patch', { uuid: before.uuid })).status, 200);
    await d.api(
        'PATCH',
        `/patches/${before.uuid}`,
        { values: { 'fm.op3.level': 44 } },
        {
            type: 'application/merge-patch+json',
            headers: { 'If-Match': '"1"' },
        },
    );
    assert.equal((await d.api('GET', '/state')).json.values['fm.op3.level'], 44);
    await d.api('PUT', '/backup', backup.data, { type: 'application/vnd.sqlite3' });
    const followed = (await d.api('GET', '/state')).json;
    assert.equal(followed.patch.uuid, before.uuid);
    assert.equal(followed.modified, false);
    assert.notEqual(followed.values['fm.op3.level'], 44);
});

test('the life of a model', async () => {
    const made = await upload(d, modelFile());
    assert.equal(made.status, 201);
    const path = `/models/${made.json.uuid}`;
    assert.deepEqual((await d.api('GET', path)).json, made.json);
    assert.equal((await d.api('GET', `${path}/file`)).data.length, made.json.bytes);
    assert.deepEqual((await d.api('GET', '/models')).json.items, [made.json]);
    assert.equal((await d.api('PUT', '/state/model', { uuid: made.json.uuid })).status, 200);
    assert.equal((await d.api('DELETE', path)).status, 409);
    assert.equal((await d.api('PUT', '/state/model', { uuid: null })).status, 200);
    assert.equal((await d.api('DELETE', path)).status, 204);
});

test('the panel is served', async () => {
    const page = await d.plain('GET', '/');
    assert.equal(page.status, 200);
    assert.match(page.headers['content-type'], /^text\/html/);
    assert.match(page.headers['content-security-policy'], /default-src 'none'/);
    assert.match(page.headers['content-security-policy'], /frame-ancestors 'none'/);
    assert.equal(page.headers['x-content-type-options'], 'nosniff');
    assert.match(page.data.toString(), /<!doctype html>/i);
    const fresh = await d.plain('GET', '/', {
        headers: { 'If-None-Match': page.headers.etag },
    });
    assert.equal(fresh.status, 304);
    assert.equal((await d.plain('GET', '/nothing.js')).status, 404);
});

test('every operation was called', () => {
    assert.deepEqual(d.uncalled(), []);
});
