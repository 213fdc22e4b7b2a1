// SPDX-License-Identifier: GPL-3.0-or-later
// This browser's microphone as the device's input. Browsers give it to secure pages only.
import { signal } from '@preact/signals';
import { attempt, command, link, sendBytes, status } from './store';
import { encodeMicrophone } from './wire';

const PACKET_S = 0.02;
const DEFAULT_RATE_HZ = 48000;

export const microphone = signal(false);
export const allowed = isSecureContext && 'mediaDevices' in navigator;

let context: AudioContext | null = null;
let stream: MediaStream | null = null;
let sequence = 0;

async function open(): Promise<void> {
    stream = await navigator.mediaDevices.getUserMedia({
        audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
    });
    const rate = status.peek()?.audio.rate_hz || DEFAULT_RATE_HZ;
    context = new AudioContext({ sampleRate: rate });
    await context.audioWorklet.addModule('/worklet.js');
    const node = new AudioWorkletNode(context, 'timbred-microphone', {
        numberOfOutputs: 0,
        processorOptions: { frames: Math.round(PACKET_S * context.sampleRate) },
    });
    const heard = context.sampleRate;
    node.port.onmessage = ({ data }: MessageEvent<Float32Array>) => {
        if (microphone.peek()) sendBytes(encodeMicrophone(data, heard, sequence++));
    };
    context.createMediaStreamSource(stream).connect(node);
}

function close(): void {
    microphone.value = false;
    stream?.getTracks().forEach((track) => track.stop());
    void context?.close();
    stream = null;
    context = null;
}

export function toggle(): void {
    if (microphone.peek()) {
        close();
        command({ type: 'input', on: false });
        return;
    }
    void attempt(async () => {
        try {
            await open();
        } catch (error) {
            close();
            throw error;
        }
        command({ type: 'input', on: true });
        microphone.value = true;
    });
}

link.subscribe((state) => {
    if (state !== 'open' && microphone.peek()) close();
});
