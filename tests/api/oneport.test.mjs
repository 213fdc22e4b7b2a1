// SPDX-License-Identifier: GPL-3.0-or-later
// One port for HTTP and WebSocket: what may arrive first, split and mixed in every way.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { Daemon, Socket, frame, handshake, raw } from './lib.mjs';

const d = new Daemon();
before(() => d.start());
after(() => d.end());

const host = () => `Host: 127.0.0.1:${d.port}\r\n`;
const get = (path, more = '') => `GET ${path} HTTP/1.1\r\n${host()}${more}\r\n`;
const health = () => get('/api/v1/health');
const many = (text, n) => text.match(/\{"status":"(ok|degraded)"/g)?.length === n;
const ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=';
const ping = frame('x', { opcode: 9 });
const PONG = '\x8a\x01x';

const ROWS = [
    ['plain GET stays open', () => [[health()]], (r) => many(r.text, 1) && !r.closed],
    [
        'two requests, one connection',
        () => [[health(), health()], { gap: 100 }],
        (r) => many(r.text, 2),
    ],
    [
        'four pipelined in one segment',
        () => {
            const put = `PATCH /api/v1/state HTTP/1.1\r\n${host()}Content-Length: 5\r\n\r\nhello`;
            return [[health() + health() + put + health()]];
        },
        (r) => many(r.text, 3) && r.statuses.join() === '200,200,401,200',
    ],
    [
        'handshake',
        () => [[handshake(d.port)]],
        (r) => r.text.includes(ACCEPT) && r.text.includes('timbred.v1'),
    ],
    [
        'handshake and a frame in one segment',
        () => [[Buffer.concat([Buffer.from(handshake(d.port)), ping])]],
        (r) => r.text.includes(PONG),
    ],
    [
        'handshake in crumbs',
        () => {
            const h = handshake(d.port);
            return [
                [h.slice(0, 3), h.slice(3, 6), h.slice(6, 9), h.slice(9, 40), h.slice(40)],
                { gap: 60 },
            ];
        },
        (r) => / 101 /.test(r.text),
    ],
    ['HTTP byte by byte', () => [[...health()], { gap: 4 }], (r) => many(r.text, 1)],
    ['/wsx is HTTP', () => [[get('/wsx')]], (r) => r.statuses[0] === 404],
    [
        '/ws without upgrade',
        () => [[get('/ws')], { wait: 1500 }],
        (r) => r.statuses[0] === 426 && r.closed,
    ],
    [
        'POST /ws',
        () => [[`POST /ws HTTP/1.1\r\n${host()}Content-Length: 0\r\n\r\n`]],
        (r) => r.statuses[0] === 426,
    ],
    [
        'upgrade on a used connection',
        () => [[health(), handshake(d.port)], { gap: 200, wait: 800 }],
        (r) => r.statuses.join() === '200,426' && r.closed,
    ],
    ['with a query', () => [[handshake(d.port, { path: '/ws?x=1' })]], (r) => / 101 /.test(r.text)],
    [
        'a foreign Origin',
        () => [[handshake(d.port, { extra: 'Origin: http://evil.example\r\n' })]],
        (r) => !/ 101 /.test(r.text),
    ],
    [
        'a null Origin',
        () => [[handshake(d.port, { extra: 'Origin: null\r\n' })]],
        (r) => !/ 101 /.test(r.text),
    ],
    [
        'its own Origin',
        () => [[handshake(d.port, { extra: `Origin: http://127.0.0.1:${d.port}\r\n` })]],
        (r) => / 101 /.test(r.text),
    ],
    [
        'a foreign Host',
        () => [[handshake(d.port, { host: 'rebind.example' })]],
        (r) => !/ 101 /.test(r.text),
    ],
    [
        'HTTP/1.0 closes',
        () => [[health().replace('1.1', '1.0')], { wait: 1000 }],
        (r) => many(r.text, 1) && r.closed,
    ],
    [
        'half a request and FIN',
        () => [['GE', null], { wait: 1000 }],
        (r) => r.closed && r.text === '',
    ],
    [
        'OPTIONS *',
        () => [[`OPTIONS * HTTP/1.1\r\n${host()}\r\n`]],
        (r) => [400, 404, 405].includes(r.statuses[0]),
    ],
    [
        'the preface of HTTP/2',
        () => [['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'], { wait: 1500 }],
        (r) => r.closed,
    ],
    [
        'h2c by upgrade',
        () => [[handshake(d.port).replace('Upgrade: websocket', 'Upgrade: h2c')], { wait: 1500 }],
        (r) => !/ 101 /.test(r.text),
    ],
    [
        'upgrade to nonsense',
        () => [[handshake(d.port).replace('Upgrade: websocket', 'Upgrade: foo')], { wait: 1500 }],
        (r) => !/ 101 /.test(r.text),
    ],
    [
        'upgrade to nothing',
        () => [[handshake(d.port).replace('Upgrade: websocket', 'Upgrade: ')], { wait: 1500 }],
        (r) => !/ 101 /.test(r.text),
    ],
    [
        'an unknown subprotocol',
        () => [[handshake(d.port).replace('timbred.v1', 'chat')], { wait: 1000 }],
        (r) => !/ 101 /.test(r.text),
    ],
    [
        'TLS on the plain port',
        () => [[Buffer.from('160301020001000101fc0303', 'hex')], { wait: 7000 }],
        (r) => r.closed,
    ],
    ['silence', () => [[], { wait: 7000 }], (r) => r.closed && r.text === ''],
];

test('edge cases', { concurrency: true }, async (t) => {
    await Promise.all(
        ROWS.map(([what, make, fits]) =>
            t.test(what, async () => {
                const answer = await raw(d.port, ...make());
                assert.ok(fits(answer), JSON.stringify(answer.text.slice(0, 500)) + answer.closed);
            }),
        ),
    );
});

test('150 clients and 2,000 requests beside each other', async () => {
    const clients = await Promise.all([...Array(150)].map(() => Socket.open(d)));
    const agent = new http.Agent({ keepAlive: true, maxSockets: 20 });
    d.agent = agent;
    const answers = await Promise.all(
        [...Array(2000)].map(() => d.plain('GET', '/api/v1/health').then((a) => a.status)),
    );
    agent.destroy();
    d.agent = undefined;
    assert.ok(answers.every((status) => status === 200));
    await Promise.all(
        clients.map(async (c) => {
            c.send({ type: 'ping', t: 7 });
            assert.equal((await c.next((m) => m.type === 'pong')).t, 7);
            c.end();
        }),
    );
});

test('200 connections, one after another', async () => {
    for (let i = 0; i < 200; i++)
        assert.equal((await d.plain('GET', '/api/v1/health')).status, 200);
});

test('a mean message of 65,536 bytes passes, one more does not', async () => {
    const c = await Socket.open(d);
    const text = (n) => JSON.stringify({ type: 'ping', t: 1 }).padEnd(n);
    c.write(frame(text(65536)));
    await c.next((m) => m.type === 'pong');
    c.write(frame(text(65537)));
    await c.until(() => c.code !== null || c.closed);
    assert.equal(c.code, 1009);
});
