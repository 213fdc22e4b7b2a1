/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_RT_H
#define TB_DSP_RT_H

/* Marks a function that the audio thread may call: it never allocates, locks, logs, waits or does
 * I/O. A newer compiler checks it; the rt suite checks it everywhere. */
#if defined(__has_attribute)
#if __has_attribute(nonblocking)
#define TB_RT __attribute__((nonblocking))
#endif
#endif
#ifndef TB_RT
#define TB_RT
#endif

#define TB_CACHE_LINE 64

#endif
