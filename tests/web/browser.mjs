// SPDX-License-Identifier: GPL-3.0-or-later
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { tap } from './ears.mjs';

const require = createRequire(new URL('../../web/package.json', import.meta.url));
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

export const DESK = { width: 1440, height: 900 };
export const PHONE = { width: 390, height: 844 };

export async function launch(...flags) {
    return chromium.launch({
        executablePath: '/usr/bin/chromium',
        args: ['--no-sandbox', '--disable-dev-shm-usage', ...flags],
    });
}

/** A page of its own profile. Its complaints end up in page.complaints. */
export async function openPage(browser, address, { viewport = DESK, ...more } = {}) {
    const context = await browser.newContext({ viewport, ...more });
    const page = await context.newPage();
    page.complaints = [];
    page.on('pageerror', (error) => page.complaints.push(String(error)));
    page.on('console', (message) => {
        if (/Content Security Policy|Uncaught/.test(message.text()))
            page.complaints.push(message.text());
    });
    await page.addInitScript(tap);
    await page.goto(address);
    return page;
}

export async function openPanel(browser, daemon, options) {
    const page = await openPage(browser, options?.link ?? daemon.link, options);
    await connected(page);
    return page;
}

export async function connected(page, timeout = 15_000) {
    await page.waitForSelector('.lamp.open', { timeout });
    await page.waitForSelector('.key', { timeout });
}

export function note(page, key) {
    return page.locator(`.key[data-note="${key}"]`);
}

/** Holds a key with the mouse; depth 0 (top, soft) .. 1 (edge, loud). */
export async function holdKey(page, key, depth, work) {
    const box = await note(page, key).boundingBox();
    await page.mouse.move(box.x + box.width / 2, box.y + box.height * depth);
    await page.mouse.down();
    try {
        return await work();
    } finally {
        await page.mouse.up();
    }
}

/** What a person would stumble over. axe is put in through the debugger, past the CSP. */
export async function stumbles(page) {
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => window.axe.run());
    return violations
        .filter(({ impact }) => impact === 'serious' || impact === 'critical')
        .map(
            ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(' | ')}`,
        );
}
