// SPDX-License-Identifier: GPL-3.0-or-later
// The list of patches as it is filtered now, and what can be done with them.
import { effect, signal } from '@preact/signals';
import * as api from './api';
import { attempt, command, flags, patch, patchesChanged, tell, type PatchRef } from './store';

export interface Item extends PatchRef {
    author: string;
    tags: string[];
    favourite: boolean;
    factory: boolean;
    updated: string;
}

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

const PAGE = 100;
const TYPING_MS = 140;

export const query = signal('');
export const category = signal('');
export const favourites = signal(false);
export const items = signal<Item[]>([]);
export const total = signal(0);
export const loading = signal(false);
export const categories = signal<{ name: string; count: number }[]>([]);
/** Somebody else saved the patch that is being saved. */
export const conflict = signal<{ etag: string | null; detail: string } | null>(null);

let serial = 0;
let typing = 0;

function address(offset: number, limit = PAGE): string {
    const search = new URLSearchParams({ limit: String(limit), offset: String(offset) });
    if (query.peek()) search.set('q', query.peek());
    else search.set('sort', 'name');
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
    effect(() => {
        void category.value;
        void favourites.value;
        if (!patchesChanged.value) return;
        void reload();
        void attempt(async () => {
            const answer = await api.get<{ items: typeof categories.value }>('/categories');
            categories.value = answer.items.filter(({ name }) => name);
        });
    });
}

export function load(uuid: string): void {
    if (!command({ type: 'load', id: 'load', patch: uuid })) tell('Not connected.', true);
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
    const source = await api.get<Details & { values: Record<string, number> }>(`/patches/${uuid}`);
    const { name, author, category: kind, tags, comment, licence, values } = source;
    await api.send('POST', '/patches', {
        name: `${name} copy`,
        author,
        category: kind,
        tags,
        comment,
        licence,
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

export function fileName(name: string, ending: string): string {
    return `${name.trim().replace(/[^\w -]+/g, '_') || 'patch'}.${ending}`;
}
