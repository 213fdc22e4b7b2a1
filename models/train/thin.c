/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/thin.h"

#include "models/train/wide.h"

#include <string.h>

/* Rows that share one reading of a panel: so many sums fit the registers of AVX2 too. */
enum { TOGETHER = 4 };

size_t tb_thin_room(size_t inner, size_t cols)
{
    return (cols + TB_WIDE - 1) / TB_WIDE * TB_WIDE * inner;
}

void tb_thin_pack(const struct tb_thin *thin, const tb_real *b, bool transposed)
{
    size_t down = transposed ? 1 : thin->cols, across = transposed ? thin->inner : 1;
    tb_real *to = thin->panels;
    for (size_t first = 0; first < thin->cols; first += TB_WIDE) {
        size_t count = thin->cols - first < TB_WIDE ? thin->cols - first : TB_WIDE;
        for (size_t k = 0; k < thin->inner; k++, to += TB_WIDE)
            for (size_t i = 0; i < TB_WIDE; i++)
                to[i] = i < count ? b[k * down + (first + i) * across] : 0;
    }
}

/* `rows` is known where this is inlined. */
TB_WIDE_INLINE void panel_rows(const struct tb_thin *thin, const tb_wide_loose *panel,
                               const tb_real *a, size_t rows, tb_wide_loose *sum)
{
    tb_wide s[TOGETHER] = {{0}};
    for (size_t k = 0; k < thin->inner; k++)
        for (size_t r = 0; r < rows; r++)
            s[r] += panel[k] * a[r * thin->inner + k];
    for (size_t r = 0; r < rows; r++)
        sum[r] = s[r];
}

TB_CLONES void tb_thin_multiply(const struct tb_thin *thin, const tb_real *a, size_t rows,
                                tb_real *c)
{
    const tb_wide_loose *panel = (const tb_wide_loose *)thin->panels;
    for (size_t first = 0; first < thin->cols; first += TB_WIDE, panel += thin->inner) {
        size_t count = thin->cols - first < TB_WIDE ? thin->cols - first : TB_WIDE;
        for (size_t r = 0; r < rows; r += TOGETHER) {
            tb_wide_loose sum[TOGETHER];
            size_t some = rows - r < TOGETHER ? rows - r : TOGETHER;
            const tb_real *from = a + r * thin->inner;
            switch (some) {
            case 1:
                panel_rows(thin, panel, from, 1, sum);
                break;
            case 2:
                panel_rows(thin, panel, from, 2, sum);
                break;
            case 3:
                panel_rows(thin, panel, from, 3, sum);
                break;
            default:
                panel_rows(thin, panel, from, TOGETHER, sum);
            }
            for (size_t i = 0; i < some; i++)
                for (size_t l = 0; l < count; l++)
                    c[(r + i) * thin->cols + first + l] += sum[i][l];
        }
    }
}
