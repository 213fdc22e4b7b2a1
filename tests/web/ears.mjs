// SPDX-License-Identifier: GPL-3.0-or-later
// What is heard: taps whatever a page plays, and measures it.

const AUDIBLE = 1e-4;
const GAP = 512; // samples, longer than half a period of the lowest note

/** For page.addInitScript: copies all that goes to the loudspeakers into window.heard. */
export function tap() {
    const connect = AudioNode.prototype.connect;
    window.heard = { blocks: [], rate: 0 };
    AudioNode.prototype.connect = function (target, ...rest) {
        const result = connect.call(this, target, ...rest);
        if (!(target instanceof AudioDestinationNode)) return result;
        const tapped = this.context.createScriptProcessor(4096, 2, 2);
        window.heard.rate = this.context.sampleRate;
        tapped.onaudioprocess = (event) => {
            window.heard.blocks.push(event.inputBuffer.getChannelData(0).slice());
            if (window.heard.blocks.length > 64) window.heard.blocks.shift();
        };
        connect.call(this, tapped);
        connect.call(tapped, target);
        return result;
    };
}

/** Whether something sounds all the time, and no gap is in it. */
function isWhole(samples) {
    for (let at = 0; at + GAP <= samples.length; at += GAP)
        if (!samples.subarray(at, at + GAP).some((v) => Math.abs(v) > AUDIBLE)) return false;
    return true;
}

/** The next seconds that the page plays, once it plays without gaps: a busy machine lets the
 * browser run dry. */
export async function hear(page, seconds) {
    for (let tries = 0; ; tries++) {
        const heard = await record(page, seconds);
        if (tries === 8 || isWhole(heard.samples)) return heard;
    }
}

/** The next seconds, silent or not. */
export async function record(page, seconds) {
    const { samples, rate } = await page.evaluate(async (wanted) => {
        window.heard.blocks = [];
        const enough = Math.ceil((wanted * window.heard.rate) / 4096);
        while (window.heard.blocks.length < enough)
            await new Promise((done) => setTimeout(done, 20));
        return {
            samples: window.heard.blocks.flatMap((block) => [...block]),
            rate: window.heard.rate,
        };
    }, seconds);
    return { samples: Float64Array.from(samples), rate };
}

export function loudnessDb({ samples }) {
    const power = samples.reduce((sum, v) => sum + v * v, 0) / samples.length;
    return 10 * Math.log10(power + 1e-20);
}

/** Fundamental by normalised autocorrelation: the shortest period that is nearly the best. */
export function fundamentalHz({ samples, rate }, { lowHz = 50, highHz = 2000 } = {}) {
    const n = Math.min(4096, samples.length >> 1);
    const from = Math.floor(rate / highHz);
    const to = Math.min(Math.floor(rate / lowHz), samples.length - n - 1);
    const likeness = (lag) => {
        let cross = 0;
        let a = 0;
        let b = 0;
        for (let i = 0; i < n; i++) {
            cross += samples[i] * samples[i + lag];
            a += samples[i] ** 2;
            b += samples[i + lag] ** 2;
        }
        return cross / Math.sqrt(a * b + 1e-20);
    };
    const curve = [];
    for (let lag = from; lag <= to; lag++) curve.push(likeness(lag));
    const best = Math.max(...curve);
    for (let i = 1; i < curve.length - 1; i++) {
        if (curve[i] < 0.95 * best || curve[i] < curve[i - 1] || curve[i] < curve[i + 1]) continue;
        const bend = curve[i - 1] - 2 * curve[i] + curve[i + 1];
        const shift = bend ? (curve[i - 1] - curve[i + 1]) / (2 * bend) : 0;
        return rate / (from + i + shift);
    }
    return 0;
}

/** Times in seconds (middle of the window) and Hz; 0 Hz where it is softer than `silent` (rms). */
export function pitchTrack({ samples, rate }, { stepS, silent, lowHz, highHz }) {
    const length = Math.ceil((4 * rate) / lowHz);
    const step = Math.round(stepS * rate);
    const track = [];
    for (let at = 0; at + length <= samples.length; at += step) {
        const part = samples.subarray(at, at + length);
        const rms = Math.sqrt(part.reduce((sum, v) => sum + v * v, 0) / length);
        const hz = rms > silent ? fundamentalHz({ samples: part, rate }, { lowHz, highHz }) : 0;
        track.push({ time: (at + length / 2) / rate, hz });
    }
    return track;
}

/** Level in dB at a frequency. */
export function levelAtDb({ samples, rate }, hz) {
    let re = 0;
    let im = 0;
    for (let i = 0; i < samples.length; i++) {
        const window = 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / samples.length);
        re += samples[i] * window * Math.cos((2 * Math.PI * hz * i) / rate);
        im += samples[i] * window * Math.sin((2 * Math.PI * hz * i) / rate);
    }
    return 20 * Math.log10((4 * Math.hypot(re, im)) / samples.length + 1e-12);
}
