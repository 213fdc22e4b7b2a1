// SPDX-License-Identifier: GPL-3.0-or-later
// Whom to tell of a weakness: served where the owner says so, a problem where not.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Daemon } from './lib.mjs';

const PATH = '/.well-known/security.txt';
const silent = new Daemon();
const named = new Daemon(['--server.security_contact=mailto:owner@example.org']);
before(() => Promise.all([silent.start(), named.start()]));
after(() => Promise.all([silent.end(), named.end()]));

test('without a contact there is no file', async () => {
    const answer = await silent.plain('GET', PATH);
    assert.equal(answer.status, 404);
    assert.match(answer.headers['content-type'], /^application\/problem\+json/);
    assert.match(answer.json.detail, /server\.security_contact/);
});

test('with a contact it says whom and until when', async () => {
    const answer = await named.plain('GET', PATH);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['content-type'], 'text/plain; charset=utf-8');
    const fields = answer.data
        .toString()
        .trimEnd()
        .split('\n')
        .map((line) => line.split(': '));
    assert.deepEqual(
        fields.map(([name]) => name),
        ['Contact', 'Expires', 'Preferred-Languages'],
    );
    assert.equal(fields[0][1], 'mailto:owner@example.org');
    const expires = Date.parse(fields[1][1]);
    const about = (await named.api('GET', '/about')).json;
    assert.ok(expires <= Date.parse(`${about.support_until}T00:00:00Z`));
    assert.ok(expires > Date.now() || Date.now() > Date.parse(about.support_until));
    assert.ok(expires <= Date.now() + 365 * 86400e3);
});

test('it is read only, and the dot opens nothing else', async () => {
    assert.equal((await named.plain('HEAD', PATH)).status, 200);
    assert.equal((await named.plain('POST', PATH)).status, 405);
    assert.equal((await named.plain('GET', '/.well-known/other')).status, 404);
    for (const path of ['/.well-known/.hidden', '/.well-known/../x', '/.other/security.txt'])
        assert.equal((await named.plain('GET', path)).status, 400, path);
});
