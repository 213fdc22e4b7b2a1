/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/reverb_learned.h"

#include "dsp/reverb_learned_priv.h"

#include <math.h>
#include <string.h>

static struct tb_complexes part(float *spectra, size_t n, unsigned i)
{
    return (struct tb_complexes){spectra + 2 * n * i, spectra + 2 * n * i + n};
}

/* What a changed decay makes of partition i; at most four times as loud as learned. */
static float gain_of(const struct tb_learned_reverb *r, const struct tb_reverb_level *l, unsigned i)
{
    if (r->factor == 1.0f)
        return 1.0f;
    const float middle = (float)l->first + ((float)i + 0.5f) * (float)l->n;
    const float octaves = r->octaves * (1.0f - 1.0f / r->factor) * middle;
    return exp2f(octaves < 2.0f ? octaves : 2.0f);
}

void tb_learned_reverb_decay(struct tb_learned_reverb *r, float factor)
{
    r->wanted = factor < 0.25f ? 0.25f : factor < 2.0f ? factor : 2.0f;
}

/* Products of n partitions from i on, whose spectra of the input lie together. */
static void multiply(const struct tb_learned_reverb *r, struct tb_reverb_level *l, unsigned i,
                     unsigned n)
{
    const unsigned age = l->newest + i;
    const struct tb_mac_job job = {.x = part(l->x, l->n, age < l->n_parts ? age : age - l->n_parts),
                                   .h = part(l->h, l->n, i),
                                   .y = l->sum,
                                   .n = l->n,
                                   .n_parts = n,
                                   .gain = gain_of(r, l, i)};
    r->kernels->mac(&job);
}

/* All partitions at once, for sizes that are done in a block, while all have the same gain. */
static void multiply_all(const struct tb_learned_reverb *r, struct tb_reverb_level *l)
{
    const unsigned behind = l->n_parts - l->newest; /* until x starts over */
    const unsigned first = behind < l->n_heard ? behind : l->n_heard;
    multiply(r, l, 0, first);
    if (l->n_heard > first)
        multiply(r, l, first, l->n_heard - first);
}

/* Forward transform, one product a partition, inverse transform, and the result. */
static void run_step(const struct tb_learned_reverb *r, struct tb_reverb_level *l)
{
    const struct tb_synth_kernels *kernels = r->kernels;
    const unsigned forward = l->transform.n_steps, products = forward + l->n_parts;
    const unsigned step = l->step++;
    if (step < forward) {
        tb_transform_forward(&l->transform, kernels, l->a, part(l->x, l->n, l->newest), step);
        return;
    }
    if (step < products) {
        const unsigned i = step - forward;
        if (i == 0)
            memset(l->sum.re, 0, 2 * l->n * sizeof(float));
        if (l->n == TB_REVERB_QUANTUM && r->factor == 1.0f) {
            multiply_all(r, l);
            l->step = products;
        } else if (i < l->n_heard) {
            multiply(r, l, i, 1);
        }
        return;
    }
    if (step < products + forward) {
        tb_transform_inverse(&l->transform, kernels, l->a, l->sum, step - products);
        return;
    }
    for (size_t i = 0; i < l->n; i++) {
        l->next[i] = l->a.re[i] + l->carry[i];
        l->carry[i] = -l->a.im[i];
    }
}

static void start_task(struct tb_reverb_level *l)
{
    memcpy(l->a.re, l->in, l->n * sizeof *l->in);
    l->newest = (l->newest ? l->newest : l->n_parts) - 1;
    l->n_heard += l->n_heard < l->n_parts;
    l->step = 0;
}

/* The spectra of what was heard before are not cleared, but passed over. */
void tb_learned_reverb_clear(struct tb_learned_reverb *r)
{
    memset(r->history, 0, sizeof r->history);
    for (unsigned k = 0; k < TB_REVERB_LEVELS && r->level[k].n_parts; k++) {
        struct tb_reverb_level *l = &r->level[k];
        l->n_heard = 0;
        l->step = l->n_steps; /* of the task under way nothing is left */
        memset(l->in, 0, l->n * sizeof *l->in);
        memset(l->playing, 0, l->n * sizeof *l->playing);
        memset(l->next, 0, l->n * sizeof *l->next);
        memset(l->carry, 0, l->n * sizeof *l->carry);
    }
}

static void play_next(struct tb_reverb_level *l)
{
    float *done = l->playing;
    l->playing = l->next;
    l->next = done;
}

/* A quantum of input is complete. The first level answers at once; the others finish what the last
 * partition asked for, an even share a quantum, before the next one is complete. */
static void end_quantum(const struct tb_learned_reverb *r, struct tb_reverb_level *l)
{
    l->at += TB_REVERB_QUANTUM;
    if (l->n == TB_REVERB_QUANTUM) {
        l->at = 0;
        start_task(l);
        while (l->step < l->n_steps)
            run_step(r, l);
        play_next(l);
        return;
    }
    const size_t due = (l->n_steps * l->at + l->n - 1) / l->n;
    while (l->step < due)
        run_step(r, l);
    if (l->at == l->n) {
        l->at = 0;
        play_next(l);
        start_task(l);
    }
}

void tb_learned_reverb_process(struct tb_learned_reverb *r, const float *in, float *wet, size_t n)
{
    while (n > 0) {
        const size_t room = TB_REVERB_QUANTUM - r->filled, m = n < room ? n : room;
        float *now = r->history + TB_REVERB_QUANTUM + r->filled;
        memcpy(now, in, m * sizeof *in);
        r->kernels->fir(r->out, now, m, r->head, TB_REVERB_QUANTUM);
        for (unsigned k = 0; k < TB_REVERB_LEVELS && r->level[k].n_parts; k++) {
            struct tb_reverb_level *l = &r->level[k];
            memcpy(l->in + l->at + r->filled, in, m * sizeof *in);
            for (size_t i = 0; i < m; i++)
                r->out[i] += l->playing[l->at + r->filled + i];
        }
        memcpy(wet, r->out, m * sizeof *wet);
        r->filled += m;
        in += m;
        wet += m;
        n -= m;
        if (r->filled < TB_REVERB_QUANTUM)
            continue;
        r->filled = 0;
        memcpy(r->history, r->history + TB_REVERB_QUANTUM, TB_REVERB_QUANTUM * sizeof *in);
        const float distance = r->wanted - r->factor; /* in some 30 ms: no step in the tail */
        r->factor =
            distance < 1e-3f && distance > -1e-3f ? r->wanted : r->factor + 0.05f * distance;
        for (unsigned k = 0; k < TB_REVERB_LEVELS && r->level[k].n_parts; k++)
            end_quantum(r, &r->level[k]);
    }
}
