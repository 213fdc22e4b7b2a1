// SPDX-License-Identifier: GPL-3.0-or-later
// Models: in, listed, out again, and everything that may be wrong with a file.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Daemon, Socket, raw, sleep } from './lib.mjs';
import { modelFile, upload } from './model_file.mjs';

const d = new Daemon(['--models.max_mib=1']);
before(() => d.start());
after(() => d.end());

const sha = (data) => crypto.createHash('sha256').update(data).digest('hex');
const folder = () => readdirSync(join(d.state, 'models'));
const tell = (answer) => `${answer.status} ${answer.json?.detail}`;

test('in and out again', async () => {
    const file = modelFile({ name: 'Flöte "1"', size: 'full' });
    const made = await upload(d, file);
    assert.equal(made.status, 201, tell(made));
    const m = made.json;
    assert.equal(made.headers.location, `/api/v1/models/${m.uuid}`);
    assert.equal(m.sha256, sha(file));
    assert.equal(m.bytes, file.length);
    assert.equal(m.frame_rate, 250);
    assert.equal(m.instrument, 'flute');
    assert.ok(m.cost.us_per_frame > 0 && m.cost.voices > 0 && m.affordable, JSON.stringify(m));
    assert.deepEqual((await d.api('GET', `/models/${m.uuid}`)).json, m);
    const back = await d.api('GET', `/models/${m.uuid}/file`);
    assert.deepEqual(back.data, file);
    assert.match(back.headers['content-disposition'], /filename="Fl_te_1_?\.safetensors"/);
    const again = await upload(d, file);
    assert.equal(again.status, 200);
    assert.deepEqual(again.json, m);
    assert.deepEqual(folder(), [`${m.sha256}.safetensors`]);
});

test('lists', async () => {
    await upload(
        d,
        modelFile({
            name: 'Zither small',
            family: 'fm_envelope',
            dilations: undefined,
            residuals: undefined,
        }),
    );
    const all = (await d.api('GET', '/models')).json;
    assert.equal(all.total, 2);
    assert.equal((await d.api('GET', '/models?q=zither%20SMALL')).json.total, 1);
    assert.equal((await d.api('GET', '/models?family=ddx7')).json.items[0].family, 'ddx7');
    const down = (await d.api('GET', '/models?sort=name&order=desc&limit=1')).json;
    assert.equal(down.items[0].name, 'Zither small');
    assert.equal((await d.api('GET', '/models?sort=uuid')).status, 400);
    assert.equal((await d.api('GET', '/models/none')).status, 404);
    assert.equal((await d.api('GET', '/models/none/file')).status, 404);
});

test('the operators of an FM model are told as the file wires them', async () => {
    const { algorithms } = (await d.api('GET', '/params')).json;
    const own = {
        'fm.algorithm': '0',
        'fm.routing': '4>3,4>2,2>1',
        'fm.carriers': '1,3',
        'fm.ratios': '1,3.2,0.5,14',
        'fm.feedback': '5',
        'fm.max_level': '0.32',
        n_operators: '4',
    };
    const free = await upload(d, modelFile({ name: 'Free', ...own }, { seed: 41 }));
    assert.deepEqual(free.json.fm, {
        algorithm: 0,
        operators: 4,
        routing: {
            carriers: [1, 3],
            edges: [
                [2, 1],
                [4, 2],
                [4, 3],
            ],
            feedback: [4, 4],
        },
        ratios: [1, 3.2, 0.5, 14],
        feedback: 5,
        max_level: 0.32,
    });
    const [zither] = (await d.api('GET', '/models?q=zither')).json.items;
    assert.equal(zither.fm.algorithm, 5);
    assert.deepEqual(zither.fm.routing, algorithms[4]);
    assert.deepEqual((await d.api('GET', `/models/${free.json.uuid}`)).json.fm, free.json.fm);
    assert.equal((await d.api('DELETE', `/models/${free.json.uuid}`)).status, 204);
});

test('a benchmark measures one model behind the other', async () => {
    const [zither] = (await d.api('GET', '/models?q=zither')).json.items;
    const body = { blocks: [256], seconds: 0.05, paced: false, stress: false, force: true };
    const post = (models) => d.api('POST', '/benchmarks', { ...body, voices: [1, 3], models });
    for (const [models, status, detail] of [
        [[], 400, /^models: /],
        [new Array(9).fill(null), 400, /^models: /],
        ['x', 400, /^models: /],
        [[7], 400, /^models: /],
        [[zither.uuid, 'none'], 404, /no model/],
    ]) {
        const refused = await post(models);
        assert.equal(refused.status, status, JSON.stringify(models));
        assert.match(refused.json.detail, detail);
    }
    const long = { ...body, voices: [1, 2, 3, 4], seconds: 60, models: new Array(8).fill(null) };
    assert.match((await d.api('POST', '/benchmarks', long)).json.detail, /more than 1800/);
    const started = await post([null, zither.uuid]);
    assert.equal(started.status, 202);
    let done = { state: 'running' };
    while (done.state === 'running') {
        await new Promise((resolve) => setTimeout(resolve, 50));
        done = (await d.api('GET', `/benchmarks/${started.json.id}`)).json;
    }
    assert.equal(done.state, 'done', done.detail);
    const cases = done.result.results.map(({ model, voices }) => [model, voices]);
    assert.deepEqual(cases, [
        [null, 1],
        [null, 3],
        [zither.name, 1],
        [zither.name, 3],
    ]);
    assert.deepEqual(
        done.result.models.map((m) => m?.family ?? null),
        [null, 'fm_envelope'],
    );
    assert.deepEqual(
        done.result.highest.map(({ model, block }) => [model, block]),
        [
            [null, 256],
            [zither.name, 256],
        ],
    );
});

test('deleted with its file, told to all', async () => {
    const c = await Socket.open(d, { topics: ['models'] });
    const made = await upload(d, modelFile({ name: 'Short life' }, { seed: 7 }));
    assert.equal((await c.next((m) => m.type === 'models')).change, 'created');
    assert.equal((await d.api('DELETE', `/models/${made.json.uuid}`)).status, 204);
    const gone = await c.next((m) => m.type === 'models');
    assert.deepEqual([gone.change, gone.uuid], ['deleted', made.json.uuid]);
    assert.equal((await d.api('DELETE', `/models/${made.json.uuid}`)).status, 404);
    assert.ok(!folder().some((name) => name.startsWith(made.json.sha256)));
    c.end();
});

test('another version of a uuid needs to be asked for', async () => {
    const uuid = '11111111-2222-4333-8444-555555555555';
    const first = await upload(d, modelFile({ uuid, name: 'Version' }, { seed: 11 }));
    const second = modelFile({ uuid, name: 'Version' }, { seed: 12 });
    const refused = await upload(d, second);
    assert.equal(refused.status, 409);
    assert.match(refused.json.detail, /^uuid: Version is here in another version/);
    const replaced = await upload(d, second, '?replace=true');
    assert.equal(replaced.status, 201);
    assert.equal(replaced.json.uuid, uuid);
    assert.equal(replaced.json.created, first.json.created);
    assert.ok(!folder().some((name) => name.startsWith(first.json.sha256)));
    assert.deepEqual((await d.api('GET', `/models/${uuid}/file`)).data, second);
});

const fault = (change) => ({ header: change });
const bad = [
    ['empty', Buffer.alloc(0), /^body: empty/],
    ['text', Buffer.from('{"name":"a model"}'), /header|bytes/],
    ['truncated', modelFile().subarray(0, 900), /bytes|byte/],
    ['cut in the header', modelFile().subarray(0, 100), /header/],
    ['one byte more', modelFile({}, { tail: Buffer.alloc(1) }), /bytes after the last tensor/],
    [
        'NaN',
        modelFile({}, { values: (n, v) => n === 'blocks.1.conv2.weight' && (v[5] = NaN) }),
        /^blocks\.1\.conv2\.weight: value 5 is/,
    ],
    [
        'infinite',
        modelFile({}, { values: (n, v) => n === 'blocks.0.conv1.bias' && (v[0] = Infinity) }),
        /^blocks\.0\.conv1\.bias: value 0 is/,
    ],
    [
        'an unknown family',
        modelFile(
            {},
            fault((h) => (h.__metadata__.family = 'rave')),
        ),
        /^family: /,
    ],
    [
        'mislabelled',
        modelFile(
            {},
            fault((h) => (h.__metadata__.family = 'fm_envelope')),
        ),
        /gru|proj|blocks/,
    ],
    [
        'another width',
        modelFile(
            {},
            fault((h) => (h.__metadata__.width = '16')),
        ),
        /blocks\.0/,
    ],
    ['no name', modelFile({ name: undefined }), /^name: /],
    ['an empty uuid of blanks', modelFile({ uuid: 'not a uuid' }), /^uuid: /],
    [
        'a missing tensor',
        modelFile(
            {},
            fault((h) => delete h['blocks.0.conv2.bias']),
        ),
        /blocks\.0\.conv2|hole|byte/,
    ],
    [
        'an unknown tensor',
        modelFile(
            {},
            fault((h) => {
                h.extra = h['blocks.0.conv1.bias'];
                delete h['blocks.0.conv1.bias'];
            }),
        ),
        /extra|conv1\.bias/,
    ],
    ['a rate out of bounds', modelFile({ sample_rate: '7' }), /^sample_rate: /],
    [
        'metadata that is a number',
        modelFile(
            {},
            fault((h) => (h.__metadata__.hop = 64)),
        ),
        /hop/,
    ],
    [
        'an overflowing shape',
        modelFile(
            {},
            fault((h) => (h['blocks.0.conv1.bias'].shape = [2 ** 52, 2 ** 52])),
        ),
        /conv1\.bias/,
    ],
    [
        'offsets behind the end',
        modelFile(
            {},
            fault((h) => (h['blocks.1.conv2.bias'].data_offsets = [0, 2 ** 40])),
        ),
        /conv2\.bias/,
    ],
    [
        'a header of 2^63',
        Buffer.concat([Buffer.from('ffffffffffffff7f', 'hex'), Buffer.alloc(64)]),
        /header/,
    ],
    ['a header of -1', Buffer.concat([Buffer.alloc(8, 255), Buffer.alloc(64)]), /header/],
];

test('files that are no good', async (t) => {
    const before = folder();
    for (const [what, data, why] of bad)
        await t.test(what, async () => {
            const answer = await upload(d, data);
            assert.equal(answer.status, 400, tell(answer));
            assert.match(answer.json.detail, why);
            assert.deepEqual(folder(), before);
        });
});

test('every truncation of the head of a small one', async () => {
    const file = modelFile({ width: '1' });
    for (let n = 1; n < file.length; n += 97) {
        const answer = await upload(d, file.subarray(0, n));
        assert.equal(answer.status, 400, `${n}: ${tell(answer)}`);
    }
});

test('too large is refused before it is read, and while it comes', async () => {
    const big = Buffer.alloc(1024 * 1024 + 1);
    assert.equal((await upload(d, big)).status, 413);
    const head =
        `POST /api/v1/models HTTP/1.1\r\nHost: 127.0.0.1:${d.port}\r\n` +
        `Authorization: Bearer ${d.token}\r\nContent-Type: application/octet-stream\r\n` +
        'Transfer-Encoding: chunked\r\n\r\n';
    const chunk = Buffer.concat([
        Buffer.from('40000\r\n'),
        Buffer.alloc(0x40000),
        Buffer.from('\r\n'),
    ]);
    const answer = await raw(d.port, [head, chunk, chunk, chunk, chunk, chunk, '0\r\n\r\n'], {
        wait: 3000,
        until: /\r\n\r\n/,
    });
    assert.deepEqual(answer.statuses, [413]);
    assert.ok(!folder().some((name) => name.endsWith('.tmp')));
});

test('types, methods and queries', async () => {
    const file = modelFile();
    assert.equal((await upload(d, file, '', { type: 'application/json' })).status, 415);
    assert.equal((await upload(d, file, '?path=/etc')).status, 400);
    assert.equal((await d.api('PUT', '/models', file)).status, 405);
});

test('an upload that ends half way leaves nothing', async () => {
    const file = modelFile({}, { seed: 99 });
    const socket = net.connect(d.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(
        `POST /api/v1/models HTTP/1.1\r\nHost: 127.0.0.1:${d.port}\r\n` +
            `Authorization: Bearer ${d.token}\r\nContent-Type: application/octet-stream\r\n` +
            `Content-Length: ${file.length}\r\n\r\n`,
    );
    socket.write(file.subarray(0, 1000));
    for (let i = 0; i < 100 && !folder().some((name) => name.endsWith('.tmp')); i++)
        await sleep(20);
    assert.ok(
        folder().some((name) => name.endsWith('.tmp')),
        'it is on its way',
    );
    socket.destroy();
    for (let i = 0; i < 400 && folder().some((name) => name.endsWith('.tmp')); i++) await sleep(20);
    assert.ok(!folder().some((name) => name.endsWith('.tmp')));
});

test('the same file four times at once is one model', async () => {
    const file = modelFile({ name: 'Together' }, { seed: 21 });
    const answers = await Promise.all([1, 2, 3, 4].map(() => upload(d, file)));
    const statuses = answers.map((a) => a.status).sort();
    assert.deepEqual(statuses, [200, 200, 200, 201]);
    assert.equal(new Set(answers.map((a) => a.json.uuid)).size, 1);
    assert.equal(folder().filter((name) => name.startsWith(sha(file))).length, 1);
    assert.ok(!folder().some((name) => name.endsWith('.tmp')));
});

test('kill -9 after the answer: all is there; what was left over is swept', async () => {
    const file = modelFile({ name: 'Durable' }, { seed: 31 });
    const made = await upload(d, file);
    assert.equal(made.status, 201);
    await d.kill();
    const orphan = modelFile({ name: 'Orphan' }, { seed: 32 });
    const models = join(d.state, 'models');
    writeFileSync(join(models, 'upload-1-1.tmp'), 'half');
    writeFileSync(join(models, `${'0'.repeat(64)}.gone`), 'deleted before');
    writeFileSync(join(models, `${sha(orphan)}.safetensors`), orphan);
    await d.start();
    assert.deepEqual((await d.api('GET', `/models/${made.json.uuid}/file`)).data, file);
    assert.ok(!existsSync(join(models, 'upload-1-1.tmp')));
    assert.ok(!existsSync(join(models, `${'0'.repeat(64)}.gone`)));
    for (let i = 0; i < 200; i++) {
        if ((await d.api('GET', '/models?q=Orphan')).json.total === 1) break;
        await sleep(50);
    }
    assert.equal((await d.api('GET', '/models?q=Orphan')).json.total, 1, 'registered again');
});
