/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Programs that play neural instruments. Control threads only. */
#include "dsp/engine_priv.h"
#include "dsp/neural_pair_priv.h"

#include <stdlib.h>

/* Whether the outputs of two models mean the same. */
static bool are_alike(const struct tb_neural *a, const struct tb_neural *b)
{
    return a->family == b->family && a->hop == b->hop && a->n_heads == b->n_heads &&
           a->head[0] == b->head[0] && a->head[1] == b->head[1];
}

struct tb_neural_pair *tb_neural_pair_new(struct tb_neural *a, struct tb_neural *b)
{
    struct tb_neural_pair *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->part[0] = a;
    p->part[1] = b;
    p->n_parts = b ? 2 : 1;
    p->alike = b && are_alike(a, b);
    p->active[0] = true;
    p->weight[0] = 1.0F;
    return p;
}

void tb_neural_pair_free(struct tb_neural_pair *p)
{
    if (!p)
        return;
    tb_neural_free(p->part[0]);
    tb_neural_free(p->part[1]);
    free(p);
}

static enum tb_status check_rate(const struct tb_engine *e, const struct tb_neural *n,
                                 struct tb_error *err)
{
    if (!n || n->rate_hz == e->rate_hz)
        return TB_OK;
    return tb_fail(err, TB_EINVAL, "instrument: made for %g Hz, the engine runs at %g Hz",
                   (double)n->rate_hz, (double)e->rate_hz);
}

/* Knobs start where the patch has them. */
static void settle(struct tb_program *program)
{
    struct tb_neural_pair *p = program->pair;
    const struct tb_neural_bend *bend = &program->bend;
    p->octaves = bend->octaves;
    p->loudness_db = bend->loudness_db;
    p->mix = p->n_parts > 1 ? bend->mix : 0.0F;
    p->morphed = bend->morph && p->alike ? 1.0F : 0.0F;
    for (unsigned k = 0; k < p->n_parts; k++)
        tb_neural_settle(p->part[k], bend);
}

struct tb_program *tb_program_new_neural(const struct tb_engine *engine,
                                         const float values[TB_N_PARAMS], struct tb_neural *a,
                                         struct tb_neural *b, struct tb_error *err)
{
    struct tb_program *program = NULL;
    if (check_rate(engine, a, err) == TB_OK && check_rate(engine, b, err) == TB_OK)
        program = tb_program_new(engine, values, err);
    if (program && a) {
        program->pair = tb_neural_pair_new(a, b);
        if (program->pair) {
            program->controller = TB_CONTROLLER_NEURAL;
            program->synth = TB_SYNTH_NEURAL;
            tb_program_derive(program);
            settle(program);
            return program;
        }
        (void)tb_fail(err, TB_ENOMEM, "no memory for a neural program");
        tb_program_free(program);
        program = NULL;
    }
    tb_neural_free(a);
    tb_neural_free(b);
    return program;
}
