// SPDX-License-Identifier: GPL-3.0-or-later
// Patches as things that are kept: dropped in, saved, marked, reverted, copied, taken out.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { downloaded, dropFile, loadByName, menu, range, titled, world } from './world.mjs';

const listed = async (query) => (await world.daemon.api('GET', `/patches?q=${query}`)).items;
const NEVER_HEARD = 'Dropped In';

function noted(page, text) {
    return page.waitForSelector(`.notice:has-text("${text}")`);
}

export function libraryTests() {
    test('a file that is dropped anywhere is imported, a broken one says why', async () => {
        const { daemon, page } = world;
        const made = await daemon.api('POST', '/patches', { name: NEVER_HEARD, values: {} });
        const file = await fetch(`${daemon.origin}/api/v1/patches/${made.uuid}/export?format=syx`, {
            headers: { Authorization: `Bearer ${daemon.token}` },
        });
        const voice = Buffer.from(await file.arrayBuffer());
        assert.equal(voice.length, 163);
        await dropFile(page, 'one.syx', voice);
        await page.waitForSelector('.import-result');
        assert.match(await page.textContent('.import-result'), /^1 patch from one\.syx/);
        await page.locator('.import-result button').first().click();
        await titled(page, NEVER_HEARD.slice(0, 10).trim());
        await dropFile(page, 'again.syx', voice);
        await page.waitForSelector('.import-result');
        assert.match(await page.textContent('.import-result'), /its patch is in your library/);
        await page.keyboard.press('Escape');
        await dropFile(page, 'torn.syx', voice.subarray(0, 100));
        await page.waitForSelector('.notice.bad, .import-result .warnings');
        if (await page.$('dialog[open]')) await page.keyboard.press('Escape');
    });

    test('save, revisions with their dates, and back to an older one', async () => {
        const { daemon, page } = world;
        await daemon.api('POST', '/patches', { name: 'Revised', values: { 'fm.feedback': 1 } });
        await loadByName(page, 'Revised');
        await range(page, 'fm.feedback').focus();
        for (const key of ['ArrowRight', 'ArrowRight']) await page.keyboard.press(key);
        await page.waitForSelector('.modified');
        await page.locator('.actions .primary').click();
        await page.waitForSelector('.patchname:not(:has(.modified))');
        const [item] = await listed('Revised');
        const read = () => daemon.api('GET', `/patches/${item.uuid}`);
        assert.equal((await read()).values['fm.feedback'], 3);
        await menu(page, 'Revisions');
        const rows = page.locator('dialog li');
        await rows.nth(1).waitFor();
        const year = String(new Date().getFullYear());
        assert.ok(
            (await rows.nth(0).textContent()).includes(year),
            await rows.nth(0).textContent(),
        );
        const first = rows.filter({ has: page.locator('b', { hasText: /^1$/ }) });
        await first.locator('button').click();
        await page.waitForFunction(
            () => document.querySelector('input[data-key="fm.feedback"]').value === '1',
        );
        assert.equal((await read()).values['fm.feedback'], 1);
    });

    test('edits that another patch replaces are named, and can be taken back', async () => {
        const { daemon, page } = world;
        await loadByName(page, 'Revised');
        await range(page, 'fm.feedback').focus();
        await page.keyboard.press('End');
        await page.waitForSelector('.modified');
        await loadByName(page, NEVER_HEARD.slice(0, 10).trim());
        await noted(page, 'Edits of Revised left behind');
        // A device that steps back across a load gives a button for it.
        assert.equal(
            await page.locator('.notice button').count(),
            (await daemon.api('GET', '/state')).can_undo ? 1 : 0,
        );
    });

    test('the list and its filters are one stop of the Tab key each', async () => {
        const { page } = world;
        await page.fill('#search', '');
        await page.waitForFunction(() => document.querySelectorAll('.row').length > 20);
        const stops = (selector) => page.locator(`${selector}[tabindex="0"]`).count();
        assert.equal(await stops('.row'), 1);
        assert.equal(await stops('.patches .heart'), 1);
        assert.equal(await stops('.chip'), 1);
        await page.locator('.chip[tabindex="0"]').focus();
        await page.keyboard.press('ArrowRight');
        assert.equal(await page.evaluate(() => document.activeElement.tabIndex), 0);
        assert.match(await page.evaluate(() => document.activeElement.className), /chip/);
        await page.focus('#search');
        await page.keyboard.press('ArrowDown');
        await page.keyboard.press('ArrowDown');
        const at = () =>
            page.evaluate(() =>
                [...document.querySelectorAll('.row')].indexOf(document.activeElement),
            );
        assert.equal(await at(), 1);
        assert.equal(await stops('.row'), 1);
        await page.keyboard.press('Tab');
        assert.match(await page.evaluate(() => document.activeElement.className), /heart/);
    });

    test('a heart marks a favourite and the list of favourites shows it', async () => {
        const { page } = world;
        await loadByName(page, 'Revised');
        await page.click('.patchname button[aria-label="Favourite"]');
        await page.waitForSelector('.patchname button[aria-pressed="true"]');
        await page.fill('#search', '');
        await page.click('.chip:has-text("♥")');
        await page.waitForSelector('.row:has-text("Revised")');
        await page.waitForFunction(() =>
            document.querySelector('.browser footer')?.textContent?.startsWith('1 patch'),
        );
        assert.equal((await listed('Revised'))[0].favourite, true);
        await page.click('button[aria-label="Favourite: Revised"]');
        await page.waitForSelector('.end:has-text("Nothing here yet")');
        await page.click('.chip:has-text("♥")');
        await page.waitForSelector('.row');
    });

    test('categories, banks and the order narrow and sort the list', async () => {
        const { page } = world;
        const first = () => page.textContent('.patches .row b');
        await page.selectOption('select[aria-label="Order"]', 'updated');
        await page.waitForFunction(
            () => document.querySelector('.patches .row b')?.textContent === 'Revised',
        );
        await page.selectOption('select[aria-label="Order"]', 'name');
        await page.waitForFunction(
            () => document.querySelector('.patches .row b')?.textContent !== 'Revised',
        );
        await page.selectOption('select[aria-label="Bank"]', { label: 'Factory' });
        const { items } = await world.daemon.api('GET', '/banks');
        const count = items.find(({ name }) => name === 'Factory').patches.filter(Boolean).length;
        await page.waitForFunction(
            (n) => document.querySelector('.browser footer')?.textContent?.startsWith(`${n} patch`),
            count,
        );
        await page.locator('.chip', { hasText: 'Bass' }).click();
        await page.waitForFunction(() =>
            [...document.querySelectorAll('.patches .row small')].every(
                (kind) => kind.textContent === 'Bass',
            ),
        );
        assert.ok(await first());
        await page.locator('.chip', { hasText: 'Bass' }).click();
        await page.selectOption('select[aria-label="Bank"]', '');
    });

    test('duplicate, rename with tags, delete', async () => {
        const { page } = world;
        await loadByName(page, 'Revised');
        await menu(page, 'Duplicate');
        await noted(page, 'Made “Revised copy”');
        await loadByName(page, 'Revised copy');
        await menu(page, 'Name, category and tags');
        await page.fill('dialog input[name=name]', 'Second life');
        await page.fill('dialog input[name=tags]', 'warm, slow');
        await page.click('dialog button[type=submit]');
        await titled(page, 'Second life');
        const [item] = await listed('Second');
        assert.deepEqual([...item.tags].sort(), ['slow', 'warm']);
        await page.fill('#search', 'second life');
        await menu(page, 'Delete');
        await page.locator('dialog .danger').click();
        await page.waitForSelector('.end:has-text("Nothing found")');
        assert.equal((await listed('Second')).length, 0);
        assert.equal(await page.textContent('h1'), 'Untitled', 'the working copy stays');
    });

    test('exports: a voice, a patch, a bank as a cartridge, and the list', async () => {
        const { page } = world;
        await loadByName(page, 'Revised');
        const voice = await downloaded(page, () => menu(page, '.syx'));
        assert.equal(voice.name, 'Revised.syx');
        assert.equal(voice.bytes.length, 163);
        assert.equal(voice.bytes[0], 0xf0);
        const whole = await downloaded(page, () => menu(page, '.json'));
        assert.equal(JSON.parse(whole.bytes).patches[0].values['fm.feedback'], 1);
        const out = async (selector) => {
            await page.click('button[aria-label="Export"]');
            return downloaded(page, () => page.click(selector));
        };
        const syx = await out('button[aria-label="Bank Factory as .syx"]');
        assert.equal(syx.bytes.length, 4104);
        await page.fill('#search', '');
        await page.waitForFunction(() => document.querySelectorAll('.row').length > 90);
        const { total } = await world.daemon.api('GET', '/patches?limit=1');
        const list = await out('dialog .menu-item');
        const file = JSON.parse(list.bytes);
        assert.equal(file.patches.length, total);
        assert.ok(file.patches.every(({ values }) => Object.keys(values).length > 100));
    });
}
