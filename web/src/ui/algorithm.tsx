// SPDX-License-Identifier: GPL-3.0-or-later
import { useSignal } from '@preact/signals';
import { diagram, type Diagram } from '../core/layout';
import { history } from '../core/live';
import { prefix, type Algorithm, type Param } from '../core/params';
import { edit, schema, value } from '../core/store';
import { OPERATORS } from '../core/wire';
import { Dialog } from './dialog';
import { louder } from './neural';
import { selected } from './operator';
import { Picture, type Draw } from './picture';
import { color, faint, operatorColor } from './theme';

interface Geometry {
    box: number;
    x: (column: number) => number;
    y: (row: number) => number;
}

function place(picture: Diagram, width: number, height: number, most: number): Geometry {
    const columns = Math.max(picture.columns, 2) + 0.4;
    const rows = picture.rows + 0.7;
    const pitch = Math.min(width / columns, height / rows, most);
    const left = (width - (picture.columns - 1) * pitch) / 2;
    const bottom = height / 2 + ((picture.rows - 1) * pitch) / 2 - pitch * 0.05;
    return {
        box: pitch * 0.62,
        x: (column) => left + column * pitch,
        y: (row) => bottom - row * pitch,
    };
}

interface Look {
    live: boolean;
    operators: number;
    /** false where nothing feeds back */
    loop: boolean;
}

function drawAlgorithm(
    context: CanvasRenderingContext2D,
    algorithm: Algorithm,
    width: number,
    height: number,
    { live, operators, loop }: Look,
): void {
    const picture = diagram(algorithm, operators);
    const at = place(picture, width, height, 56);
    const spot = (op: number) => picture.spots[op - 1]!;
    context.lineWidth = live ? 1.5 : 1;
    for (const [from, to] of algorithm.edges) {
        const a = spot(from);
        const b = spot(to);
        context.strokeStyle = live
            ? faint(operatorColor(from), 0.35 + 0.65 * level(from))
            : color('dim');
        context.beginPath();
        context.moveTo(at.x(a.column), at.y(a.row));
        if (a.column !== b.column) {
            const middle = (at.y(b.row + 1) + at.y(b.row)) / 2;
            context.lineTo(at.x(a.column), middle);
            context.lineTo(at.x(b.column), middle);
        }
        context.lineTo(at.x(b.column), at.y(b.row));
        context.stroke();
    }
    drawOut(context, algorithm, picture, at);
    if (loop) drawFeedback(context, algorithm, picture, at, live);
    for (const { operator, column, row } of picture.spots)
        drawBox(context, operator, at.x(column), at.y(row), at.box, live);
}

function level(operator: number): number {
    return history.newest(operator - 1);
}

function drawOut(
    context: CanvasRenderingContext2D,
    algorithm: Algorithm,
    picture: Diagram,
    at: Geometry,
): void {
    const y = at.y(0) + at.box * 0.85;
    const columns = algorithm.carriers.map((op) => picture.spots[op - 1]!.column);
    context.strokeStyle = color('dim');
    context.beginPath();
    for (const column of columns) {
        context.moveTo(at.x(column), at.y(0));
        context.lineTo(at.x(column), y);
    }
    context.moveTo(at.x(Math.min(...columns)), y);
    context.lineTo(at.x(Math.max(...columns)), y);
    context.stroke();
}

function drawFeedback(
    context: CanvasRenderingContext2D,
    algorithm: Algorithm,
    picture: Diagram,
    at: Geometry,
    live: boolean,
): void {
    const [from, to] = algorithm.feedback;
    const a = picture.spots[from - 1]!;
    const b = picture.spots[to - 1]!;
    const right = at.x(a.column) + at.box * 0.78;
    const top = at.y(b.row) - at.box * 0.78;
    context.strokeStyle = live ? operatorColor(from) : color('dim');
    context.beginPath();
    context.moveTo(at.x(a.column), at.y(a.row) + (from === to ? 0 : at.box * 0.62));
    context.lineTo(right, at.y(a.row) + (from === to ? 0 : at.box * 0.62));
    context.lineTo(right, top);
    context.lineTo(at.x(b.column), top);
    context.lineTo(at.x(b.column), at.y(b.row));
    context.stroke();
}

function drawBox(
    context: CanvasRenderingContext2D,
    operator: number,
    x: number,
    y: number,
    box: number,
    live: boolean,
): void {
    const tint = operatorColor(operator);
    const radius = box * 0.22;
    context.beginPath();
    context.roundRect(x - box / 2, y - box / 2, box, box, radius);
    context.fillStyle = color('panel');
    context.fill();
    if (live) {
        context.fillStyle = faint(tint, 0.12 + 0.75 * level(operator));
        context.fill();
        context.lineWidth = selected.peek() === operator ? 2.5 : 1.25;
    } else context.fillStyle = faint(tint, 0.75);
    context.strokeStyle = tint;
    if (live) context.stroke();
    else context.fill();
    if (box < 10) return;
    context.font = `600 ${Math.round(box * 0.5)}px "Barlow Semi Condensed", system-ui, sans-serif`;
    context.textAlign = 'center';
    context.textBaseline = 'middle';
    context.fillStyle = live && level(operator) < 0.45 ? color('text') : color('back');
    context.fillText(String(operator), x, y + box * 0.04);
}

function Mini({ algorithm }: { algorithm: Algorithm }) {
    const draw: Draw = (context, width, height) =>
        drawAlgorithm(context, algorithm, width, height, {
            live: false,
            operators: OPERATORS,
            loop: true,
        });
    return <Picture draw={draw} />;
}

/** Where 0 leaves the choice to the model. */
const OWN = 'the model’s own';

function describe(algorithm: Algorithm): string {
    const edges = algorithm.edges.map(([from, to]) => `${from} into ${to}`).join(', ');
    return `carriers ${algorithm.carriers.join(', ')}${edges ? `; ${edges}` : ''}`;
}

export function AlgorithmView({ param }: { param: Param }) {
    const choosing = useSignal(false);
    const algorithms = schema.value!.algorithms;
    const number = value(param.key).value;
    const own = number === 0 ? (louder()?.fm ?? null) : null;
    const algorithm = own ? own.routing : algorithms[number - 1];
    const look = {
        live: true,
        operators: own?.operators ?? OPERATORS,
        loop: !own || own.feedback + value(`${prefix(param.key)}.feedback`).value > 0,
    };
    const draw: Draw = (context, width, height) => {
        if (algorithm) drawAlgorithm(context, algorithm, width, height, look);
    };
    const choose = (wanted: number) => {
        edit(param, wanted);
        choosing.value = false;
    };
    void selected.value;
    const shown = number || own?.algorithm;
    const name = own ? [shown, 'own'].filter(Boolean).join(' ') : String(number);
    const told = algorithm ? `${name}: ${describe(algorithm)}` : OWN;
    return (
        <section class="algorithm" aria-label="Algorithm">
            <button
                type="button"
                class="plain diagram"
                aria-label={`Algo ${told}. Choose another`}
                onClick={() => (choosing.value = true)}
            >
                <Picture draw={draw} />
                <span class="caption">
                    <small>Algo</small> {shown ? <b>{shown}</b> : null}
                    {own && <small> own</small>}
                </span>
                {!algorithm && <span class="own">{OWN}</span>}
            </button>
            {choosing.value && (
                <Dialog title="Algorithm" wide onClose={() => (choosing.value = false)}>
                    {param.min < 1 && (
                        <button
                            type="button"
                            class="small"
                            aria-pressed={number === 0}
                            onClick={() => choose(0)}
                        >
                            {OWN}
                        </button>
                    )}
                    <div class="algorithms">
                        {algorithms.map((each, i) => (
                            <button
                                type="button"
                                key={i}
                                class="plain"
                                aria-pressed={i + 1 === number}
                                aria-label={`Algorithm ${i + 1}: ${describe(each)}`}
                                onClick={() => choose(i + 1)}
                            >
                                <Mini algorithm={each} />
                                <span>{i + 1}</span>
                            </button>
                        ))}
                    </div>
                </Dialog>
            )}
        </section>
    );
}
