// SPDX-License-Identifier: GPL-3.0-or-later
// The WebSocket: what clients hear of each other, whose notes are whose, and bad manners.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Daemon, Socket, frame, sleep } from './lib.mjs';

const d = new Daemon();
let patch;
before(async () => {
    await d.start();
    patch = (await d.api('POST', '/patches', { name: 'Wire' })).json;
    await d.api('PUT', '/state/patch', { uuid: patch.uuid });
});
after(() => d.end());

const voices = async () => (await d.api('GET', '/status')).json.audio.voices;
const settles = async (expected) => {
    for (let i = 0; i < 40 && (await voices()) !== expected; i++) await sleep(50);
    assert.equal(await voices(), expected);
};

test('state at once, then changes; no echo for the setter', async () => {
    const a = await Socket.open(d, { topics: ['state'] });
    const b = await Socket.open(d, { topics: ['state'] });
    const whole = await a.next((m) => m.type === 'state');
    d.validator.validate(
        { $ref: '#/components/schemas/State' },
        (({ type: _, at: __, ...state }) => state)(whole),
        'state',
    );
    await b.next((m) => m.type === 'state');
    const ack = await a.ask({
        type: 'set',
        values: { 'fm.feedback': 5, 'reverb.mix': 0.25 },
    });
    assert.equal(ack.type, 'ack');
    const heard = await b.next((m) => m.type === 'values');
    assert.deepEqual(heard.values, { 'fm.feedback': 5, 'reverb.mix': 0.25 });
    assert.equal(heard.by, a.welcome.client);
    assert.equal(heard.modified, true);
    const flags = await a.next((m) => m.type === 'values');
    assert.equal(flags.values, undefined);
    assert.equal(flags.can_undo, true);
    b.send({ type: 'undo' });
    const undone = await a.next((m) => m.type === 'state');
    assert.equal(undone.values['fm.feedback'], 0);
    assert.equal((await b.next((m) => m.type === 'state')).modified, false);
    await d.api('PATCH', '/state', { values: { 'fm.feedback': 2 } });
    assert.equal((await a.next((m) => m.type === 'values')).values['fm.feedback'], 2);
    const load = await b.ask({ type: 'load', patch: patch.uuid });
    assert.equal(load.type, 'ack');
    assert.equal((await a.next((m) => m.type === 'state')).modified, false);
    a.end();
    b.end();
});

test('program changes from MIDI: the newest counts, and nobody waits', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'timbred-midi-'));
    const fifo = join(folder, 'in');
    execFileSync('mkfifo', [fifo]);
    const other = new Daemon([`--midi.in=${fifo}`]);
    await other.start();
    const { items } = (await other.api('GET', '/banks')).json;
    const bank = (await other.api('GET', `/banks/${items[0].uuid}`)).json;
    const c = await Socket.open(other, { topics: ['state'] });
    const midi = openSync(fifo, 'r+');
    for (let round = 0; round < 20; round++)
        for (const program of [1, 2, 3, 5]) writeSync(midi, Buffer.from([0xc0, program]));
    let slowest = 0;
    for (let i = 0; i < 20; i++) {
        const start = performance.now();
        c.send({ type: 'ping', t: i });
        await c.next((m) => m.type === 'pong');
        slowest = Math.max(slowest, performance.now() - start);
    }
    const place = bank.patches[5];
    const wanted = place.uuid ?? place;
    const uuid = async () => (await other.api('GET', '/state')).json.patch?.uuid;
    for (let i = 0; i < 40 && (await uuid()) !== wanted; i++) await sleep(50);
    assert.equal(await uuid(), wanted);
    assert.ok(slowest < 2000, `a pong took ${slowest} ms`);
    c.end();
    closeSync(midi);
    await other.end();
    rmSync(folder, { recursive: true });
});

test('errors name field and bound', async () => {
    const c = await Socket.open(d);
    const rows = [
        [{ type: 'set', values: { 'fm.op1.coarse': 64 } }, 400, 'fm.op1.coarse'],
        [{ type: 'set', values: { 'no.such': 1 } }, 400, 'no.such'],
        [{ type: 'set' }, 400, 'values'],
        [{ type: 'note', on: true, key: 128, velocity: 1 }, 400, 'key'],
        [{ type: 'note', on: true }, 400, 'key'],
        [{ type: 'note', on: 1, key: 1, velocity: 1 }, 400, 'on'],
        [{ type: 'bend', value: 2 }, 400, 'value'],
        [{ type: 'controller', number: 128, value: 0 }, 400, 'number'],
        [{ type: 'pressure' }, 400, 'value'],
        [{ type: 'load', patch: 'nobody' }, 404, undefined],
        [{ type: 'compare' }, 400, 'on'],
        [{ type: 'subscribe', topics: ['gossip'] }, 400, 'topics'],
        [{ type: 'subscribe', topics: 'state' }, 400, 'topics'],
        [{ type: 'redo' }, 409, undefined],
        [{ type: 'hello', token: d.token }, 409, 'hello'],
        [{ type: 'dance' }, 400, 'type'],
        [{}, 400, 'type'],
    ];
    for (const [message, status, field] of rows) {
        const answer = await c.ask(message);
        assert.equal(answer.type, 'error', JSON.stringify(message));
        assert.equal(answer.status, status, JSON.stringify(answer));
        if (field) assert.equal(answer.field, field);
    }
    for (const text of [
        '{',
        '[]',
        '1',
        '{"type":"ping","type":"ping"}',
        '{"a":'.repeat(40) + '1' + '}'.repeat(40),
    ]) {
        c.write(frame(text));
        assert.equal((await c.next((m) => m.type === 'error')).status, 400);
    }
    assert.equal((await c.ask({ type: 'ping', t: 1 })).type, 'ack', 'still there');
    c.end();
});

test('notes belong to their connection', async () => {
    const listener = await Socket.open(d, { topics: ['notes'] });
    const a = await Socket.open(d);
    const b = await Socket.open(d);
    await a.ask({ type: 'note', on: true, key: 60, velocity: 100 });
    await a.ask({ type: 'note', on: true, key: 64, velocity: 100 });
    await b.ask({ type: 'note', on: true, key: 60, velocity: 90 });
    const heard = await listener.next((m) => m.type === 'note' && m.source === b.welcome.client);
    assert.deepEqual([heard.on, heard.key, heard.velocity], [true, 60, 90]);
    await settles(3);
    a.end();
    await listener.next((m) => m.type === 'note' && !m.on && m.source === a.welcome.client);
    await settles(1);
    await b.ask({ type: 'release' });
    await settles(0);
    for (const message of [
        { type: 'bend', value: -0.5 },
        { type: 'controller', number: 1, value: 0.7 },
        { type: 'pressure', value: 0.1 },
        { type: 'bend', value: 0 },
        { type: 'controller', number: 1, value: 0 },
        { type: 'pressure', value: 0 },
    ])
        assert.equal((await b.ask(message)).type, 'ack');
    await b.ask({ type: 'note', on: true, key: 50, velocity: 90 });
    await listener.ask({ type: 'panic' });
    await settles(0);
    b.end();
    listener.end();
});

test('a half-closed player falls silent', async () => {
    const a = await Socket.open(d);
    await a.ask({ type: 'note', on: true, key: 70, velocity: 100 });
    await settles(1);
    a.socket.end();
    await settles(0);
    a.end();
});

test('a player who does not answer pings falls silent', { timeout: 20000 }, async () => {
    const a = await Socket.open(d);
    await a.ask({ type: 'note', on: true, key: 71, velocity: 100 });
    a.answering = false;
    const start = Date.now();
    await a.until(() => a.closed, 15000);
    assert.ok(Date.now() - start < 13000);
    await settles(0);
});

test('pictures and sound', async () => {
    const c = await Socket.open(d, { topics: ['telemetry', 'neural', 'scope', 'status'] });
    await c.ask({ type: 'listen', on: true });
    await c.ask({ type: 'note', on: true, key: 69, velocity: 120 });
    await sleep(1200);
    await c.ask({ type: 'release' });
    const kind = (k) => c.binary.filter((m) => m.data[0] === k).map((m) => m.data);
    const [telemetry, pcm, scope, neural] = [kind(1), kind(2), kind(3), kind(4)];
    assert.ok(neural.length >= 28, `${neural.length} neural views`);
    assert.ok(
        neural.every((m) => m.length === 32 + m.readUInt16LE(2) && m[8] === 0),
        'a DX7 voice has no network to look at',
    );
    assert.ok(telemetry.length >= 28 && telemetry.length <= 45, `${telemetry.length} frames`);
    assert.ok(scope.length >= 28);
    const t = telemetry.at(-2);
    const count = t.readUInt16LE(2);
    assert.ok(count >= 1 && count <= 16 && t.length === 52 + 8 * count);
    assert.ok(
        telemetry.some((m) => Math.abs(m.readFloatLE(8 + 6 * 4) - 440) < 1),
        'f0 of A4',
    );
    assert.ok(
        telemetry.some((m) => m[52] > 0),
        'operator 1 moves',
    );
    assert.ok(
        telemetry.some((m) => m.readFloatLE(16) > 0.01),
        'peak',
    );
    assert.equal(scope[0].length, 16 + 2 * 1024);
    assert.equal(scope[0].readFloatLE(8), 48000);
    const frames = pcm.reduce((n, m) => n + m.readUInt16LE(2), 0);
    assert.ok(frames > 0.8 * 48000 && frames < 1.5 * 48000, `${frames} frames`);
    let position = null;
    let peak = 0;
    for (const m of pcm) {
        const start = m.readBigUInt64LE(16);
        if (position !== null) assert.equal(start, position, 'no gap');
        position = start + BigInt(m.readUInt16LE(2));
        for (let i = 24; i < m.length; i += 4) peak = Math.max(peak, Math.abs(m.readInt16LE(i)));
    }
    assert.ok(peak > 300, `peak ${peak}`);
    const status = c.messages.find((m) => m.type === 'status');
    assert.ok(status.audio.load.p99 > 0);
    c.end();
});

test('changes of patches are told', async () => {
    const c = await Socket.open(d, { topics: ['patches'] });
    const made = await d.api('POST', '/patches', { name: 'Told' });
    const told = await c.next((m) => m.type === 'patches');
    assert.deepEqual([told.change, told.uuid], ['created', made.json.uuid]);
    const headers = { 'If-Match': '"1"' };
    await d.api('DELETE', `/patches/${made.json.uuid}`, undefined, { headers });
    assert.equal((await c.next((m) => m.type === 'patches')).change, 'deleted');
    c.end();
});

const closes = async (c, code, ms = 8000) => {
    await c.until(() => c.closed, ms);
    assert.equal(c.code, code);
};

test('bad manners are answered with a code', { concurrency: true }, async (t) => {
    const all = [];
    all.push(
        t.test('no hello', async () => {
            const c = await Socket.open(d, { hello: false });
            await closes(c, 1008);
        }),
    );
    all.push(
        t.test('something else first', async () => {
            const c = await Socket.open(d, { hello: false });
            c.send({ type: 'panic' });
            assert.equal((await c.next((m) => m.type === 'error')).status, 403);
            await closes(c, 1008);
        }),
    );
    all.push(
        t.test('a wrong token', async () => {
            const c = await Socket.open(d, { hello: false });
            c.send({ type: 'hello', token: 'guess' });
            assert.equal((await c.next((m) => m.type === 'error')).status, 403);
            await closes(c, 1008);
        }),
    );
    all.push(
        t.test('binary', async () => {
            const c = await Socket.open(d);
            c.write(frame('abc', { opcode: 2 }));
            await closes(c, 1003);
        }),
    );
    all.push(
        t.test('a flood', async () => {
            const c = await Socket.open(d);
            for (let i = 0; i < 250; i++) c.send({ type: 'ping', t: i });
            await closes(c, 1008);
        }),
    );
    all.push(
        t.test('bad UTF-8', async () => {
            const c = await Socket.open(d);
            c.write(frame(Buffer.from([0xff, 0xfe])));
            await closes(c, 1007);
        }),
    );
    for (const [what, data] of [
        ['reserved bits', frame('hi', { rsv: 7 })],
        ['opcode 3', frame('hi', { opcode: 3 })],
        ['a fragmented ping', frame('x', { opcode: 9, fin: false })],
        ['a continuation first', frame('x', { opcode: 0 })],
        ['a length of 2^63', Buffer.from([0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4])],
        ['garbage', Buffer.alloc(300, 0xee)],
    ])
        all.push(
            t.test(what, async () => {
                const c = await Socket.open(d);
                c.write(data);
                await c.until(() => c.closed, 16000);
            }),
        );
    await Promise.all(all);
    assert.equal((await d.api('GET', '/health')).status, 200);
});

test('fragments of one message are put together', async () => {
    const c = await Socket.open(d);
    const text = JSON.stringify({ type: 'ping', t: 5, id: 'whole' });
    c.write(frame(text.slice(0, 9), { fin: false }));
    c.write(frame(text.slice(9, 20), { opcode: 0, fin: false }));
    c.write(frame(text.slice(20), { opcode: 0 }));
    assert.equal((await c.next((m) => m.type === 'pong')).t, 5);
    c.end();
});
