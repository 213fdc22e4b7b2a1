/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_FPU_H
#define TB_DSP_FPU_H

#include "dsp/rt.h"

#include <stdint.h>

/* Denormals cost a hundred times a normal number: they count as 0 while the engine renders. */
struct tb_fpu {
    uint64_t saved;
};

#if defined(__SSE__)
#include <xmmintrin.h>
TB_RT static inline void tb_fpu_enter(struct tb_fpu *f)
{
    f->saved = _mm_getcsr();
    _mm_setcsr((unsigned)f->saved | 0x8040U); /* FTZ, DAZ */
}

TB_RT static inline void tb_fpu_leave(const struct tb_fpu *f)
{
    _mm_setcsr((unsigned)f->saved);
}
#elif defined(__aarch64__)
TB_RT static inline void tb_fpu_enter(struct tb_fpu *f)
{
    __asm__ volatile("mrs %0, fpcr" : "=r"(f->saved));
    __asm__ volatile("msr fpcr, %0" : : "r"(f->saved | 1ULL << 24)); /* FZ */
}

TB_RT static inline void tb_fpu_leave(const struct tb_fpu *f)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(f->saved));
}
#else
TB_RT static inline void tb_fpu_enter(struct tb_fpu *f)
{
    f->saved = 0;
}

TB_RT static inline void tb_fpu_leave(const struct tb_fpu *f)
{
    (void)f;
}
#endif

#endif
