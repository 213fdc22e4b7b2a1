// SPDX-License-Identifier: GPL-3.0-or-later
// What was acknowledged is found again: after kill -9 of the web role, of everything, and a stop.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import net from 'node:net';
import { Daemon, Socket, sleep } from './lib.mjs';

const d = new Daemon();
before(() => d.start());
after(() => d.end());

const state = async () => (await d.api('GET', '/state')).json;
let uuid;

test('kill -9 of the web role: the state, the port and the sound go on', async () => {
    const made = await d.api('POST', '/patches', {
        name: 'Kept',
        values: { 'fm.op2.level': 40 },
    });
    uuid = made.json.uuid;
    await d.api('PUT', '/state/patch', { uuid });
    await d.api('PATCH', '/state', {
        values: { 'fm.op2.level': 77, 'master.gain': -12 },
    });
    const port = d.port;
    for (let i = 0; i < 3; i++) {
        await d.killWeb();
        const now = await state();
        assert.equal(now.values['fm.op2.level'], 77);
        assert.equal(now.values['master.gain'], -12);
        assert.equal(now.patch.uuid, uuid);
        assert.equal(now.modified, true);
        const status = (await d.api('GET', '/status')).json;
        assert.equal(d.port, port);
        assert.equal(status.audio.late, 0);
        assert.equal(status.web_restarts, i + 1);
    }
});

test('notes of players that a crash cut off end', async () => {
    const c = await Socket.open(d);
    await c.ask({ type: 'note', on: true, key: 61, velocity: 100 });
    await d.killWeb();
    for (let i = 0; i < 60; i++) {
        await sleep(100);
        if ((await d.api('GET', '/status')).json.audio.voices === 0) break;
    }
    assert.equal((await d.api('GET', '/status')).json.audio.voices, 0);
});

test(
    'writes acknowledged while the web role is killed are all there',
    { timeout: 60000 },
    async () => {
        const acknowledged = [];
        for (let round = 0; round < 5; round++) {
            let going = true;
            const write = async (n) => {
                for (let i = 0; going; i++) {
                    const name = `w${round}-${n}-${i}`;
                    const body = JSON.stringify({ name });
                    const answer = await d
                        .plain('POST', '/api/v1/patches', {
                            body,
                            token: d.token,
                            headers: { 'Content-Type': 'application/json' },
                        })
                        .catch(() => null);
                    if (!answer) return;
                    if (answer.status === 201) acknowledged.push(answer.json.uuid);
                }
            };
            const writers = [0, 1, 2, 3].map(write);
            await sleep(150 + round * 40);
            await d.killWeb();
            going = false;
            await Promise.all(writers);
        }
        assert.ok(acknowledged.length > 50, `${acknowledged.length} writes`);
        for (const id of acknowledged)
            assert.equal((await d.api('GET', `/patches/${id}`)).status, 200, `${id} is lost`);
    },
);

test(
    'a clean stop and kill -9 of everything: the last state returns',
    { timeout: 60000 },
    async () => {
        await d.api('PUT', '/state/patch', { uuid });
        await d.api('PATCH', '/state', { values: { 'fm.op2.level': 55 } });
        assert.equal(await d.stop(), 0);
        await d.start();
        assert.equal((await state()).values['fm.op2.level'], 55);
        assert.equal((await state()).patch.uuid, uuid);

        await d.api('PATCH', '/state', { values: { 'fm.op2.level': 66 } });
        await sleep(1300);
        await d.kill();
        await d.start();
        assert.equal((await state()).values['fm.op2.level'], 66);
        assert.equal((await state()).modified, true);
    },
);

test('kill -9 of the web role, then of everything: the last state returns', async () => {
    await d.api('PUT', '/state/patch', { uuid });
    await sleep(1300); // saved, so that only the edit is new
    await d.api('PATCH', '/state', { values: { 'fm.op2.level': 33 } });
    await d.killWeb();
    await sleep(1300);
    await d.kill();
    await d.start();
    assert.equal((await state()).values['fm.op2.level'], 33);
    assert.equal((await state()).patch.uuid, uuid);
    assert.equal((await state()).modified, true);
});

test('the web role killed while it starts: port and link appear all the same', async () => {
    for (let ms = 0; ms <= 40; ms += 8) {
        const other = new Daemon();
        try {
            const started = other.start();
            while (!other.webPid()) await sleep(1);
            await sleep(ms);
            process.kill(other.webPid() ?? 0x3fffffff, 'SIGKILL');
            await started;
            await other.ready();
            assert.equal((await other.api('GET', '/status')).status, 200);
        } finally {
            assert.equal(await other.end(), 0);
        }
    }
});

test('who connects while the web role is down waits for the next one', async () => {
    process.kill(d.webPid(), 'SIGKILL');
    const answers = [];
    for (let i = 0; i < 40; i++) {
        answers.push(d.plain('GET', '/api/v1/health').catch((fault) => fault.code));
        await sleep(2);
    }
    const refused = (await Promise.all(answers)).filter((answer) => answer === 'ECONNREFUSED');
    assert.equal(refused.length, 0);
});

test('a taken port is passed over, or told', async () => {
    const holder = net.createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => holder.once('listening', resolve));
    const { port } = holder.address();
    const other = new Daemon([`--server.port=${port}`]);
    const failed = await other.start().then(
        () => false,
        () => true,
    );
    assert.ok(failed || other.port !== port);
    if (failed) assert.match(other.output, new RegExp(`server.port: ${port}.*taken`));
    await other.end();
    holder.close();
});
