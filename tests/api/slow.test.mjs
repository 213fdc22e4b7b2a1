// SPDX-License-Identifier: GPL-3.0-or-later
// Clients that dawdle, stall or hoard: they go, and the others notice nothing.
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { Daemon, Socket, frame, sleep } from './lib.mjs';

const d = new Daemon();
before(() => d.start());
after(() => d.end());

// Sends head, then a byte each gap; resolves with the seconds until the server ends it.
function dribble(head, gap_ms, limit_ms = 20000, seen = {}) {
    return new Promise((resolve) => {
        const start = Date.now();
        const socket = net.connect(d.port, '127.0.0.1');
        const timer = setInterval(() => socket.write('a'), gap_ms);
        const end = () => {
            clearInterval(timer);
            clearTimeout(last);
            socket.destroy();
            resolve((Date.now() - start) / 1000);
        };
        const last = setTimeout(end, limit_ms);
        socket.on('error', () => {});
        socket.on('close', end);
        socket.on('data', (data) => (seen.text += data));
        socket.write(head());
    });
}

const host = () => `Host: 127.0.0.1:${d.port}\r\n`;

test('dribbled heads and bodies, idle connections: all end', { timeout: 60000 }, async () => {
    const auth = `Authorization: Bearer ${d.token}\r\nContent-Type: application/json\r\n`;
    const answer = { text: '' };
    const [head, body, ws, idle] = await Promise.all([
        dribble(() => `GET / HTTP/1.1\r\n${host()}X-A: `, 300),
        dribble(
            () => `PATCH /api/v1/state HTTP/1.1\r\n${host()}${auth}Content-Length: 60000\r\n\r\n`,
            300,
        ),
        dribble(() => `GET /ws HTTP/1.1\r\n${host()}X-A: `, 300),
        dribble(() => `GET /api/v1/health HTTP/1.1\r\n${host()}\r\n`, 60000, 20000, answer),
    ]);
    assert.ok(head < 10, `head ${head} s`);
    assert.ok(body < 14, `body ${body} s`);
    assert.ok(ws < 12, `handshake ${ws} s`);
    assert.ok(idle < 10, `idle ${idle} s`);
    const told = Number(/^Keep-Alive: timeout=(\d+)\r$/m.exec(answer.text)?.[1]);
    assert.ok(told >= 3, answer.text);
    assert.ok(idle > told, `it said ${told} s and ended after ${idle}`);
});

test('300 slow sockets from one address leave the others alone', { timeout: 60000 }, async () => {
    const sockets = [];
    for (let i = 0; i < 300; i++) {
        const s = net.connect({
            port: d.port,
            host: '127.0.0.1',
            localAddress: '127.0.0.2',
        });
        s.on('error', () => {});
        s.on('connect', () => s.write(`GET / HTTP/1.1\r\n${host()}X: `));
        sockets.push(s);
    }
    await sleep(500);
    const times = [];
    for (let i = 0; i < 100; i++) {
        const start = performance.now();
        assert.equal((await d.plain('GET', '/api/v1/health')).status, 200);
        times.push(performance.now() - start);
    }
    times.sort((a, b) => a - b);
    console.log(`among slow sockets: p90 ${times[90].toFixed(1)} ms`); // every one was answered
    for (const s of sockets) s.destroy();
});

test('a stalled reader is dropped, the others keep their frames', { timeout: 60000 }, async () => {
    const stalled = [];
    for (let i = 0; i < 20; i++) {
        const c = await Socket.open(d, {
            topics: ['telemetry', 'scope', 'status', 'state'],
        });
        c.send({ type: 'listen', on: true });
        c.socket.pause();
        stalled.push(c);
    }
    const live = await Socket.open(d, { topics: ['telemetry'] });
    live.binary.length = 0;
    const start = Date.now();
    const clients = async () => (await d.api('GET', '/status')).json.clients;
    while ((await clients()) > 1 && Date.now() - start < 20000) await sleep(250);
    assert.equal(await clients(), 1, 'all stalled ones are gone');
    const rate = live.binary.length / ((Date.now() - start) / 1000);
    assert.ok(rate > 10, `${rate} frames/s`); // how even they come is for tests/bench
    for (const c of stalled) c.end();
    live.end();
});

test('a flood of tiny fragments ends', async () => {
    const c = await Socket.open(d);
    c.write(frame('{', { fin: false }));
    for (let i = 0; i < 80; i++) c.write(frame(' '.repeat(1000), { opcode: 0, fin: false }));
    await c.until(() => c.closed, 8000);
    assert.equal((await d.api('GET', '/health')).status, 200);
});
