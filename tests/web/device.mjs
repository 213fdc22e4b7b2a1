// SPDX-License-Identifier: GPL-3.0-or-later
// The page of the device: its output, settings, measurements and backup.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connected, stumbles } from './browser.mjs';
import { downloaded, world } from './world.mjs';

export function deviceTests() {
    test('the device page changes the block and plays a test tone', async () => {
        const { daemon, page } = world;
        await page.click('button[aria-label="Device"]');
        await page.waitForSelector('.devices li');
        assert.deepEqual(await stumbles(page), []);
        const block = page.locator('.control.choice', { hasText: 'Block' }).locator('select');
        await block.selectOption('256');
        await page.waitForFunction(() =>
            document.querySelector('[aria-label="Sound output"] p')?.textContent?.includes('256'),
        );
        assert.equal((await daemon.api('GET', '/status')).audio.block, 256);
        await block.selectOption('64');
        await page.waitForFunction(() =>
            document.querySelector('[aria-label="Sound output"] p')?.textContent?.includes('× 64'),
        );
        const [answer] = await Promise.all([
            page.waitForResponse(/test-tone/),
            page.click('text=Play a test tone'),
        ]);
        assert.equal(answer.status(), 204);
    });

    test('a measurement: started, watched, shown, taken out, deleted', async () => {
        const { page } = world;
        await page.selectOption('select[aria-label="How much to measure"]', 'Quick');
        await page.click('.bench .primary');
        const settled = '.bench .progress, .bench .danger, .bench li:has-text("done")';
        await page.waitForSelector(settled);
        // A busy device asks first whether the sound may suffer.
        if (await page.$('.bench .danger')) await page.click('.bench .danger');
        await page.waitForSelector('.bench li:has-text("done")', { timeout: 30_000 });
        await page.locator('.bench li input[type=checkbox]').first().check();
        await page.waitForSelector('.bench table tbody tr');
        assert.match(await page.textContent('.bench tbody'), /steady/);
        const csv = await downloaded(page, () =>
            page.locator('.bench li button', { hasText: 'CSV' }).first().click(),
        );
        assert.ok(csv.bytes.toString().split('\n').length > 4);
        await page.locator('.bench li button[aria-label^="Delete measurement"]').first().click();
        await page.waitForFunction(() => !document.querySelector('.bench li'));
    });

    test('everything as one file, and back', async () => {
        const { daemon, page } = world;
        const backup = await downloaded(page, () =>
            page.locator('[aria-label="Backup"] button', { hasText: 'Download' }).click(),
        );
        assert.equal(backup.bytes.subarray(0, 15).toString(), 'SQLite format 3');
        const lost = await daemon.api('POST', '/patches', { name: 'After the backup', values: {} });
        await page.setInputFiles('[aria-label="Backup"] input[type=file]', {
            name: backup.name,
            mimeType: 'application/octet-stream',
            buffer: backup.bytes,
        });
        await page.waitForSelector('.notice:has-text("Restored")');
        await connected(page);
        await assert.rejects(daemon.api('GET', `/patches/${lost.uuid}`), /404/);
        await page.click('button[aria-label="Device"]');
        await page.waitForSelector('.strips');
    });
}
