// SPDX-License-Identifier: GPL-3.0-or-later
// usage: node run.mjs FILE.test.mjs ... [-- TIMBRED]
// Brings the packages that tests need, then runs the tests against the program TIMBRED.
import { spawnSync } from 'node:child_process';
import { install } from '../../web/deps.mjs';

const cut = process.argv.indexOf('--');
const files = process.argv.slice(2, cut < 0 ? undefined : cut);
const timbred = cut < 0 ? '' : process.argv[cut + 1];

install('test');
const { status } = spawnSync(process.execPath, ['--test', '--test-concurrency=1', ...files], {
    stdio: 'inherit',
    env: { ...process.env, TIMBRED: timbred },
});
process.exit(status ?? 1);
