// SPDX-License-Identifier: GPL-3.0-or-later
// The colours of styles/theme.css, for canvases.

const cache = new Map<string, string>();

export function color(name: string): string {
    let known = cache.get(name);
    if (!known) {
        known = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
        if (known) cache.set(name, known);
    }
    return known;
}

/** operator: from 1 */
export function operatorColor(operator: number): string {
    return color(`op${operator}`);
}

/** A hex colour with an opacity. */
export function faint(hex: string, alpha: number): string {
    const number = parseInt(hex.slice(1), 16);
    return `rgba(${number >> 16}, ${(number >> 8) & 255}, ${number & 255}, ${alpha})`;
}

/** A line with light around it. trace: makes the path and strokes it. */
export function glow(context: CanvasRenderingContext2D, tint: string, trace: () => void): void {
    context.lineJoin = 'round';
    context.strokeStyle = faint(tint, 0.25);
    context.lineWidth = 5.5;
    trace();
    context.strokeStyle = tint;
    context.lineWidth = 1.75;
    trace();
}

export function reducedMotion(): boolean {
    return matchMedia('(prefers-reduced-motion: reduce)').matches;
}

/** Fonts arrive by fetch, since the page may load nothing but scripts, styles and data. */
export function loadFonts(): void {
    for (const weight of ['400', '600']) {
        void fetch(`/barlow-${weight}.woff2`)
            .then((response) => response.arrayBuffer())
            .then((data) => new FontFace('Barlow Semi Condensed', data, { weight }).load())
            .then((face) => document.fonts.add(face))
            .catch(() => undefined); // The system's own will do.
    }
}
