// SPDX-License-Identifier: GPL-3.0-or-later
// Trainings from recordings to a sounding model, and everything that may end one on its way.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Daemon, Socket, sleep } from './lib.mjs';
import { dataset, note, until, wav } from './recordings.mjs';

const noRoom = join('/tmp', `timbred-no-room-${process.pid}`);
if (process.env.NO_ROOM) {
    process.env.LD_PRELOAD = process.env.NO_ROOM; // of the daemon: we run already
    process.env.TIMBRED_NO_ROOM = noRoom;
}
const d = new Daemon();
let set;
before(async () => {
    await d.start();
    set = await dataset(d, { n: 4, seconds: 5 });
});
after(async () => {
    rmSync(noRoom, { force: true });
    await d.end();
});

const quick = { family: 'ddx7', batch: 1, seconds: 0.25 };
const start = (more = {}) => d.api('POST', '/trainings', { dataset: set, ...quick, ...more });
const work = (uuid, name) => join(d.state, 'training', 'runs', uuid, 'work', name);
const over = (t) => t.state !== 'running';

async function begin(more) {
    const made = await start({ minutes: 30, ...more });
    assert.equal(made.status, 202, JSON.stringify(made.json));
    return made.json.uuid;
}

async function stop(uuid) {
    const answer = await d.api('POST', `/trainings/${uuid}/stop`);
    assert.equal(answer.status, 204, JSON.stringify(answer.json));
    return until(d, uuid, over);
}

async function resume(uuid, body = {}) {
    const answer = await d.api('POST', `/trainings/${uuid}/resume`, body);
    assert.equal(answer.status, 202, JSON.stringify(answer.json));
}

const remove = async (uuid) =>
    assert.equal((await d.api('DELETE', `/trainings/${uuid}`)).status, 204);

function trainPid() {
    for (const entry of readdirSync('/proc')) {
        if (!/^\d+$/.test(entry)) continue;
        try {
            const command = readFileSync(`/proc/${entry}/cmdline`, 'utf8');
            if (command.includes('--role=train') && command.includes(d.state)) return Number(entry);
        } catch {
            continue; // it ended meanwhile
        }
    }
    return null;
}

/** The job, which is told as running before it is a process of its own name. */
async function jobPid() {
    for (let i = 0; i < 200 && trainPid() === null; i++) await sleep(50);
    const pid = trainPid();
    assert.notEqual(pid, null, 'no job');
    return pid;
}

function peak(data) {
    let most = 0;
    for (let i = 44; i + 1 < data.length; i += 2)
        most = Math.max(most, Math.abs(data.readInt16LE(i)));
    return most / 32768;
}

test('from recordings to a model that sounds', async () => {
    const c = await Socket.open(d, { topics: ['jobs', 'models', 'patches'] });
    const uuid = await begin({ minutes: 0.2, name: 'Pipe one' });
    const seen = [];
    await until(d, uuid, (t) => {
        if (seen.at(-1) !== t.phase) seen.push(t.phase);
        return over(t);
    });
    assert.deepEqual(seen, ['preparing', 'training', null]);
    const t = (await d.api('GET', `/trainings/${uuid}`)).json;
    assert.equal(t.state, 'done', t.detail);
    assert.ok(t.step > 10 && t.best > 0 && t.best_step > 0 && t.spent_s > 8, JSON.stringify(t));
    assert.ok(t.history.length > 0 && t.history.every((p) => p[0] <= t.step));
    assert.ok(t.history.some((p) => p[2] !== null));
    assert.equal(t.progress, 1);
    const report = (await d.api('GET', `/datasets/${set}`)).json.report;
    assert.ok(report.minutes > 0.2 && report.pitch.length >= 4 && report.clips.train > 0);

    const clip = `/trainings/${uuid}/clips/${t.clips[0].index}`;
    const sounds = {};
    for (const of of ['original', 'model'])
        sounds[of] = (await d.api('GET', `${clip}?of=${of}`)).data;
    assert.ok(peak(sounds.original) > 0.3 && peak(sounds.model) > 0.01);
    assert.notDeepEqual(sounds.original, sounds.model);
    const many = Array.from({ length: 6 }, () => d.api('GET', `${clip}?of=model`));
    const statuses = (await Promise.all(many)).map((answer) => answer.status);
    assert.ok(statuses.includes(200) && statuses.every((s) => [200, 503].includes(s)), statuses);
    assert.equal((await d.api('GET', `/trainings/${uuid}/clips/999`)).status, 404);
    assert.equal((await d.api('GET', `/trainings/${uuid}/clips/x`)).status, 404);

    const kept = await d.api('POST', `/trainings/${uuid}/keep`, { licence: 'CC0-1.0' });
    assert.equal(kept.status, 201, JSON.stringify(kept.json));
    assert.deepEqual(
        [kept.json.uuid, kept.json.name, kept.json.licence, kept.json.factory],
        [uuid, 'Pipe one', 'CC0-1.0', false],
    );
    const { patch, model } = (await d.api('GET', `/trainings/${uuid}`)).json;
    assert.equal(model, uuid);
    assert.equal((await d.api('PUT', '/state/patch', { uuid: patch })).json.model.uuid, uuid);
    const render = { patch, notes: [{ time_s: 0, key: 69, velocity: 100, duration_s: 1 }] };
    const heard = (await d.api('POST', '/renders', { ...render, tail_s: 0 })).data;
    const samples = heard.subarray(heard.indexOf('data') + 8);
    let most = 0;
    for (let i = 0; i + 3 < samples.length; i += 4)
        most = Math.max(most, Math.abs(samples.readFloatLE(i)));
    assert.ok(most > 0.003, `silent: ${most}`);

    const jobs = c.messages.filter((m) => m.type === 'job');
    assert.ok(jobs.some((m) => m.phase === 'preparing') && jobs.some((m) => m.step > 0));
    assert.equal(jobs.at(-1).state, 'done');
    assert.ok(c.messages.some((m) => m.type === 'models' && m.uuid === uuid));
    assert.ok(c.messages.some((m) => m.type === 'patches' && m.uuid === patch));
    c.end();

    await resume(uuid, { minutes: 0.1 }); // and better, in the same place
    const longer = await until(d, uuid, over);
    assert.ok(longer.step > t.step && longer.state === 'done', JSON.stringify(longer));
    const again = await d.api('POST', `/trainings/${uuid}/keep`, { name: 'Pipe two' });
    assert.equal(again.status, 201);
    assert.deepEqual([again.json.uuid, again.json.name], [uuid, 'Pipe two']);
    await remove(uuid);
    assert.equal((await d.api('GET', `/models/${uuid}`)).status, 200, 'the model stays');
    await d.api('DELETE', `/models/${uuid}?force=true`);
});

test('one at a time, and its data stays as it is', async () => {
    const uuid = await begin({ name: 'The first' });
    const second = await start({ minutes: 1 });
    assert.equal(second.status, 409);
    assert.match(second.json.detail, /The first/);
    for (const [method, path] of [
        ['DELETE', `/datasets/${set}`],
        ['DELETE', `/datasets/${set}/recordings?filename=take-0.wav`],
        ['DELETE', `/trainings/${uuid}`],
        ['POST', `/trainings/${uuid}/resume`],
    ]) {
        const answer = await d.api(method, path, method === 'POST' ? {} : undefined);
        assert.equal(answer.status, 409, `${method} ${path}`);
    }
    const upload = `/datasets/${set}/recordings?filename=new.wav`;
    const type = 'application/octet-stream';
    assert.equal((await d.api('POST', upload, Buffer.from('x'), { type })).status, 409);
    await stop(uuid);
    assert.equal((await d.api('POST', `/trainings/${uuid}/stop`)).status, 409);
    await remove(uuid);
});

test('the job has no more rights and no more priority than it needs', async () => {
    const uuid = await begin();
    await until(d, uuid, (t) => t.step > 0);
    const pid = await jobPid();
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    assert.match(status, /^CapEff:\s+0+$/m);
    assert.match(status, /^NoNewPrivs:\s+1$/m);
    assert.match(status, /^Seccomp:\s+2$/m);
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
    assert.equal(fields[16], '19', 'nice');
    assert.equal(fields[38], '5', 'SCHED_IDLE');
    assert.equal(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8').trim(), '1000');
    await stop(uuid);
    assert.equal(trainPid(), null);
    await remove(uuid);
});

test('stops in the middle and goes on', async () => {
    const uuid = await begin();
    const before = await until(d, uuid, (t) => t.step > 5);
    const stopped = await stop(uuid);
    assert.equal(stopped.state, 'stopped');
    assert.ok(stopped.step >= before.step);
    assert.ok(existsSync(work(uuid, 'checkpoint')) && existsSync(work(uuid, 'model.safetensors')));
    await resume(uuid);
    const after = await until(d, uuid, (t) => t.step > stopped.step);
    assert.ok(after.minutes > 29.9 && after.spent_s >= stopped.spent_s);
    await stop(uuid);
    await remove(uuid);
});

test('of two that start at once, one does', async () => {
    const both = await Promise.all([start({ minutes: 30 }), start({ minutes: 30 })]);
    assert.deepEqual(both.map((answer) => answer.status).sort(), [202, 409]);
    const { uuid } = both.find((answer) => answer.status === 202).json;
    const running = (await d.api('GET', '/trainings')).json.items.filter((t) => !over(t));
    assert.deepEqual(
        running.map((t) => t.uuid),
        [uuid],
    );
    await stop(uuid);
    await remove(uuid);
});

const alive = (pid) => existsSync(`/proc/${pid}`);

// kill -9 of the role that owns the sound and has started the others: they do not outlive it.
async function killAudio() {
    const others = [d.webPid(), await jobPid()];
    assert.ok(others.every((pid) => pid > 0 && alive(pid)), String(others));
    await d.stop('SIGKILL');
    for (let i = 0; i < 300 && others.some(alive); i++) await sleep(100);
    assert.ok(!others.some(alive), 'they outlived the audio role');
    await d.start();
}

for (const role of ['job', 'web', 'audio', 'all'])
    test(`kill -9 of ${role}: interrupted, and it goes on`, async () => {
        const uuid = await begin();
        await until(d, uuid, (t) => t.step > 5);
        await stop(uuid); // a checkpoint from which it must go on
        await resume(uuid);
        const saved = await until(d, uuid, (t) => t.phase === 'training' && t.step > 0);
        if (role === 'job') process.kill(await jobPid(), 'SIGKILL');
        if (role === 'web') await d.killWeb();
        if (role === 'audio') await killAudio();
        if (role === 'all') {
            await d.kill();
            await d.start();
        }
        const t = await until(d, uuid, over);
        assert.equal(t.state, 'interrupted', t.detail);
        assert.ok(t.step > 0 && t.history.length >= 0);
        await resume(uuid);
        await until(d, uuid, (x) => x.step > saved.step);
        await stop(uuid);
        await remove(uuid);
    });

test('the end of the service is an interruption', async () => {
    const uuid = await begin();
    await until(d, uuid, (t) => t.step > 5);
    const began = Date.now();
    assert.equal(await d.stop(), 0);
    assert.ok(Date.now() - began < 20000, 'stopping took long');
    assert.equal(trainPid(), null);
    await d.start();
    const t = (await d.api('GET', `/trainings/${uuid}`)).json;
    assert.equal(t.state, 'interrupted');
    assert.ok(existsSync(work(uuid, 'checkpoint')), 'it saved where it was');
    await resume(uuid);
    await until(d, uuid, (x) => x.step >= t.step && x.phase === 'training');
    await stop(uuid);
    await remove(uuid);
});

function damage(path, shift = 1) {
    const data = readFileSync(path);
    data[data.length >> shift] ^= 0x10;
    writeFileSync(path, data);
}

test('a damaged checkpoint: the one before it, or it says so', async () => {
    const uuid = await begin();
    await until(d, uuid, (t) => t.step > 5);
    await stop(uuid);
    await resume(uuid);
    await until(d, uuid, (t) => t.step > 0 && t.phase === 'training' && t.steps_per_s > 0);
    await stop(uuid); // the second checkpoint
    damage(work(uuid, 'checkpoint'));
    const c = await Socket.open(d, { topics: ['jobs'] });
    await resume(uuid);
    const told = await c.next((m) => m.type === 'job' && /damaged/.test(m.detail ?? ''), 60000);
    assert.match(told.detail, /going on from step \d+|trying the one before/);
    await until(d, uuid, (t) => t.steps_per_s > 0);
    await stop(uuid);
    c.end();
    for (const name of ['checkpoint', 'checkpoint.old'])
        damage(work(uuid, name), 2);
    await resume(uuid);
    const failed = await until(d, uuid, over);
    assert.equal(failed.state, 'failed');
    assert.match(failed.detail, /no sound checkpoint/);
    assert.doesNotMatch(failed.detail, /--fresh/);
    assert.equal((await d.api('POST', `/trainings/${uuid}/keep`, {})).status, 201, 'the best is');
    await d.api('DELETE', `/models/${uuid}`);
    await remove(uuid);
});

function crc32(data) {
    let sum = ~0;
    for (const byte of data) {
        sum ^= byte;
        for (let i = 0; i < 8; i++) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
    }
    return ~sum >>> 0;
}

// A sound checkpoint of weights that have left the rails (models/train/checkpoint.c).
function derail(path) {
    const data = readFileSync(path);
    const head = data.readUInt32LE(12);
    for (let i = 0; i < 64; i++) data.writeFloatLE(NaN, head + 4 * i);
    data.writeUInt32LE(crc32(data.subarray(0, -4)), data.length - 4);
    writeFileSync(path, data);
}

test('a loss that diverges ends it, and the best is kept', async () => {
    const uuid = await begin();
    await until(d, uuid, (t) => t.best !== null && t.best_step > 0);
    const before = await stop(uuid);
    derail(work(uuid, 'checkpoint'));
    await resume(uuid);
    const failed = await until(d, uuid, over);
    assert.equal(failed.state, 'failed');
    assert.match(failed.detail, /diverged, the best is kept/);
    // a validation that the stop interrupted is made up for first, and may be better still
    assert.ok(failed.best_step >= before.best_step && failed.best <= before.best);
    const kept = await d.api('POST', `/trainings/${uuid}/keep`, {});
    assert.equal(kept.status, 201, JSON.stringify(kept.json));
    const clip = (await d.api('GET', `/trainings/${uuid}`)).json.clips[0].index;
    const heard = (await d.api('GET', `/trainings/${uuid}/clips/${clip}?of=model`)).data;
    assert.ok(peak(heard) > 0.001, 'the best sounds');
    await d.api('DELETE', `/models/${uuid}?force=true`);
    await remove(uuid);
});

test('a full disk costs a checkpoint, not the one before it', async (t) => {
    if (!process.env.NO_ROOM) return t.skip('no NO_ROOM');
    const uuid = await begin();
    await until(d, uuid, (x) => x.step > 5);
    await stop(uuid);
    const before = readFileSync(work(uuid, 'checkpoint'));
    await resume(uuid);
    await until(d, uuid, (x) => x.steps_per_s > 0);
    writeFileSync(noRoom, '');
    const failed = await stop(uuid);
    rmSync(noRoom);
    assert.equal(failed.state, 'failed');
    assert.match(failed.detail, /room|space|full/i);
    assert.deepEqual(readFileSync(work(uuid, 'checkpoint')), before);
    await resume(uuid);
    await until(d, uuid, (x) => x.steps_per_s > 0);
    assert.equal((await stop(uuid)).state, 'stopped');
    await remove(uuid);
});

test('what is of no use is told', async () => {
    const type = 'application/octet-stream';
    const noise = Array.from({ length: 80000 }, () => 0.5 * (2 * Math.random() - 1));
    const bad = {
        'silence.wav': wav(new Array(80000).fill(0)),
        'noise.wav': wav(noise),
        'tiny.wav': wav(note(440, 0.02)),
        'text.wav': Buffer.from('this is no sound at all'),
        'cut.flac': Buffer.from('fLaC\0\0\0\x22'),
    };
    const { uuid } = (await d.api('POST', '/datasets', { name: 'Bad' })).json;
    assert.equal((await start({ dataset: uuid })).status, 400, 'no recordings');
    for (const [name, data] of Object.entries(bad))
        await d.api('POST', `/datasets/${uuid}/recordings?filename=${name}`, data, { type });
    const run = await begin({ dataset: uuid, minutes: 0.05 });
    const failed = await until(d, run, over);
    assert.equal(failed.state, 'failed');
    assert.match(failed.detail, /\.(wav|flac)/);
    await remove(run);
    const good = wav(note(440, 6));
    await d.api('POST', `/datasets/${uuid}/recordings?filename=good.wav`, good, { type });
    const second = await begin({ dataset: uuid, minutes: 0.05 });
    await until(d, second, (t) => t.phase === 'training' || over(t));
    const read = (await d.api('GET', `/datasets/${uuid}`)).json;
    assert.equal(read.state, 'prepared');
    for (const r of read.recordings)
        assert.equal(r.rejected === null, r.name === 'good.wav', JSON.stringify(r));
    await until(d, second, over);
    const more = wav(note(330, 5));
    await d.api('POST', `/datasets/${uuid}/recordings?filename=more.wav`, more, { type });
    assert.equal((await d.api('GET', `/datasets/${uuid}`)).json.state, 'open');
    const clip = await d.api('GET', `/trainings/${second}/clips/0`);
    assert.equal(clip.status, 409, 'nothing is prepared');
    await remove(second);
    await d.api('DELETE', `/datasets/${uuid}`);
});

const faults = [
    [{ dataset: undefined }, 400, /^dataset: /],
    [{ dataset: '../../..' }, 404, /dataset/],
    [{ dataset: '11111111-2222-4333-8444-555555555555' }, 404, /dataset/],
    [{ family: 'rave' }, 400, /^family: /],
    [{ preset: 'huge' }, 400, /^preset: /],
    [{ voice: 'kazoo' }, 400, /^voice: /],
    [{ minutes: 0 }, 400, /^minutes: /],
    [{ minutes: 10081 }, 400, /^minutes: /],
    [{ minutes: '5' }, 400, /^minutes: /],
    [{ batch: 65 }, 400, /^batch: /],
    [{ seconds: 5 }, 400, /^seconds: /],
    [{ rate: 1 }, 400, /^rate: /],
    [{ seed: -1 }, 400, /^seed: /],
    [{ name: '' }, 400, /^name: /],
    [{ command: 'ls' }, 400, /^command: /],
];
for (const [change, status, fault] of faults)
    test(`refused: ${JSON.stringify(change)}`, async () => {
        const answer = await start(change);
        assert.equal(answer.status, status, JSON.stringify(answer.json));
        assert.match(answer.json.detail, fault);
    });

test('no such training', async () => {
    for (const uuid of ['none', '11111111-2222-4333-8444-555555555555']) {
        for (const [method, path, body] of [
            ['GET', ''],
            ['DELETE', ''],
            ['POST', '/stop'],
            ['POST', '/resume', {}],
            ['POST', '/keep', {}],
            ['GET', '/clips/0'],
        ]) {
            const answer = await d.api(method, `/trainings/${uuid}${path}`, body);
            assert.equal(answer.status, 404, `${method} ${path} ${uuid}`);
        }
    }
    const uuid = await begin();
    await d.api('POST', `/trainings/${uuid}/stop`);
    await until(d, uuid, over);
    await sleep(10);
    for (const body of [{ name: '' }, { name: 'n'.repeat(97) }, { path: 'x' }]) {
        const answer = await d.api('POST', `/trainings/${uuid}/keep`, body);
        assert.equal(answer.status, 400, JSON.stringify(body));
    }
    const { token } = (await d.api('POST', '/tokens', { role: 'play', label: 'p' })).json;
    assert.equal((await d.api('DELETE', `/trainings/${uuid}`, undefined, { token })).status, 403);
    await remove(uuid);
});
