// SPDX-License-Identifier: GPL-3.0-or-later
// One control for one parameter, whatever it is. The graphics lie over native inputs, so that
// keyboards and screen readers have what they know.
import { useSignal } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { denormalise, format, keyStep, normalise, parse, reading, typed } from '../core/params';
import type { Param } from '../core/params';
import { edit, value } from '../core/store';

const FULL_DRAG_PX = 180;
const FINE = 0.1;
const HOLD_MS = 550;
const STILL_PX = 4;

interface Props {
    param: Param;
    /** Where the place already says what the label would. */
    label?: string;
    /** A lying bar in place of a dial, for where there are many or little height. */
    bar?: boolean;
}

export function Control({ param, label, bar = false }: Props) {
    if (param.scale === 'bool') return <Toggle param={param} label={label ?? param.label} />;
    if (param.scale === 'enum') return <Choice param={param} label={label ?? param.label} />;
    return <Knob param={param} label={label ?? param.label} bar={bar} />;
}

function idOf(param: Param): string {
    return `p-${param.key.replace(/\./g, '-')}`;
}

/** Relative drag upwards (or rightwards on a bar), shift for fine, double tap for the default. */
function useDial(param: Param, bar: boolean) {
    const drag = useRef<{ id: number; at: number; share: number; moved: boolean } | null>(null);
    const hold = useRef(0);
    const element = useRef<HTMLDivElement>(null);
    const input = useRef<HTMLInputElement>(null);
    const place = (event: PointerEvent) => (bar ? event.clientX : 0) - event.clientY;
    const move = (share: number) => edit(param, denormalise(param, share));
    useEffect(() => {
        const onWheel = (event: WheelEvent) => {
            if (event.ctrlKey || event.deltaY === 0) return;
            event.preventDefault();
            const share = normalise(param, value(param.key).peek());
            const step = keyStep(param) * (event.shiftKey && keyStep(param) <= 0.01 ? FINE : 1);
            move(share - Math.sign(event.deltaY) * step);
        };
        const dial = element.current!;
        dial.addEventListener('wheel', onWheel, { passive: false });
        return () => dial.removeEventListener('wheel', onWheel);
    }, [param]);
    const reset = () => edit(param, param.default);
    return {
        element,
        input,
        handlers: {
            onPointerDown(event: PointerEvent) {
                if (event.button !== 0) return;
                event.preventDefault();
                element.current!.setPointerCapture(event.pointerId);
                input.current!.focus({ preventScroll: true });
                const share = normalise(param, value(param.key).peek());
                drag.current = { id: event.pointerId, at: place(event), share, moved: false };
                hold.current = window.setTimeout(() => {
                    if (!drag.current?.moved) reset();
                    drag.current = null;
                }, HOLD_MS);
            },
            onPointerMove(event: PointerEvent) {
                const now = drag.current;
                if (now?.id !== event.pointerId) return;
                const way = place(event) - now.at;
                if (!now.moved && Math.abs(way) < STILL_PX) return;
                clearTimeout(hold.current);
                now.moved = true;
                now.at = place(event);
                now.share += (way / FULL_DRAG_PX) * (event.shiftKey ? FINE : 1);
                now.share = Math.min(1, Math.max(0, now.share));
                move(now.share);
            },
            onPointerUp: () => {
                clearTimeout(hold.current);
                drag.current = null;
            },
            onPointerCancel: () => {
                clearTimeout(hold.current);
                drag.current = null;
            },
            onDblClick: reset,
        },
    };
}

function Knob({ param, label, bar }: { param: Param; label: string; bar: boolean }) {
    const dial = useDial(param, bar);
    const typing = useSignal(false);
    const now = value(param.key).value;
    const share = normalise(param, now);
    const zero = param.min === -param.max ? normalise(param, 0) : 0;
    const whole = param.scale === 'int';
    const style = {
        '--lo': String(Math.min(share, zero)),
        '--hi': String(Math.max(share, zero)),
        '--share': String(share),
    };
    return (
        <div class={bar ? 'control knob bar' : 'control knob'} title={param.help}>
            <label class="name" for={idOf(param)}>
                {label}
            </label>
            <div class="dial" style={style} ref={dial.element} {...dial.handlers}>
                <input
                    ref={dial.input}
                    id={idOf(param)}
                    type="range"
                    min={whole ? param.min : 0}
                    max={whole ? param.max : 1}
                    step={whole ? 1 : 0.01}
                    value={whole ? now : share}
                    aria-valuetext={format(param, now)}
                    data-key={param.key}
                    onInput={(event) => {
                        const raw = Number(event.currentTarget.value);
                        edit(param, whole ? raw : denormalise(param, raw));
                    }}
                    onKeyDown={(event) => {
                        if (event.key === 'Delete' || event.key === 'Backspace')
                            edit(param, param.default);
                        else if (event.key === 'Enter') typing.value = true;
                    }}
                />
                <span class="hand" />
            </div>
            <Reading param={param} typing={typing.value} onTyping={(on) => (typing.value = on)} />
        </div>
    );
}

interface ReadingProps {
    param: Param;
    typing: boolean;
    onTyping(on: boolean): void;
}

function Reading({ param, typing, onTyping }: ReadingProps) {
    const now = value(param.key).value;
    const field = useRef<HTMLInputElement>(null);
    const shown = reading(param, now);
    const unit = shortUnit(shown.unit);
    const text = `${shown.text} ${unit}`.trim();
    useLayoutEffect(() => {
        if (typing) field.current?.select();
    }, [typing]);
    if (!typing)
        return (
            <button
                type="button"
                class="reading"
                tabIndex={-1}
                aria-label={`${text}: ${param.label}, type a value`}
                onClick={() => onTyping(true)}
            >
                {shown.text}
                {unit && <small> {unit}</small>}
            </button>
        );
    const commit = (text: string) => {
        const meant = parse(param, text);
        if (meant !== null) edit(param, meant);
        onTyping(false);
        document.getElementById(idOf(param))?.focus({ preventScroll: true });
    };
    return (
        <input
            ref={field}
            class="reading typed"
            inputMode="decimal"
            aria-label={`${param.label}, ${param.min} to ${param.max} ${param.unit}`}
            defaultValue={typed(param, now)}
            onKeyDown={(event) => {
                if (event.key === 'Enter') commit(event.currentTarget.value);
                if (event.key === 'Escape') onTyping(false);
                event.stopPropagation();
            }}
            onBlur={(event) => commit(event.currentTarget.value)}
        />
    );
}

const SHORT: Record<string, string> = {
    semitones: 'st',
    cents: 'ct',
    octaves: 'oct',
    x: '',
};

function shortUnit(unit: string): string {
    return SHORT[unit] ?? unit;
}

function Toggle({ param, label }: { param: Param; label: string }) {
    return (
        <label class="control toggle" title={param.help}>
            <span class="name">{label}</span>
            <span class="switch">
                <input
                    type="checkbox"
                    role="switch"
                    checked={value(param.key).value > 0.5}
                    data-key={param.key}
                    onChange={(event) => edit(param, event.currentTarget.checked ? 1 : 0)}
                />
                <span class="thumb" />
            </span>
        </label>
    );
}

function Choice({ param, label }: { param: Param; label: string }) {
    const now = value(param.key).value;
    const choices = param.choices ?? [];
    if (choices.length <= 2)
        return (
            <fieldset class="control choice" title={param.help}>
                <legend class="name">{label}</legend>
                <div class="segments">
                    {choices.map((choice, i) => (
                        <label key={choice} class={i === now ? 'segment on' : 'segment'}>
                            <input
                                type="radio"
                                name={idOf(param)}
                                checked={i === now}
                                data-key={param.key}
                                onChange={() => edit(param, param.min + i)}
                            />
                            {choice}
                        </label>
                    ))}
                </div>
            </fieldset>
        );
    return (
        <label class="control choice" title={param.help}>
            <span class="name">{label}</span>
            <select
                value={String(now)}
                data-key={param.key}
                onChange={(event) => edit(param, Number(event.currentTarget.value))}
            >
                {choices.map((choice, i) => (
                    <option key={choice} value={String(param.min + i)}>
                        {choice}
                    </option>
                ))}
            </select>
        </label>
    );
}
