// SPDX-License-Identifier: GPL-3.0-or-later
// What hands do: dials, envelopes, keys, undo, and comparing with what was saved.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { note } from './browser.mjs';
import { loadByName, range, typeAt, world } from './world.mjs';

const valueOf = async (key) => (await world.daemon.api('GET', '/state')).values[key];

async function drag(page, from, by) {
    await page.mouse.move(from.x, from.y);
    await page.mouse.down();
    await page.mouse.move(from.x + by.x / 2, from.y + by.y / 2);
    await page.mouse.move(from.x + by.x, from.y + by.y);
    await page.mouse.up();
}

async function eventually(read, wanted, what) {
    for (let i = 0; i < 100; i++) {
        if (wanted(await read())) return;
        await new Promise((done) => setTimeout(done, 20));
    }
    assert.fail(`${what}: ${await read()}`);
}

export function handTests() {
    test('an envelope is dragged by its points: sideways its rate, upwards its level', async () => {
        const { daemon, page } = world;
        const stages = { r1: 80, r2: 50, r3: 50, r4: 50, l1: 90, l2: 60, l3: 40, l4: 0 };
        const values = Object.fromEntries(
            Object.entries(stages).map(([stage, v]) => [`fm.op3.eg.${stage}`, v]),
        );
        await daemon.api('POST', '/patches', { name: 'Dragged', values });
        await loadByName(page, 'Dragged');
        const field = page.locator('.strip.op-3 .envelope-field');
        const box = await field.boundingBox();
        // The first point lies at the top, a little right of the start.
        const grip = { x: box.x + 14, y: box.y + 12 };
        await drag(page, grip, { x: 0, y: 30 });
        await eventually(
            () => valueOf('fm.op3.eg.l1'),
            (v) => v < 60 && v > 0,
            'level 1 follows down',
        );
        const rate = await valueOf('fm.op3.eg.r1');
        await drag(page, { x: grip.x, y: grip.y + 30 }, { x: 18, y: 0 });
        await eventually(
            () => valueOf('fm.op3.eg.r1'),
            (v) => v < rate - 10,
            'rate 1 follows sideways',
        );
        await page.click('.strip.op-3 .badge');
        assert.equal(
            await range(page, 'fm.op3.eg.l1').inputValue(),
            String(await valueOf('fm.op3.eg.l1')),
        );
    });

    test('buttons: undo, redo, and A/B between the edit and what was saved', async () => {
        const { page } = world;
        await loadByName(page, 'Revised');
        await loadByName(page, 'Dragged');
        const slider = range(page, 'fm.feedback');
        const saved = await slider.inputValue();
        await slider.focus();
        await page.keyboard.press('End');
        await page.waitForSelector('.modified');
        assert.equal(await slider.inputValue(), '7');
        const shows = (wanted) =>
            page.waitForFunction(
                (text) => document.querySelector('input[data-key="fm.feedback"]').value === text,
                wanted,
            );
        await page.click('button[aria-label="Undo"]');
        await shows(saved);
        await page.click('button[aria-label="Redo"]');
        await shows('7');
        await page.click('button.compare');
        await shows(saved);
        await page.waitForSelector('button.compare[aria-pressed="true"]');
        assert.match(await page.textContent('.patchname small'), /as saved/);
        assert.equal(await valueOf('fm.feedback'), Number(saved));
        await page.click('button.compare');
        await shows('7');
        assert.equal(await valueOf('fm.feedback'), 7);
        await page.click('button[aria-label="Undo"]');
        await shows(saved);
    });

    test('a dial: dragged, fine with shift, wheel, typed, and back by double tap', async () => {
        const { page } = world;
        const level = range(page, 'fm.op2.level');
        const dial = page.locator('.dial', { has: page.locator('[data-key="fm.op2.level"]') });
        const box = await dial.first().boundingBox();
        const middle = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
        const now = async () => Number(await level.inputValue());
        await level.focus();
        await page.keyboard.press('Home');
        await drag(page, middle, { x: 0, y: -90 });
        const coarse = await now();
        assert.ok(coarse > 40 && coarse < 60, `half the way is ${coarse}`);
        await page.keyboard.down('Shift');
        await drag(page, middle, { x: 0, y: -90 });
        await page.keyboard.up('Shift');
        const fine = (await now()) - coarse;
        assert.ok(fine >= 2 && fine <= 8, `a tenth of it is ${fine}`);
        await page.mouse.move(middle.x, middle.y);
        await page.mouse.wheel(0, -100);
        assert.equal(await now(), coarse + fine + 1);
        await typeAt(page, 'fm.op2.level', '33');
        assert.equal(await now(), 33);
        await page.mouse.dblclick(middle.x, middle.y);
        const { params } = await world.daemon.api('GET', '/params');
        assert.equal(await now(), params.find(({ key }) => key === 'fm.op2.level').default);
    });

    test('computer keys: a chord, no repeats, and Hold keeps it until it is let go', async () => {
        const { page } = world;
        await page.evaluate(() => document.activeElement?.blur());
        const lit = (key) => page.waitForSelector(`.key.lit[data-note="${key}"]`);
        const dark = (key) => page.waitForSelector(`.key[data-note="${key}"]:not(.lit)`);
        for (const key of ['a', 'd', 'g']) await page.keyboard.down(key);
        await page.keyboard.down('a');
        for (const key of [60, 64, 67]) await lit(key);
        await page.keyboard.up('d');
        await dark(64);
        await lit(60);
        for (const key of ['a', 'g']) await page.keyboard.up(key);
        for (const key of [60, 67]) await dark(key);
        await page.click('.octave .small');
        assert.equal(await page.getAttribute('.octave .small', 'aria-pressed'), 'true');
        await page.click('.octave .small');
    });

    test('a finger glides over the keys and plays each once', async () => {
        const { page } = world;
        const place = async (key) => {
            const box = await note(page, key).boundingBox();
            return { x: box.x + box.width / 2, y: box.y + box.height * 0.9 };
        };
        const [from, to] = [await place(60), await place(64)];
        await page.mouse.move(from.x, from.y);
        await page.mouse.down();
        await page.waitForSelector('.key.lit[data-note="60"]');
        await page.mouse.move(to.x, to.y, { steps: 4 });
        await page.waitForSelector('.key.lit[data-note="64"]');
        await page.waitForSelector('.key[data-note="60"]:not(.lit)');
        await page.mouse.up();
        await page.waitForFunction(() => !document.querySelector('.key.lit'));
    });

    test('the bend ribbon bends and springs back, the wheel stays', async () => {
        const { page } = world;
        const bend = page.locator('.ribbon input').nth(0);
        const box = await bend.boundingBox();
        await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
        await page.mouse.down();
        await page.mouse.move(box.x + box.width / 2, box.y + 6);
        assert.ok(Number(await bend.inputValue()) > 0.5);
        await page.mouse.up();
        assert.equal(Number(await bend.inputValue()), 0);
        const wheel = page.locator('.ribbon input').nth(1);
        await wheel.focus();
        await page.keyboard.press('End');
        assert.equal(Number(await wheel.inputValue()), 1);
        await page.keyboard.press('Home');
    });
}
