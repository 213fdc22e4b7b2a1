// SPDX-License-Identifier: GPL-3.0-or-later
// What the panel knows of the device. The device is the one truth: edits are shown at once and
// sent, everything else arrives as messages, and after a lost connection all is read again.
import { batch, computed, signal, type Signal } from '@preact/signals';
import * as api from './api';
import { curves, history, pushNeural, pushScope, pushTelemetry, quiet } from './live';
import { layout } from './layout';
import type { Param, Schema } from './params';
import { clamp } from './params';
import { listener } from './listen';
import { Socket, type Link, type Message } from './socket';
import { decodeFrame, type Family } from './wire';

export interface PatchRef {
    uuid: string;
    name: string;
    category: string;
    revision: number;
}

/** The network that a patch plays through. */
export interface ModelRef {
    uuid: string;
    sha256: string;
    name: string;
    missing?: boolean;
}

export interface State {
    patch: PatchRef | null;
    model?: ModelRef | null;
    model_b?: ModelRef | null;
    modified: boolean;
    comparing: boolean;
    can_undo: boolean;
    can_redo: boolean;
    values: Record<string, number>;
}

export interface Status {
    version: string;
    uptime_s: number;
    audio: {
        driver: string;
        device: string;
        why: string;
        state: string;
        rate_hz: number;
        block: number;
        periods: number;
        latency_ms: number;
        realtime: boolean;
        locked: boolean;
        cpu: number;
        kernel: string;
        load: { mean: number; p99: number; max: number };
        late: number;
        xruns: number;
        voices: number;
        /** What is heard beside what is played. */
        input?: { on: boolean; text: string; client: number };
    };
    clients: number;
    midi_events: number;
    temperature_c: number | null;
}

export interface Job {
    id: string | number;
    kind: string;
    state: 'running' | 'done' | 'failed' | 'stopped' | 'interrupted';
    progress: number;
    detail: string;
}

const TOPICS = ['state', 'notes', 'patches', 'models', 'status', 'jobs'];
const VISIBLE_TOPICS = [...TOPICS, 'telemetry', 'scope', 'neural'];

export const schema = signal<Schema | null>(null);
export const link = signal<Link>('connecting');
export const role = signal('');
export const roundTripMs = signal(0);
export const patch = signal<PatchRef | null>(null);
export const model = signal<ModelRef | null>(null);
export const modelB = signal<ModelRef | null>(null);
/** What makes sound: plain FM, or the families of the models that play. */
export const families = signal<Family[]>(['fm']);
export const flags = signal({
    modified: false,
    comparing: false,
    can_undo: false,
    can_redo: false,
});
export const status = signal<Status | null>(null);
export const jobs = signal<Job[]>([]);
/** Grows whenever the stored patches changed. */
export const patchesChanged = signal(0);
export const modelsChanged = signal(0);
export const datasetsChanged = signal(0);
export const trainingsChanged = signal(0);
/** Keys that sound, and how loud: velocity by key. */
export const sounding = signal<ReadonlyMap<number, number>>(new Map());
export interface Notice {
    text: string;
    bad: boolean;
    /** What can be done about it. */
    act?: { text: string; run(): void } | undefined;
}
export const notice = signal<Notice | null>(null);

/** The schema's parameters where they belong. */
export const arrangement = computed(() =>
    schema.value ? layout(schema.value, families.value) : null,
);
/** The parameter that chooses among the schema's algorithms. */
export const algorithmParam = computed(
    () => arrangement.value?.voice.find(({ key }) => key.endsWith('.algorithm')) ?? null,
);

/** The same for the operators that a network plays. */
export const routingParam = computed(
    () =>
        arrangement.value?.sections
            .flatMap(({ groups }) => groups.flatMap(({ params }) => params))
            .find(({ key }) => key.endsWith('.routing')) ?? null,
);

/** The level of the device: its only setting in decibels. */
export const volumeParam = computed(
    () =>
        schema.value?.params.find(({ owner, unit }) => owner === 'device' && unit === 'dB') ?? null,
);

const values = new Map<string, Signal<number>>();
const edits = new Map<string, number>();
let flush = 0;
let noticeTimer = 0;

export function value(key: string): Signal<number> {
    let known = values.get(key);
    if (!known) {
        known = signal(schema.peek()?.params.find((param) => param.key === key)?.default ?? 0);
        values.set(key, known);
    }
    return known;
}

export function tell(text: string, bad = false, act?: Notice['act']): void {
    notice.value = { text, bad, act };
    clearTimeout(noticeTimer);
    noticeTimer = window.setTimeout(() => (notice.value = null), bad || act ? 8000 : 4000);
}

/** Runs something that may fail and tells the person why. */
export async function attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
        return await work();
    } catch (error) {
        if (error instanceof api.Problem && error.status === 401) link.value = 'refused';
        tell(error instanceof Error ? error.message : String(error), true);
        return undefined;
    }
}

/** Live edits are gathered and leave once a frame, so a fast hand never floods the device. */
export function edit(param: Param, raw: number): void {
    const next = clamp(param, raw);
    const known = value(param.key);
    if (known.peek() === next) return;
    known.value = next;
    edits.set(param.key, next);
    if (!flush) flush = window.setTimeout(sendEdits, 16);
}

function sendEdits(): void {
    flush = 0;
    if (!edits.size) return;
    if (!socket.send({ type: 'set', id: 'set', values: Object.fromEntries(edits) }))
        tell('Not connected: the change was not heard.', true);
    edits.clear();
}

export function command(message: Message): boolean {
    if (edits.size) sendEdits();
    return socket.send(message);
}

/** A binary message; lost without a word where there is no connection. */
export function sendBytes(data: ArrayBuffer): void {
    socket.sendBytes(data);
}

function takeState(state: Partial<State>): void {
    batch(() => {
        if (state.patch !== undefined) patch.value = state.patch;
        if (state.model !== undefined) model.value = state.model;
        if (state.model_b !== undefined) modelB.value = state.model_b;
        takeFlags(state);
        for (const [key, number] of Object.entries(state.values ?? {}))
            if (!edits.has(key)) value(key).value = number;
    });
}

function takeFlags(from: Partial<State>): void {
    const now = flags.peek();
    flags.value = {
        modified: from.modified ?? now.modified,
        comparing: from.comparing ?? now.comparing,
        can_undo: from.can_undo ?? now.can_undo,
        can_redo: from.can_redo ?? now.can_redo,
    };
}

function takeNote(message: Message): void {
    const keys = new Map(sounding.peek());
    if (message.on) keys.set(Number(message.key), Number(message.velocity ?? 64));
    else keys.delete(Number(message.key));
    sounding.value = keys;
}

function takeJob(message: Message): void {
    const job = message as unknown as Job;
    jobs.value = [job, ...jobs.peek().filter((other) => other.id !== job.id)].slice(0, 8);
}

const handlers: Record<string, (message: Message) => void> = {
    welcome: (message) => (role.value = String(message.role)),
    state: (message) => takeState(message as unknown as State),
    values: (message) => takeState(message as unknown as State),
    note: takeNote,
    patches: () => patchesChanged.value++,
    models: () => modelsChanged.value++,
    datasets: () => datasetsChanged.value++,
    trainings: () => trainingsChanged.value++,
    status: (message) => (status.value = message as unknown as Status),
    job: takeJob,
    error: (message) => {
        tell(String(message.detail ?? 'Refused.'), true);
        void refresh();
    },
};

const socket = new Socket({
    link(state) {
        link.value = state;
        if (state === 'open') {
            listener.connected((on) => socket.send({ type: 'listen', on }));
            patchesChanged.value++;
            modelsChanged.value++;
        } else {
            edits.clear();
            sounding.value = new Map();
            quiet();
        }
    },
    message: (message) => handlers[message.type]?.(message),
    binary(buffer) {
        const frame = decodeFrame(buffer);
        if (frame?.kind === 'pcm') listener.play(frame);
        else if (frame?.kind === 'scope') pushScope(frame);
        else if (frame?.kind === 'neural') pushNeural(frame);
        else if (frame) pushTelemetry(frame);
    },
    latency: (ms) => (roundTripMs.value = ms),
});

document.addEventListener('visibilitychange', () => {
    history.clear();
    curves.clear();
    socket.subscribe(document.hidden ? TOPICS : VISIBLE_TOPICS);
});

/** The truth once more, after the device refused an edit that is already shown. */
export async function refresh(): Promise<void> {
    try {
        takeState(await api.get<State>('/state'));
    } catch {
        // The connection will say so itself.
    }
}

export async function start(): Promise<void> {
    if (!api.token()) {
        link.value = 'refused';
        return;
    }
    for (let pause = 500; ; pause = Math.min(8000, pause * 2)) {
        try {
            schema.value = await api.get<Schema>('/params');
            break;
        } catch (error) {
            if (error instanceof api.Problem && error.status !== 0 && error.status < 500) {
                link.value = 'refused';
                return;
            }
            link.value = 'lost';
            await new Promise((resolve) => setTimeout(resolve, pause));
        }
    }
    socket.connect(document.hidden ? TOPICS : VISIBLE_TOPICS);
}
