// SPDX-License-Identifier: GPL-3.0-or-later
// The keys on screen: many fingers, loud near the edge, gliding from key to key.
import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import * as notes from '../core/notes';
import { keyAt, layoutKeys, noteName, touchVelocity, type KeyPlace } from '../core/pitch';
import { command, sounding } from '../core/store';
import { Icon } from './icons';

const KEY_PX = 46;
const BLACK_DEPTH = 0.62;
const CLICK_MS = 400;
const MOD_WHEEL = 1;

interface KeyboardProps {
    ribbons?: boolean;
    /** More beside the keys. */
    children?: ComponentChildren;
}

export function Keyboard({ ribbons = false, children }: KeyboardProps) {
    return (
        <section class="keyboard" aria-label="Keyboard">
            <div class="keyboard-side">
                {ribbons && (
                    <>
                        <Ribbon
                            name="Bend"
                            min={-1}
                            spring
                            send={(v) => ({ type: 'bend', value: v })}
                        />
                        <Ribbon
                            name="Mod"
                            min={0}
                            send={(v) => ({ type: 'controller', number: MOD_WHEEL, value: v })}
                        />
                    </>
                )}
                <Octave />
                {children}
            </div>
            <Keys />
        </section>
    );
}

export function Octave() {
    return (
        <div class="octave">
            <button
                type="button"
                class="iconic"
                aria-label="Octave down"
                disabled={notes.lowest.value <= notes.LOWEST_MIN}
                onClick={() => notes.shiftOctave(-1)}
            >
                <Icon name="left" />
            </button>
            <output aria-label="Lowest key">{noteName(notes.lowest.value)}</output>
            <button
                type="button"
                class="iconic"
                aria-label="Octave up"
                disabled={notes.lowest.value >= notes.LOWEST_MAX}
                onClick={() => notes.shiftOctave(1)}
            >
                <Icon name="right" />
            </button>
            <button
                type="button"
                class="small"
                aria-pressed={notes.sustain.value}
                onClick={() => notes.setSustain(!notes.sustain.value)}
            >
                Hold
            </button>
        </div>
    );
}

/** Fingers on the keys, by pointer. */
function useFingers(places: { current: KeyPlace[]; whites: number }) {
    const fingers = useRef(new Map<number, number>());
    const find = (event: PointerEvent) => {
        const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
        const x = ((event.clientX - box.left) / box.width) * places.whites;
        const y = Math.min(1, (event.clientY - box.top) / box.height);
        return keyAt(places.current, x, y, BLACK_DEPTH);
    };
    const lift = (event: PointerEvent) => {
        const key = fingers.current.get(event.pointerId);
        fingers.current.delete(event.pointerId);
        if (key !== undefined && key >= 0) notes.release(key);
    };
    return {
        onPointerDown(event: PointerEvent) {
            if (event.button !== 0) return;
            event.preventDefault();
            (event.currentTarget as HTMLElement).setPointerCapture(event.pointerId);
            const hit = find(event);
            if (!hit) return;
            fingers.current.set(event.pointerId, hit.key);
            notes.press(hit.key, touchVelocity(hit.depth));
        },
        onPointerMove(event: PointerEvent) {
            const before = fingers.current.get(event.pointerId);
            if (before === undefined) return;
            const hit = find(event);
            if ((hit?.key ?? -1) === before) return;
            fingers.current.set(event.pointerId, hit?.key ?? -1);
            if (hit) notes.press(hit.key, touchVelocity(hit.depth));
            if (before >= 0) notes.release(before);
        },
        onPointerUp: lift,
        onPointerCancel: lift,
        onContextMenu: (event: Event) => event.preventDefault(),
    };
}

function Keys() {
    const field = useRef<HTMLDivElement>(null);
    const whites = useSignal(8);
    useEffect(() => {
        const element = field.current!;
        const resize = new ResizeObserver(() => {
            whites.value = Math.max(8, Math.floor(element.clientWidth / KEY_PX));
        });
        resize.observe(element);
        return () => resize.disconnect();
    }, []);
    const places = layoutKeys(notes.lowest.value, whites.value);
    const handlers = useFingers({ current: places, whites: whites.value });
    const lit = sounding.value;
    const share = (whole: number) => `${(100 * whole) / whites.value}%`;
    return (
        <div class="keys" ref={field} {...handlers}>
            {places.map(({ key, black, left, width }) => (
                <button
                    type="button"
                    key={key}
                    tabIndex={-1}
                    class={`key ${black ? 'black' : 'white'} ${lit.has(key) ? 'lit' : ''}`}
                    style={{ left: share(left), width: share(width) }}
                    aria-label={noteName(key)}
                    aria-pressed={lit.has(key)}
                    data-note={key}
                    onClick={(event) => {
                        if (event.detail > 0) return; // A finger already played it.
                        notes.press(key, touchVelocity(0.6));
                        setTimeout(() => notes.release(key), CLICK_MS);
                    }}
                >
                    {key % 12 === 0 && <span>{noteName(key)}</span>}
                </button>
            ))}
        </div>
    );
}

interface RibbonProps {
    name: string;
    min: number;
    /** Falls back to 0 when let go. */
    spring?: boolean;
    send(value: number): { type: string } & Record<string, unknown>;
}

export function Ribbon({ name, min, spring = false, send }: RibbonProps) {
    const now = useSignal(0);
    const move = (next: number) => {
        if (next === now.peek()) return;
        now.value = next;
        command(send(next));
    };
    const letGo = () => {
        if (spring) move(0);
    };
    return (
        <label class="ribbon" style={{ '--share': String((now.value - min) / (1 - min)) }}>
            <input
                type="range"
                min={min}
                max={1}
                step={0.01}
                value={now.value}
                aria-label={name}
                onInput={(event) => move(Number(event.currentTarget.value))}
                onPointerUp={letGo}
                onPointerCancel={letGo}
                onKeyUp={letGo}
                onBlur={letGo}
            />
            <span>{name}</span>
        </label>
    );
}
