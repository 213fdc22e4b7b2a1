// SPDX-License-Identifier: GPL-3.0-or-later
// usage: node run.mjs [--script] FILE... -- brings the packages once, then runs the files with
// node --test, or with --script one file as it is.
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const lock = readFileSync(join(here, 'package-lock.json'), 'utf8');
const stamp = join(here, 'node_modules', '.timbred-stamp');
const guard = join(here, '.installing');

function install() {
    const fresh = () => existsSync(stamp) && readFileSync(stamp, 'utf8') === lock;
    for (let i = 0; i < 600 && !fresh(); i++) {
        try {
            closeSync(openSync(guard, 'wx'));
        } catch {
            spawnSync('sleep', ['0.2']);
            continue;
        }
        const npm = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
            cwd: here,
            stdio: ['ignore', 2, 2],
        });
        if (npm.status === 0) writeFileSync(stamp, lock);
        rmSync(guard);
        if (npm.status !== 0) process.exit(1);
    }
}

install();
const script = process.argv[2] === '--script';
const files = script ? process.argv.slice(3) : ['--test', ...process.argv.slice(2)];
const run = spawnSync(process.execPath, files, { stdio: 'inherit' });
process.exit(run.status ?? 1);
