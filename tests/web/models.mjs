// SPDX-License-Identifier: GPL-3.0-or-later
// Networks: brought in by button and by drop, understood, taken out.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { modelFile } from '../api/model_file.mjs';
import { holdKey, stumbles } from './browser.mjs';
import { hear, levelAtDb, loudnessDb } from './ears.mjs';
import {
    A3,
    downloaded,
    dropFile,
    inked,
    loadByName,
    menu,
    range,
    titled,
    typeAt,
    world,
} from './world.mjs';

const FLUTE = { name: 'Test flute', uuid: '5d7a0c5e-0000-4000-8000-000000000001' };
const REED = {
    name: 'Test reed',
    uuid: '5d7a0c5e-0000-4000-8000-000000000002',
    family: 'fm_envelope',
    dilations: undefined,
    residuals: undefined,
    instrument: 'reed',
    training: 'none: random weights',
};

const shelf = (page, text) => page.locator('.shelf > .tabs .tab', { hasText: text }).click();
const row = (page, name) => page.locator('.models li', { hasText: name });

export function modelTests() {
    test('models come by the button and by dropping, a broken one says why', async () => {
        const { daemon, page } = world;
        await shelf(page, 'Models');
        await page.waitForSelector('.models li');
        const flute = Buffer.from(modelFile(FLUTE));
        await page.setInputFiles('input[aria-label="Import files"]', {
            name: 'flute.safetensors',
            mimeType: 'application/octet-stream',
            buffer: flute,
        });
        await page.waitForSelector('.import-result:has-text("Test flute")');
        assert.match(await page.textContent('.import-result'), /Neural FM/);
        await page.keyboard.press('Escape');
        await row(page, 'Test flute').waitFor();
        await dropFile(page, 'reed.safetensors', Buffer.from(modelFile(REED, { seed: 2 })));
        await page.waitForSelector('.import-result:has-text("Test reed")');
        await page.keyboard.press('Escape');
        await row(page, 'Test reed').waitFor();
        const { items } = await daemon.api('GET', '/models?q=test');
        assert.deepEqual(items.map(({ name }) => name).sort(), ['Test flute', 'Test reed']);
        await dropFile(page, 'torn.safetensors', flute.subarray(0, 200));
        await page.waitForSelector('.notice.bad');
        assert.equal((await daemon.api('GET', '/models?q=test')).total, 2);
    });

    test('what a model is, by family, and its file', async () => {
        const { page } = world;
        await page.locator('.chip', { hasText: 'FM envelopes' }).click();
        await row(page, 'Test flute').waitFor({ state: 'detached' });
        assert.match(await row(page, 'Test reed').textContent(), /FM envelopes/);
        await page.locator('.chip', { hasText: 'FM envelopes' }).click();
        await page.fill('#search-models', 'flute');
        await row(page, 'Test reed').waitFor({ state: 'detached' });
        await page.click('button[aria-label="About Test flute"]');
        const text = await page.textContent('dialog');
        for (const expected of ['CC0-1.0', 'nobody', 'a seed', '16 kHz', '250 frames', 'voices'])
            assert.ok(text.includes(expected), `${expected} in ${text}`);
        assert.deepEqual(await stumbles(page), []);
        const file = await downloaded(page, () => page.click('dialog button[aria-label=Download]'));
        assert.equal(file.name, 'Test flute.safetensors');
        assert.deepEqual(file.bytes, Buffer.from(modelFile(FLUTE)));
        await page.fill('#search-models', '');
        await row(page, 'Test reed').waitFor();
    });

    test('a chord through a network: its operators move, a bent ratio is heard', async () => {
        const { daemon, page } = world;
        await row(page, 'Test flute').locator('.row').click();
        await page.waitForSelector('.plate:has-text("Test flute")');
        const { model } = await daemon.api('GET', '/state');
        assert.equal(model.uuid, FLUTE.uuid);
        const routing = page.locator('.diagram');
        const told = async () => (await routing.getAttribute('aria-label')) ?? '';
        // Algorithm 5: three pairs.
        assert.match(await told(), /^Algo 5 own: carriers 1, 3, 5; 2 into 1, 4 into 3, 6 into 5/);
        await page.waitForTimeout(300);
        const ink = () => inked(page, '.neural-strips .op-1 .history');
        const still = await ink();
        await page.evaluate(() => document.activeElement?.blur());
        for (const key of ['a', 'd', 'g']) await page.keyboard.down(key);
        for (const key of [60, 64, 67]) await page.waitForSelector(`.key.lit[data-note="${key}"]`);
        await page.waitForTimeout(800);
        assert.ok((await ink()) > still * 1.1, 'the envelope of operator 1 is drawn');
        assert.ok((await inked(page, '.range canvas')) > 0);
        for (const key of ['a', 'd', 'g']) await page.keyboard.up(key);
        await page.waitForFunction(() => !document.querySelector('.key.lit'));
        const sound = () =>
            holdKey(page, A3, 0.9, async () => {
                await page.waitForTimeout(400);
                return hear(page, 0.4);
            });
        const plain = await sound();
        assert.ok(loudnessDb(plain) > -60, `${loudnessDb(plain)} dB`);
        await typeAt(page, 'neural.op1.ratio', '1.5');
        await page.waitForTimeout(600);
        assert.equal((await daemon.api('GET', '/state')).values['neural.op1.ratio'], 1.5);
        const bent = await sound();
        // 1.5 times 220 Hz, modulated by 220 Hz: a partial an octave below what was there.
        const rise = levelAtDb(bent, 110) - levelAtDb(plain, 110);
        assert.ok(rise > 20, `110 Hz rises by ${rise} dB`);
        await page.keyboard.press('Delete');
        assert.deepEqual(await stumbles(page), []);
    });

    test('two models: chosen, faded, swapped', async () => {
        const { daemon, page } = world;
        await page.locator('.detail .tab', { hasText: 'A/B' }).click();
        await page.locator('.slot-b select').selectOption({ label: 'Test reed' });
        await page.waitForSelector('.plate .with-b:has-text("Test reed")');
        await page.click('button[aria-label="Only B"]');
        await page.waitForFunction(
            () => document.querySelector('input[data-key="ab.mix"]').value === '1',
        );
        await page.click('text=Swap A and B');
        await page.waitForSelector('.plate b:has-text("Test reed")');
        const { model, model_b: other } = await daemon.api('GET', '/state');
        assert.deepEqual([model.uuid, other.uuid], [REED.uuid, FLUTE.uuid]);
        await page.click('button[aria-label="Only A"]');
        await page.locator('.slot-b select').selectOption({ label: 'Nothing' });
        await page.waitForSelector('.plate:not(:has(.with-b))');
        assert.deepEqual(await stumbles(page), []);
    });

    test('what drives it: notes or the input, with its meter, tracker and gate', async () => {
        const { daemon, page } = world;
        await page.locator('.detail .tab', { hasText: 'Transfer' }).click();
        await page.locator('.transfer .segment', { hasText: 'input' }).click();
        await page.waitForFunction(
            () => document.querySelector('.transfer .segment.on')?.textContent === 'input',
        );
        await page.click('text=Use this microphone');
        const heard = async () => (await daemon.api('GET', '/status')).audio.input;
        let pitch = 0;
        for (let i = 0; i < 60 && Math.abs(pitch - 400) > 10; i++) {
            await page.waitForTimeout(50);
            pitch = (await heard()).f0_hz;
        }
        assert.ok(Math.abs(pitch - 400) <= 10, `the beep of 400 Hz is heard at ${pitch} Hz`);
        await page.click('text=This microphone plays');
        await page.waitForSelector('text=Use this microphone');
        await range(page, 'transfer.gate').focus();
        await page.keyboard.press('End');
        await page.waitForTimeout(200);
        const { values } = await daemon.api('GET', '/state');
        assert.equal(values['transfer.source'], 1);
        assert.equal(values['transfer.gate'], 0);
        assert.ok((await inked(page, '.tracker canvas')) > 0);
        await page.keyboard.press('Delete');
        assert.deepEqual(await stumbles(page), []);
        await page.locator('.transfer .segment', { hasText: 'notes' }).click();
    });

    test('a patch keeps its model, and names it once it is gone', async () => {
        const { daemon, page } = world;
        await menu(page, 'Save as');
        await page.fill('dialog input[name=name]', 'Netted');
        await page.click('dialog button[type=submit]');
        await titled(page, 'Netted');
        const [kept] = (await daemon.api('GET', '/patches?q=Netted')).items;
        const { model } = await daemon.api('GET', `/patches/${kept.uuid}`);
        assert.equal(model.name, 'Test reed');
        await page.locator('.models .row', { hasText: 'No network' }).click();
        await page.waitForSelector('.strips');
    });

    test('a model is deleted after a question', async () => {
        const { daemon, page } = world;
        await page.click('button[aria-label="About Test reed"]');
        await page.click('dialog button[aria-label="Delete …"]');
        await page.click('dialog .danger');
        await row(page, 'Test reed').waitFor({ state: 'detached' });
        assert.equal((await daemon.api('GET', '/models?q=reed')).total, 0);
        await shelf(page, 'Patches');
        await loadByName(page, 'Revised');
        await page.fill('#search', 'Netted');
        await page.locator('.row', { hasText: 'Netted' }).first().click();
        await page.waitForSelector('.notice.bad:has-text("Test reed")');
        assert.equal(await page.textContent('h1'), 'Revised', 'what plays goes on');
    });
}
