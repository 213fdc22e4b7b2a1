// SPDX-License-Identifier: GPL-3.0-or-later
// Recordings for trainings: a few notes of a plain wind instrument, made here.
export function wav(samples, rate = 16000) {
    const data = Buffer.alloc(44 + samples.length * 2);
    data.write('RIFF', 0);
    data.writeUInt32LE(36 + samples.length * 2, 4);
    data.write('WAVEfmt ', 8);
    data.writeUInt32LE(16, 16);
    data.writeUInt16LE(1, 20);
    data.writeUInt16LE(1, 22);
    data.writeUInt32LE(rate, 24);
    data.writeUInt32LE(rate * 2, 28);
    data.writeUInt16LE(2, 32);
    data.writeUInt16LE(16, 34);
    data.write('data', 36);
    data.writeUInt32LE(samples.length * 2, 40);
    samples.forEach((x, i) =>
        data.writeInt16LE(Math.max(-32768, Math.min(32767, Math.round(x * 32767))), 44 + i * 2),
    );
    return data;
}

// seconds of a note with five partials, vibrato and a swell.
export function note(hz, seconds, rate = 16000) {
    const n = Math.round(seconds * rate);
    const out = new Array(n);
    let phase = 0;
    for (let i = 0; i < n; i++) {
        const t = i / rate;
        const level = Math.min(1, t / 0.05, (seconds - t) / 0.1) * (0.5 + 0.4 * Math.sin(t));
        phase += (2 * Math.PI * hz * (1 + 0.003 * Math.sin(2 * Math.PI * 5 * t))) / rate;
        let x = 0;
        for (let k = 1; k <= 5; k++) x += Math.sin(k * phase) / (k * k);
        out[i] = 0.6 * level * x;
    }
    return out;
}

const octet = { type: 'application/octet-stream' };

export async function dataset(d, { n = 8, seconds = 5, ...about } = {}) {
    const made = await d.api('POST', '/datasets', { name: 'Pipe', instrument: 'flute', ...about });
    const keys = [60, 62, 64, 65, 67, 69, 71, 72, 74, 76];
    for (let i = 0; i < n; i++) {
        const hz = 440 * 2 ** ((keys[i % keys.length] - 69) / 12);
        const path = `/datasets/${made.json.uuid}/recordings?filename=take-${i}.wav`;
        const sent = await d.api('POST', path, wav(note(hz, seconds)), octet);
        if (sent.status !== 201) throw new Error(JSON.stringify(sent.json));
    }
    return made.json.uuid;
}

export async function until(d, uuid, wanted, seconds = 90) {
    for (let i = 0; i < seconds * 10; i++) {
        const answer = await d.api('GET', `/trainings/${uuid}`).catch(() => null);
        if (answer?.status === 200 && wanted(answer.json)) return answer.json;
        await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`not within ${seconds} s:\n${d.output}`);
}
