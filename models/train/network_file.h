/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_TRAIN_NETWORK_FILE_H
#define TB_MODELS_TRAIN_NETWORK_FILE_H

#include "models/model_file.h"
#include "models/train/network.h"

/* Networks as model files (FORMAT.md) and back. Weight norm is folded into the weights; wavetables
 * are written as they are read, after tanh, with the first sample once more at the end. */

/* Fills the keys of meta that the network's shape decides; the others stay as they are. */
enum tb_status tb_network_describe(const struct tb_network *network, struct tb_model_meta *meta,
                                   struct tb_error *err);

/* A whole file in memory, to be freed. storage TB_NN_F32, or TB_NN_F16 for matrices, tables and
 * reverb. meta keeps name, licence and the like; its shape is filled here. NULL with *err. */
void *tb_network_encode(const struct tb_network *network, const struct tb_model_meta *meta,
                        enum tb_nn_dtype storage, size_t *size, struct tb_error *err);

/* A network with these weights: to go on training, to distil from, to evaluate. Weight norm begins
 * neutral, moments at zero. TB_EUNSUPPORTED names what training here does not do (other depths,
 * other activations than the published ones). NULL with *err. */
struct tb_network *tb_network_decode(const struct tb_model_file *file, struct tb_error *err);

/* The same with files. saved: written beside, synced and renamed; TB_EFULL on a full disk. meta of
 * the loaded file goes to *meta unless NULL. */
enum tb_status tb_network_save(const struct tb_network *network, const struct tb_model_meta *meta,
                               enum tb_nn_dtype storage, const char *path, struct tb_error *err);
struct tb_network *tb_network_load(const char *path, struct tb_model_meta *meta,
                                   struct tb_error *err);

#endif
