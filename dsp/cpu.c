/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/cpu.h"

#include <stddef.h>

bool tb_cpu_supports(enum tb_cpu cpu)
{
    switch (cpu) {
    case TB_CPU_PORTABLE:
        return true;
#ifdef __x86_64__
    case TB_CPU_AVX2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case TB_CPU_AVX512:
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    case TB_CPU_NEON:
        return false;
#elif defined(__aarch64__)
    case TB_CPU_NEON:
        return true;
    case TB_CPU_AVX2:
    case TB_CPU_AVX512:
        return false;
#else
    case TB_CPU_AVX2:
    case TB_CPU_AVX512:
    case TB_CPU_NEON:
        return false;
#endif
    case TB_CPU_BEST:
    default:
        return false;
    }
}

const char *tb_cpu_name(enum tb_cpu cpu)
{
    switch (cpu) {
    case TB_CPU_PORTABLE:
        return "portable";
    case TB_CPU_AVX2:
        return "avx2";
    case TB_CPU_AVX512:
        return "avx512";
    case TB_CPU_NEON:
        return "neon";
    case TB_CPU_BEST:
    default:
        return "best";
    }
}

static enum tb_cpu best_cpu(void)
{
    static const enum tb_cpu order[] = {TB_CPU_AVX512, TB_CPU_AVX2, TB_CPU_NEON};
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
        if (tb_cpu_supports(order[i]))
            return order[i];
    return TB_CPU_PORTABLE;
}

const struct tb_fm_kernels *tb_cpu_fm_kernels(enum tb_cpu cpu)
{
#ifdef __x86_64__
    if (cpu == TB_CPU_AVX512)
        return &tb_fm_kernels_avx512;
    if (cpu == TB_CPU_AVX2)
        return &tb_fm_kernels_avx2;
#else
    (void)cpu; /* four lanes are NEON's width: the portable text is its kernel */
#endif
    return &tb_fm_kernels_portable;
}

enum tb_cpu tb_cpu_resolve(enum tb_cpu cpu)
{
    return cpu == TB_CPU_BEST ? best_cpu() : cpu;
}

/* The networks ask for more than the operators: VNNI beside AVX-512, F16C beside AVX2. */
enum tb_nn_cpu tb_cpu_network(enum tb_cpu cpu)
{
    static const enum tb_nn_cpu order[] = {TB_NN_CPU_AVX512, TB_NN_CPU_AVX2};
    if (cpu == TB_CPU_NEON && tb_nn_cpu_has(TB_NN_CPU_NEON))
        return TB_NN_CPU_NEON;
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
        if ((int)cpu >= (int)order[i] && cpu != TB_CPU_NEON && tb_nn_cpu_has(order[i]))
            return order[i];
    return tb_nn_cpu_has(TB_NN_CPU_PORTABLE) ? TB_NN_CPU_PORTABLE : TB_NN_CPU_NEON;
}
