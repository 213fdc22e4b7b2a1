// SPDX-License-Identifier: GPL-3.0-or-later
// A stereo buffer between packets that come when they like and a clock that does not wait. It
// grows its reserve after a gap and follows the device's clock by reading up to 0.5 % faster or
// slower. Runs in the audio worklet; allocates only when made.

const SECONDS = 2;
const RESERVE_START_S = 0.06;
const RESERVE_MIN_S = 0.04;
const RESERVE_MAX_S = 0.4;
const RESERVE_STEP_S = 0.02;
const CALM_S = 20;
const DRIFT = 0.005;

export class Jitter {
    gaps = 0;
    private readonly size: number;
    private readonly ring: [Float32Array, Float32Array];
    private written = 0;
    private at = 0;
    private rate: number;
    private running = false;
    private reserve = RESERVE_START_S;
    private calm = 0;

    constructor(private readonly outputRate: number) {
        this.size = 2 ** Math.ceil(Math.log2(SECONDS * 2 * outputRate));
        this.ring = [new Float32Array(this.size), new Float32Array(this.size)];
        this.rate = outputRate;
    }

    get reserveMs(): number {
        return this.reserve * 1000;
    }

    clear(): void {
        this.running = false;
        this.written = 0;
        this.at = 0;
    }

    push(left: Float32Array, right: Float32Array, rateHz: number): void {
        if (rateHz !== this.rate) {
            this.clear();
            this.rate = rateHz;
        }
        for (let i = 0; i < left.length; i++) {
            const to = (this.written + i) & (this.size - 1);
            this.ring[0][to] = left[i]!;
            this.ring[1][to] = right[i]!;
        }
        this.written += left.length;
        const most = this.size - 4 * 128;
        if (this.written - this.at > most) this.at = this.written - this.reserve * this.rate;
    }

    pull(left: Float32Array, right: Float32Array): void {
        const n = left.length;
        const have = this.written - this.at;
        const ready = this.reserve * this.rate;
        if (!this.running && have >= ready) {
            this.running = true;
            this.at = Math.ceil(this.written - ready);
        }
        const exact = this.rate / this.outputRate;
        const error = (this.written - this.at - ready) / ready;
        const bend = Math.abs(error) < 0.5 ? 0 : DRIFT * Math.max(-1, Math.min(1, error / 2));
        const step = exact * (1 + bend);
        if (!this.running || have < n * step + 3) {
            left.fill(0);
            right.fill(0);
            if (this.running) this.gap();
            return;
        }
        for (let i = 0; i < n; i++) {
            left[i] = this.read(this.ring[0]);
            right[i] = this.read(this.ring[1]);
            this.at += step;
        }
        this.relax(n);
    }

    private gap(): void {
        this.running = false;
        this.gaps++;
        this.calm = 0;
        this.reserve = Math.min(RESERVE_MAX_S, this.reserve + RESERVE_STEP_S);
    }

    private relax(n: number): void {
        this.calm += n / this.outputRate;
        if (this.calm < CALM_S) return;
        this.calm = 0;
        this.reserve = Math.max(RESERVE_MIN_S, this.reserve - RESERVE_STEP_S / 2);
    }

    /** Cubic between four samples; exact on the grid, where most streams stay. */
    private read(ring: Float32Array): number {
        const whole = Math.floor(this.at);
        const t = this.at - whole;
        const mask = this.size - 1;
        const b = ring[whole & mask]!;
        if (t === 0) return b;
        const a = ring[(whole - 1) & mask]!;
        const c = ring[(whole + 1) & mask]!;
        const d = ring[(whole + 2) & mask]!;
        const c1 = (c - a) / 2;
        const c2 = a - 2.5 * b + 2 * c - d / 2;
        const c3 = (d - a) / 2 + 1.5 * (b - c);
        return ((c3 * t + c2) * t + c1) * t + b;
    }
}
