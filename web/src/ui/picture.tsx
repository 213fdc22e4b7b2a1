// SPDX-License-Identifier: GPL-3.0-or-later
// A canvas that is drawn in the one animation frame, sharp on every screen, and only in sight.
import { useEffect, useRef } from 'preact/hooks';
import { addPicture, requestDraw } from '../core/live';

export type Draw = (
    context: CanvasRenderingContext2D,
    width: number,
    height: number,
    now: number,
) => void;

interface Props {
    draw: Draw;
    class?: string;
    /** What a person who cannot see it should know; decorative where absent. */
    label?: string;
}

export function Picture({ draw, class: name, label }: Props) {
    const canvas = useRef<HTMLCanvasElement>(null);
    const latest = useRef(draw);
    latest.current = draw;
    useEffect(() => {
        const element = canvas.current!;
        const context = element.getContext('2d')!;
        let visible = true;
        const resize = new ResizeObserver(() => {
            fit(element);
            requestDraw();
        });
        const sight = new IntersectionObserver((entries) => {
            visible = entries.some((entry) => entry.isIntersecting);
            if (visible) requestDraw();
        });
        fit(element);
        resize.observe(element);
        sight.observe(element);
        const remove = addPicture((now) => {
            if (!visible || !element.width) return;
            const ratio = devicePixelRatio;
            context.setTransform(ratio, 0, 0, ratio, 0, 0);
            const width = element.width / ratio;
            const height = element.height / ratio;
            context.clearRect(0, 0, width, height);
            latest.current(context, width, height, now);
        });
        return () => {
            remove();
            resize.disconnect();
            sight.disconnect();
        };
    }, []);
    useEffect(requestDraw);
    if (!label) return <canvas ref={canvas} class={name} aria-hidden="true" />;
    return <canvas ref={canvas} class={name} role="img" aria-label={label} />;
}

function fit(element: HTMLCanvasElement): void {
    const width = Math.round(element.clientWidth * devicePixelRatio);
    const height = Math.round(element.clientHeight * devicePixelRatio);
    if (element.width !== width) element.width = width;
    if (element.height !== height) element.height = height;
}
