// SPDX-License-Identifier: GPL-3.0-or-later
// "Listen here": the device's output in this browser. An AudioWorklet where the page is a secure
// context, else buffers scheduled on the sample grid (a LAN address over http has no worklet).
// One AudioContext, made by a tap and never again.
import { signal } from '@preact/signals';
import type { Pcm } from './wire';

const LEAD_START_S = 0.08;
const LEAD_MIN_S = 0.04;
const LEAD_MAX_S = 0.4;
const LEAD_STEP_S = 0.02;
const CALM_S = 20;

type Way = 'worklet' | 'buffers';

export const listening = signal<{ on: boolean; way: Way | null; leadMs: number; gaps: number }>({
    on: false,
    way: null,
    leadMs: 0,
    gaps: 0,
});

class Listen {
    private context: AudioContext | null = null;
    private volume: GainNode | null = null;
    private node: AudioWorkletNode | null = null;
    private tell: ((on: boolean) => void) | null = null;
    private lead = LEAD_START_S;
    private lastGap = 0;
    /** Where the stream's frame `originFrame` plays, in context time; null before the first. */
    private originTime: number | null = null;
    private originFrame = 0;
    private originRate = 0;

    /** The connection is there (again): say whether sound is wanted. */
    connected(tell: (on: boolean) => void): void {
        this.tell = tell;
        this.originTime = null;
        if (listening.peek().on) tell(true);
    }

    /** Call from a tap: browsers start sound for nothing else. */
    async toggle(rateHz: number): Promise<void> {
        const on = !listening.peek().on;
        listening.value = { ...listening.peek(), on };
        if (on) await this.open(rateHz);
        this.originTime = null;
        this.tell?.(on);
        if (!on) {
            this.node?.port.postMessage(null);
            await this.context?.suspend();
        }
    }

    play(pcm: Pcm): void {
        if (!listening.peek().on || !this.context || this.context.state !== 'running') return;
        if (this.node) {
            this.node.port.postMessage(pcm, [pcm.left.buffer, pcm.right.buffer]);
        } else if (this.volume) {
            this.schedule(this.context, this.volume, pcm);
        }
    }

    private async open(rateHz: number): Promise<void> {
        const context = (this.context ??= new AudioContext({
            sampleRate: rateHz,
            latencyHint: 'interactive',
        }));
        const resumed = context.resume();
        if (!this.volume) {
            this.volume = context.createGain();
            this.volume.connect(context.destination);
            const worklet = context.audioWorklet as AudioWorklet | undefined;
            if (worklet) await this.openWorklet(context, worklet);
            listening.value = {
                ...listening.peek(),
                way: this.node ? 'worklet' : 'buffers',
                leadMs: this.lead * 1000,
            };
        }
        await resumed;
    }

    private async openWorklet(context: AudioContext, worklet: AudioWorklet): Promise<void> {
        try {
            await worklet.addModule('/worklet.js');
            this.node = new AudioWorkletNode(context, 'timbred-listen', {
                numberOfInputs: 0,
                outputChannelCount: [2],
            });
            this.node.port.onmessage = (event: MessageEvent<{ leadMs: number; gaps: number }>) => {
                listening.value = { ...listening.peek(), ...event.data };
            };
            this.node.connect(this.volume!);
        } catch {
            this.node = null; // The scheduler below needs nothing special.
        }
    }

    private schedule(context: AudioContext, volume: GainNode, pcm: Pcm): void {
        const now = context.currentTime;
        const moved = pcm.rateHz !== this.originRate || pcm.frame < this.originFrame;
        if (this.originTime === null || moved) this.rebase(pcm, now);
        let at = this.originTime! + (pcm.frame - this.originFrame) / pcm.rateHz;
        if (at < now + 0.004 || at > now + 2 * LEAD_MAX_S) {
            this.gap(now);
            this.rebase(pcm, now);
            at = this.originTime!;
        } else if (now - this.lastGap > CALM_S && this.lead > LEAD_MIN_S) {
            this.lastGap = now; // Calm for long: the next rebase may start closer.
            this.lead = Math.max(LEAD_MIN_S, this.lead - LEAD_STEP_S / 2);
        }
        const buffer = context.createBuffer(2, pcm.left.length, pcm.rateHz);
        buffer.getChannelData(0).set(pcm.left);
        buffer.getChannelData(1).set(pcm.right);
        const source = context.createBufferSource();
        source.buffer = buffer;
        source.connect(volume);
        source.start(at);
    }

    private rebase(pcm: Pcm, now: number): void {
        const grid = 1 / pcm.rateHz;
        this.originTime = Math.ceil((now + this.lead) / grid) * grid;
        this.originFrame = pcm.frame;
        this.originRate = pcm.rateHz;
    }

    private gap(now: number): void {
        this.lastGap = now;
        this.lead = Math.min(LEAD_MAX_S, this.lead + LEAD_STEP_S);
        const { gaps } = listening.peek();
        listening.value = { ...listening.peek(), gaps: gaps + 1, leadMs: this.lead * 1000 };
    }
}

export const listener = new Listen();
