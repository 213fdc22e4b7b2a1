// SPDX-License-Identifier: GPL-3.0-or-later
// The audio thread of the browser: plays what core/listen.ts hands over.
import { Jitter } from './core/jitter';
import type { Pcm } from './core/wire';

declare const sampleRate: number;
declare class AudioWorkletProcessor {
    readonly port: MessagePort;
}
declare function registerProcessor(
    name: string,
    type: new (options: { processorOptions: { frames: number } }) => AudioWorkletProcessor,
): void;

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

/** Gathers what the microphone hears into packets. */
class MicrophoneProcessor extends AudioWorkletProcessor {
    private packet: Float32Array;
    private length = 0;

    constructor({ processorOptions }: { processorOptions: { frames: number } }) {
        super();
        this.packet = new Float32Array(processorOptions.frames);
    }

    process(inputs: Float32Array[][]): boolean {
        for (const sample of inputs[0]?.[0] ?? []) {
            this.packet[this.length++] = sample;
            if (this.length < this.packet.length) continue;
            this.port.postMessage(this.packet);
            this.length = 0;
        }
        return true;
    }
}

registerProcessor('timbred-microphone', MicrophoneProcessor);
registerProcessor('timbred-listen', ListenProcessor);
