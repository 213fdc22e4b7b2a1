// SPDX-License-Identifier: GPL-3.0-or-later
// A four-stage envelope that is edited by dragging its points: sideways the rate of the stage,
// upwards its level. The eight numbers are native sliders as well, for keys and screen readers.
import { useSignal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import * as geometry from '../core/envelope';
import type { Envelope } from '../core/layout';
import { edit, value } from '../core/store';
import { color, faint } from './theme';
import { Control } from './control';
import { Picture, type Draw } from './picture';

const PAD = 8;

interface Props {
    envelope: Envelope;
    /** A name of theme.css. */
    tint: string;
    name: string;
    /** Times are known for operators only; a pitch envelope has its middle at level 50. */
    pitch?: boolean;
    numbers?: boolean;
}

export function EnvelopeEditor({ envelope, tint, name, pitch = false, numbers = false }: Props) {
    const drag = useRef<{ id: number; node: number } | null>(null);
    const held = useSignal(0);
    const stages = read(envelope);
    const draw: Draw = (context, width, height) => {
        drawEnvelope(context, {
            stages,
            width,
            height,
            tint: color(tint),
            held: held.peek(),
            pitch,
        });
        if (held.peek()) drawHint(context, hint(stages, held.peek(), pitch), width);
    };
    const at = (event: PointerEvent) => {
        const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
        return {
            x: (event.clientX - box.left - PAD) / (box.width - 2 * PAD),
            y: 1 - (event.clientY - box.top - PAD) / (box.height - 2 * PAD),
            width: box.width,
            height: box.height,
        };
    };
    void held.value;
    return (
        <div class="envelope">
            <div
                class="envelope-field"
                data-envelope={envelope.prefix}
                onPointerDown={(event) => {
                    if (event.button !== 0) return;
                    const spot = at(event);
                    const node = geometry.nearestNode(
                        read(envelope),
                        spot,
                        spot.width,
                        spot.height,
                    );
                    event.preventDefault();
                    event.currentTarget.setPointerCapture(event.pointerId);
                    drag.current = { id: event.pointerId, node };
                    held.value = node;
                }}
                onPointerMove={(event) => {
                    const now = drag.current;
                    if (now?.id !== event.pointerId) return;
                    const { rate, level } = geometry.dragNode(read(envelope), now.node, at(event));
                    edit(envelope.rates[now.node - 1]!, rate);
                    edit(envelope.levels[now.node - 1]!, level);
                }}
                onPointerUp={() => {
                    drag.current = null;
                    held.value = 0;
                }}
                onPointerCancel={() => {
                    drag.current = null;
                    held.value = 0;
                }}
            >
                <Picture draw={draw} label={`${name} envelope: ${describe(stages)}`} />
            </div>
            {numbers && (
                <div class="stages">
                    {[...envelope.rates, ...envelope.levels].map((param) => (
                        <Control key={param.key} param={param} bar />
                    ))}
                </div>
            )}
        </div>
    );
}

function read(envelope: Envelope): geometry.Stages {
    return {
        rates: envelope.rates.map((p) => value(p.key).value) as geometry.Stages['rates'],
        levels: envelope.levels.map((p) => value(p.key).value) as geometry.Stages['levels'],
    };
}

function describe({ rates, levels }: geometry.Stages): string {
    return rates.map((rate, i) => `stage ${i + 1} rate ${rate} level ${levels[i]}`).join(', ');
}

function hint(stages: geometry.Stages, node: number, pitch: boolean): string {
    const rate = stages.rates[node - 1]!;
    const level = stages.levels[node - 1]!;
    const from = stages.levels[node === 1 ? 3 : node - 2]!;
    const text = `R${node} ${rate}  L${node} ${level}`;
    if (pitch) return text;
    return `${text}  ${geometry.formatSeconds(geometry.stageSeconds(from, level, rate))}`;
}

function drawHint(context: CanvasRenderingContext2D, text: string, width: number): void {
    context.font = '600 12px "Barlow Semi Condensed", system-ui, sans-serif';
    context.textAlign = 'right';
    const wide = context.measureText(text).width;
    context.fillStyle = faint(color('well'), 0.85);
    context.fillRect(width - PAD - wide - 4, 2, wide + 8, 18);
    context.fillStyle = color('text');
    context.fillText(text, width - PAD, 16);
}

interface Look {
    stages: geometry.Stages;
    width: number;
    height: number;
    tint: string;
    held: number;
    pitch: boolean;
}

function drawEnvelope(context: CanvasRenderingContext2D, look: Look): void {
    const { stages, width, height, tint } = look;
    const { nodes, release } = geometry.shape(stages);
    const x = (share: number) => PAD + share * (width - 2 * PAD);
    const y = (share: number) => PAD + (1 - share) * (height - 2 * PAD);
    const base = look.pitch ? y(50 / geometry.MAX) : y(0);
    context.strokeStyle = color('line');
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(PAD, base);
    context.lineTo(width - PAD, base);
    context.stroke();
    context.setLineDash([2, 4]);
    context.beginPath();
    context.moveTo(x(release), PAD);
    context.lineTo(x(release), height - PAD);
    context.stroke();
    context.setLineDash([]);
    context.beginPath();
    context.moveTo(x(0), y(nodes[0].y));
    for (let i = 1; i <= 3; i++) segment(context, look, nodes[i - 1]!, nodes[i]!, x, y);
    context.lineTo(x(release), y(nodes[3].y));
    segment(context, look, { x: release, y: nodes[3].y }, nodes[4], x, y);
    context.strokeStyle = tint;
    context.lineWidth = 2;
    context.lineJoin = 'round';
    context.stroke();
    context.lineTo(x(nodes[4].x), base);
    context.lineTo(x(0), base);
    context.closePath();
    const fill = context.createLinearGradient(0, PAD, 0, height);
    fill.addColorStop(0, faint(tint, 0.3));
    fill.addColorStop(1, faint(tint, 0.03));
    context.fillStyle = fill;
    context.fill();
    for (let i = 1; i <= 4; i++) {
        context.beginPath();
        context.arc(x(nodes[i]!.x), y(nodes[i]!.y), i === look.held ? 7 : 4, 0, 2 * Math.PI);
        context.fillStyle = i === look.held ? tint : color('panel');
        context.fill();
        context.lineWidth = 2;
        context.stroke();
    }
}

/** In dB a fall is straight; a rise starts steep and slows down. */
function segment(
    context: CanvasRenderingContext2D,
    look: Look,
    from: geometry.Node,
    to: geometry.Node,
    x: (share: number) => number,
    y: (share: number) => number,
): void {
    if (look.pitch || to.y <= from.y) context.lineTo(x(to.x), y(to.y));
    else
        context.quadraticCurveTo(
            x(from.x + (to.x - from.x) * 0.3),
            y(from.y + (to.y - from.y) * 0.9),
            x(to.x),
            y(to.y),
        );
}
