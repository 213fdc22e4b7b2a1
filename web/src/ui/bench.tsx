// SPDX-License-Identifier: GPL-3.0-or-later
// Measures the device: start, progress, stored runs side by side.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import * as api from '../core/api';
import { attempt, jobs, model, modelB, role } from '../core/store';
import { Icon } from './icons';
import { when } from './patchbar';
import { Picture, type Draw } from './picture';
import { color, operatorColor } from './theme';

/** One model × voices × block × rate of a run; times in microseconds of a block. */
interface Case {
    /** null is plain FM; results from before models have none. */
    model?: string | null;
    mode: string;
    scenario: string;
    voices: number;
    block: number;
    rate_hz: number;
    p50_us: number;
    p99_us: number;
    p999_us: number;
    max_us: number;
    /** Of the time that a block plays. */
    share: { p50: number; p99: number; p999: number; max: number };
    late: number | null;
}

interface Run {
    id: number;
    time: number;
    machine: string;
    version: string;
    state: string;
    detail?: string;
    result?: {
        machine?: { model?: string | null; name?: string };
        results?: Case[];
        highest?: Highest[];
    } | null;
}

/** The most of the voices that were asked for whose p99 held the deadline. */
interface Highest {
    model?: string | null;
    mode: string;
    block: number;
    rate_hz: number;
    voices: number;
}

interface Plan {
    voices: number[];
    blocks: number[];
    rates: number[];
    /** of each case */
    seconds: number;
    /** Also at the pace of a sound card, beside a thread that does nothing else. */
    paced: boolean;
}

const PLANS: Record<string, Plan> = {
    Quick: { voices: [8, 32], blocks: [64], rates: [48000], seconds: 0.25, paced: false },
    Usual: { voices: [8, 16, 32, 64], blocks: [64, 256], rates: [48000], seconds: 2, paced: true },
    Thorough: {
        voices: [1, 8, 16, 32, 64],
        blocks: [32, 64, 128, 256, 512],
        rates: [48000, 96000],
        seconds: 4,
        paced: true,
    },
};
const COMPARED = 4;

export function Benchmarks() {
    const runs = useSignal<Run[]>([]);
    const chosen = useSignal<Run[]>([]);
    const insist = useSignal(false);
    const plan = useSignal('Usual');
    const withModel = useSignal(false);
    const job = jobs.value.find(({ kind }) => /bench/.test(kind));
    const read = async () => {
        const answer = await attempt(() => api.get<{ items: Run[] }>('/benchmarks'));
        if (answer) runs.value = answer.items;
    };
    useEffect(() => void read(), [job?.state]);
    const start = (force: boolean) =>
        attempt(async () => {
            try {
                const models = played();
                await api.send('POST', '/benchmarks', {
                    ...PLANS[plan.peek()],
                    ...(withModel.peek() && models.length ? { models } : {}),
                    force,
                });
                insist.value = false;
                await read();
            } catch (error) {
                insist.value = error instanceof api.Problem && error.status === 409 && !force;
                throw error;
            }
        });
    const toggle = (run: Run) =>
        attempt(async () => {
            const others = chosen.peek().filter(({ id }) => id !== run.id);
            if (others.length < chosen.peek().length) chosen.value = others;
            else {
                const full = await api.get<Run>(`/benchmarks/${run.id}`);
                chosen.value = [...others, { ...run, ...full }].slice(-COMPARED);
            }
        });
    const remove = (id: string | number) =>
        attempt(async () => {
            await api.send('DELETE', `/benchmarks/${id}`);
            chosen.value = chosen.peek().filter((run) => run.id !== id);
            await read();
        });
    if (role.value !== 'admin') return null;
    return (
        <section class="card bench" aria-label="Benchmark">
            <h2>Benchmark</h2>
            <p>
                How many voices this device can play, at which block size, before a block is late.
            </p>
            <div class="row-of">
                <select
                    aria-label="How much to measure"
                    value={plan.value}
                    onChange={(event) => (plan.value = event.currentTarget.value)}
                >
                    {Object.keys(PLANS).map((name) => (
                        <option key={name}>{name}</option>
                    ))}
                </select>
                {played().length > 0 && (
                    <label>
                        <input
                            type="checkbox"
                            checked={withModel.value}
                            onChange={(event) => (withModel.value = event.currentTarget.checked)}
                        />{' '}
                        with the network that plays
                    </label>
                )}
                <button
                    type="button"
                    class="small primary"
                    disabled={job?.state === 'running'}
                    onClick={() => void start(false)}
                >
                    Measure
                </button>
                {insist.value && (
                    <button type="button" class="small danger" onClick={() => void start(true)}>
                        Measure though it may disturb the sound
                    </button>
                )}
                {job?.state === 'running' && (
                    <>
                        <label class="progress">
                            {job.detail} <progress max={1} value={job.progress} />
                        </label>
                        <button type="button" class="small" onClick={() => void remove(job.id)}>
                            Stop
                        </button>
                    </>
                )}
                {job?.state === 'failed' && <span class="bad">{job.detail}</span>}
            </div>
            {runs.value.length > 0 && (
                <ul class="plainlist">
                    {runs.value.map((run) => (
                        <RunLine
                            key={run.id}
                            run={run}
                            on={chosen.value.some(({ id }) => id === run.id)}
                            toggle={() => void toggle(run)}
                            remove={() => void remove(run.id)}
                        />
                    ))}
                </ul>
            )}
            {chosen.value.length > 0 && <Comparison runs={chosen.value} />}
        </section>
    );
}

interface LineProps {
    run: Run;
    /** among those that are compared */
    on: boolean;
    toggle(): void;
    remove(): void;
}

function RunLine({ run, on, toggle, remove }: LineProps) {
    const fetchAs = (format: string) => () =>
        void attempt(() =>
            api.download(`/benchmarks/${run.id}?format=${format}`, `benchmark-${run.id}.${format}`),
        );
    return (
        <li>
            <label>
                <input type="checkbox" checked={on} onChange={toggle} />
                <span>
                    {nameOf(run)}{' '}
                    <small>
                        {when(run.time)} · {run.state}
                    </small>
                </span>
            </label>
            <span class="row-of">
                <button type="button" class="small" onClick={fetchAs('json')}>
                    JSON
                </button>
                <button type="button" class="small" onClick={fetchAs('csv')}>
                    CSV
                </button>
                <button
                    type="button"
                    class="iconic"
                    aria-label={`Delete measurement ${run.id}`}
                    onClick={remove}
                >
                    <Icon name="trash" />
                </button>
            </span>
        </li>
    );
}

function nameOf(run: Run): string {
    return (
        run.result?.machine?.model ||
        run.result?.machine?.name ||
        run.machine ||
        `Run ${run.version}`
    );
}

/** The networks of the working copy, A and B. */
function played(): string[] {
    return [model.value, modelB.value].flatMap((ref) => (ref && !ref.missing ? [ref.uuid] : []));
}

/** What is plotted: the plain load, computed as fast as it goes where that was measured. */
function curve(run: Run): Case[] {
    const steady = (run.result?.results ?? []).filter(({ scenario }) => scenario === 'steady');
    const offline = steady.filter(({ mode }) => mode === 'offline');
    return offline.length ? offline : steady;
}

const micros = (value: number) => value.toFixed(1);

const HEADS = [
    'Run',
    'Plays',
    'Mode',
    'Voices',
    'Block',
    'p50 µs',
    'p99 µs',
    'p99.9 µs',
    'max µs',
    'p99 of deadline',
    'late',
];

function Comparison({ runs }: { runs: Run[] }) {
    return (
        <>
            <Held runs={runs} />
            <Picture class="bench-plot" draw={plot(runs)} label="Share of the deadline by voices" />
            <div class="scroll" tabIndex={0} role="region" aria-label="Results">
                <table>
                    <thead>
                        <tr>
                            {HEADS.map((head) => (
                                <th key={head} scope="col">
                                    {head}
                                </th>
                            ))}
                        </tr>
                    </thead>
                    <tbody>
                        {runs.flatMap((run, i) =>
                            (run.result?.results ?? []).map((one, row) => (
                                <tr key={`${run.id}-${row}`}>
                                    <td class={`op-${i + 1}`}>{nameOf(run)}</td>
                                    <td>{one.model ?? 'FM'}</td>
                                    <td>
                                        {one.mode} {one.scenario}
                                    </td>
                                    <td>{one.voices}</td>
                                    <td>{one.block}</td>
                                    <td>{micros(one.p50_us)}</td>
                                    <td>{micros(one.p99_us)}</td>
                                    <td>{micros(one.p999_us)}</td>
                                    <td>{micros(one.max_us)}</td>
                                    <td>{(100 * one.share.p99).toFixed(2)} %</td>
                                    <td>{one.late ?? '–'}</td>
                                </tr>
                            )),
                        )}
                    </tbody>
                </table>
            </div>
        </>
    );
}

/** In words: how many voices held, by what plays and at which block. */
function Held({ runs }: { runs: Run[] }) {
    const lines = runs.flatMap((run, i) =>
        (run.result?.highest ?? []).map((line) => ({ ...line, run, i })),
    );
    if (!lines.length) return null;
    return (
        <ul class="plainlist" aria-label="Voices that hold the deadline">
            {lines.map(({ run, i, model: name, mode, block, rate_hz, voices }) => (
                <li key={`${run.id} ${name} ${mode} ${block} ${rate_hz}`}>
                    <span class={`op-${i + 1}`}>
                        {name ?? 'FM'}: {voices} voices hold at p99 ({mode}, {block} frames at{' '}
                        {rate_hz / 1000} kHz)
                    </span>
                </li>
            ))}
        </ul>
    );
}

/** A line for each run, model and block size: p99 as a share of the deadline over voices. */
function plot(runs: Run[]): Draw {
    return (context, width, height) => {
        const all = runs.flatMap(curve);
        if (!all.length) return;
        const most = Math.max(...all.map(({ voices }) => voices));
        const top = Math.max(0.01, ...all.map(({ share }) => share.p99)) * 1.1;
        const x = (voices: number) => 32 + (voices / most) * (width - 72);
        const y = (share: number) => height - 18 - (share / top) * (height - 28);
        context.font = '11px "Barlow Semi Condensed", system-ui, sans-serif';
        context.fillStyle = color('dim');
        context.strokeStyle = color('line');
        for (const part of [0, 0.5, 1]) {
            const at = y((part * top) / 1.1);
            context.strokeRect(32, at, width - 72, 0);
            context.fillText(`${((100 * part * top) / 1.1).toFixed(1)} %`, 0, at + 4);
        }
        context.fillText(`${most} voices`, width - 80, height - 4);
        runs.forEach((run, i) => {
            const lines = new Map<string, Case[]>();
            for (const one of curve(run)) {
                const key = `${one.model ?? ''} ${one.block} ${one.rate_hz}`;
                lines.set(key, [...(lines.get(key) ?? []), one]);
            }
            for (const line of lines.values()) {
                context.strokeStyle = operatorColor(i + 1);
                context.lineWidth = 2;
                context.beginPath();
                for (const one of line) context.lineTo(x(one.voices), y(one.share.p99));
                context.stroke();
                const last = line[line.length - 1];
                context.fillStyle = operatorColor(i + 1);
                if (last)
                    context.fillText(
                        `${last.model?.slice(0, 12) ?? ''} ${last.block}`.trim(),
                        x(last.voices) + 6,
                        y(last.share.p99) + 4,
                    );
            }
        });
    };
}
