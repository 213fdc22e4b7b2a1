// SPDX-License-Identifier: GPL-3.0-or-later
// An instrument is made in the panel: recordings in, learned, listened to, kept, played.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { note as toned, wav } from '../api/recordings.mjs';
import { connected, holdKey, launch, openPanel, PHONE, stumbles } from './browser.mjs';
import { Daemon } from './daemon.mjs';
import { fundamentalHz, hear, loudnessDb } from './ears.mjs';
import { A3, inked } from './world.mjs';

/** Learning is the last to get the processor, and this machine may have others to serve. */
const PATIENCE_MS = 120_000;
const SECONDS = 4;
const KEYS = [60, 62, 64, 65, 67, 69, 71, 72];
const NAME = 'My pipe';

let daemon;
let browser;
let page;

before(async () => {
    daemon = new Daemon(process.env.TIMBRED, ['--models.zoo=/nonexistent']);
    await daemon.start();
    browser = await launch();
    page = await openPanel(browser, daemon);
    page.setDefaultTimeout(PATIENCE_MS);
});

after(async () => {
    await browser?.close();
    await daemon?.stop();
});

const hzOf = (key) => 440 * 2 ** ((key - 69) / 12);
const file = (name, samples) => ({ name, mimeType: 'audio/wav', buffer: wav(samples) });
const state = (word) => page.waitForSelector(`.learning .state:has-text("${word}")`);
const training = async () => (await daemon.api('GET', '/trainings')).items[0];

test('recordings come many at once; what is none is left out, and it says so', async () => {
    await page.click('button[aria-label="Train"]');
    await page.waitForSelector('.how');
    assert.deepEqual(await stumbles(page), []);
    await page.setInputFiles('input[aria-label="Recordings"]', [
        ...KEYS.map((key) => file(`pipe_take${key}.wav`, toned(hzOf(key), SECONDS))),
        file('pipe_nothing.wav', new Float32Array(16000 * SECONDS)),
        { name: 'readme.txt', mimeType: 'text/plain', buffer: Buffer.from('not a sound') },
    ]);
    await page.waitForSelector('.notice:has-text("1 of these are no recordings")');
    await page.waitForSelector(`.recordings:has-text("${KEYS.length + 1} recordings")`);
    await page.waitForFunction(() => !document.querySelector('.files progress'));
    const [set] = (await daemon.api('GET', '/datasets')).items;
    assert.deepEqual([set.name, set.instrument], ['Pipe', 'pipe']);
});

test('it learns: what the recordings hold, what is of no use, the error as it falls', async () => {
    await page.fill('.wishes input[placeholder*="Pipe"]', NAME);
    await page.selectOption('.wishes .fields select', '5');
    await page.click('text=Start learning');
    await page.waitForSelector('.learning .state.live');
    await page.waitForSelector('.contents');
    await page.waitForSelector('.files li:has-text("pipe_nothing.wav") .bad');
    assert.match(await page.textContent('.contents'), /minutes of sound, .*clips are held back/);
    assert.ok((await inked(page, '.histogram canvas')) > 0);
    await state('Learning');
    const step = () => page.textContent('.figures dd');
    await page.waitForSelector('.figures');
    const before = await step();
    await page.waitForFunction(
        (was) => document.querySelector('.figures dd').textContent !== was,
        before,
    );
    await page.waitForSelector('.learning .primary:enabled');
    assert.ok((await inked(page, '.losses canvas')) > 0);
    assert.match(await page.textContent('.wishes footer'), /My pipe.*one at a time/);
    assert.deepEqual(await stumbles(page), []);
});

/** The first one is written a little after it was measured. */
async function hearFirst() {
    for (const until = Date.now() + PATIENCE_MS; Date.now() < until;) {
        await page.click('.pair .original');
        await page.waitForSelector('.pair [aria-pressed="true"], .notice:has-text("in a moment")');
        if (await page.isVisible('.pair .original[aria-pressed="true"]')) return;
        await page.waitForSelector('.notice', { state: 'detached' });
    }
    assert.fail('no model was written');
}

/** A part of the clip that is no silence: it swells, and ends by itself. */
async function hearSome(button) {
    for (const until = Date.now() + PATIENCE_MS; Date.now() < until;) {
        if (!(await page.isVisible(`${button}[aria-pressed="true"]`))) await page.click(button);
        const heard = await hear(page, 0.4);
        if (loudnessDb(heard) > -40) return heard;
    }
    return assert.fail(`${button}: nothing is heard`);
}

test('the best so far is heard beside a recording, at one loudness, in one pass', async () => {
    await hearFirst();
    const original = await hearSome('.pair .original');
    assert.ok((await inked(page, '.waves-pair canvas')) > 0);
    const model = await hearSome('.pair .model');
    // Other parts of the clip, which swells: the whole of both is at one loudness.
    const apart = loudnessDb(model) - loudnessDb(original);
    assert.ok(Math.abs(apart) < 30, `the model is ${apart} dB louder`);
    // It ends by itself.
    await page.waitForFunction(() => !document.querySelector('.pair [aria-pressed="true"]'));
});

test('stopped, gone on with, stopped, and still there after a reload', async () => {
    await page.click('.learning button:has-text("Stop")');
    await state('Stopped');
    const { step } = await training();
    await page.click('.learning button:has-text("Learn on")');
    await state('Learning');
    await page.click('.learning button:has-text("Stop")');
    await state('Stopped');
    assert.ok((await training()).step >= step);
    await page.reload();
    await connected(page, PATIENCE_MS);
    await page.click('button[aria-label="Train"]');
    await state('Stopped');
    await page.waitForSelector(`.earlier li:has-text("${NAME}")`);
    await page.waitForSelector('.contents');
});

test('a device that dies meanwhile: interrupted, and it goes on', async () => {
    await page.click('.learning button:has-text("Learn on")');
    await state('Learning');
    await daemon.kill();
    await page.waitForSelector('.lamp.lost, .lamp.connecting');
    await daemon.start();
    await connected(page, PATIENCE_MS);
    await state('Interrupted');
    await page.click('.learning button:has-text("Go on")');
    await state('Learning');
    await page.click('.learning button:has-text("Stop")');
    await state('Stopped');
});

test('recordings that hold nothing: it fails, and says why', async () => {
    await page.selectOption('select[aria-label="Which recordings"]', { label: 'New …' });
    await page.fill('.recordings .fields input', 'Void');
    await page.setInputFiles('input[aria-label="Recordings"]', [
        file('one.wav', new Float32Array(16000 * SECONDS)),
    ]);
    await page.click('.wishes .primary:enabled');
    await state('Failed');
    assert.match(await page.textContent('.learning .state'), /Failed\. [A-Z].{10,}/);
    assert.ok(await page.isDisabled('.learning .primary'));
    await page.click('button[aria-label="Delete Void Harmonics + noise"]');
    await page.click('.earlier .danger');
    await page.click('button[aria-label="Delete these recordings …"]');
    await page.click('.recordings .danger');
    await page.click(`.earlier .wide:has-text("${NAME}")`);
    await state('Stopped');
});

test('kept under a name, it is among the models, and keys play it', async () => {
    await page.click('.learning button:has-text("Keep it")');
    await page.fill('dialog input[name=licence]', 'CC0-1.0');
    await page.fill('dialog input[name=credit]', 'a test');
    await page.click('dialog button[type=submit]');
    await page.click('.learning button:has-text("Play it")');
    await page.waitForFunction(
        (name) => document.querySelector('h1')?.textContent?.trim() === name,
        NAME,
    );
    const { model } = await daemon.api('GET', '/state');
    const known = await daemon.api('GET', `/models/${model.uuid}`);
    assert.deepEqual([known.name, known.licence, known.credit], [NAME, 'CC0-1.0', 'a test']);
    await page.locator('.shelf > .tabs .tab', { hasText: 'Models' }).click();
    await page.waitForSelector(`.models li.current:has-text("${NAME}")`);
    await page.click('button.listen');
    await page.waitForSelector('button.listen.on');
    const heard = await holdKey(page, A3 + 12, 0.9, async () => {
        await page.waitForTimeout(500);
        return hear(page, 0.4);
    });
    assert.ok(loudnessDb(heard) > -60, `${loudnessDb(heard)} dB`);
    const cents = 1200 * Math.log2(fundamentalHz(heard) / hzOf(A3 + 12));
    assert.ok(Math.abs(cents) < 30, `${cents} cents from what was played`);
});

test('on a phone: the same page fits', async () => {
    const phone = await openPanel(browser, daemon, {
        viewport: PHONE,
        hasTouch: true,
        isMobile: true,
    });
    await phone.locator('.tabbar button', { hasText: 'Train' }).click();
    await phone.waitForSelector(`.learning:has-text("${NAME}")`);
    await phone.waitForSelector('.contents');
    assert.deepEqual(await stumbles(phone), []);
    assert.equal(await phone.evaluate(() => document.documentElement.scrollWidth), PHONE.width);
    await phone.context().close();
});

test('a training and its recordings are deleted after a question', async () => {
    await page.click('button[aria-label="Delete My pipe"]');
    await page.click('.earlier .danger');
    await page.waitForSelector('.how');
    await page.selectOption('select[aria-label="Which recordings"]', { label: 'Pipe' });
    await page.click('button[aria-label="Delete these recordings …"]');
    await page.click('.recordings .danger');
    await page.waitForSelector('.dropzone.empty');
    assert.deepEqual((await daemon.api('GET', '/trainings')).items, []);
    assert.deepEqual((await daemon.api('GET', '/datasets')).items, []);
    assert.equal((await daemon.api('GET', `/models?q=${encodeURIComponent(NAME)}`)).total, 1);
    assert.deepEqual(page.complaints, []);
});
