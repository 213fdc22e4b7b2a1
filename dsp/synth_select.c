/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/synth_kernels.h"

static const struct tb_synth_kernels *compiled(enum tb_nn_cpu cpu)
{
#if defined(__x86_64__)
    if (cpu == TB_NN_CPU_AVX512)
        return &tb_synth_kernels_avx512;
    if (cpu == TB_NN_CPU_AVX2)
        return &tb_synth_kernels_avx2;
    return cpu == TB_NN_CPU_PORTABLE ? &tb_synth_kernels_portable : NULL;
#elif defined(__aarch64__)
    return cpu == TB_NN_CPU_NEON || cpu == TB_NN_CPU_PORTABLE ? &tb_synth_kernels_neon : NULL;
#else
    return cpu == TB_NN_CPU_PORTABLE ? &tb_synth_kernels_portable : NULL;
#endif
}

const struct tb_synth_kernels *tb_synth_kernels(enum tb_nn_cpu cpu)
{
    if (cpu != TB_NN_CPU_BEST)
        return (unsigned)cpu < TB_NN_N_CPUS && tb_nn_cpu_has(cpu) ? compiled(cpu) : NULL;
    for (unsigned best = TB_NN_N_CPUS; best-- > 0;)
        if (tb_nn_cpu_has((enum tb_nn_cpu)best) && compiled((enum tb_nn_cpu)best))
            return compiled((enum tb_nn_cpu)best);
    return NULL;
}
