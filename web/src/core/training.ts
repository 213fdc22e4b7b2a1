// SPDX-License-Identifier: GPL-3.0-or-later
// Recordings and what learns from them, as the device tells it; nothing is remembered here.
import { computed, effect, signal, type Signal } from '@preact/signals';
import * as api from './api';
import type { Model } from './models';
import * as runs from './runs';
import type { Dataset, DatasetHead, Labels, Training } from './runs';
import {
    attempt,
    datasetsChanged,
    jobs,
    link,
    modelsChanged,
    patchesChanged,
    tell,
    trainingsChanged,
    type Job,
} from './store';

export interface Upload {
    name: string;
    bytes: number;
    /** 0..1 */
    share: number;
    state: 'waiting' | 'sending' | 'refused';
    why: string;
}

export interface Draft {
    instrument: string;
    labels: Labels;
    licence: string;
    credit: string;
}

export interface Wish {
    dataset: string;
    name: string;
    family: runs.LearnedFamily;
    preset: runs.Preset;
    minutes: number;
    voice?: string;
}

const LANES = 2;
const READ_MS = 1000;
const NOTHING: Draft = { instrument: '', labels: 'none', licence: '', credit: '' };

export const sets = signal<DatasetHead[]>([]);
/** The data set that is filled; null while the next one has no recording yet. */
export const data = signal<Dataset | null>(null);
/** What the next data set is called; labels follow the names of files until chosen. */
export const draft = signal<Draft>(NOTHING);
export const uploads = signal<Upload[]>([]);
export const list = signal<Training[]>([]);
/** The training that is looked at. */
export const run = signal<Training | null>(null);
export const running = computed(() => list.value.find(({ state }) => state === 'running') ?? null);
/** Grows when files came that want the training page. */
export const summoned = signal(0);

const waiting: { file: File; upload: Upload; set: string }[] = [];
let lanes = 0;
let chosenLabels = false;
let making: Promise<string> | null = null;
/** Nothing was chosen yet: what was learned from last is shown. */
let fresh = true;
let followed: Job | null = null;

export function watchTraining(): void {
    effect(() => {
        void trainingsChanged.value;
        if (link.value === 'open') readRuns();
    });
    effect(() => {
        void datasetsChanged.value;
        if (link.value === 'open') readSets();
    });
    effect(() => {
        const job = jobs.value.find(({ kind }) => kind === 'training');
        if (!job || job === followed) return;
        followed = job;
        follow(String(job.id), job as unknown as runs.Progress);
    });
}

const bump = (changed: Signal<number>) => (changed.value = changed.peek() + 1);

/** At once, and at most once in READ_MS: uploads announce every file. */
function paced(read: () => Promise<unknown>): () => void {
    let resting = false;
    let again = false;
    const go = () => {
        again = resting;
        if (resting) return;
        resting = true;
        void attempt(read);
        setTimeout(() => {
            resting = false;
            if (again) go();
        }, READ_MS);
    };
    return go;
}

const newest = <T extends { created: number }>(items: T[]) =>
    [...items].sort((a, b) => b.created - a.created);

const readRuns = paced(async () => {
    const { items } = await api.get<{ items: Training[] }>('/trainings');
    list.value = newest(items);
    const shown = run.peek() && items.find(({ uuid }) => uuid === run.peek()!.uuid);
    const wanted = shown ?? running.peek() ?? list.peek()[0];
    if (wanted) await show(wanted.uuid);
    else run.value = null;
    if (wanted && fresh && !data.peek()) await fill(wanted.dataset).catch(() => undefined);
    fresh = false;
});

const readSets = paced(async () => {
    const { items } = await api.get<{ items: DatasetHead[] }>('/datasets');
    sets.value = newest(items);
    const now = data.peek();
    if (now && items.some(({ uuid }) => uuid === now.uuid)) await fill(now.uuid);
    else if (now) data.value = null;
});

export async function show(uuid: string): Promise<void> {
    run.value = await api.get<Training>(`/trainings/${uuid}`);
}

/** Goes on with a data set, or begins a new one. */
export async function fill(uuid: string | null): Promise<void> {
    fresh = false;
    data.value = uuid ? await api.get<Dataset>(`/datasets/${uuid}`) : null;
}

export function sketch(change: Partial<Draft>): void {
    if (change.labels) chosenLabels = true;
    draft.value = { ...draft.peek(), ...change };
}

function follow(uuid: string, now: runs.Progress): void {
    const before = list.peek().find((each) => each.uuid === uuid);
    if (!before) {
        bump(trainingsChanged);
        return;
    }
    list.value = list.peek().map((each) => (each === before ? runs.advance(each, now) : each));
    const shown = run.peek();
    if (shown?.uuid === uuid) run.value = runs.advance(shown, now);
    const turned = before.state !== now.state || before.phase !== now.phase;
    if (turned) bump(trainingsChanged);
    if (turned && now.phase === 'training') bump(datasetsChanged);
}

async function make(names: string[]): Promise<string> {
    const { instrument, labels, licence, credit } = draft.peek();
    const called = instrument.trim() || runs.guessInstrument(names) || 'Instrument';
    const made = await api.send<Dataset>('POST', '/datasets', {
        name: called,
        instrument: called.toLowerCase(),
        labels: chosenLabels ? labels : runs.guessLabels(names),
        ...(licence.trim() ? { licence: licence.trim() } : {}),
        ...(credit.trim() ? { credit: credit.trim() } : {}),
    });
    data.value = { ...made!, recordings: made!.recordings ?? [], report: null };
    draft.value = NOTHING;
    chosenLabels = false;
    return made!.uuid;
}

/** Brings files into the data set that is open, and makes one where none is. */
export async function addFiles(files: File[]): Promise<void> {
    const sound = files.filter(({ name }) => runs.isRecording(name));
    if (sound.length < files.length)
        tell(`${files.length - sound.length} of these are no recordings and were left out.`);
    if (!sound.length) return;
    const set = await attempt(() => {
        const open = data.peek();
        if (open) return Promise.resolve(open.uuid);
        making ??= make(sound.map(({ name }) => name)).finally(() => (making = null));
        return making;
    });
    if (!set) return;
    const fresh = sound.map((file) => ({
        file,
        set,
        upload: {
            name: file.name,
            bytes: file.size,
            share: 0,
            state: 'waiting',
            why: '',
        } as Upload,
    }));
    uploads.value = [...uploads.peek(), ...fresh.map(({ upload }) => upload)];
    waiting.push(...fresh);
    while (lanes < LANES && waiting.length) void lane();
}

async function lane(): Promise<void> {
    lanes++;
    for (let next = waiting.shift(); next; next = waiting.shift()) await bring(next);
    lanes--;
}

async function bring({ file, upload, set }: (typeof waiting)[number]): Promise<void> {
    let now = upload;
    const change = (to: Partial<Upload>) => {
        const old = now;
        now = { ...now, ...to };
        uploads.value = uploads.peek().map((each) => (each === old ? now : each));
    };
    change({ state: 'sending' });
    try {
        const path = `/datasets/${set}/recordings?filename=${encodeURIComponent(file.name)}`;
        const { body } = await api.upload<runs.Recording>(path, file, (share) => change({ share }));
        uploads.value = uploads.peek().filter((each) => each !== now);
        const open = data.peek();
        if (open?.uuid !== set) return;
        const others = open.recordings.filter(({ name }) => name !== body.name);
        const recordings = [...others, { ...body, rejected: body.rejected ?? null }];
        data.value = { ...open, recordings, state: 'open' };
    } catch (error) {
        change({ state: 'refused', why: error instanceof Error ? error.message : String(error) });
    }
}

export function dismiss(upload: Upload): void {
    uploads.value = uploads.peek().filter((each) => each !== upload);
}

export async function dropRecording(name: string): Promise<void> {
    const { uuid } = data.peek()!;
    await api.send('DELETE', `/datasets/${uuid}/recordings?filename=${encodeURIComponent(name)}`);
    await fill(uuid);
}

export async function dropSet(uuid: string): Promise<void> {
    await api.send('DELETE', `/datasets/${uuid}`);
    if (data.peek()?.uuid === uuid) data.value = null;
    bump(datasetsChanged);
}

export async function start(wish: Wish): Promise<void> {
    const made = await api.send<Training>('POST', '/trainings', wish);
    await show(made!.uuid);
    bump(trainingsChanged);
}

export async function stop({ uuid }: Training): Promise<void> {
    await api.send('POST', `/trainings/${uuid}/stop`);
    bump(trainingsChanged);
}

export async function resume({ uuid }: Training, minutes: number): Promise<void> {
    await api.send('POST', `/trainings/${uuid}/resume`, { minutes });
    bump(trainingsChanged);
}

export async function remove({ uuid }: Training): Promise<void> {
    await api.send('DELETE', `/trainings/${uuid}`);
    if (run.peek()?.uuid === uuid) run.value = null;
    bump(trainingsChanged);
}

export interface Names {
    name: string;
    licence: string;
    credit: string;
}

export async function keep({ uuid }: Training, names: Names): Promise<Model> {
    const made = await api.send<Model>('POST', `/trainings/${uuid}/keep`, names);
    [trainingsChanged, modelsChanged, patchesChanged].forEach(bump);
    return made!;
}

/** A clip that it never learned from: as recorded, or as the best so far plays it. */
export async function clip(uuid: string, index: number, of: Side): Promise<ArrayBuffer> {
    const response = await api.request('GET', `/trainings/${uuid}/clips/${index}?of=${of}`);
    return response.arrayBuffer();
}

export type Side = 'original' | 'model';
