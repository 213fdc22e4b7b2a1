// SPDX-License-Identifier: GPL-3.0-or-later
// The panel on screens of every shape: nothing cut, nothing over something else, all in reach.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openPanel } from './browser.mjs';
import { world } from './world.mjs';

const SHAPES = [
    [360, 640],
    [390, 844],
    [667, 375],
    [844, 390],
    [1024, 768],
    [1180, 820],
    [1280, 800],
    [1440, 900],
];
const PAGES = ['Play', 'Sound', 'Patches', 'Train', 'Device'];

/** Runs in the page: what is wrong with the shape of what is seen, in words. */
function faults() {
    const found = [];
    const nameOf = (element) =>
        element.getAttribute('aria-label') ||
        element.querySelector('[data-key]')?.dataset.key ||
        element.textContent.trim() ||
        element.className;
    const scrolls = (overflow) => /auto|scroll/.test(overflow);
    // What can be scrolled to sideways is in reach; what is scrolled away is not seen.
    const seen = (element) => {
        let { left, right, top, bottom } = element.getBoundingClientRect();
        let sideways = false;
        for (let at = element.parentElement; at; at = at.parentElement) {
            const box = at.getBoundingClientRect();
            const style = getComputedStyle(at);
            if (scrolls(style.overflowX) && at.scrollWidth > at.clientWidth + 1) {
                left = Math.max(left, box.left);
                right = Math.min(right, box.right);
                sideways = true;
            }
            if (scrolls(style.overflowY)) {
                top = Math.max(top, box.top);
                bottom = Math.min(bottom, box.bottom);
            }
        }
        return { element, left, right, top, bottom, sideways };
    };
    const gather = (selector) =>
        [...document.querySelectorAll(selector)]
            .filter(
                (element) =>
                    !element.closest('.key, .hidden, dialog') &&
                    element.checkVisibility({ opacityProperty: true }),
            )
            .map(seen)
            .filter(({ left, right, top, bottom }) => right - left > 2 && bottom - top > 2);
    const apart = (a, b) =>
        Math.min(a.right, b.right) - Math.max(a.left, b.left) < 1.5 ||
        Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) < 1.5 ||
        a.element.contains(b.element) ||
        b.element.contains(a.element) ||
        // A number lies on the bar that it belongs to.
        (a.element.closest('.control') !== null &&
            a.element.closest('.control') === b.element.closest('.control'));
    const compare = (list, what) => {
        list.forEach((a, i) => {
            for (const b of list.slice(i + 1))
                if (!apart(a, b))
                    found.push(`${what}: ${nameOf(a.element)} over ${nameOf(b.element)}`);
        });
    };
    const controls = gather(
        'button, select, .dial, .switch, .segments, .envelope-field, .ribbon, .keys, [type=search]',
    );
    compare(controls, 'overlap');
    compare(gather('.control .name'), 'names overlap');
    for (const { element, left, right, bottom, sideways } of controls) {
        if (sideways) continue;
        if (left < -1 || right > innerWidth + 1) found.push(`cut: ${nameOf(element)}`);
        if (bottom > innerHeight + 1) found.push(`below the edge: ${nameOf(element)}`);
        const card = element.closest('.strip, .card')?.getBoundingClientRect();
        if (card && (left < card.left - 1 || right > card.right + 1))
            found.push(`out of its card: ${nameOf(element)}`);
    }
    const reach = (selector, least) => {
        const all = [...document.querySelectorAll(selector)].filter((each) =>
            each.checkVisibility(),
        );
        if (all.length < least) found.push(`${all.length} of ${selector}`);
        for (const each of all) {
            const box = each.getBoundingClientRect();
            const x = box.left + box.width / 2;
            const hit = document.elementFromPoint(x, box.top + box.height / 2);
            if (!hit || !(each.contains(hit) || hit.contains(each)) || hit === document.body)
                found.push(`out of reach: ${nameOf(each)}`);
        }
    };
    const phone = document.querySelector('.phone') !== null;
    reach(phone ? '.tabbar button' : '.top > .iconic', phone ? 5 : 2);
    // A phone on its side shows its keys outside of Play when asked to.
    if (document.querySelector('.keys')) {
        reach('.keys', 1);
        reach('.octave button', 3);
    } else reach('button[aria-label="Show the keys"]', 1);
    if (document.querySelector('.tools, .desk')) {
        reach('.panic', 1);
        reach('.listen', 1);
        reach('.actions button', 5);
    }
    return found;
}

/** The panel has taken the shape of its window: told before a frame, drawn by the next. */
const settled = (page) =>
    page.evaluate(
        () =>
            new Promise((done) => {
                requestAnimationFrame(() => requestAnimationFrame(done));
            }),
    );

/** Goes to a page of the panel, whatever shape it has now. */
async function visit(page, name) {
    if (await page.$('.phone')) {
        await page.locator('.tabbar button', { hasText: name }).click();
        return true;
    }
    if (name === 'Sound' || name === 'Patches') return false;
    for (const pressed of await page.$$('.top > .iconic[aria-pressed="true"]'))
        await pressed.click();
    if (name !== 'Play') await page.click(`.top > .iconic[aria-label="${name}"]`);
    return true;
}

export function shapeTests() {
    test('on screens of every shape nothing is cut, covered or out of reach', async () => {
        const page = await openPanel(world.browser, world.daemon);
        const wrong = [];
        for (const [width, height] of SHAPES) {
            await page.setViewportSize({ width, height });
            await settled(page);
            for (const name of PAGES) {
                if (!(await visit(page, name))) continue;
                await settled(page);
                for (const fault of await page.evaluate(faults))
                    wrong.push(`${width}x${height} ${name}: ${fault}`);
            }
        }
        assert.deepEqual(wrong, []);
        assert.deepEqual(page.complaints, []);
        await page.context().close();
    });
}
