// SPDX-License-Identifier: GPL-3.0-or-later
// usage: node screenshots.mjs [TIMBRED]
// Pictures of the panel for the README: a factory patch of six operators sounds, then a network.
import { mkdirSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { DESK, launch, openPanel, PHONE } from './browser.mjs';
import { Daemon } from './daemon.mjs';

const MOST_BYTES = 300_000;
const PATIENCE_MS = 60_000;
const CHORD = ['a', 'd', 'g', 'j'];
const root = new URL('../../', import.meta.url);
const folder = fileURLToPath(new URL('deploy/screenshots', root));
const program = process.argv[2] ?? fileURLToPath(new URL('build/server/timbred', root));

const daemon = new Daemon(program);
await daemon.start();
const browser = await launch();
mkdirSync(folder, { recursive: true });

/** A keyboard sound of the factory's that uses all operators most, and three hearts. */
async function choose() {
    const { items } = await daemon.api('GET', '/patches?limit=500&sort=name');
    let wanted = items[0];
    let most = 0;
    for (const item of items.filter(({ category }) => /key|piano/i.test(category))) {
        const { values } = await daemon.api('GET', `/patches/${item.uuid}`);
        const level = [1, 2, 3, 4, 5, 6].map((n) => values[`fm.op${n}.level`]);
        const sounding = Math.min(...level) * (values['fm.algorithm'] === 1 ? 0.5 : 1);
        if (sounding > most) [most, wanted] = [sounding, item];
    }
    await daemon.api('PUT', '/state/patch', { uuid: wanted.uuid });
    for (const { uuid, revision } of items.slice(0, 9).filter((_, i) => i % 4 === 1))
        await daemon.api(
            'PATCH',
            `/patches/${uuid}`,
            { favourite: true },
            {
                'Content-Type': 'application/merge-patch+json',
                'If-Match': `"${revision}"`,
            },
        );
}

/** A shipped patch that plays harmonics; they come in one by one after the first start. */
async function chooseNetwork() {
    for (const until = Date.now() + PATIENCE_MS; Date.now() < until;) {
        const models = await daemon.api('GET', '/models?family=hpn');
        const names = new Set(models.items.map(({ name }) => name));
        const { items } = await daemon.api('GET', '/patches?limit=500');
        const wanted = items.find(({ factory, name }) => factory && names.has(name));
        if (wanted) {
            await daemon.api('PUT', '/state/patch', { uuid: wanted.uuid });
            return;
        }
        await new Promise((done) => setTimeout(done, 500));
    }
    throw new Error('no shipped patch plays harmonics');
}

async function picture(name, options) {
    const page = await openPanel(browser, daemon, options);
    await page.waitForFunction(() => document.fonts.size >= 2);
    for (const key of CHORD) {
        await page.keyboard.down(key);
        await page.waitForTimeout(300);
    }
    if (options.viewport === PHONE) await page.click('[aria-label="Octave up"]');
    await page.waitForTimeout(250);
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
    await chooseNetwork();
    await picture('neural-desktop', { viewport: DESK });
    await picture('neural-phone', { viewport: PHONE, deviceScaleFactor: 2, hasTouch: true });
} finally {
    await browser.close();
    await daemon.stop();
}
