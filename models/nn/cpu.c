/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/nn/nn_priv.h"

bool tb_nn_cpu_has(enum tb_nn_cpu cpu)
{
    if (!tb_nn_kernels_of(cpu))
        return false;
#if defined(__x86_64__)
    if (cpu == TB_NN_CPU_AVX2) /* F16C is older than AVX2, and clang 14 cannot ask for it */
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (cpu == TB_NN_CPU_AVX512)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512vnni");
#endif
    return true;
}

const char *tb_nn_cpu_name(enum tb_nn_cpu cpu)
{
    static const char *const names[TB_NN_N_CPUS] = {"portable", "avx2", "avx512", "neon"};
    return (unsigned)cpu < TB_NN_N_CPUS ? names[cpu] : "unknown";
}
