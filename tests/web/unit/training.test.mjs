// SPDX-License-Identifier: GPL-3.0-or-later
// The training page's traffic with a device that is played here.
import assert from 'node:assert/strict';
import { File } from 'node:buffer';
import test from 'node:test';
import { loadTogether } from './load.mjs';

const REFUSED = 'silent.wav';
const device = { sets: [], runs: [], asked: [], most: 0, now: 0 };
const answer = (body, status = 200) =>
    new Response(body === undefined ? null : JSON.stringify(body), { status });

function asked(method, path, body) {
    device.asked.push(`${method} ${path}`);
    const [, what, uuid] = path.split(/[/?]/);
    const all = what === 'datasets' ? device.sets : device.runs;
    const found = all.find((each) => each.uuid === uuid);
    if (method === 'GET') return found ? answer(found) : answer({ items: all });
    if (method === 'POST' && path === '/datasets') {
        const made = { uuid: `s${all.length}`, created: all.length, recordings: [], ...body };
        all.push(made);
        return answer(made, 201);
    }
    if (method === 'POST' && path === '/trainings') {
        if (all.some(({ state }) => state === 'running'))
            return answer({ detail: '“Flute” is being trained' }, 409);
        const made = { uuid: `t${all.length}`, created: 9, state: 'running', step: 0, ...body };
        all.push({ phase: 'preparing', detail: '', best: null, history: [], ...made });
        return answer(made, 202);
    }
    if (method === 'POST' && path.endsWith('/stop')) found.state = 'stopped';
    if (method === 'DELETE') all.splice(all.indexOf(found), 1);
    return answer(undefined, 204);
}

class Sent {
    upload = {};
    open(_method, path) {
        this.path = path;
    }
    setRequestHeader() {}
    send(file) {
        device.most = Math.max(device.most, ++device.now);
        setTimeout(() => {
            device.now--;
            this.upload.onprogress({ loaded: file.size });
            const refused = file.name === REFUSED;
            this.status = refused ? 400 : 201;
            this.responseText = JSON.stringify(
                refused ? { detail: 'It is silent.' } : { name: file.name, bytes: file.size },
            );
            this.onload();
        }, 2);
    }
}

Object.assign(globalThis, {
    document: { addEventListener() {}, hidden: false },
    window: globalThis,
    addEventListener() {},
    location: { protocol: 'http:', host: 'device' },
    localStorage: { getItem: () => 'token', setItem() {} },
    isSecureContext: false,
    WebSocket: class {},
    XMLHttpRequest: Sent,
    fetch: (url, { method, body }) =>
        Promise.resolve(asked(method, url.slice('/api/v1'.length), body && JSON.parse(body))),
});

const { training, store } = await loadTogether({
    training: 'core/training',
    store: 'core/store',
});
const files = (...names) => names.map((name) => new File(['sound'], name));
const settled = async (ready) => {
    for (let i = 0; i < 2000 && !ready(); i++) await new Promise((done) => setTimeout(done, 5));
    assert.ok(ready(), String(ready));
};

test('dropped recordings make one data set, two at a time, the refused say why', async () => {
    training.watchTraining();
    store.link.value = 'open';
    const names = ['flute_A4.wav', 'flute_B4.wav', 'notes.txt', REFUSED, 'flute_C5.wav'];
    await Promise.all([
        training.addFiles(files(...names)),
        training.addFiles(files('flute_D5.mp3')),
    ]);
    await settled(() => training.uploads.value.every(({ state }) => state === 'refused'));
    assert.equal(device.sets.length, 1);
    const { name, instrument, labels } = device.sets[0];
    assert.deepEqual([name, instrument, labels], ['Flute', 'flute', 'none']);
    assert.equal(device.most, 2);
    const [left] = training.uploads.value;
    assert.deepEqual([left.name, left.why], [REFUSED, 'It is silent.']);
    const there = training.data.value.recordings.map((one) => one.name).sort();
    assert.deepEqual(there, ['flute_A4.wav', 'flute_B4.wav', 'flute_C5.wav', 'flute_D5.mp3']);
    assert.match(store.notice.value.text, /1 of these are no recordings/);
    training.dismiss(left);
    assert.equal(training.uploads.value.length, 0);
});

test('a training is started, followed by messages, and read again when it turns', async () => {
    const wish = { dataset: 's0', name: 'Flute', family: 'hpn', preset: 'reduced', minutes: 5 };
    await training.start(wish);
    assert.equal(training.run.value.uuid, 't0');
    await settled(() => training.running.value?.uuid === 't0');
    await assert.rejects(training.start(wish), /being trained/);
    const job = { id: 't0', kind: 'training', state: 'running', phase: 'training', progress: 0.1 };
    Object.assign(device.runs[0], { phase: 'training', step: 3 });
    store.jobs.value = [{ ...job, step: 3, loss: 4.5, validation: null }];
    assert.equal(training.run.value.step, 3);
    store.jobs.value = [{ ...job, step: 4, loss: 4.25, validation: 4.4 }];
    assert.equal(training.run.value.loss, 4.25);
    const reads = () => device.asked.filter((line) => line === 'GET /trainings/t0').length;
    const before = reads();
    await training.stop(training.run.value);
    await settled(() => training.run.value?.state === 'stopped' && reads() > before);
    assert.equal(training.running.value, null);
});

test('a training that is deleted goes, and so does a data set', async () => {
    await training.remove(training.run.value);
    await settled(() => training.list.value.length === 0);
    assert.equal(training.run.value, null);
    await training.dropSet('s0');
    await settled(() => training.sets.value.length === 0);
    assert.equal(training.data.value, null);
});
