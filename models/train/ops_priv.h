/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_TRAIN_OPS_PRIV_H
#define TB_MODELS_TRAIN_OPS_PRIV_H

#include "models/train/ops.h"

#include <assert.h>

/* Every frame-to-sample operation walks hops: hop t of a clip lies between frame t and the next. */
struct span {
    size_t here, next; /* rows of the two frames */
    size_t sample;     /* first sample */
};

static inline struct span span_at(const struct tb_grid *grid, size_t hop)
{
    assert(grid->frames > 0);
    size_t t = hop % grid->frames;
    return (struct span){hop, t + 1 < grid->frames ? hop + 1 : hop, hop * grid->hop};
}

#endif
