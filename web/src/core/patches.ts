// SPDX-License-Identifier: GPL-3.0-or-later
// The list of patches as it is filtered now, and what can be done with them.
import { effect, signal } from '@preact/signals';
import * as api from './api';
import { attempt, command, flags, notice, patch, patchesChanged, tell } from './store';
import type { ModelRef, PatchRef } from './store';

export interface Item extends PatchRef {
    author: string;
    tags: string[];
    favourite: boolean;
    factory: boolean;
    /** A network plays it, so it is none of a DX7's voices. */
    network: boolean;
    updated: string;
}

export interface Bank {
    uuid: string;
    name: string;
    patches: (string | null)[];
}

export type Sort = 'name' | 'updated' | 'category';

interface Page {
    items: Item[];
    total: number;
}

export interface Imported {
    created: { uuid: string; name: string }[];
    bank: { uuid: string; name: string } | null;
    warnings: string[];
    skipped: number;
}

export interface Details {
    name: string;
    category: string;
    tags: string[];
    author: string;
    comment: string;
    licence: string;
}

/** A patch as the device has it. */
interface Whole extends Details {
    factory: boolean;
    model: ModelRef | null;
    model_b: ModelRef | null;
    values: Record<string, number>;
}

/** What may be done with a patch. */
export type Kind = Pick<Item, 'factory' | 'network'>;

/** Of a bank: what fits on a DX7's cartridges, in its order, and how much does not. */
export interface Voices {
    uuids: string[];
    networks: number;
}

const PAGE = 100;
const EXPORT_PAGE = 500;
const EXPORTED_AT_ONCE = 40;
const CARTRIDGE = 32;
const TYPING_MS = 140;

export const query = signal('');
export const category = signal('');
export const favourites = signal(false);
export const items = signal<Item[]>([]);
export const total = signal(0);
export const loading = signal(false);
/** A bank's uuid; all patches where empty. */
export const bank = signal('');
export const banks = signal<Bank[]>([]);
export const sort = signal<Sort>('name');
export const categories = signal<{ name: string; count: number }[]>([]);
/** Somebody else saved the patch that is being saved. */
export const conflict = signal<{ etag: string | null; detail: string } | null>(null);

let serial = 0;
let typing = 0;

function address(offset: number, limit = PAGE): string {
    const search = new URLSearchParams({ limit: String(limit), offset: String(offset) });
    if (query.peek()) search.set('q', query.peek());
    else {
        search.set('sort', sort.peek());
        if (sort.peek() === 'updated') search.set('order', 'desc');
    }
    if (bank.peek()) search.set('bank', bank.peek());
    if (category.peek()) search.set('category', category.peek());
    if (favourites.peek()) search.set('favourite', 'true');
    return `/patches?${search}`;
}

async function reload(): Promise<void> {
    const mine = ++serial;
    const limit = Math.min(500, Math.max(PAGE, items.peek().length));
    loading.value = true;
    const page = await attempt(() => api.get<Page>(address(0, limit)));
    if (mine !== serial) return;
    loading.value = false;
    if (!page) return;
    items.value = page.items;
    total.value = page.total;
}

export async function more(): Promise<void> {
    if (loading.peek() || items.peek().length >= total.peek()) return;
    const mine = ++serial;
    loading.value = true;
    const page = await attempt(() => api.get<Page>(address(items.peek().length)));
    if (mine !== serial) return;
    loading.value = false;
    if (page) items.value = [...items.peek(), ...page.items];
}

export function search(text: string): void {
    query.value = text;
    clearTimeout(typing);
    typing = window.setTimeout(() => {
        items.value = [];
        void reload();
    }, TYPING_MS);
}

export function watchPatches(): void {
    watchLeaving();
    effect(() => {
        void category.value;
        void favourites.value;
        void bank.value;
        void sort.value;
        if (patchesChanged.value) void reload();
    });
    effect(() => {
        if (!patchesChanged.value) return;
        void attempt(async () => {
            const kinds = await api.get<{ items: typeof categories.value }>('/categories');
            categories.value = kinds.items.filter(({ name }) => name);
            banks.value = (await api.get<{ items: Bank[] }>('/banks')).items;
            if (!banks.value.some(({ uuid }) => uuid === bank.peek())) bank.value = '';
        });
    });
}

/** Edits that a patch on its way will replace. */
const leaving = signal<{ from: string; to: string } | null>(null);

export function load(uuid: string): void {
    const from = flags.peek().modified ? (patch.peek()?.name ?? 'Untitled') : '';
    if (!command({ type: 'load', id: 'load', patch: uuid })) tell('Not connected.', true);
    else if (from) leaving.value = { from, to: uuid };
}

/** Says what was left behind once the other patch is there, and offers to go back to it. */
function watchLeaving(): void {
    effect(() => {
        const now = leaving.value;
        const { modified, can_undo } = flags.value;
        if (!now || modified || patch.value?.uuid !== now.to) return;
        leaving.value = null;
        const back = {
            text: 'Take back',
            run: () => {
                notice.value = null;
                command({ type: 'undo' });
            },
        };
        tell(`Edits of ${now.from} left behind`, false, can_undo ? back : undefined);
    });
}

/** The next (1) or previous (-1) patch of the list as it is filtered. */
export async function step(by: number): Promise<void> {
    const at = items.peek().findIndex((item) => item.uuid === patch.peek()?.uuid);
    if (by > 0 && at === items.peek().length - 1) await more();
    const list = items.peek();
    if (!list.length) return;
    const to = at < 0 ? 0 : (at + by + list.length) % list.length;
    load(list[to]!.uuid);
}

export async function kindOf(uuid: string): Promise<Kind> {
    const { factory, model, model_b } = await api.get<Whole>(`/patches/${uuid}`);
    return { factory, network: Boolean(model ?? model_b) };
}

async function etagOf(uuid: string): Promise<string> {
    const response = await api.request('GET', `/patches/${uuid}`);
    return response.headers.get('ETag') ?? '*';
}

export function favour(item: Item): void {
    const favourite = !item.favourite;
    items.value = items.peek().map((other) => (other === item ? { ...item, favourite } : other));
    void attempt(() => change(item.uuid, { favourite }));
}

export async function change(uuid: string, body: Record<string, unknown>): Promise<void> {
    await api.send('PATCH', `/patches/${uuid}`, body, {
        type: 'application/merge-patch+json',
        ifMatch: await etagOf(uuid),
    });
    patchesChanged.value++;
}

export async function remove(uuid: string): Promise<void> {
    await api.send('DELETE', `/patches/${uuid}`, undefined, { ifMatch: await etagOf(uuid) });
    patchesChanged.value++;
}

/** ifMatch: a revision to save over; that of the loaded patch where absent. */
export async function save(ifMatch?: string): Promise<void> {
    const now = patch.peek();
    if (!now) return;
    try {
        await api.send('POST', '/state/save', undefined, {
            ifMatch: ifMatch ?? `"${now.revision}"`,
        });
        flags.value = { ...flags.peek(), modified: false };
        tell(`Saved “${now.name}”.`);
    } catch (error) {
        if (!(error instanceof api.Problem) || error.status !== 412) throw error;
        conflict.value = { etag: error.etag ?? null, detail: error.message };
    }
}

export async function saveAs(details: Partial<Details>): Promise<void> {
    await api.send('POST', '/state/save-as', details);
    tell(`Saved “${details.name ?? ''}”.`);
}

export async function duplicate(uuid: string): Promise<void> {
    const source = await api.get<Whole>(`/patches/${uuid}`);
    const { name, author, category: kind, tags, comment, licence, model, model_b, values } = source;
    await api.send('POST', '/patches', {
        name: `${name} copy`,
        author,
        category: kind,
        tags,
        comment,
        licence,
        model,
        model_b,
        values,
    });
    patchesChanged.value++;
    tell(`Made “${name} copy”.`);
}

export async function importFile(file: File): Promise<Imported> {
    const json = /\.json$/i.test(file.name) || file.type === 'application/json';
    const response = await api.request(
        'POST',
        `/imports?filename=${encodeURIComponent(file.name)}`,
        { raw: { type: json ? 'application/json' : 'application/octet-stream', data: file } },
    );
    patchesChanged.value++;
    return (await response.json()) as Imported;
}

interface PatchFile {
    patches: unknown[];
}

/** All that the list holds as it is filtered now, in one file. */
export async function exportListed(): Promise<void> {
    const uuids: string[] = [];
    for (let offset = 0; ; offset = uuids.length) {
        const page = await api.get<Page>(address(offset, EXPORT_PAGE));
        uuids.push(...page.items.map(({ uuid }) => uuid));
        if (!page.items.length || uuids.length >= page.total) break;
    }
    let file: PatchFile | null = null;
    for (let at = 0; at < uuids.length; at += EXPORTED_AT_ONCE) {
        const some = uuids.slice(at, at + EXPORTED_AT_ONCE).map((uuid) => `&uuid=${uuid}`);
        const part = await api.get<PatchFile>(`/exports?format=json${some.join('')}`);
        if (file) file.patches.push(...part.patches);
        else file = part;
    }
    if (!file) return;
    const blob = new Blob([JSON.stringify(file)], { type: 'application/json' });
    api.give(blob, 'timbred-patches.json');
}

/** A bank in one file with everything. */
export function exportBank({ uuid, name }: Bank): Promise<void> {
    return api.download(`/exports?format=json&bank=${uuid}`, fileName(name, 'json'));
}

export async function voicesOf({ uuid, patches }: Bank): Promise<Voices> {
    const { items: all } = await api.get<Page>(`/patches?bank=${uuid}&limit=${EXPORT_PAGE}`);
    const networks = new Set(all.filter(({ network }) => network).map((item) => item.uuid));
    const uuids = patches.filter((each) => each !== null);
    const voices = uuids.filter((each) => !networks.has(each));
    return { uuids: voices, networks: uuids.length - voices.length };
}

/** A bank as DX7 cartridges: a file for every 32 voices. */
export async function exportCartridges(from: Bank): Promise<void> {
    const { name } = from;
    const { uuids } = await voicesOf(from);
    for (let at = 0; at < uuids.length; at += CARTRIDGE) {
        const some = uuids.slice(at, at + CARTRIDGE).map((uuid) => `&uuid=${uuid}`);
        const part = uuids.length > CARTRIDGE ? ` ${1 + at / CARTRIDGE}` : '';
        await api.download(`/exports?format=syx${some.join('')}`, fileName(name + part, 'syx'));
    }
}

export function fileName(name: string, ending: string): string {
    return `${name.trim().replace(/[^\w -]+/g, '_') || 'patch'}.${ending}`;
}
