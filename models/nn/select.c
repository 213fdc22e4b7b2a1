/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/nn/nn_priv.h"

#if defined(__aarch64__)
#include <sys/auxv.h>
enum { HWCAP_DOT = 1 << 20 }; /* HWCAP_ASIMDDP */
#endif

const struct tb_nn_kernels *tb_nn_kernels_of(enum tb_nn_cpu cpu)
{
    switch (cpu) {
#if defined(__x86_64__)
    case TB_NN_CPU_PORTABLE:
        return &tb_nn_kernels_portable;
    case TB_NN_CPU_AVX2:
        return &tb_nn_kernels_avx2;
    case TB_NN_CPU_AVX512:
        return &tb_nn_kernels_avx512;
    case TB_NN_CPU_NEON:
#elif defined(__aarch64__)
    case TB_NN_CPU_PORTABLE:
    case TB_NN_CPU_NEON:
        return getauxval(AT_HWCAP) & HWCAP_DOT ? &tb_nn_kernels_neon_dot : &tb_nn_kernels_neon;
    case TB_NN_CPU_AVX2:
    case TB_NN_CPU_AVX512:
#else
    case TB_NN_CPU_PORTABLE:
        return &tb_nn_kernels_portable;
    case TB_NN_CPU_AVX2:
    case TB_NN_CPU_AVX512:
    case TB_NN_CPU_NEON:
#endif
    case TB_NN_N_CPUS:
    case TB_NN_CPU_BEST:
        break;
    }
    return NULL;
}
