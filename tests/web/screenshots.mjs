// SPDX-License-Identifier: GPL-3.0-or-later
// usage: node screenshots.mjs [TIMBRED]
// Pictures of the panel with a factory patch sounding, for the README.
import { mkdirSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { DESK, launch, openPanel, PHONE } from './browser.mjs';
import { Daemon } from './daemon.mjs';

const MOST_BYTES = 300_000;
const CHORD = ['a', 'd', 'g', 'j'];
const root = new URL('../../', import.meta.url);
const folder = fileURLToPath(new URL('deploy/screenshots', root));
const program = process.argv[2] ?? fileURLToPath(new URL('build/server/timbred', root));

const daemon = new Daemon(program);
await daemon.start();
const browser = await launch();
mkdirSync(folder, { recursive: true });

/** A keyboard sound of the factory's, else whatever comes first. */
async function choose() {
    const { items } = await daemon.api('GET', '/patches?limit=500&sort=name');
    const wanted = items.find(({ category }) => /key|piano/i.test(category)) ?? items[0];
    if (wanted) await daemon.api('PUT', '/state/patch', { uuid: wanted.uuid });
}

async function picture(name, options) {
    const page = await openPanel(browser, daemon, options);
    await page.waitForFunction(() => document.fonts.size >= 2);
    for (const key of CHORD) {
        await page.keyboard.down(key);
        await page.waitForTimeout(300);
    }
    await page.waitForTimeout(1100);
    const path = `${folder}/panel-${name}.png`;
    await page.screenshot({ path });
    const { size } = statSync(path);
    process.stdout.write(`${path} ${size} bytes\n`);
    if (size > MOST_BYTES) throw new Error(`above ${MOST_BYTES} bytes`);
    await page.context().close();
}

try {
    await choose();
    await picture('desktop', { viewport: DESK });
    await picture('phone', { viewport: PHONE, deviceScaleFactor: 2, hasTouch: true });
} finally {
    await browser.close();
    await daemon.stop();
}
