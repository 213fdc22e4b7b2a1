// SPDX-License-Identifier: GPL-3.0-or-later
// Model files made here (models/FORMAT.md): small seeded networks, whole or broken on purpose.
function shapes(meta) {
    const H = Number(meta.width);
    const heads = Number(meta.n_operators ?? 6);
    if (meta.family === 'fm_envelope')
        return {
            'gru.weight_ih_l0': [3 * H, 2],
            'gru.weight_hh_l0': [3 * H, H],
            'gru.bias_ih_l0': [3 * H],
            'gru.bias_hh_l0': [3 * H],
            'proj_matrices.0.weight': [heads, H],
            'proj_matrices.0.bias': [heads],
        };
    const blocks = meta.dilations.split(',').length;
    const all = {};
    for (let b = 0; b < blocks; b++) {
        const out = b === blocks - 1 ? heads : H;
        all[`blocks.${b}.conv1.weight`] = [H, b ? H : 2, 3];
        all[`blocks.${b}.conv1.bias`] = [H];
        all[`blocks.${b}.conv2.weight`] = [out, H, 3];
        all[`blocks.${b}.conv2.bias`] = [out];
    }
    return all;
}

export const META = {
    family: 'ddx7',
    name: 'Test flute',
    sample_rate: '16000',
    hop: '64',
    width: '8',
    dilations: '1,2',
    residuals: 'none,none',
    'fm.ratios': '1,1,2,3,4,5',
    'fm.algorithm': '5',
    instrument: 'flute',
    licence: 'CC0-1.0',
    credit: 'nobody',
    source: 'a seed',
};

const random = (seed) => () => {
    seed = (seed * 1103515245 + 12345) & 0x7fffffff;
    return seed / 0x3fffffff - 1;
};

// header(h): changes the parsed header before it is written. values(name, floats): the weights.
export function modelFile(meta = {}, { seed = 1, header, values, tail } = {}) {
    const all = { ...META, ...meta };
    for (const key of Object.keys(all)) if (all[key] === undefined) delete all[key];
    const next = random(seed);
    const head = { __metadata__: all };
    const parts = [];
    let at = 0;
    for (const [name, shape] of Object.entries(shapes(all))) {
        const n = shape.reduce((a, b) => a * b, 1);
        const floats = Float32Array.from({ length: n }, () => 0.3 * next());
        values?.(name, floats);
        head[name] = { dtype: 'F32', shape, data_offsets: [at, at + 4 * n] };
        at += 4 * n;
        parts.push(Buffer.from(floats.buffer));
    }
    header?.(head);
    const text = Buffer.from(typeof head === 'string' ? head : JSON.stringify(head));
    const size = Buffer.alloc(8);
    size.writeBigUInt64LE(BigInt(text.length));
    return Buffer.concat([size, text, ...parts, ...(tail ? [tail] : [])]);
}

export const upload = (d, data, query = '', options = {}) =>
    d.api('POST', `/models${query}`, data, { type: 'application/octet-stream', ...options });
