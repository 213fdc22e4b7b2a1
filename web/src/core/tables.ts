// SPDX-License-Identifier: GPL-3.0-or-later
// The wavetables inside a model file (models/FORMAT.md), so that the wave of now can be drawn.

interface Entry {
    dtype: string;
    shape: number[];
    data_offsets: [number, number];
}

const LENGTH_BYTES = 8;
const HEADER_MOST = 1 << 20;

/** [table][sample]; null where the file has none or in a form that is not drawn. */
export function wavetables(file: ArrayBuffer): Float32Array[] | null {
    if (file.byteLength < LENGTH_BYTES) return null;
    const length = Number(new DataView(file).getBigUint64(0, true));
    if (length > HEADER_MOST || LENGTH_BYTES + length > file.byteLength) return null;
    const text = new TextDecoder().decode(new Uint8Array(file, LENGTH_BYTES, length));
    const entry = (JSON.parse(text) as Record<string, Entry | undefined>).wavetables;
    const [tables, size] = entry?.shape ?? [];
    if (!entry || !tables || !size) return null;
    const from = LENGTH_BYTES + length + entry.data_offsets[0];
    const read = reader(entry.dtype, new DataView(file, from));
    if (!read || from + tables * size * read.bytes > file.byteLength) return null;
    return Array.from({ length: tables }, (_, t) =>
        Float32Array.from({ length: size }, (_unused, i) => read.at((t * size + i) * read.bytes)),
    );
}

function reader(
    dtype: string,
    view: DataView,
): { bytes: number; at(offset: number): number } | null {
    switch (dtype) {
        case 'F32':
            return { bytes: 4, at: (offset) => view.getFloat32(offset, true) };
        case 'F16':
            return { bytes: 2, at: (offset) => half(view.getUint16(offset, true)) };
        case 'BF16':
            return { bytes: 2, at: (offset) => brain(view.getUint16(offset, true)) };
        default:
            return null;
    }
}

export function half(bits: number): number {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const word = new DataView(new ArrayBuffer(4));

function brain(bits: number): number {
    word.setUint32(0, bits << 16);
    return word.getFloat32(0);
}

/** The tables mixed by their shares, at most 1 high. */
export function mix(tables: Float32Array[], shares: Float32Array): Float32Array {
    const wave = new Float32Array(tables[0]?.length ?? 0);
    tables.forEach((table, t) => {
        const share = shares[t] ?? 0;
        if (share > 0) for (let i = 0; i < wave.length; i++) wave[i]! += share * table[i]!;
    });
    const peak = wave.reduce((most, v) => Math.max(most, Math.abs(v)), 1e-6);
    return wave.map((v) => v / peak);
}
