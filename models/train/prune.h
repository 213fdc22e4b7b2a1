/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_TRAIN_PRUNE_H
#define TB_MODELS_TRAIN_PRUNE_H

#include "models/train/network.h"

/* Structured removal of units by magnitude ("trimming"): every layer of the GRU decoder, or every
 * set of channels of the TCN, keeps its `width` units with the largest |in| x |out|, the norms of
 * what comes into a unit and of what goes out of it (in a layer with layer norm: of its gain and
 * bias). Channels that identity residuals tie together stay or go together. Weights that stay are
 * taken as they are: units whose |in| or |out| is 0 go first and are not missed, but for layer
 * norms, whose mean and deviation lose what they added. Needs fine-tuning otherwise. */

/* A new network; network is only read. NULL with *err: width is not within 1..hidden - 1, a TCN
 * whose inputs or outputs are as many as its channels and tied to them, no memory. Reverb and
 * tables are copied; moments are 0. */
struct tb_network *tb_prune(const struct tb_network *network, size_t width, struct tb_error *err);

#endif
