// SPDX-License-Identifier: GPL-3.0-or-later

/** Between two messages. */
const FRAME_MS = 1000 / 30;
/** Share of the difference to the time of arrival that is made up for in a message. */
const PULL = 0.1;
/** After a longer pause everything starts again. */
const LOST_MS = 1000;
const AHEAD_MS = 40;

/**
 * Messages leave evenly thirty times a second and arrive as the network and the page let them:
 * late, then several at once. Gives each the time at which it left, always later than the one
 * before.
 */
export class Pace {
    private last = -Infinity;

    /** now in ms; `span` is how long before `end` the message before it ended. */
    next(now: number): { end: number; span: number } {
        const even = this.last + FRAME_MS;
        const lost = !(Math.abs(now - even) < LOST_MS);
        const pulled = Math.min(even + PULL * (now - even), now + AHEAD_MS);
        const end = lost ? now : Math.max(pulled, this.last + 1);
        const span = lost ? FRAME_MS : end - this.last;
        this.last = end;
        return { end, span };
    }
}
