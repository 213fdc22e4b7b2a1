// SPDX-License-Identifier: GPL-3.0-or-later
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import * as patches from '../core/patches';
import { attempt, patch } from '../core/store';
import { Dialog } from './dialog';
import { Icon } from './icons';
import { openImport } from './imports';
import { onRoving, useRoving } from './roving';
import { Search } from './search';

export const SEARCH_ID = 'search';

export function Browser() {
    const exporting = useSignal(false);
    const list = useRef<HTMLUListElement>(null);
    void patch.value?.uuid;
    useRoving(list, '.row');
    const focusRow = (at: number) => {
        const rows = list.current?.querySelectorAll<HTMLElement>('.row');
        rows?.[Math.max(0, Math.min(rows.length - 1, at))]?.focus();
    };
    return (
        <section class="browser" aria-label="Patches">
            <Search
                id={SEARCH_ID}
                text="Search patches"
                query={patches.query.value}
                search={patches.search}
                first={() => focusRow(0)}
                enter={() => {
                    const first = patches.items.value[0];
                    if (first) patches.load(first.uuid);
                }}
            />
            <Filters />
            <Arrange />
            <ul
                class="patches"
                ref={list}
                aria-label="Patches"
                onKeyDown={(event) => {
                    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 }[event.key];
                    if (!by) return;
                    const rows = [...list.current!.querySelectorAll('.row')];
                    const at = rows.findIndex((row) => row === document.activeElement);
                    event.preventDefault();
                    if (at + by < 0) document.getElementById(SEARCH_ID)?.focus();
                    else focusRow(at + by);
                }}
            >
                {patches.items.value.map((item) => (
                    <Row key={item.uuid} item={item} />
                ))}
                <More />
            </ul>
            <footer>
                <span>
                    {patches.total.value} {patches.total.value === 1 ? 'patch' : 'patches'}
                </span>
                <button
                    type="button"
                    class="iconic"
                    aria-label="Export"
                    onClick={() => (exporting.value = true)}
                >
                    <Icon name="download" />
                </button>
                <button type="button" class="small" onClick={openImport}>
                    <Icon name="upload" /> Import
                </button>
            </footer>
            {exporting.value && <Export onClose={() => (exporting.value = false)} />}
        </section>
    );
}

function Filters() {
    const row = useRef<HTMLDivElement>(null);
    useRoving(row, '.chip');
    const chip = (text: string, on: boolean, toggle: () => void, count?: number) => (
        <button type="button" class="chip" key={text} aria-pressed={on} onClick={toggle}>
            {text}
            {count !== undefined && <small>{count}</small>}
        </button>
    );
    return (
        <div class="chips" role="group" aria-label="Filter" ref={row} onKeyDown={onRoving}>
            {chip('♥', patches.favourites.value, () => {
                patches.favourites.value = !patches.favourites.value;
            })}
            {patches.categories.value.map(({ name, count }) =>
                chip(
                    name,
                    patches.category.value === name,
                    () => {
                        patches.category.value = patches.category.peek() === name ? '' : name;
                    },
                    count,
                ),
            )}
        </div>
    );
}

const SORTS: [patches.Sort, string][] = [
    ['name', 'by name'],
    ['category', 'by category'],
    ['updated', 'newest first'],
];

function Arrange() {
    return (
        <div class="arrange">
            <select
                aria-label="Bank"
                value={patches.bank.value}
                onChange={(event) => (patches.bank.value = event.currentTarget.value)}
            >
                <option value="">All banks</option>
                {patches.banks.value.map(({ uuid, name }) => (
                    <option key={uuid} value={uuid}>
                        {name}
                    </option>
                ))}
            </select>
            <select
                aria-label="Order"
                disabled={patches.query.value !== ''}
                value={patches.sort.value}
                onChange={(event) =>
                    (patches.sort.value = event.currentTarget.value as patches.Sort)
                }
            >
                {SORTS.map(([key, text]) => (
                    <option key={key} value={key}>
                        {text}
                    </option>
                ))}
            </select>
        </div>
    );
}

/** Why a cartridge of these voices would not be the whole bank. */
function leftOut({ uuids, networks }: patches.Voices): string {
    if (!networks) return uuids.length ? '' : 'Empty';
    if (!uuids.length) return 'Networks play it: only as .json';
    return networks === 1
        ? 'A network plays one: not in .syx'
        : `Networks play ${networks}: not in .syx`;
}

function Export({ onClose }: { onClose(): void }) {
    const total = patches.total.value;
    const banks = patches.banks.value;
    const voices = useSignal<Record<string, patches.Voices>>({});
    useEffect(() => {
        let open = true;
        void attempt(async () => {
            for (const bank of banks) {
                const known = await patches.voicesOf(bank);
                if (!open) return;
                voices.value = { ...voices.peek(), [bank.uuid]: known };
            }
        });
        return () => (open = false);
    }, [banks]);
    const run = (work: () => Promise<void>) => () => {
        onClose();
        void attempt(work);
    };
    const one = (
        bank: patches.Bank,
        format: string,
        write: typeof patches.exportBank,
        none = false,
    ) => (
        <button
            type="button"
            class="small"
            aria-label={`Bank ${bank.name} as ${format}`}
            aria-describedby={`left-out-${bank.uuid}`}
            aria-disabled={none ? 'true' : undefined}
            onClick={none ? undefined : run(() => write(bank))}
        >
            {format}
        </button>
    );
    const row = (bank: patches.Bank) => {
        const known = voices.value[bank.uuid];
        return (
            <div class="menu-pair" key={bank.uuid}>
                <span>
                    {bank.name}
                    <small id={`left-out-${bank.uuid}`}>{known && leftOut(known)}</small>
                </span>
                {one(bank, '.syx', patches.exportCartridges, known?.uuids.length === 0)}
                {one(bank, '.json', patches.exportBank)}
            </div>
        );
    };
    return (
        <Dialog title="Export" onClose={onClose}>
            <nav class="menu" aria-label="Export">
                <button
                    type="button"
                    class="menu-item"
                    disabled={!total}
                    onClick={run(patches.exportListed)}
                >
                    <Icon name="download" />
                    {total === 1 ? 'The patch listed' : `The ${total} patches listed`} (.json)
                </button>
                {banks.map(row)}
            </nav>
        </Dialog>
    );
}

function Row({ item }: { item: patches.Item }) {
    const current = patch.value?.uuid === item.uuid;
    const line = useRef<HTMLLIElement>(null);
    useEffect(() => {
        if (current) line.current?.scrollIntoView({ block: 'nearest' });
    }, [current]);
    return (
        <li ref={line} class={current ? 'current' : ''}>
            <button
                type="button"
                class="row"
                aria-current={current ? 'true' : undefined}
                onClick={() => patches.load(item.uuid)}
            >
                <b>{item.name}</b>
                <small>{item.category || item.author}</small>
            </button>
            <button
                type="button"
                class={item.favourite ? 'iconic heart on' : 'iconic heart'}
                aria-pressed={item.favourite}
                aria-label={`Favourite: ${item.name}`}
                onClick={() => patches.favour(item)}
            >
                <Icon name="heart" fill={item.favourite} />
            </button>
        </li>
    );
}

/** Fetches the next page when the end of the list comes into sight. */
function More() {
    const end = useRef<HTMLLIElement>(null);
    const empty = useSignal(false);
    useEffect(() => {
        const sight = new IntersectionObserver((entries) => {
            if (entries.some((entry) => entry.isIntersecting)) void patches.more();
        });
        sight.observe(end.current!);
        return () => sight.disconnect();
    }, []);
    empty.value = !patches.items.value.length && !patches.loading.value;
    const hint = patches.query.value
        ? `Nothing found for “${patches.query.value}”.`
        : 'Nothing here yet.';
    return (
        <li class="end" ref={end}>
            {empty.value && hint}
        </li>
    );
}
