// SPDX-License-Identifier: GPL-3.0-or-later
// Notes that this panel holds. Whatever happens to the page, each of them ends.
import { effect, signal } from '@preact/signals';
import { computerKey } from './pitch';
import { command, link } from './store';

const OCTAVE = 12;
const COMPUTER_VELOCITY = 96;
const SUSTAIN = 64;

export const LOWEST_MIN = 0;
export const LOWEST_MAX = 108;

/** The C at the left edge of the keys on screen. */
export const lowest = signal(48);
export const sustain = signal(false);

/** How many fingers hold a key. */
const held = new Map<number, number>();
/** Computer keys that are down, and the key each began. */
const typed = new Map<string, number>();

export function press(key: number, velocity: number): void {
    const holders = held.get(key) ?? 0;
    held.set(key, holders + 1);
    command({ type: 'note', on: true, key, velocity });
}

export function release(key: number): void {
    const holders = held.get(key) ?? 0;
    if (holders > 1) {
        held.set(key, holders - 1);
        return;
    }
    if (!held.delete(key)) return;
    command({ type: 'note', on: false, key });
}

export function releaseAll(): void {
    typed.clear();
    if (!held.size && !sustain.peek()) return;
    held.clear();
    sustain.value = false;
    command({ type: 'release' });
}

export function setSustain(on: boolean): void {
    sustain.value = on;
    command({ type: 'controller', number: SUSTAIN, value: on ? 1 : 0 });
}

export function panic(): void {
    held.clear();
    typed.clear();
    sustain.value = false;
    command({ type: 'panic' });
}

export function shiftOctave(by: number): void {
    lowest.value = Math.min(LOWEST_MAX, Math.max(LOWEST_MIN, lowest.peek() + by * OCTAVE));
}

function writing(target: EventTarget | null): boolean {
    if (!(target instanceof HTMLElement)) return false;
    if (target instanceof HTMLInputElement)
        return !['range', 'checkbox', 'radio'].includes(target.type);
    return target instanceof HTMLSelectElement || target instanceof HTMLTextAreaElement;
}

/** true when the event belongs to the instrument and not to a text field or a menu. */
export function forKeys(event: KeyboardEvent): boolean {
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    return !writing(event.target) && !document.querySelector('dialog[open]');
}

function onKeyDown(event: KeyboardEvent): void {
    if (event.repeat || !forKeys(event)) return;
    if (event.code === 'KeyZ') shiftOctave(-1);
    if (event.code === 'KeyX') shiftOctave(1);
    const semitones = computerKey(event.code);
    if (semitones < 0 || typed.has(event.code)) return;
    const key = lowest.peek() + OCTAVE + semitones;
    if (key > 127) return;
    typed.set(event.code, key);
    press(key, COMPUTER_VELOCITY);
}

function onKeyUp(event: KeyboardEvent): void {
    const key = typed.get(event.code);
    if (key === undefined) return;
    typed.delete(event.code);
    release(key);
}

export function watchKeys(): void {
    addEventListener('keydown', onKeyDown);
    addEventListener('keyup', onKeyUp);
    addEventListener('blur', releaseAll);
    addEventListener('pagehide', releaseAll);
    document.addEventListener('visibilitychange', () => {
        if (document.hidden) releaseAll();
    });
    effect(() => {
        if (link.value === 'open') return;
        held.clear();
        typed.clear();
        sustain.value = false;
    });
}
