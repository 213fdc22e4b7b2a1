/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/ops.h"

/* d loss / d signal was saved: scale it by what arrives. */
static void loss_backward(const struct tb_note *note)
{
    const struct tb_tensor *x = &note->in[0];
    const tb_real *d = note->saved;
    for (size_t i = 0; x->grad && i < x->rows * x->cols; i++)
        x->grad[i] += note->out.grad[0] * d[i];
}

static struct tb_tensor elementwise(struct tb_tape *tape, struct tb_tensor a, const tb_real *target,
                                    bool squared)
{
    size_t n = a.rows * a.cols;
    struct tb_tensor y = tb_tape_tensor(tape, 1, 1, true);
    tb_real *d = tb_tape_alloc(tape, n * sizeof *d);
    if (tb_tape_failed(tape))
        return (struct tb_tensor){0};
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        tb_real apart = a.value[i] - target[i];
        sum += (double)(squared ? apart * apart : tb_fabs(apart));
        d[i] = (squared ? 2 * apart : apart > 0 ? 1 : apart < 0 ? -1 : 0) / (tb_real)n;
    }
    y.value[0] = (tb_real)(sum / (double)n);
    tb_tape_push(tape, &(struct tb_note){loss_backward, {a}, y, d});
    return y;
}

struct tb_tensor tb_op_l1(struct tb_tape *tape, struct tb_tensor a, const tb_real *target)
{
    return elementwise(tape, a, target, false);
}

struct tb_tensor tb_op_l2(struct tb_tape *tape, struct tb_tensor a, const tb_real *target)
{
    return elementwise(tape, a, target, true);
}
