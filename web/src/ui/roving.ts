// SPDX-License-Identifier: GPL-3.0-or-later
// One stop of the Tab key for a whole list: arrows go on from there.
import type { RefObject } from 'preact';
import { useLayoutEffect } from 'preact/hooks';

const WAYS: Record<string, number> = {
    ArrowRight: 1,
    ArrowDown: 1,
    ArrowLeft: -1,
    ArrowUp: -1,
    Home: -Infinity,
    End: Infinity,
};

/** The stop is what has the focus, else what is chosen, else the first. */
function settle(list: HTMLElement, selector: string): void {
    const all = [...list.querySelectorAll<HTMLElement>(selector)];
    const chosen = (each: HTMLElement) =>
        each.getAttribute('aria-current') === 'true' ||
        each.getAttribute('aria-pressed') === 'true';
    const held = all.find((each) => each.closest('li, button')?.contains(document.activeElement));
    const stop = held ?? all.find(chosen) ?? all[0];
    for (const each of all) {
        const line = each.closest('li')?.querySelectorAll('button') ?? [each];
        for (const button of line) button.tabIndex = each === stop ? 0 : -1;
    }
}

/** After every drawing of the component, and whenever the focus moves in the list. */
export function useRoving(list: RefObject<HTMLElement | null>, selector: string): void {
    useLayoutEffect(() => {
        const element = list.current!;
        const update = () => settle(element, selector);
        update();
        element.addEventListener('focusin', update);
        return () => element.removeEventListener('focusin', update);
    });
}

/** Arrows, Home and End in a row of buttons. */
export function onRoving(event: KeyboardEvent): void {
    const way = WAYS[event.key];
    const row = event.currentTarget as HTMLElement;
    const all = [...row.querySelectorAll<HTMLElement>('button')];
    const at = all.findIndex((each) => each === document.activeElement);
    if (!way || at < 0) return;
    event.preventDefault();
    all[Math.max(0, Math.min(all.length - 1, at + way))]?.focus();
}
