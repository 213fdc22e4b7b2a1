// SPDX-License-Identifier: GPL-3.0-or-later
// The device: where its sound goes, its settings, everything as one file.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import * as api from '../core/api';
import { arrangement, attempt, role, status, tell } from '../core/store';
import { Benchmarks } from './bench';
import { SectionPage } from './sections';

export interface AudioDevice {
    driver: string;
    name: string;
    text: string;
    busy: boolean;
    holder: string | null;
    playback: boolean;
    capture: boolean;
    current: boolean;
}

const RATES_HZ = [44100, 48000, 96000];
const BLOCKS = [32, 64, 128, 256, 512, 1024];

const kilo = (hz: number) => `${hz / 1000} kHz`;
const sentence = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

export function DevicePage() {
    return (
        <div class="device-page">
            <Audio />
            {arrangement.value?.device.map((section) => (
                <section key={section.title} class="card" aria-label={section.title}>
                    <h2>{section.title}</h2>
                    <SectionPage section={section} />
                </section>
            ))}
            <Everything />
            <Benchmarks />
        </div>
    );
}

function Audio() {
    const devices = useSignal<AudioDevice[]>([]);
    const rate = useSignal(0);
    const block = useSignal(0);
    const audio = status.value?.audio;
    const read = async () => {
        const answer = await attempt(() => api.get<{ items: AudioDevice[] }>('/audio/devices'));
        if (answer) devices.value = answer.items;
    };
    useEffect(() => void read(), []);
    const choose = (device: AudioDevice) =>
        attempt(async () => {
            const body: Record<string, unknown> = { driver: device.driver, name: device.name };
            if (rate.value) body.rate_hz = rate.value;
            if (block.value) body.block = block.value;
            await api.send('PUT', '/audio/device', body);
            await read();
        });
    const current = devices.value.find((device) => device.current);
    const select = (
        name: string,
        now: number,
        choices: number[],
        show: (n: number) => string,
        set: (n: number) => void,
    ) => (
        <label class="control choice">
            <span class="name">{name}</span>
            <select
                value={String(now)}
                onChange={(event) => {
                    set(Number(event.currentTarget.value));
                    if (current) void choose(current);
                }}
            >
                {[...new Set([now, ...choices])].filter(Boolean).map((each) => (
                    <option key={each} value={String(each)}>
                        {show(each)}
                    </option>
                ))}
            </select>
        </label>
    );
    return (
        <section class="card" aria-label="Sound output">
            <h2>Sound output</h2>
            {audio && (
                <p>
                    <b>{kilo(audio.rate_hz)}</b>, {audio.periods} × {audio.block} frames:{' '}
                    <b>{audio.latency_ms.toFixed(1)} ms</b>. {sentence(audio.why)}
                </p>
            )}
            <ul class="plainlist devices">
                {devices.value
                    .filter((device) => device.playback)
                    .map((device) => (
                        <li key={device.driver + device.name}>
                            <button
                                type="button"
                                class={device.current ? 'small wide current' : 'small wide'}
                                aria-pressed={device.current}
                                disabled={role.value !== 'admin'}
                                onClick={() => void choose(device)}
                            >
                                <b>{sentence(device.text || device.name || device.driver)}</b>
                                <small>
                                    {device.name === device.driver
                                        ? 'runs on the computer’s clock'
                                        : `${device.driver} ${device.name}`}
                                    {device.busy &&
                                        ` · busy${device.holder ? `: ${device.holder}` : ''}`}
                                </small>
                            </button>
                        </li>
                    ))}
            </ul>
            <div class="row-of">
                {select(
                    'Sample rate',
                    audio?.rate_hz ?? 0,
                    RATES_HZ,
                    kilo,
                    (n) => (rate.value = n),
                )}
                {select(
                    'Block',
                    audio?.block ?? 0,
                    BLOCKS,
                    (n) => `${n} frames`,
                    (n) => (block.value = n),
                )}
                <button
                    type="button"
                    class="small"
                    onClick={() => void attempt(() => api.send('POST', '/audio/test-tone'))}
                >
                    Play a test tone
                </button>
            </div>
        </section>
    );
}

function Everything() {
    const restore = (file: File | undefined) => {
        if (!file) return;
        void attempt(async () => {
            await api.request('PUT', '/backup', {
                raw: { type: 'application/octet-stream', data: file },
            });
            tell('Restored; the state before is kept aside on the device.');
        });
    };
    if (role.value !== 'admin') return null;
    return (
        <section class="card" aria-label="Backup">
            <h2>Backup</h2>
            <p>Patches, banks, settings and measurements as one file.</p>
            <div class="row-of">
                <button
                    type="button"
                    class="small"
                    onClick={() => void attempt(() => api.download('/backup', 'timbred-backup.db'))}
                >
                    Download
                </button>
                <label class="small button">
                    Restore …
                    <input
                        type="file"
                        class="hidden"
                        onChange={(event) => restore(event.currentTarget.files?.[0])}
                    />
                </label>
            </div>
        </section>
    );
}
