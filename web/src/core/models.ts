// SPDX-License-Identifier: GPL-3.0-or-later
// The networks that this device has: the list as it is filtered now, what plays, and new ones.
import { computed, effect, signal } from '@preact/signals';
import * as api from './api';
import {
    attempt,
    families,
    link,
    model,
    modelB,
    modelsChanged,
    refresh,
    tell,
    type ModelRef,
} from './store';
import type { Algorithm } from './params';
import type { Family } from './wire';

export interface Cost {
    us_per_frame: number;
    us_per_further: number;
    voices: number;
    /** of one core, the first voice */
    share: number;
    machine: string;
}

/** The operators under a network. */
export interface Wiring {
    /** 0: a free routing */
    algorithm: number;
    operators: number;
    routing: Algorithm;
    ratios: number[];
    feedback: number;
    max_level: number;
}

export interface Model {
    uuid: string;
    name: string;
    instrument: string;
    family: Family;
    size: 'full' | 'reduced' | 'other';
    parameters: number;
    bytes: number;
    sha256: string;
    sample_rate: number;
    frame_rate: number;
    width: number;
    pitch: { low_hz: number; high_hz: number };
    loudness: { low_db: number; high_db: number };
    /** null where no operators sound */
    fm: Wiring | null;
    licence: string;
    credit: string;
    source: string;
    training: string;
    factory: boolean;
    created: number;
    cost: Cost | null;
    affordable: boolean;
    why: string;
}

interface Page {
    items: Model[];
    total: number;
}

export const FAMILY_NAMES: Record<Family, string> = {
    fm: 'FM',
    hpn: 'Harmonics + noise',
    wavetable: 'Wavetables',
    ddx7: 'Neural FM',
    fm_envelope: 'FM envelopes',
};

export type Slot = 'a' | 'b';

const PAGE = 100;
const TYPING_MS = 140;
const SUFFIX = /\.safetensors$/i;

export const query = signal('');
export const family = signal<Family | ''>('');
export const items = signal<Model[]>([]);
export const total = signal(0);
export const loading = signal(false);
/** The file that is on its way to the device; share 0..1. */
export const uploading = signal<{ name: string; share: number } | null>(null);
/** A model that the device refused to play, and why: the person may insist. */
export const refused = signal<{ uuid: string; slot: Slot; why: string } | null>(null);

const known = signal<ReadonlyMap<string, Model>>(new Map());
const asked = new Set<string>();

function remember(models: Model[]): void {
    known.value = new Map([
        ...known.peek(),
        ...models.map((each) => [each.uuid, each] as [string, Model]),
    ]);
}

function find(ref: ModelRef | null): Model | null {
    return ref ? (known.value.get(ref.uuid) ?? null) : null;
}

export const playing = computed(() => find(model.value));
export const playingB = computed(() => find(modelB.value));

let serial = 0;
let typing = 0;

function address(offset: number): string {
    const search = new URLSearchParams({ limit: String(PAGE), offset: String(offset) });
    if (query.peek()) search.set('q', query.peek());
    if (family.peek()) search.set('family', family.peek());
    search.set('sort', 'name');
    return `/models?${search}`;
}

async function read(offset: number): Promise<void> {
    const mine = ++serial;
    loading.value = true;
    const page = await attempt(() => api.get<Page>(address(offset)));
    if (mine !== serial) return;
    loading.value = false;
    if (!page) return;
    remember(page.items);
    items.value = offset ? [...items.peek(), ...page.items] : page.items;
    total.value = page.total;
}

export async function more(): Promise<void> {
    if (!loading.peek() && items.peek().length < total.peek()) await read(items.peek().length);
}

export function search(text: string): void {
    query.value = text;
    clearTimeout(typing);
    typing = window.setTimeout(() => void read(0), TYPING_MS);
}

/** What is played by a model that the list does not show. */
async function learn(ref: ModelRef | null): Promise<void> {
    if (!ref || ref.missing || known.peek().has(ref.uuid) || asked.has(ref.uuid)) return;
    asked.add(ref.uuid);
    try {
        remember([await api.get<Model>(`/models/${ref.uuid}`)]);
    } catch {
        asked.delete(ref.uuid); // It went meanwhile; the state will say so.
    }
}

export function watchModels(): void {
    effect(() => {
        void family.value;
        if (modelsChanged.value && link.peek() === 'open') void read(0);
    });
    effect(() => {
        void modelsChanged.value;
        void learn(model.value);
        void learn(modelB.value);
    });
    effect(() => {
        const a = model.value;
        if (!a || a.missing) {
            families.value = ['fm'];
            return;
        }
        const now = [playing.value, playingB.value].flatMap((each) => (each ? [each.family] : []));
        if (now.length) families.value = [...new Set(now)];
    });
}

/** Plays the working copy through a model (null: plain FM, or nothing at B). */
export async function play(uuid: string | null, slot: Slot = 'a', force = false): Promise<void> {
    const body = { [slot === 'a' ? 'uuid' : 'b']: uuid, ...(force ? { force } : {}) };
    try {
        await api.send('PUT', '/state/model', body);
        refused.value = null;
        await refresh();
    } catch (error) {
        if (!(error instanceof api.Problem) || error.status !== 409 || !uuid || force) throw error;
        refused.value = { uuid, slot, why: error.message };
    }
}

export async function swap(): Promise<void> {
    const [a, b] = [model.peek(), modelB.peek()];
    if (!a || !b) return;
    await api.send('PUT', '/state/model', { uuid: b.uuid, b: a.uuid });
    await refresh();
}

export async function remove(uuid: string): Promise<void> {
    const inUse = model.peek()?.uuid === uuid || modelB.peek()?.uuid === uuid;
    await api.send('DELETE', `/models/${uuid}${inUse ? '?force=true' : ''}`);
    modelsChanged.value++;
}

export function isModelFile(file: File): boolean {
    return SUFFIX.test(file.name);
}

export async function upload(file: File): Promise<Model> {
    const told = (share: number) => (uploading.value = { name: file.name, share });
    told(0);
    try {
        const { status, body: made } = await api.upload<Model>('/models', file, told);
        remember([made]);
        modelsChanged.value++;
        tell(`“${made.name}” ${status === 201 ? 'is on the device' : 'was there already'}.`);
        return made;
    } finally {
        uploading.value = null;
    }
}

export function download({ uuid, name }: Model): Promise<void> {
    return api.download(`/models/${uuid}/file`, `${name.replace(/[^\w -]+/g, '_')}.safetensors`);
}

/** "62 kB", "2.3 MB" */
export function formatBytes(bytes: number): string {
    return bytes < 1e6 ? `${Math.ceil(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** In a few words what a voice of it costs here. */
export function formatCost({ cost, affordable }: Model): string {
    if (!affordable) return 'too large here';
    if (!cost) return 'not measured';
    return `${Math.floor(cost.voices)} voices`;
}
