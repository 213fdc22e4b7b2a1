// SPDX-License-Identifier: GPL-3.0-or-later
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import * as patches from '../core/patches';
import { patch } from '../core/store';
import { Icon } from './icons';
import { openImport } from './imports';

export const SEARCH_ID = 'search';

export function Browser() {
    const list = useRef<HTMLUListElement>(null);
    const focusRow = (at: number) => {
        const rows = list.current?.querySelectorAll<HTMLElement>('.row');
        rows?.[Math.max(0, Math.min(rows.length - 1, at))]?.focus();
    };
    return (
        <section class="browser" aria-label="Patches">
            <div class="search">
                <Icon name="search" />
                <input
                    id={SEARCH_ID}
                    type="search"
                    placeholder="Search patches"
                    aria-label="Search patches"
                    autocomplete="off"
                    spellcheck={false}
                    value={patches.query.value}
                    onInput={(event) => patches.search(event.currentTarget.value)}
                    onKeyDown={(event) => {
                        if (event.key === 'ArrowDown') {
                            event.preventDefault();
                            focusRow(0);
                        } else if (event.key === 'Enter') {
                            const first = patches.items.value[0];
                            if (first) patches.load(first.uuid);
                        } else if (event.key === 'Escape') {
                            patches.search('');
                            event.currentTarget.blur();
                        }
                    }}
                />
            </div>
            <Filters />
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
                <button type="button" class="small" onClick={openImport}>
                    <Icon name="upload" /> Import
                </button>
            </footer>
        </section>
    );
}

function Filters() {
    const chip = (text: string, on: boolean, toggle: () => void, count?: number) => (
        <button type="button" class="chip" key={text} aria-pressed={on} onClick={toggle}>
            {text}
            {count !== undefined && <small>{count}</small>}
        </button>
    );
    return (
        <div class="chips" role="group" aria-label="Filter">
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
