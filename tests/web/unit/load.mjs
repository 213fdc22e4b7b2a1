// SPDX-License-Identifier: GPL-3.0-or-later
// Imports a TypeScript module of the panel into node.
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const web = new URL('../../../web/', import.meta.url);
const esbuild = createRequire(new URL('package.json', web))('esbuild');

/** name: below web/src, "core/wire" */
export function load(name) {
    return bundled(`export * from './${name}';`);
}

/** Several that share what they import: { wire: 'core/wire', ... } */
export function loadTogether(names) {
    const lines = Object.entries(names).map(([as, from]) => `export * as ${as} from './${from}';`);
    return bundled(lines.join('\n'));
}

async function bundled(contents) {
    const built = await esbuild.build({
        stdin: { contents, resolveDir: fileURLToPath(new URL('src', web)), loader: 'ts' },
        bundle: true,
        format: 'esm',
        write: false,
        logLevel: 'error',
    });
    const text = built.outputFiles[0].text;
    return import(`data:text/javascript;base64,${Buffer.from(text).toString('base64')}`);
}
