/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_TRAIN_TRAIN_MODEL_H
#define TB_SERVER_TRAIN_TRAIN_MODEL_H

#include "models/train/dataset.h"
#include "models/train/network_file.h"
#include "server/options.h"

/* From the command line to a network and to what its file says. Training module; one thread. */

/* The options that describe a network: --family, --preset, --width and so on, or --from FILE. NULL
 * with *err naming the option. */
struct tb_network *tb_train_network(const struct tb_args *args, struct tb_error *err);

/* A fresh network of a shape that model files can hold, ready to train. NULL with *err. */
struct tb_network *tb_train_new(const struct tb_network_spec *spec, uint64_t seed,
                                struct tb_error *err);

struct tb_train_facts {
    const char *name, *instrument; /* NULL: the data set's name; none */
    uint64_t seed, steps, best_step;
    double loss, minutes; /* of validation; minutes of training so far */
    char how[360];        /* batch, clips, optimiser, teacher, where it began */
};

/* What the metadata of a model that was trained on a data set says; created is now. */
void tb_train_meta(const struct tb_network *network, const struct tb_dataset_info *data,
                   const struct tb_train_facts *facts, struct tb_model_meta *meta);

/* The same name, family, width and data give the same uuid: another round of training is the same
 * model, improved. */
void tb_train_uuid(struct tb_model_meta *meta);

/* The published sizes as text or JSON. */
enum tb_status tb_train_list_presets(bool json, struct tb_error *err);

#endif
