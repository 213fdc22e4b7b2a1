// SPDX-License-Identifier: GPL-3.0-or-later
// Every operation with every role, and what happens to guesses.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Daemon, Socket } from './lib.mjs';

const d = new Daemon();
const RANK = { open: 0, read: 1, play: 2, admin: 3 };
const tokens = {};
before(async () => {
    await d.start();
    tokens.admin = d.token;
    for (const role of ['read', 'play'])
        tokens[role] = (await d.api('POST', '/tokens', { role, label: role })).json.token;
});
after(() => d.end());

test('role by operation', async (t) => {
    for (const [path, methods] of Object.entries(d.openapi.paths))
        for (const [method, operation] of Object.entries(methods))
            for (const role of ['open', 'read', 'play', 'admin'])
                await t.test(`${role} ${method} ${path}`, async () => {
                    const target =
                        '/api/v1' + path.replace(/\{key\}/, '0').replace(/\{[^}]*\}/g, 'none');
                    // No body and no type: who may come in is told so, and nothing is done.
                    const write = method !== 'get';
                    const headers = write ? { 'Content-Type': 'text/nothing' } : {};
                    const answer = await d.plain(method.toUpperCase(), target, {
                        token: tokens[role],
                        headers,
                    });
                    const needed = operation['x-role'];
                    if (RANK[role] >= RANK[needed]) {
                        if (write) assert.equal(answer.status, 415);
                        else assert.ok(![401, 403].includes(answer.status), `${answer.status}`);
                    } else {
                        assert.equal(answer.status, role === 'open' ? 401 : 403);
                        if (role === 'open')
                            assert.match(answer.headers['www-authenticate'], /^Bearer/);
                    }
                });
});

test('a reader may look but not play', async () => {
    const c = await Socket.open(d, { token: tokens.read, topics: ['state'] });
    assert.equal(c.welcome.role, 'read');
    await c.next((m) => m.type === 'state');
    for (const message of [
        { type: 'set', values: { 'fm.feedback': 1 } },
        { type: 'note', on: true, key: 60, velocity: 1 },
        { type: 'panic' },
        { type: 'load', patch: 'x' },
        { type: 'undo' },
    ])
        assert.equal((await c.ask(message)).status, 403, message.type);
    assert.equal((await c.ask({ type: 'subscribe', topics: ['notes'] })).type, 'ack');
    c.end();
});

test('a withdrawn token: its WebSocket is closed, the others go on', async () => {
    const made = (await d.api('POST', '/tokens', { role: 'play', label: 'guest' })).json;
    const guest = await Socket.open(d, { token: made.token });
    const other = await Socket.open(d, { token: tokens.play });
    assert.equal((await guest.ask({ type: 'panic' })).type, 'ack');
    assert.equal((await d.api('DELETE', `/tokens/${made.id}`)).status, 204);
    await guest.until(() => guest.closed, 2000);
    assert.equal(guest.code, 1008);
    assert.equal((await other.ask({ type: 'panic' })).type, 'ack');
    other.end();
});

test('tokens are long, different and kept as hashes only', async () => {
    const other = new Daemon();
    await other.start();
    assert.notEqual(other.token, d.token);
    await other.end();
    assert.equal(Buffer.from(d.token, 'base64url').length, 16);
    const list = await d.api('GET', '/tokens');
    for (const token of Object.values(tokens)) assert.ok(!list.data.includes(token));
});

test('five wrong guesses a minute, then none; the panel in use is not shut out', async () => {
    const guess = (i) => d.plain('GET', '/api/v1/state', { token: `wrong${i}` });
    const statuses = [];
    for (let i = 0; i < 8; i++) statuses.push((await guess(i)).status);
    assert.deepEqual(statuses, [401, 401, 401, 401, 401, 429, 429, 429]);
    const refused = await guess(9);
    assert.ok(Number(refused.headers['retry-after']) > 0);
    const unseen = await d.plain('GET', '/api/v1/state', { token: tokens.play });
    assert.equal(unseen.status, 429, 'a right guess is not told either');
    const last = await d.plain('GET', '/api/v1/state', { token: tokens.admin });
    assert.equal(last.status, 200);
    await assert.rejects(Socket.open(d, { token: 'wrong' }));
});
