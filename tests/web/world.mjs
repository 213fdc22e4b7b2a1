// SPDX-License-Identifier: GPL-3.0-or-later
// One daemon, one browser and one panel for all tests of the web suite, and what they share.
import { launch } from './browser.mjs';
import { Daemon } from './daemon.mjs';

export const LAN_NAME = 'timbred.test';
export const A3 = 57;

/** daemon, browser, and the page that one test leaves to the next. */
export const world = {};

export async function begin() {
    // Without the shipped models, which come in one by one while tests count what is there.
    world.daemon = new Daemon(process.env.TIMBRED, [
        `--server.hosts=${LAN_NAME}`,
        '--models.zoo=/nonexistent',
    ]);
    await world.daemon.start();
    // The browser's own microphone for tests beeps at 400 Hz.
    world.browser = await launch(
        `--host-resolver-rules=MAP ${LAN_NAME} 127.0.0.1`,
        '--use-fake-ui-for-media-stream',
        '--use-fake-device-for-media-stream',
    );
}

export async function end() {
    await world.browser?.close();
    await world.daemon?.stop();
}

export const range = (at, key) => at.locator(`input[data-key="${key}"]`).first();

export async function titled(at, name) {
    await at.waitForFunction(
        (wanted) => document.querySelector('h1')?.textContent?.trim() === wanted,
        name,
    );
}

export async function loadByName(at, name) {
    await at.fill('#search', name);
    await at
        .locator('.row', { has: at.getByText(name, { exact: true }) })
        .first()
        .click();
    await titled(at, name);
}

export async function menu(at, text) {
    await at.click('button[aria-label="More about this patch"]');
    await at.locator('dialog .menu-item', { hasText: text }).click();
}

/** Types a number at a dial, as a person does who sees the field open. */
export async function typeAt(at, key, text) {
    await range(at, key).focus();
    await at.keyboard.press('Enter');
    await at.waitForSelector('.reading.typed');
    await at.keyboard.type(text);
    await at.keyboard.press('Enter');
    await at.waitForSelector('.reading.typed', { state: 'detached' });
}

/** What a click gives to the browser's downloads. */
export async function downloaded(at, click) {
    const [download] = await Promise.all([at.waitForEvent('download'), click()]);
    const chunks = [];
    for await (const chunk of await download.createReadStream()) chunks.push(chunk);
    return { name: download.suggestedFilename(), bytes: Buffer.concat(chunks) };
}

/** Drags a file from outside over the page and lets it go. */
export async function dropFile(at, name, bytes) {
    await at.evaluate(
        ([fileName, data]) => {
            const transfer = new DataTransfer();
            const content = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
            transfer.items.add(new File([content], fileName));
            for (const type of ['dragenter', 'dragover', 'drop'])
                document.body.dispatchEvent(
                    new DragEvent(type, {
                        bubbles: true,
                        cancelable: true,
                        dataTransfer: transfer,
                    }),
                );
        },
        [name, bytes.toString('base64')],
    );
}

/** How much is drawn on a canvas. */
export function inked(at, selector) {
    return at.evaluate((which) => {
        const canvas = document.querySelector(which);
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        let sum = 0;
        for (let i = 3; i < data.length; i += 4) sum += data[i];
        return sum / 255;
    }, selector);
}
