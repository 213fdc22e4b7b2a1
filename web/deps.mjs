// SPDX-License-Identifier: GPL-3.0-or-later
// usage: node deps.mjs [build|test]
// Brings node_modules to what package-lock.json says, and does nothing where it is already so:
// a build without network works once this has run. `build` leaves out what only tests need.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const web = dirname(fileURLToPath(import.meta.url));
const stamp = join(web, 'node_modules', '.timbred-stamp');

export function installed(kind) {
    if (!existsSync(stamp)) return false;
    const [hash, have] = readFileSync(stamp, 'utf8').trim().split(' ');
    return hash === lockHash() && (have === 'test' || have === kind);
}

export function install(kind) {
    if (installed(kind)) return;
    const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    if (kind === 'build') args.push('--omit=dev');
    const npm = spawnSync('npm', args, { cwd: web, stdio: ['ignore', 2, 2] });
    if (npm.status !== 0) throw new Error('npm ci failed; the panel needs its packages once');
    writeFileSync(stamp, `${lockHash()} ${kind}\n`);
}

function lockHash() {
    return createHash('sha256')
        .update(readFileSync(join(web, 'package-lock.json')))
        .digest('hex');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
    const kind = process.argv[2] ?? 'build';
    if (kind !== 'build' && kind !== 'test') throw new Error('usage: deps.mjs [build|test]');
    install(kind);
}
