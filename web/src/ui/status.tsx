// SPDX-License-Identifier: GPL-3.0-or-later
import { signal } from '@preact/signals';
import { listener, listening } from '../core/listen';
import { panic } from '../core/notes';
import { attempt, link, role, roundTripMs, status, type Status } from '../core/store';
import { Dialog } from './dialog';
import { Icon } from './icons';

const open = signal(false);
const DEFAULT_RATE_HZ = 48000;

const percent = (share: number) => `${(share * 100).toFixed(share < 0.0995 ? 1 : 0)} %`;

function loadText({ mean, p99, max }: Status['audio']['load']): string {
    return `${percent(mean)} mean, ${percent(p99)} p99, ${percent(max)} most`;
}

export function ListenButton() {
    const { on } = listening.value;
    return (
        <button
            type="button"
            class={on ? 'small listen on' : 'small listen'}
            aria-pressed={on}
            onClick={() =>
                void attempt(() => listener.toggle(status.peek()?.audio.rate_hz || DEFAULT_RATE_HZ))
            }
        >
            <Icon name="listen" /> <span>{on ? 'Listening' : 'Listen here'}</span>
        </button>
    );
}

export function PanicButton() {
    return (
        <button
            type="button"
            class="small panic"
            aria-label="Panic: silence all notes"
            onClick={panic}
        >
            <Icon name="panic" /> <span>Panic</span>
        </button>
    );
}

const LINK_TEXT = {
    open: 'connected',
    connecting: 'connecting …',
    lost: 'connection lost, trying again …',
    refused: 'not allowed in',
};

export function StatusBar() {
    const now = status.value?.audio;
    const load = now?.load.p99 ?? 0;
    return (
        <div class="statusbar">
            <button type="button" class="plain" onClick={() => (open.value = true)}>
                <span class={`lamp ${link.value}`} />
                <span class="link" role="status">
                    {LINK_TEXT[link.value]}
                </span>
                {now && (
                    <>
                        <span class="load">
                            <small>load</small>{' '}
                            <meter min={0} max={1} value={load} aria-label="Load" /> {percent(load)}
                        </span>
                        <span class={now.late ? 'late some' : 'late'}>
                            <small>late</small> {now.late}
                        </span>
                        <span class={now.xruns ? 'late some' : 'late'}>
                            <small>xruns</small> {now.xruns}
                        </span>
                        <span>
                            <small>voices</small> {now.voices}
                        </span>
                        <span class="device">
                            {now.driver === 'null' ? (
                                <small>no sound card: listen in the browser</small>
                            ) : (
                                <>
                                    <small>{now.driver}</small> {now.device}{' '}
                                    {now.why && <em>{now.why}</em>}
                                </>
                            )}
                        </span>
                        <span>
                            <small>latency</small> {now.latency_ms.toFixed(1)} ms
                        </span>
                    </>
                )}
            </button>
            {open.value && <Details />}
        </div>
    );
}

function Details() {
    const now = status.value;
    const audio = now?.audio;
    const lines: [string, string, string][] = audio
        ? [
              [
                  'Load',
                  loadText(audio.load),
                  'Time to compute a block, as a share of the time it plays.',
              ],
              [
                  'Late blocks',
                  `${audio.late}`,
                  'Blocks that took longer to compute than to play, since the device was started.',
              ],
              ['Xruns', `${audio.xruns}`, 'Times the sound card ran dry, whoever was to blame.'],
              ['Voices', `${audio.voices}`, 'Notes that sound at this moment, tails included.'],
              ['Output', `${audio.driver}: ${audio.device} (${audio.state})`, audio.why],
              [
                  'Latency',
                  `${audio.latency_ms.toFixed(1)} ms`,
                  `${audio.periods} × ${audio.block} frames at ${audio.rate_hz} Hz.`,
              ],
              [
                  'Real time',
                  audio.realtime ? 'yes' : 'no',
                  `memory ${audio.locked ? '' : 'not '}locked; ${audio.kernel}, CPU ${audio.cpu}.`,
              ],
              [
                  'This panel',
                  `${roundTripMs.value.toFixed(1)} ms there and back`,
                  `Role: ${role.value}.`,
              ],
              ['Panels', `${now.clients}`, 'Connected now.'],
          ]
        : [];
    if (now && now.temperature_c !== null && now.temperature_c !== undefined)
        lines.push(['Temperature', `${now.temperature_c.toFixed(0)} °C`, '']);
    if (listening.value.way)
        lines.push([
            'Listening',
            `${listening.value.leadMs.toFixed(0)} ms reserve, ${listening.value.gaps} gaps`,
            listening.value.way === 'worklet'
                ? 'Through an audio worklet.'
                : 'Through scheduled buffers (plain http). For listening, not for playing.',
        ]);
    return (
        <Dialog title={`timbred ${now?.version ?? ''}`} onClose={() => (open.value = false)}>
            <dl class="facts">
                {lines.map(([name, text, help]) => (
                    <div key={name}>
                        <dt>{name}</dt>
                        <dd>
                            <b>{text}</b>
                            {help && <small>{help}</small>}
                        </dd>
                    </div>
                ))}
            </dl>
        </Dialog>
    );
}
