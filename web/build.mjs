// SPDX-License-Identifier: GPL-3.0-or-later
// usage: node build.mjs --out DIR [--c FILE --depfile FILE] [--watch]
// Bundles the panel into DIR, and with --c also writes it as C for the server (see assets.h).
// The same sources give the same bytes: names carry a hash of the content, gzip has no time.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, extname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { install } from './deps.mjs';

const web = dirname(fileURLToPath(import.meta.url));
const { values: options } = parseArgs({
    options: {
        out: { type: 'string' },
        c: { type: 'string' },
        depfile: { type: 'string' },
        watch: { type: 'boolean', default: false },
    },
});
const BUDGET_BYTES = 150_000;
const TYPES = {
    '.html': 'text/html; charset=utf-8',
    '.js': 'text/javascript; charset=utf-8',
    '.css': 'text/css; charset=utf-8',
    '.svg': 'image/svg+xml',
    '.webmanifest': 'application/manifest+json',
    '.woff2': 'font/woff2',
};

install('build');
const esbuild = await import('esbuild');
const settings = {
    absWorkingDir: web,
    entryPoints: ['src/main.tsx', 'src/worklet.ts', 'src/styles/main.css'],
    bundle: true,
    minify: !options.watch,
    metafile: true,
    write: false,
    outdir: '/',
    format: 'esm',
    target: ['es2021', 'safari15'],
    jsx: 'automatic',
    jsxImportSource: 'preact',
    legalComments: 'none',
    logLevel: 'warning',
};
const FONTS = [400, 600].map(
    (weight) =>
        `node_modules/@fontsource/barlow-semi-condensed/files/` +
        `barlow-semi-condensed-latin-${weight}-normal.woff2`,
);

function collect(result) {
    const files = new Map();
    for (const output of result.outputFiles)
        files.set(basename(output.path), Buffer.from(output.contents));
    for (const font of FONTS)
        files.set(`barlow-${/latin-(\d+)/.exec(font)[1]}.woff2`, readFileSync(join(web, font)));
    for (const name of readdirSync(join(web, 'static')))
        if (name !== 'index.html') files.set(name, readFileSync(join(web, 'static', name)));
    files.set('index.html', page(files));
    return files;
}

// The addresses in the page carry the content's hash, so that a new version is never mixed with
// an old one from a cache.
function page(files) {
    const text = readFileSync(join(web, 'static', 'index.html'), 'utf8');
    const hashed = text.replace(/(href|src|content)="\/([\w.-]+)"/g, (whole, name, file) =>
        files.has(file) ? `${name}="/${file}?v=${hash(files.get(file)).slice(0, 12)}"` : whole,
    );
    return Buffer.from(hashed);
}

function hash(bytes) {
    return createHash('sha256').update(bytes).digest('hex');
}

function emit(result) {
    const files = collect(result);
    rmSync(options.out, { recursive: true, force: true });
    mkdirSync(options.out, { recursive: true });
    for (const [name, bytes] of files) writeFileSync(join(options.out, name), bytes);
    const assets = [...files].map(asset).sort((a, b) => (a.path < b.path ? -1 : 1));
    const total = assets.reduce((sum, { gzip }) => sum + gzip.length, 0);
    if (total > BUDGET_BYTES && !options.watch)
        throw new Error(`the panel is ${total} bytes gzipped, above ${BUDGET_BYTES}`);
    if (options.c) writeFileSync(options.c, source(assets));
    if (options.depfile) writeFileSync(options.depfile, depfile(result));
    if (options.watch) process.stdout.write(`${total} bytes gzipped\n`);
}

function asset([name, bytes]) {
    const gzip = gzipSync(bytes, { level: 9 });
    gzip[9] = 255; // operating system: unknown, so that every machine makes the same bytes
    return {
        path: name === 'index.html' ? '/' : `/${name}`,
        type: TYPES[extname(name)],
        etag: `"${hash(bytes).slice(0, 16)}"`,
        gzip,
    };
}

function source(assets) {
    const out = [
        '/* SPDX-License-Identifier: GPL-3.0-or-later */',
        '/* Made by web/build.mjs. */',
        '#include "web/assets.h"',
        '',
    ];
    assets.forEach(({ gzip }, i) => {
        out.push(`static const unsigned char asset_${i}[] = {`);
        for (let at = 0; at < gzip.length; at += 24)
            out.push(`    ${[...gzip.subarray(at, at + 24)].join(',')},`);
        out.push('};');
    });
    out.push('', 'const struct tb_web_asset tb_web_assets[] = {');
    assets.forEach(({ path, type, etag }, i) => {
        const strings = [path, type, etag].map((text) => JSON.stringify(text)).join(', ');
        out.push(`    {${strings}, asset_${i}, sizeof asset_${i}},`);
    });
    out.push('};', '', `const size_t tb_n_web_assets = ${assets.length};`, '');
    return out.join('\n');
}

function depfile(result) {
    const inputs = Object.keys(result.metafile.inputs).map((name) => join(web, name));
    const extra = readdirSync(join(web, 'static')).map((name) => join(web, 'static', name));
    const own = ['build.mjs', 'deps.mjs', 'package-lock.json'].map((name) => join(web, name));
    const all = [...inputs, ...extra, ...own, ...FONTS.map((font) => join(web, font))];
    return `${relative(process.cwd(), options.c)}: ${all.join(' ')}\n`;
}

if (!options.out || (options.depfile && !options.c))
    throw new Error('usage: build.mjs --out DIR [--c FILE --depfile FILE] [--watch]');
if (options.watch) {
    const plugin = {
        name: 'emit',
        setup: (build) => build.onEnd((r) => r.errors.length || emit(r)),
    };
    const context = await esbuild.context({ ...settings, plugins: [plugin] });
    await context.watch();
} else {
    emit(await esbuild.build(settings));
}
