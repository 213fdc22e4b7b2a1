// SPDX-License-Identifier: GPL-3.0-or-later
// The audio thread of the browser: plays what core/listen.ts hands over.
import { Jitter } from './core/jitter';
import type { Pcm } from './core/wire';

declare const sampleRate: number;
declare class AudioWorkletProcessor {
    readonly port: MessagePort;
}
declare function registerProcessor(name: string, type: new () => AudioWorkletProcessor): void;

const REPORT_BLOCKS = 375; // about once a second

class ListenProcessor extends AudioWorkletProcessor {
    private readonly jitter = new Jitter(sampleRate);
    private blocks = 0;

    constructor() {
        super();
        this.port.onmessage = ({ data }: MessageEvent<Pcm | null>) => {
            if (data) this.jitter.push(data.left, data.right, data.rateHz);
            else this.jitter.clear();
        };
    }

    process(_inputs: Float32Array[][], outputs: Float32Array[][]): boolean {
        const [left, right] = outputs[0] ?? [];
        if (left && right) this.jitter.pull(left, right);
        if (++this.blocks % REPORT_BLOCKS === 0)
            this.port.postMessage({ leadMs: this.jitter.reserveMs, gaps: this.jitter.gaps });
        return true;
    }
}

registerProcessor('timbred-listen', ListenProcessor);
