// SPDX-License-Identifier: GPL-3.0-or-later
// Data sets: recordings in and out, names that are none, bounds, what a crash leaves.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Daemon, Socket } from './lib.mjs';

const d = new Daemon([
    '--training.recording_mib=1',
    '--training.recordings=3',
    '--training.total_mib=2',
]);
before(() => d.start());
after(() => d.end());

const create = async (body) => (await d.api('POST', '/datasets', body)).json;
const send = (uuid, name, data = 'sound') =>
    d.api(
        'POST',
        `/datasets/${uuid}/recordings?filename=${encodeURIComponent(name)}`,
        Buffer.from(data),
        { type: 'application/octet-stream' },
    );
const folder = (uuid) => readdirSync(join(d.state, 'training', 'sets', uuid, 'recordings')).sort();

test('recordings come and go, and all are told', async () => {
    const c = await Socket.open(d, { topics: ['jobs'] });
    const set = await create({ name: 'Geige "1"', instrument: 'violin', labels: 'none' });
    assert.deepEqual(
        [set.count, set.bytes, set.state, set.report, set.minutes, set.labels],
        [0, 0, 'open', null, null, 'none'],
    );
    assert.equal((await c.next((m) => m.type === 'datasets')).change, 'created');
    const odd = 'Ä B#3 100% (1).wav';
    assert.equal((await send(set.uuid, odd, '12345')).status, 201);
    assert.equal((await c.next((m) => m.type === 'datasets')).change, 'updated');
    assert.equal((await send(set.uuid, 'b.flac', '123')).status, 201);
    const read = (await d.api('GET', `/datasets/${set.uuid}`)).json;
    assert.equal(read.bytes, 8);
    assert.deepEqual(
        read.recordings.map((r) => r.name),
        ['b.flac', odd],
    );
    assert.deepEqual(folder(set.uuid), ['b.flac', odd].sort());
    const gone = `/datasets/${set.uuid}/recordings?filename=${encodeURIComponent(odd)}`;
    assert.equal((await d.api('DELETE', gone)).status, 204);
    assert.equal((await d.api('DELETE', gone)).status, 404);
    assert.deepEqual(folder(set.uuid), ['b.flac']);
    assert.equal((await d.api('DELETE', `/datasets/${set.uuid}`)).status, 204);
    assert.ok(!existsSync(join(d.state, 'training', 'sets', set.uuid)));
    assert.equal((await d.api('GET', `/datasets/${set.uuid}`)).status, 404);
    c.end();
});

const names = [
    '',
    ' x.wav',
    'x\u202Evaw.wav',
    'x\u0085.wav',
    '.wav',
    '../x.wav',
    'a/b.wav',
    'a\\b.wav',
    'x',
    'x.exe',
    'x.wav\n',
    'x.wav\0',
];
for (const name of [...names, `${'n'.repeat(117)}.wav`])
    test(`a name that is none: ${JSON.stringify(name.slice(0, 20))}`, async () => {
        const { uuid } = await create({ name: 'names' });
        const answer = await send(uuid, name);
        assert.equal(answer.status, 400, answer.data.toString());
        assert.deepEqual(folder(uuid), []);
        await d.api('DELETE', `/datasets/${uuid}`);
    });

const bodies = [
    [{}, /^name: /],
    [{ name: '' }, /^name: /],
    [{ name: 'n'.repeat(97) }, /^name: /],
    [{ name: 7 }, /^name: /],
    [{ name: 'x', labels: 'some' }, /^labels: /],
    [{ name: 'x', licence: 'l'.repeat(65) }, /^licence: /],
    [{ name: 'x', path: '/etc' }, /^path: /],
];
for (const [body, fault] of bodies)
    test(`refused: ${JSON.stringify(body).slice(0, 40)}`, async () => {
        const answer = await d.api('POST', '/datasets', body);
        assert.equal(answer.status, 400);
        assert.match(answer.json.detail, fault);
    });

test('bounds of size, number and sum', async () => {
    const { uuid } = await create({ name: 'bounds' });
    const big = Buffer.alloc(900 << 10);
    assert.equal((await send(uuid, 'empty.wav', '')).status, 400);
    assert.equal((await send(uuid, 'large.wav', Buffer.alloc((1 << 20) + 1))).status, 413);
    assert.equal((await send(uuid, 'a.wav', big)).status, 201);
    assert.equal((await send(uuid, 'b.wav', big)).status, 201);
    const full = await send(uuid, 'c.wav', big);
    assert.equal(full.status, 507);
    assert.match(full.json.detail, /training\.total_mib/);
    assert.equal((await send(uuid, 'c.wav')).status, 201);
    const many = await send(uuid, 'd.wav');
    assert.equal(many.status, 409);
    assert.match(many.json.detail, /training\.recordings/);
    const twice = await send(uuid, 'a.wav');
    assert.equal(twice.status, 409);
    assert.match(twice.json.detail, /there already/);
    assert.deepEqual(folder(uuid), ['a.wav', 'b.wav', 'c.wav']);
    await d.api('DELETE', `/datasets/${uuid}`);
    const again = await create({ name: 'room again' });
    assert.equal((await send(again.uuid, 'c.wav', big)).status, 201);
    await d.api('DELETE', `/datasets/${again.uuid}`);
});

test('no such set', async () => {
    for (const uuid of ['none', '..', '11111111-2222-4333-8444-555555555555']) {
        assert.ok([400, 404].includes((await send(uuid, 'a.wav')).status), uuid);
        assert.ok([400, 404].includes((await d.api('GET', `/datasets/${uuid}`)).status), uuid);
        assert.ok([400, 404].includes((await d.api('DELETE', `/datasets/${uuid}`)).status), uuid);
    }
});

test('only admins change, readers read', async () => {
    const { token } = (await d.api('POST', '/tokens', { role: 'play', label: 'p' })).json;
    assert.equal((await d.api('POST', '/datasets', { name: 'x' }, { token })).status, 403);
    assert.equal((await d.api('GET', '/datasets', undefined, { token })).status, 200);
});

test('a crash leaves nothing half done, and what was told is there', async () => {
    const { uuid } = await create({ name: 'stays' });
    assert.equal((await send(uuid, 'a.wav')).status, 201);
    await d.kill();
    const sets = join(d.state, 'training', 'sets');
    writeFileSync(join(sets, uuid, 'recordings', '.incoming-1-1'), 'half');
    mkdirSync(join(sets, '.new-11111111-2222-4333-8444-555555555555', 'recordings'), {
        recursive: true,
    });
    mkdirSync(join(sets, '.gone-11111111-2222-4333-8444-555555555555'));
    writeFileSync(join(sets, '.gone-11111111-2222-4333-8444-555555555555', 'a.wav'), '');
    await d.start();
    const read = (await d.api('GET', `/datasets/${uuid}`)).json;
    assert.deepEqual([read.name, read.count, read.bytes], ['stays', 1, 5]);
    assert.deepEqual(readdirSync(sets), [uuid]);
    assert.deepEqual(folder(uuid), ['a.wav']);
});
