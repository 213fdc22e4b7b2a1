// SPDX-License-Identifier: GPL-3.0-or-later
import { signal } from '@preact/signals';
import { history } from '../core/live';
import type { Operator } from '../core/layout';
import { operatorPitch } from '../core/pitch';
import { algorithmParam, schema, value } from '../core/store';
import { Control } from './control';
import { EnvelopeEditor } from './envelope';
import { Picture, type Draw } from './picture';
import { color, faint, operatorColor, reducedMotion } from './theme';

const WINDOW_MS = 3000;
const LAG_MS = 40;
const BAR = 6;
/** What a strip shows of an operator; its own page shows all. */
const STRIP = ['level', 'coarse', 'fine', 'detune'];
const GROUPS: [string, RegExp][] = [
    ['Pitch', /^(mode|coarse|fine|detune)$/],
    ['Level', /^(level|velocity|ams)$/],
    ['Key scaling', /^(rate_scaling|break_point|left_|right_)/],
];

/** The operator whose page is open; from 1. */
export const selected = signal(1);

const LEAST_SEEN_PX = 120;

/** Where its page lies below the edge, it comes into sight. */
function open(number: number): void {
    selected.value = number;
    const page = document.querySelector('.detail');
    const edge = page?.closest('main')?.getBoundingClientRect().bottom ?? 0;
    if (page && page.getBoundingClientRect().top > edge - LEAST_SEEN_PX)
        page.scrollIntoView({ block: 'nearest' });
}

function read(operator: Operator, name: string): number {
    const param = operator.byName.get(name);
    return param ? value(param.key).value : 0;
}

export function pitchOf(operator: Operator): string {
    return operatorPitch(
        read(operator, 'mode') > 0.5,
        read(operator, 'coarse'),
        read(operator, 'fine'),
    );
}

export function isCarrier(number: number): boolean {
    const param = algorithmParam.value;
    const algorithm = param && schema.value?.algorithms[value(param.key).value - 1];
    return algorithm ? algorithm.carriers.includes(number) : false;
}

/** The level over the last seconds, newest at the right, and as a bar. */
export function LevelHistory({ number }: { number: number }) {
    const draw: Draw = (context, width, height, now) => {
        const tint = operatorColor(number);
        const right = width - BAR - 4;
        context.strokeStyle = faint(color('line'), 0.7);
        context.lineWidth = 1;
        for (const share of [0.25, 0.5, 0.75]) {
            const y = Math.round(height * share) + 0.5;
            context.beginPath();
            context.moveTo(0, y);
            context.lineTo(right, y);
            context.stroke();
        }
        const level = history.newest(number - 1);
        context.fillStyle = faint(tint, 0.15);
        context.fillRect(width - BAR, 0, BAR, height);
        context.fillStyle = tint;
        context.fillRect(width - BAR, height * (1 - level), BAR, height * level);
        if (!reducedMotion()) drawTrace(context, number - 1, right, height, now, tint);
    };
    return <Picture class="history" draw={draw} label={`Live level of operator ${number}`} />;
}

function drawTrace(
    context: CanvasRenderingContext2D,
    op: number,
    right: number,
    height: number,
    now: number,
    tint: string,
): void {
    const levels = history.levels[op]!;
    if (!history.length) return;
    const y = (level: number) => height - 1 - level * (height - 3);
    context.beginPath();
    context.moveTo(right, y(history.newest(op)));
    let x = right;
    for (let back = 0; back < history.length && x > 0; back++) {
        const at = history.at(back);
        x = right * (1 - (now - LAG_MS - history.times[at]!) / WINDOW_MS);
        if (x <= right) context.lineTo(x, y(levels[at]!));
    }
    context.strokeStyle = tint;
    context.lineWidth = 1.5;
    context.lineJoin = 'round';
    context.stroke();
    context.lineTo(x, height);
    context.lineTo(right, height);
    context.closePath();
    const fill = context.createLinearGradient(0, 0, 0, height);
    fill.addColorStop(0, faint(tint, 0.4));
    fill.addColorStop(1, faint(tint, 0.05));
    context.fillStyle = fill;
    context.fill();
}

export function OperatorStrip({ operator }: { operator: Operator }) {
    const { number } = operator;
    const on = operator.byName.get('on');
    const off = on !== undefined && value(on.key).value < 0.5;
    const shown = selected.value === number;
    return (
        <section
            class={`strip op-${number} ${off ? 'off' : ''} ${shown ? 'open' : ''}`}
            aria-label={`Operator ${number}`}
        >
            <header>
                <button
                    type="button"
                    class="badge"
                    aria-pressed={shown}
                    aria-label={`Operator ${number}: open its page`}
                    onClick={() => open(number)}
                >
                    {number}
                </button>
                <div class="what">
                    <b>{pitchOf(operator)}</b>
                    <small>{isCarrier(number) ? 'carrier' : 'modulator'}</small>
                </div>
                {on && <Control param={on} label="" />}
            </header>
            <LevelHistory number={number} />
            {operator.envelope && (
                <EnvelopeEditor
                    envelope={operator.envelope}
                    tint={`op${number}`}
                    name={`Operator ${number}`}
                />
            )}
            <div class="knobs">
                {STRIP.map((name) => operator.byName.get(name)).map(
                    (param) => param && <Control key={param.key} param={param} />,
                )}
            </div>
        </section>
    );
}

/** Everything of one operator. */
export function OperatorPage({ operator }: { operator: Operator }) {
    const { number } = operator;
    const grouped = GROUPS.map(([title, pattern]) => ({
        title,
        params: operator.rest.filter((param) => pattern.test(param.key.split('.').pop()!)),
    }));
    const known = new Set(grouped.flatMap((group) => group.params));
    const other = operator.rest.filter((param) => !known.has(param) && !param.key.endsWith('.on'));
    if (other.length) grouped.push({ title: 'More', params: other });
    return (
        <div class={`page op-${number}`}>
            {operator.envelope && (
                <section class="group wide" aria-label="Envelope">
                    <h3>Envelope</h3>
                    <EnvelopeEditor
                        envelope={operator.envelope}
                        tint={`op${number}`}
                        name={`Operator ${number}`}
                        numbers
                    />
                </section>
            )}
            {grouped.map((group) => (
                <section key={group.title} class="group" aria-label={group.title}>
                    <h3>
                        {group.title}
                        {group.title === 'Pitch' && (
                            <span class="derived">{pitchOf(operator)}</span>
                        )}
                    </h3>
                    <div class="knobs">
                        {group.params.map((param) => (
                            <Control key={param.key} param={param} />
                        ))}
                    </div>
                </section>
            ))}
        </div>
    );
}
