// SPDX-License-Identifier: GPL-3.0-or-later
// Imports a TypeScript module of the panel into node.
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const web = new URL('../../../web/', import.meta.url);
const esbuild = createRequire(new URL('package.json', web))('esbuild');

/** name: below web/src, "core/wire" */
export async function load(name) {
    const built = await esbuild.build({
        entryPoints: [fileURLToPath(new URL(`src/${name}.ts`, web))],
        bundle: true,
        format: 'esm',
        write: false,
        logLevel: 'error',
    });
    const text = built.outputFiles[0].text;
    return import(`data:text/javascript;base64,${Buffer.from(text).toString('base64')}`);
}
