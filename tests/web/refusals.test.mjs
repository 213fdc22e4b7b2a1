// SPDX-License-Identifier: GPL-3.0-or-later
// What the device would refuse is not offered: it stays in its place and says why.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { modelFile } from '../api/model_file.mjs';
import { launch, openPanel, PHONE, stumbles } from './browser.mjs';
import { Daemon } from './daemon.mjs';
import { downloaded, loadByName, menu } from './world.mjs';

const NETTED = 'Netted voice';
const VOICE = 'Plain voice';
/** Of the wait for what is there at once. */
const PATIENCE_MS = 15_000;

const daemon = new Daemon(process.env.TIMBRED, ['--models.zoo=/nonexistent']);
let browser;
let page;

before(async () => {
    await daemon.start();
    browser = await launch();
    page = await openPanel(browser, daemon);
    page.setDefaultTimeout(PATIENCE_MS);
});

after(async () => {
    await browser?.close();
    await daemon.stop();
});

const entry = (page, text) => page.locator('dialog .menu-item', { hasText: text });
const openMenu = (page) => page.click('button[aria-label="More about this patch"]');

/** Nothing of the open dialog sticks out of it, or of the screen. */
const sticksOut = (page) =>
    page.evaluate(() => {
        const box = document.querySelector('dialog[open]').getBoundingClientRect();
        return [...document.querySelectorAll('dialog[open] :is(button, small, span)')]
            .filter((each) => {
                const { left, right } = each.getBoundingClientRect();
                return (
                    left < Math.max(0, box.left) - 1 || right > Math.min(innerWidth, box.right) + 1
                );
            })
            .map((each) => each.textContent);
    });

/** Has a disabled entry said why to eyes and ears, and does it do nothing? */
async function refuses(page, text, why) {
    const it = entry(page, text);
    await page.waitForSelector(`dialog .menu-item[aria-disabled=true]:has-text("${text}")`);
    assert.match(await it.textContent(), why);
    await it.focus();
    assert.match(await page.evaluate(() => document.activeElement.textContent), why);
    await page.keyboard.press('Enter');
    await it.click({ force: true });
    assert.ok(await it.isVisible(), 'the menu stays as it was');
    assert.equal(await page.locator('.notice.bad').count(), 0);
}

test('a patch of a network: no export for a DX7, all the rest', async () => {
    const sent = await fetch(`${daemon.origin}/api/v1/models`, {
        method: 'POST',
        headers: {
            Authorization: `Bearer ${daemon.token}`,
            'Content-Type': 'application/octet-stream',
        },
        body: modelFile({ name: 'Test flute', uuid: '5d7a0c5e-0000-4000-8000-000000000001' }),
    });
    const { uuid, sha256, name } = await sent.json();
    const made = await daemon.api('POST', '/patches', {
        name: NETTED,
        model: { uuid, sha256, name },
        values: {},
    });
    await daemon.api('POST', '/patches', { name: VOICE, values: {} });
    await loadByName(page, VOICE);
    await openMenu(page);
    await entry(page, 'Delete').waitFor();
    assert.equal(await page.locator('dialog [aria-disabled=true]').count(), 0);
    await page.keyboard.press('Escape');
    await loadByName(page, NETTED);
    await openMenu(page);
    await refuses(page, '.syx', /A network plays it: only as \.json/);
    assert.equal(await page.locator('dialog [aria-disabled=true]').count(), 1);
    assert.deepEqual(await stumbles(page), []);
    const whole = await downloaded(page, () => entry(page, 'with everything').click());
    assert.equal(JSON.parse(whole.bytes).patches[0].model.uuid, uuid);
    await menu(page, 'Duplicate');
    await page.waitForSelector(`.notice:has-text("Made “${NETTED} copy”")`);
    const [copy] = (await daemon.api('GET', `/patches?q=${NETTED} copy`)).items;
    assert.equal(copy.network, true, 'the copy plays through the network, too');
    assert.equal((await daemon.api('GET', `/patches/${made.uuid}`)).model.uuid, uuid);
});

test('a factory patch: no deletion', async () => {
    const { items } = await daemon.api('GET', '/patches?limit=500');
    const shipped = items.find(({ factory }) => factory);
    await page.fill('#search', '');
    await loadByName(page, shipped.name);
    await openMenu(page);
    await refuses(page, 'Delete', /Ships with timbred/);
    await page.keyboard.press('Escape');
});

test('banks as cartridges: what networks play stays out and is counted', async () => {
    const find = async (name) =>
        (await daemon.api('GET', `/patches?q=${name}`)).items.find((each) => each.name === name)
            .uuid;
    const patches = [await find(NETTED), null, await find(VOICE)];
    await daemon.api('POST', '/banks', { name: 'Mixed', number: 90, patches });
    const nets = [patches[0]];
    await daemon.api('POST', '/banks', { name: 'Networks', number: 91, patches: nets });
    await page.waitForSelector('select[aria-label=Bank] option:text-is("Networks")', {
        state: 'attached',
    });
    await page.click('button[aria-label="Export"]');
    const pair = (name) => page.locator('.menu-pair', { hasText: name });
    await pair('Networks').locator('small:has-text("only as .json")').waitFor();
    assert.match(await pair('Mixed').textContent(), /A network plays one: not in \.syx/);
    assert.equal(await pair('Factory').locator('small').textContent(), '');
    const none = page.locator('button[aria-label="Bank Networks as .syx"]');
    assert.equal(await none.getAttribute('aria-disabled'), 'true');
    await none.click({ force: true });
    assert.ok(await none.isVisible(), 'the dialog stays');
    assert.deepEqual(await stumbles(page), []);
    const mixed = await downloaded(page, () =>
        page.click('button[aria-label="Bank Mixed as .syx"]'),
    );
    assert.ok(mixed.bytes.includes(Buffer.from(VOICE.slice(0, 10))), 'the voice is in it');
    assert.ok(!mixed.bytes.includes(Buffer.from(NETTED.slice(0, 10))), 'the network is not');
    assert.equal(await page.locator('.notice.bad').count(), 0);
});

test('the reasons fit on a phone', async () => {
    const phone = await openPanel(browser, daemon, { viewport: PHONE });
    await phone.locator('.tabbar button', { hasText: 'Patches' }).click();
    await loadByName(phone, NETTED);
    await phone.locator('.tabbar button', { hasText: 'Play' }).click();
    await openMenu(phone);
    await phone.waitForSelector('dialog .menu-item[aria-disabled=true]');
    assert.deepEqual(await sticksOut(phone), []);
    assert.deepEqual(await stumbles(phone), []);
    await phone.keyboard.press('Escape');
    await phone.locator('.tabbar button', { hasText: 'Patches' }).click();
    await phone.click('button[aria-label="Export"]');
    await phone.waitForSelector('.menu-pair [aria-disabled=true]');
    assert.deepEqual(await sticksOut(phone), []);
    assert.deepEqual(phone.complaints, []);
    await phone.context().close();
});
