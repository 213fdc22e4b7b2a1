// SPDX-License-Identifier: GPL-3.0-or-later

const NAMES = ['C', 'C♯', 'D', 'D♯', 'E', 'F', 'F♯', 'G', 'G♯', 'A', 'A♯', 'B'];
const BLACK = [1, 3, 6, 8, 10];

/** 60 is C4. */
export function noteName(key: number): string {
    return `${NAMES[((key % 12) + 12) % 12]}${Math.floor(key / 12) - 1}`;
}

export function isBlack(key: number): boolean {
    return BLACK.includes(((key % 12) + 12) % 12);
}

/** The nearest key and how far from it, in cents. */
export function nearestNote(hz: number): { key: number; cents: number } {
    const exact = 69 + 12 * Math.log2(hz / 440);
    const key = Math.round(exact);
    return { key, cents: Math.round((exact - key) * 100) };
}

export function formatHz(hz: number): string {
    if (hz >= 1000) return `${(hz / 1000).toFixed(2)} kHz`;
    return `${hz < 100 ? hz.toFixed(2) : hz.toFixed(1)} Hz`;
}

/** What an operator's coarse and fine controls come to (the DX7's own law). */
export function operatorPitch(fixed: boolean, coarse: number, fine: number): string {
    if (fixed) return formatHz(10 ** ((coarse % 4) + fine / 100));
    return `× ${((coarse === 0 ? 0.5 : coarse) * (1 + fine / 100)).toFixed(2)}`;
}

/** Near the end of a key (1) is loud, near its top (0) soft, as the lever of a real one. */
export function touchVelocity(depth: number): number {
    const clamped = Math.min(1, Math.max(0, depth));
    return Math.round(28 + 99 * Math.min(1, clamped / 0.85));
}

export interface KeyPlace {
    key: number;
    black: boolean;
    /** In white keys from the left edge. */
    left: number;
    width: number;
}

const BLACK_WIDTH = 0.6;

/** The keys from a C upwards that fill n white keys. */
export function layoutKeys(lowest: number, whites: number): KeyPlace[] {
    const places: KeyPlace[] = [];
    let left = 0;
    for (let key = lowest; left < whites && key <= 127; key++) {
        if (isBlack(key)) {
            places.push({ key, black: true, left: left - BLACK_WIDTH / 2, width: BLACK_WIDTH });
        } else {
            places.push({ key, black: false, left, width: 1 });
            left += 1;
        }
    }
    return places.filter((place) => place.left + place.width <= whites);
}

/** x in white keys, y 0 (top) .. 1; the black keys end at blackDepth. */
export function keyAt(
    places: KeyPlace[],
    x: number,
    y: number,
    blackDepth: number,
): { key: number; depth: number } | null {
    const inside = (place: KeyPlace) => x >= place.left && x < place.left + place.width;
    if (y < 0 || y > 1) return null;
    if (y < blackDepth) {
        const black = places.find((place) => place.black && inside(place));
        if (black) return { key: black.key, depth: y / blackDepth };
    }
    const white = places.find((place) => !place.black && inside(place));
    return white ? { key: white.key, depth: y } : null;
}

/** Computer keys by place, so that every layout plays: the row of A is white, that above black. */
const COMPUTER_KEYS = [...'AWSEDFTGYHUJKOLP'].map((letter) => `Key${letter}`).concat('Semicolon');

/** Semitones above the octave's C, or -1. */
export function computerKey(code: string): number {
    return COMPUTER_KEYS.indexOf(code);
}
