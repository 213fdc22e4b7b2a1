// SPDX-License-Identifier: GPL-3.0-or-later
// The panel in a real browser against the real daemon: from a cartridge to what is heard.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { connected, holdKey, note, openPage, openPanel, PHONE, stumbles } from './browser.mjs';
import { deviceTests } from './device.mjs';
import { fundamentalHz, hear, levelAtDb, loudnessDb, record } from './ears.mjs';
import { handTests } from './hands.mjs';
import { libraryTests } from './library.mjs';
import { modelTests } from './models.mjs';
import { shapeTests } from './shapes.mjs';
import { A3, begin, end, inked, LAN_NAME, loadByName, range, world } from './world.mjs';

const CARTRIDGE = '/usr/share/hexter/dx7_roms.dx7';

let daemon;
let browser;
let page;

before(async () => {
    await begin();
    ({ daemon, browser } = world);
});

after(end);

test('one tap: the link opens the panel and leaves the address bar', async () => {
    world.page = page = await openPanel(browser, daemon);
    assert.equal(page.url(), `${daemon.origin}/`);
    assert.equal(await page.evaluate(() => localStorage.getItem('timbred.token')), daemon.token);
});

test('a wrong token gets a page that says so, and a pasted link opens the panel', async () => {
    const stranger = await openPage(browser, `${daemon.origin}/#token=0123456789abcdef`);
    await stranger.waitForSelector('.onboard form');
    assert.match(await stranger.textContent('main'), /not known/);
    await stranger.fill('input[name=token]', daemon.link);
    await stranger.click('button[type=submit]');
    await connected(stranger);
    await stranger.context().close();
});

test('a cartridge of 128 voices is imported by its file', async () => {
    const before_ = (await daemon.api('GET', '/patches?limit=1')).total;
    await page.setInputFiles('input[type=file]', CARTRIDGE);
    await page.waitForSelector('.import-result');
    assert.match(await page.textContent('.import-result'), /^128 patches from dx7_roms\.dx7/);
    await page.keyboard.press('Escape');
    assert.equal((await daemon.api('GET', '/patches?limit=1')).total, before_ + 128);
    await page.waitForFunction(
        (total) =>
            document.querySelector('.browser footer')?.textContent?.includes(`${total} patches`),
        before_ + 128,
    );
});

test('Listen here starts with a tap, through the audio worklet', async () => {
    await page.click('button.listen');
    await page.waitForSelector('button.listen.on');
    const silence = await record(page, 0.3);
    assert.ok(loudnessDb(silence) < -80, `silence is ${loudnessDb(silence)} dB`);
});

// What a voice should sound at, from its own ratios: all sounding operators are multiples of it.
function commonRatio(values) {
    const gcd = (a, b) => (b < 0.06 ? a : gcd(b, a % b));
    const ratios = [1, 2, 3, 4, 5, 6]
        .filter((n) => values[`fm.op${n}.level`] > 0 && !values[`fm.op${n}.mode`])
        .map((n) => (values[`fm.op${n}.coarse`] || 0.5) * (1 + values[`fm.op${n}.fine`] / 100));
    return ratios.reduce(gcd);
}

for (const name of ['E.PIANO 1', 'BRASS   1', 'HARPSICH 1', 'E.ORGAN 1', 'STRINGS 1'])
    test(`${name}: its fundamental and loudness arrive in the browser`, async () => {
        await loadByName(page, name);
        await page.waitForTimeout(150);
        const heard = await holdKey(page, A3, 0.9, async () => {
            await page.waitForSelector(`.key.lit[data-note="${A3}"]`);
            await page.waitForTimeout(350);
            return hear(page, 0.4);
        });
        await page.waitForSelector(`.key[data-note="${A3}"]:not(.lit)`);
        const { values } = await daemon.api('GET', '/state');
        const written = 440 * 2 ** ((A3 - 69 + values['fm.transpose']) / 12);
        const expected = written * commonRatio(values);
        const cents = 1200 * Math.log2(fundamentalHz(heard) / expected);
        const octaves = Math.round(cents / 1200);
        assert.ok(octaves === 0 || octaves === 1, `${fundamentalHz(heard)} Hz for ${expected} Hz`);
        assert.ok(Math.abs(cents - 1200 * octaves) < 25, `${cents} cents from ${expected} Hz`);
        const db = loudnessDb(heard);
        assert.ok(db > -45 && db < -6, `${db} dB`);
        assert.ok(heard.samples.every((v) => Math.abs(v) < 1));
    });

test('a key is louder near its edge', async () => {
    await daemon.api('POST', '/patches', { name: 'Touch', values: { 'fm.op1.velocity': 7 } });
    await loadByName(page, 'Touch');
    const strike = (depth) =>
        holdKey(page, A3, depth, async () => {
            await page.waitForTimeout(250);
            return loudnessDb(await hear(page, 0.25));
        });
    const loud = await strike(0.95);
    await page.waitForTimeout(200);
    const soft = await strike(0.05);
    assert.ok(loud - soft > 12, `loud ${loud} dB, soft ${soft} dB`);
});

test('the six envelopes move on their canvases', async () => {
    await loadByName(page, 'E.PIANO 1');
    await page.waitForTimeout(3500);
    const still = [];
    for (let n = 1; n <= 6; n++) still.push(await inked(page, `.strip.op-${n} .history`));
    const moving = await holdKey(page, A3, 0.9, async () => {
        await page.waitForTimeout(500);
        const first = [];
        for (let n = 1; n <= 6; n++) first.push(await inked(page, `.strip.op-${n} .history`));
        await page.waitForTimeout(700);
        const second = [];
        for (let n = 1; n <= 6; n++) second.push(await inked(page, `.strip.op-${n} .history`));
        return { first, second };
    });
    for (let n = 0; n < 6; n++) {
        assert.ok(
            moving.first[n] > still[n] * 1.1,
            `operator ${n + 1} rises: ${still[n]} to ${moving.first[n]}`,
        );
        assert.ok(moving.second[n] > moving.first[n], `operator ${n + 1} scrolls on`);
    }
});

test('a ratio is edited with the keyboard, and the spectrum follows', async () => {
    const patch = await daemon.api('POST', '/patches', {
        name: 'Ratio',
        values: { 'fm.op2.level': 75, 'fm.op2.coarse': 3 },
    });
    await loadByName(page, patch.name);
    const sound = () =>
        holdKey(page, A3, 0.9, async () => {
            await page.waitForTimeout(250);
            return hear(page, 0.4);
        });
    // With a ratio of 3 the partials are 1, 2, 4, 5, ... times the key, with 2 the odd ones.
    const third = await sound();
    const slider = range(page, 'fm.op2.coarse');
    await slider.focus();
    await page.keyboard.press('ArrowLeft');
    assert.equal(await slider.inputValue(), '2');
    assert.equal(await page.locator('.strip.op-2 .what b').textContent(), '× 2.00');
    await page.waitForTimeout(600);
    const second = await sound();
    const relative = (heard, partial) => levelAtDb(heard, 220 * partial) - levelAtDb(heard, 220);
    assert.ok(
        relative(third, 2) > -40 && relative(third, 3) < relative(third, 2) - 20,
        `3: ${relative(third, 2)} ${relative(third, 3)}`,
    );
    assert.ok(
        relative(second, 3) > -40 && relative(second, 2) < relative(second, 3) - 20,
        `2: ${relative(second, 2)} ${relative(second, 3)}`,
    );
});

test('undo by key takes the ratio back, redo brings it', async () => {
    const slider = range(page, 'fm.op2.coarse');
    await page.keyboard.press('Control+z');
    await page.waitForFunction(
        () => document.querySelector('input[data-key="fm.op2.coarse"]').value === '3',
    );
    await page.keyboard.press('Control+Shift+z');
    await page.waitForFunction(
        () => document.querySelector('input[data-key="fm.op2.coarse"]').value === '2',
    );
    assert.equal(await slider.inputValue(), '2');
});

test('two panels stay in sync', async () => {
    const other = await openPanel(browser, daemon);
    assert.equal(await range(other, 'fm.op2.coarse').inputValue(), '2');
    await range(page, 'fm.op2.level').focus();
    await page.keyboard.press('ArrowUp');
    await other.waitForFunction(
        () => document.querySelector('input[data-key="fm.op2.level"]').value === '76',
    );
    await holdKey(other, A3, 0.5, () => page.waitForSelector(`.key.lit[data-note="${A3}"]`));
    await page.waitForSelector(`.key[data-note="${A3}"]:not(.lit)`);
    await other.context().close();
});

test('saved as, found again after kill -9, and the panel comes back by itself', async () => {
    await page.click('button[aria-label="More about this patch"]');
    await page.click('text=Save as …');
    await page.fill('dialog input[name=name]', 'Kept by the panel');
    await page.fill('dialog input[name=category]', 'Tests');
    await page.click('dialog button[type=submit]');
    await page.waitForFunction(
        () => document.querySelector('h1')?.textContent === 'Kept by the panel',
    );
    await daemon.kill();
    await page.waitForSelector('.lamp.lost, .lamp.connecting');
    await page.waitForSelector('.panel.away');
    assert.match(await page.textContent('.statusbar .link'), /lost|connecting/);
    await daemon.start();
    await connected(page);
    await page.waitForSelector('.panel:not(.away)');
    assert.equal(await page.textContent('h1'), 'Kept by the panel');
    assert.equal(await range(page, 'fm.op2.level').inputValue(), '76');
    assert.equal(await range(page, 'fm.op2.coarse').inputValue(), '2');
    await page.fill('#search', 'kept by');
    await page.waitForSelector('.row:has-text("Kept by the panel")');
    const kept = await daemon.api('GET', '/patches?q=kept');
    const { values } = await daemon.api('GET', `/patches/${kept.items[0].uuid}`);
    assert.equal(values['fm.op2.level'], 76);
    const heard = await holdKey(page, A3, 0.9, async () => {
        await page.waitForTimeout(400);
        return hear(page, 0.3);
    });
    assert.ok(loudnessDb(heard) > -45, 'listening goes on after the restart');
});

test('a patch that somebody else saved meanwhile asks: keep mine or take theirs', async () => {
    const { patch } = await daemon.api('GET', '/state');
    await range(page, 'fm.op2.level').focus();
    await page.keyboard.press('ArrowUp');
    await page.waitForSelector('.modified');
    const stale = (route) =>
        route.continue({
            headers: { ...route.request().headers(), 'if-match': `"${patch.revision + 41}"` },
        });
    await page.route('**/state/save', stale, { times: 1 });
    await page.keyboard.press('Control+s');
    await page.waitForSelector('dialog:has-text("Changed by somebody else")');
    await page.click('text=Keep mine');
    await page.waitForSelector('.patchname:not(:has(.modified))');
    const { values } = await daemon.api('GET', `/patches/${patch.uuid}`);
    assert.equal(values['fm.op2.level'], 77);
});

test('hands on the keyboard only: search, browse, play, panic', async () => {
    await page.evaluate(() => document.activeElement?.blur());
    await page.keyboard.press('/');
    await page.keyboard.type('tub bells');
    await page.waitForSelector('.row:has-text("TUB BELLS")');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() =>
        document.querySelector('h1')?.textContent?.startsWith('TUB BELLS'),
    );
    await page.keyboard.down('a');
    await page.waitForSelector('.key.lit[data-note="60"]');
    await page.keyboard.press('Escape');
    await page.waitForSelector('.key[data-note="60"]:not(.lit)');
    await page.keyboard.up('a');
    await page.keyboard.press('x');
    await page.waitForFunction(
        () => document.querySelector('.octave output')?.textContent === 'C4',
    );
    await page.keyboard.press('z');
    await page.keyboard.press('Tab');
    assert.ok(await page.evaluate(() => document.activeElement !== document.body));
});

test('no note outlives the focus of its page', async () => {
    await page.evaluate(() => document.activeElement?.blur());
    await page.keyboard.down('d');
    await page.waitForSelector('.key.lit[data-note="64"]');
    await page.evaluate(() => dispatchEvent(new Event('blur')));
    await page.waitForSelector('.key[data-note="64"]:not(.lit)');
    await page.keyboard.up('d');
});

test('on a desk nobody stumbles', async () => {
    assert.deepEqual(await stumbles(page), []);
    assert.deepEqual(page.complaints, []);
});

libraryTests();
handTests();
modelTests();
deviceTests();
shapeTests();

test('on a phone: two fingers, gliding, and nobody stumbles', async () => {
    const phone = await openPanel(browser, daemon, {
        viewport: PHONE,
        hasTouch: true,
        isMobile: true,
    });
    const place = async (key) => {
        const box = await note(phone, key).boundingBox();
        assert.ok(box.width >= 44, `a white key is ${box.width} px`);
        return { x: box.x + box.width / 2, y: box.y + box.height * 0.9 };
    };
    const touch = await phone.context().newCDPSession(phone);
    const fingers = (type, touchPoints) =>
        touch.send('Input.dispatchTouchEvent', { type, touchPoints });
    const first = { ...(await place(48)), id: 1 };
    const second = { ...(await place(52)), id: 2 };
    await fingers('touchStart', [first]);
    await fingers('touchStart', [first, second]);
    await phone.waitForSelector('.key.lit[data-note="48"]');
    await phone.waitForSelector('.key.lit[data-note="52"]');
    await fingers('touchMove', [first, { ...(await place(55)), id: 2 }]);
    await phone.waitForSelector('.key.lit[data-note="55"]');
    await phone.waitForSelector('.key[data-note="52"]:not(.lit)');
    await fingers('touchEnd', []);
    await phone.waitForFunction(() => !document.querySelector('.key.lit'));
    for (const name of ['Play', 'Sound', 'Patches', 'Train', 'Device']) {
        await phone.locator('.tabbar button', { hasText: name }).click();
        await phone.waitForSelector('.keys');
        assert.deepEqual(await stumbles(phone), [], name);
        const wide = await phone.evaluate(() => document.documentElement.scrollWidth);
        assert.equal(wide, PHONE.width, `${name} fits the width`);
    }
    assert.deepEqual(phone.complaints, []);
    await phone.context().close();
});

test('plain http from another host: no worklet there, and still it is heard', async () => {
    const link = `http://${LAN_NAME}:${daemon.port}/#token=${daemon.token}`;
    const lan = await openPanel(browser, daemon, { link });
    assert.equal(await lan.evaluate(() => isSecureContext), false);
    await loadByName(lan, 'E.ORGAN 1');
    await lan.click('button.listen');
    await lan.waitForFunction(() => window.heard.rate > 0);
    const heard = await holdKey(lan, A3, 0.9, async () => {
        await lan.waitForTimeout(600);
        return hear(lan, 0.4);
    });
    assert.ok(loudnessDb(heard) > -45, `${loudnessDb(heard)} dB`);
    assert.deepEqual(lan.complaints, []);
    await lan.context().close();
});

test('what is served is below 150 kB, whole', async () => {
    const served = new Map();
    const fresh = await browser.newContext();
    const first = await fresh.newPage();
    const session = await fresh.newCDPSession(first);
    await session.send('Network.enable');
    const names = new Map();
    session.on('Network.requestWillBeSent', ({ requestId, request }) =>
        names.set(requestId, request.url),
    );
    session.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
        const url = names.get(requestId) ?? '';
        if (!url.includes('/api/')) served.set(url, encodedDataLength);
    });
    await first.goto(daemon.link);
    await connected(first);
    await first.waitForFunction(() => document.fonts.size >= 2);
    const total = [...served.values()].reduce((sum, bytes) => sum + bytes, 0);
    assert.ok(served.size >= 5, [...served.keys()].join(' '));
    assert.ok(total > 40_000 && total < 150_000, `${total} bytes`);
    await fresh.close();
});
