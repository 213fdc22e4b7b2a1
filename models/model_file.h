/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_MODEL_FILE_H
#define TB_MODELS_MODEL_FILE_H

#include "models/nn/nn.h"

/* Model files: .safetensors with the conventions in __metadata__ (FORMAT.md). Control thread, or
 * better a process without rights: pure functions of their arguments. */

enum {
    TB_MODEL_MAX_HEADER = 1 << 20,
    TB_MODEL_MAX_LIST = 16,
    TB_MODEL_MAX_IMPULSE = 480000, /* samples */
};

enum tb_model_family { TB_MODEL_HPN, TB_MODEL_WAVETABLE, TB_MODEL_DDX7, TB_MODEL_FM_ENVELOPE };
enum tb_model_pitch { TB_PITCH_MIDI, TB_PITCH_HZ, TB_PITCH_STANDARD, TB_PITCH_NOTE };
enum tb_model_loudness {
    TB_LOUDNESS_A_WEIGHTED,
    TB_LOUDNESS_MAGENTA_V2,
    TB_LOUDNESS_RMS,
    TB_LOUDNESS_VELOCITY
};
enum tb_model_interpolation {
    TB_MODEL_LINEAR,
    TB_MODEL_LINEAR_CENTRE,
    TB_MODEL_HANN,
    TB_MODEL_NEAREST
};
enum tb_model_reverb { TB_REVERB_NONE, TB_REVERB_IMPULSE, TB_REVERB_DECAYING_NOISE };

struct tb_model_reals {
    unsigned n;
    double value[TB_MODEL_MAX_LIST];
};

/* rows of n_columns numbers; none: n_rows 0 */
enum { TB_MODEL_MAX_ROWS = 16, TB_MODEL_MAX_COLUMNS = 17 };
struct tb_model_grid {
    unsigned n_rows, n_columns;
    float value[TB_MODEL_MAX_ROWS][TB_MODEL_MAX_COLUMNS];
};

/* CHOICE fields hold the number of the name: the enumerators above; residuals are enum
 * tb_nn_residual. */
struct tb_model_meta {
#define CHOICE(field, key, names, needed, help) int field;
#define INTEGER(field, key, min, def, max, needed, help) int field;
#define REAL(field, key, min, def, max, needed, help) double field;
#define REALS(field, key, most, min, max, needed, help) struct tb_model_reals field;
#define CHOICES(field, key, most, names, needed, help) struct tb_model_reals field;
#define GRID(field, key, rows, columns, min, max, needed, help) struct tb_model_grid field;
#define TEXT(field, key, bytes, needed, help) char field[(bytes) + 1];
#include "models/model_meta.def"
};

struct tb_model_file {
    struct tb_model_meta meta;
    struct tb_nn_spec spec;
    uint64_t n_params;
    size_t n_tensors;
    struct tb_nn_tensor tensors[TB_NN_MAX_TENSORS]; /* as tb_nn_shapes; data is the caller's */
    float *scales[TB_NN_MAX_TENSORS];               /* owned */
    float *wavetables;                              /* [n_tables][table_size], owned, or NULL */
    float *impulse;                                 /* owned, or NULL; impulse[0] is 1 */
    size_t n_impulse;
    float *reverb_noise; /* [n_impulse] as the file has it, owned, or NULL; decaying_noise only */
    float reverb_decay, reverb_wet; /* with it */
    uint8_t fm_modulates[6];        /* bit i of [j]: operator j+1 modulates i+1; algorithm 0 only */
};

/* NULL with *err naming the key or tensor. The tensors point into data, which must outlive them. */
struct tb_model_file *tb_model_file_parse(const void *data, size_t size, struct tb_error *err);
void tb_model_file_free(struct tb_model_file *file); /* NULL is allowed */

/* The packed decoder of a parsed file. */
struct tb_nn_model *tb_model_file_decoder(const struct tb_model_file *file,
                                          const struct tb_nn_options *options,
                                          struct tb_error *err);

/* Defaults of every key. */
void tb_model_meta_init(struct tb_model_meta *meta);

/* The decoder that meta describes. */
enum tb_status tb_model_spec(const struct tb_model_meta *meta, struct tb_nn_spec *spec,
                             struct tb_error *err);

struct tb_model_tensor {
    const char *name;
    enum tb_nn_dtype dtype;
    unsigned rank; /* 1..3 */
    size_t dim[3];
    const void *data; /* little-endian */
};

/* A whole file in memory, to be freed; *size bytes. NULL: no memory, or *err names what is wrong
 * with meta or a tensor. What comes out passes tb_model_file_parse. */
void *tb_model_file_encode(const struct tb_model_meta *meta, const struct tb_model_tensor *tensors,
                           size_t n, size_t *size, struct tb_error *err);

/* The same file with other metadata, to be freed; keys that nobody here knows stay. NULL: no
 * memory, or *err says what of it meta does not fit. */
void *tb_model_file_with(const void *data, size_t size, const struct tb_model_meta *meta,
                         size_t *out_size, struct tb_error *err);

/* Bytes of one value; 0 for an unknown type. */
size_t tb_model_dtype_bytes(enum tb_nn_dtype dtype);
/* "F32" and so on, as safetensors spells it. */
const char *tb_model_dtype_name(enum tb_nn_dtype dtype);

#endif
