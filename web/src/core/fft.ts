// SPDX-License-Identifier: GPL-3.0-or-later

const FLOOR_DB = -120;

/** Hann-windowed power spectrum of real blocks; buffers are made once. */
export class Spectrum {
    readonly db: Float32Array;
    private readonly window: Float32Array;
    private readonly re: Float32Array;
    private readonly im: Float32Array;
    private readonly cos: Float32Array;
    private readonly sin: Float32Array;
    private readonly order: Uint32Array;

    /** size: a power of two */
    constructor(readonly size: number) {
        if (size < 4 || (size & (size - 1)) !== 0) throw new RangeError(`FFT of ${size}`);
        this.db = new Float32Array(size / 2);
        this.window = new Float32Array(size);
        this.re = new Float32Array(size);
        this.im = new Float32Array(size);
        this.cos = new Float32Array(size / 2);
        this.sin = new Float32Array(size / 2);
        this.order = new Uint32Array(size);
        const bits = Math.log2(size);
        for (let i = 0; i < size; i++) {
            this.window[i] = 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / size);
            let reversed = 0;
            for (let bit = 0; bit < bits; bit++) if (i & (1 << bit)) reversed |= size >> (bit + 1);
            this.order[i] = reversed;
        }
        for (let i = 0; i < size / 2; i++) {
            this.cos[i] = Math.cos((2 * Math.PI * i) / size);
            this.sin[i] = -Math.sin((2 * Math.PI * i) / size);
        }
    }

    /**
     * dB of each bin; a full-scale sine on a bin is 0 dB. Fewer samples than size are followed by
     * silence: more points on the same curve.
     */
    analyse(samples: Float32Array): Float32Array {
        const { size, re, im } = this;
        const length = Math.min(size, samples.length);
        const stretch = size / length;
        for (let i = 0; i < size; i++) {
            const at = this.order[i]!;
            re[at] = i < length ? samples[i]! * this.window[Math.floor(i * stretch)]! : 0;
            im[at] = 0;
        }
        for (let half = 1; half < size; half *= 2) this.stage(half);
        for (let i = 0; i < size / 2; i++) {
            const magnitude = Math.hypot(re[i]!, im[i]!) / (length / 4);
            this.db[i] = Math.max(FLOOR_DB, 20 * Math.log10(magnitude + 1e-12));
        }
        return this.db;
    }

    private stage(half: number): void {
        const { size, re, im } = this;
        const stride = size / (2 * half);
        for (let start = 0; start < size; start += 2 * half) {
            for (let k = 0; k < half; k++) {
                const a = start + k;
                const b = a + half;
                const c = this.cos[k * stride]!;
                const s = this.sin[k * stride]!;
                const x = re[b]! * c - im[b]! * s;
                const y = re[b]! * s + im[b]! * c;
                re[b] = re[a]! - x;
                im[b] = im[a]! - y;
                re[a] = re[a]! + x;
                im[a] = im[a]! + y;
            }
        }
    }
}

/** Where a rising zero crossing lies in the first half, so that the picture stands still. */
export function trigger(samples: Float32Array): number {
    const half = samples.length >> 1;
    let best = 0;
    let steepest = 0;
    for (let i = 1; i < half; i++) {
        const before = samples[i - 1]!;
        const slope = samples[i]! - before;
        if (before < 0 && samples[i]! >= 0 && slope > steepest * 1.05) {
            steepest = slope;
            best = i;
        }
    }
    return best;
}
