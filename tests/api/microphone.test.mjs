// SPDX-License-Identifier: GPL-3.0-or-later
// A browser's microphone over the WebSocket: heard at its pitch whatever its rate, one at a time,
// and nothing but that gets in.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Daemon, Socket, frame, sleep } from './lib.mjs';

const folder = mkdtempSync(join(tmpdir(), 'timbred-midi-'));
const midi = join(folder, 'out.mid');
const d = new Daemon([`--midi.out=${midi}`]);
let reader;
before(async () => {
    await d.start();
    reader = (await d.api('POST', '/tokens', { role: 'read', label: 'r' })).json.token;
});
after(async () => {
    await d.end();
    rmSync(folder, { recursive: true });
});

const input = async () => (await d.api('GET', '/status')).json.audio.input;

/** One frame of kind 16 with a sine. */
const sound = (hz, rate, count, at = 0, level = 9000) => {
    const data = Buffer.alloc(16 + 2 * count);
    data[0] = 16;
    data[1] = 1;
    data.writeUInt16LE(count, 2);
    data.writeUInt32LE(rate, 8);
    for (let i = 0; i < count; i++) {
        const v = level * Math.sin((2 * Math.PI * hz * (at + i)) / rate);
        data.writeInt16LE(Math.round(v), 16 + 2 * i);
    }
    return data;
};

/** Sings for ms at the right pace, 20 ms a frame. */
const sing = async (c, hz, rate, ms) => {
    const count = rate / 50;
    const start = performance.now();
    for (let i = 0; i * 20 < ms; i++) {
        c.write(frame(sound(hz, rate, count, i * count), { opcode: 2 }));
        await sleep(Math.max(0, start + (i + 1) * 20 - performance.now()));
    }
};

/** What is heard, once it is hz; a busy machine may leave gaps. */
const hears = async (hz) => {
    let now;
    for (let i = 0; i < 30; i++) {
        now = await input();
        if (cents(now.f0_hz, hz) < 5 && now.confidence > 0.9) break;
        await sleep(40);
    }
    return now;
};

const cents = (a, b) => Math.abs(1200 * Math.log2(a / b));

test('heard at its pitch, whatever its rate', async () => {
    const c = await Socket.open(d);
    assert.equal((await c.ask({ type: 'input', on: true })).type, 'ack');
    assert.equal((await input()).client, c.welcome.client);
    for (const [hz, rate] of [
        [440, 48000],
        [330, 44100],
        [220, 16000],
        [587, 8000],
        [880, 96000],
        [262, 192000],
    ]) {
        const singing = sing(c, hz, rate, 1500);
        const now = await hears(hz);
        assert.ok(cents(now.f0_hz, hz) < 5, `${rate} Hz: ${now.f0_hz} is not ${hz}`);
        assert.ok(now.level_db > -25 && now.level_db < 0 && now.confidence > 0.9);
        await singing;
    }
    const notes = [...readFileSync(midi)];
    for (const key of [69, 64, 57, 74, 81, 60])
        assert.ok(
            notes.some((byte, i) => byte === 0x90 && notes[i + 1] === key),
            `midi.out has key ${key}`,
        );
    for (let i = 0; i < 40 && (await input()).f0_hz > 0; i++) await sleep(50);
    assert.equal((await input()).f0_hz, 0, 'nothing comes: silence');
    assert.equal((await c.ask({ type: 'input', on: false })).type, 'ack');
    assert.equal((await input()).client, null);
    c.write(frame(sound(440, 48000, 480), { opcode: 2 }));
    await c.until(() => c.code !== null);
    assert.equal(c.code, 1003);
});

test('who may, and one at a time', async () => {
    const r = await Socket.open(d, { token: reader });
    assert.equal((await r.ask({ type: 'input', on: true })).status, 403);
    for (const bad of [{}, { on: 1 }, { on: null }, { on: 'yes' }])
        assert.equal((await r.ask({ type: 'input', ...bad })).type, 'error');
    r.end();
    const a = await Socket.open(d);
    const b = await Socket.open(d);
    await a.ask({ type: 'input', on: true });
    await b.ask({ type: 'input', on: true });
    const both = [sing(a, 300, 48000, 1500), sing(b, 500, 48000, 1500)];
    assert.ok(cents((await hears(500)).f0_hz, 500) < 5, 'the one switched on last');
    await Promise.all(both);
    await a.ask({ type: 'input', on: false }); // not the one that is heard
    assert.equal((await input()).client, b.welcome.client);
    b.end();
    for (let i = 0; i < 40 && (await input()).client !== null; i++) await sleep(25);
    assert.equal((await input()).client, null, 'a closed connection lets go');
    a.end();
});

test('what is no sound ends the connection, and the device plays on', async () => {
    const good = sound(440, 48000, 480);
    const edit = (change) => {
        const data = Buffer.from(good);
        change(data);
        return data;
    };
    const bad = {
        'a head alone': good.subarray(0, 8),
        'another kind': edit((x) => (x[0] = 2)),
        'another version': edit((x) => (x[1] = 9)),
        'a count above its samples': edit((x) => x.writeUInt16LE(481, 2)),
        'a count below its samples': edit((x) => x.writeUInt16LE(479, 2)),
        'too many samples': sound(440, 48000, 9601),
        'rate 0': edit((x) => x.writeUInt32LE(0, 8)),
        'rate 4 GHz': edit((x) => x.writeUInt32LE(0xffffffff, 8)),
        'rate 7999': edit((x) => x.writeUInt32LE(7999, 8)),
        'half a sample': good.subarray(0, good.length - 1),
    };
    for (const [name, data] of Object.entries(bad)) {
        const c = await Socket.open(d);
        await c.ask({ type: 'input', on: true });
        c.write(frame(data, { opcode: 2 }));
        await c.until(() => c.code !== null);
        assert.equal(c.code, 1003, name);
    }
    const c = await Socket.open(d);
    await c.ask({ type: 'input', on: true });
    c.write(frame(Buffer.alloc(70000), { opcode: 2 }));
    await c.until(() => c.code !== null);
    assert.equal(c.code, 1009);
    const before = (await d.api('GET', '/status')).json.audio.late;
    const f = await Socket.open(d); // faster than any clock: dropped, not queued
    await f.ask({ type: 'input', on: true });
    for (let i = 0; i < 150; i++) f.write(frame(sound(440, 8000, 9600), { opcode: 2 }));
    assert.equal((await f.ask({ type: 'ping', t: 1 })).type, 'ack');
    assert.equal((await d.api('GET', '/health')).json.status, 'ok');
    const after = (await d.api('GET', '/status')).json.audio.late;
    assert.ok(after - before < 20, `${after - before} late blocks`);
    f.end();
});
