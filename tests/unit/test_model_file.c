/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/model_file.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/mman.h>

static float values[4096];

static void fill_values(void)
{
    for (int i = 0; i < 4096; i++)
        values[i] = (float)((i * 37) % 41 - 20) / 40.0f;
}

static void describe(struct tb_model_meta *m, enum tb_model_family family)
{
    tb_model_meta_init(m);
    m->family = (int)family;
    (void)snprintf(m->name, sizeof m->name, "Test \"flute\" \xc3\xa9");
    (void)snprintf(m->licence, sizeof m->licence, "CC-BY-4.0");
    m->width = 4;
    m->in_layers = m->out_layers = 1;
    m->n_harmonics = 3;
    m->n_bands = 3;
    m->n_tables = 2;
    m->table_size = 16;
    m->pitch_low_hz = 196.5;
    m->fm_ratios = (struct tb_model_reals){6, {1, 1, 1, 1, 3, 14}};
    if (family != TB_MODEL_WAVETABLE)
        m->loudness_offsets = (struct tb_model_grid){2, 3, {{0, 1.3f, -2.5f}, {0, 0, 12.7f}}};
    if (family == TB_MODEL_DDX7) {
        m->dilations = (struct tb_model_reals){2, {1, 2}};
        m->residuals = (struct tb_model_reals){2, {TB_NN_RES_CONV, TB_NN_RES_CONV}};
    }
}

/* The tensors that meta asks for, out of values[]; shapes keeps their names alive. */
static size_t network(const struct tb_model_meta *m, struct tb_nn_shape *shapes,
                      struct tb_model_tensor *tensors)
{
    struct tb_nn_spec spec;
    assert_int_equal(tb_model_spec(m, &spec, NULL), TB_OK);
    size_t n = tb_nn_shapes(&spec, shapes);
    for (size_t i = 0; i < n; i++)
        tensors[i] =
            (struct tb_model_tensor){shapes[i].name,
                                     TB_NN_F32,
                                     shapes[i].rank,
                                     {shapes[i].dim[0], shapes[i].dim[1], shapes[i].dim[2]},
                                     values + i};
    if (m->family == TB_MODEL_WAVETABLE)
        tensors[n++] = (struct tb_model_tensor){
            "wavetables", TB_NN_F32, 2, {(size_t)m->n_tables, (size_t)m->table_size}, values};
    if (m->reverb == TB_REVERB_IMPULSE)
        tensors[n++] = (struct tb_model_tensor){"reverb.impulse", TB_NN_F32, 1, {300}, values};
    return n;
}

static unsigned char *encode(const struct tb_model_meta *m, size_t *size)
{
    static struct tb_nn_shape shapes[TB_NN_MAX_TENSORS];
    static struct tb_model_tensor tensors[TB_NN_MAX_TENSORS + 4];
    struct tb_error err = {0};
    const size_t n = network(m, shapes, tensors);
    unsigned char *file = tb_model_file_encode(m, tensors, n, size, &err);
    if (!file)
        fail_msg("%s", err.text);
    return file;
}

static void every_family_returns(void **state)
{
    (void)state;
    for (int family = TB_MODEL_HPN; family <= TB_MODEL_FM_ENVELOPE; family++) {
        struct tb_model_meta m;
        describe(&m, (enum tb_model_family)family);
        m.reverb = family == TB_MODEL_HPN ? TB_REVERB_IMPULSE : TB_REVERB_NONE;
        size_t size;
        unsigned char *data = encode(&m, &size);
        struct tb_error err = {0};
        struct tb_model_file *f = tb_model_file_parse(data, size, &err);
        if (!f) {
            fail_msg("%s", err.text);
            continue;
        }
        assert_memory_equal(&f->meta, &m, sizeof m);
        assert_true(f->n_params > 0);
        assert_int_equal(f->wavetables != NULL, family == TB_MODEL_WAVETABLE);
        assert_int_equal(f->n_impulse, family == TB_MODEL_HPN ? 300 : 0);
        if (f->impulse)
            assert_true(f->impulse[0] == 1.0f && f->impulse[7] == values[7]);
        const struct tb_nn_options options = {TB_NN_CPU_BEST, TB_NN_N_DTYPES, false};
        struct tb_nn_model *model = tb_model_file_decoder(f, &options, &err);
        assert_non_null(model);
        tb_nn_model_free(model);
        tb_model_file_free(f);
        free(data);
    }
}

/* What training goes on from stays readable beside the response made of it. */
static void decaying_noise_is_kept(void **state)
{
    (void)state;
    static struct tb_nn_shape shapes[TB_NN_MAX_TENSORS];
    static struct tb_model_tensor tensors[TB_NN_MAX_TENSORS + 4];
    static const float decay = 5, wet = -2;
    struct tb_model_meta m;
    describe(&m, TB_MODEL_HPN);
    m.reverb = TB_REVERB_DECAYING_NOISE;
    size_t n = network(&m, shapes, tensors), size;
    tensors[n++] = (struct tb_model_tensor){"reverb.noise", TB_NN_F32, 1, {300}, values};
    tensors[n++] = (struct tb_model_tensor){"reverb.decay", TB_NN_F32, 1, {1}, &decay};
    tensors[n++] = (struct tb_model_tensor){"reverb.wet", TB_NN_F32, 1, {1}, &wet};
    struct tb_error err = {0};
    unsigned char *data = tb_model_file_encode(&m, tensors, n, &size, &err);
    assert_non_null(data);
    struct tb_model_file *f = tb_model_file_parse(data, size, &err);
    assert_non_null(f);
    assert_memory_equal(f->reverb_noise, values, 300 * sizeof(float));
    assert_true(f->reverb_decay == decay && f->reverb_wet == wet);
    const double want = (double)values[7] / (1 + exp(2.0)) *
                        exp(-log1p(exp(-5.0)) * m.reverb_slope * 7 / m.reverb_rate);
    assert_true(fabs((double)f->impulse[7] - want) < 1e-7);
    tb_model_file_free(f);
    free(data);
}

/* n bytes of data with nothing behind them: a read past their end is a fault in every build. Holds
 * until the next call. */
static unsigned char *fenced(const void *data, size_t n)
{
    enum { ROOM = 1 << 20 };
    static unsigned char *room;
    if (!room) {
        room = mmap(NULL, 2 * ROOM, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_ptr_not_equal(room, MAP_FAILED);
        assert_int_equal(mprotect(room, ROOM, PROT_READ | PROT_WRITE), 0);
    }
    assert_true(n <= ROOM);
    return memcpy(room + ROOM - n, data, n);
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    struct tb_model_meta m;
    describe(&m, TB_MODEL_WAVETABLE);
    size_t size;
    unsigned char *data = encode(&m, &size);
    for (size_t n = 0; n < size; n++) {
        struct tb_error err = {0};
        assert_null(tb_model_file_parse(fenced(data, n), n, &err));
        assert_true(err.status == TB_ECORRUPT && err.text[0]);
    }
    unsigned char *longer = calloc(1, size + 1);
    assert_non_null(longer);
    memcpy(longer, data, size);
    assert_null(tb_model_file_parse(longer, size + 1, NULL));
    free(longer);
    free(data);
}

static void every_byte_may_flip(void **state)
{
    (void)state;
    struct tb_model_meta m;
    describe(&m, TB_MODEL_DDX7);
    size_t size, accepted = 0;
    unsigned char *data = encode(&m, &size);
    for (size_t i = 0; i < size; i++)
        for (int bit = 0; bit < 8; bit += 3) {
            data[i] ^= (unsigned char)(1 << bit);
            struct tb_error err = {0};
            struct tb_model_file *f = tb_model_file_parse(data, size, &err);
            assert_true(f || err.text[0]);
            accepted += f != NULL;
            tb_model_file_free(f);
            data[i] ^= (unsigned char)(1 << bit);
        }
    assert_true(accepted > 0); /* a weight or a letter of the name may change */
    free(data);
}

/* The file with `from` in its header replaced, the length mended. */
static unsigned char *replace(const unsigned char *data, size_t size, const char *const edit[2],
                              size_t *new_size)
{
    uint64_t length = 0;
    memcpy(&length, data, 8);
    char *header = calloc(1, (size_t)length + 1);
    assert_non_null(header);
    memcpy(header, data + 8, (size_t)length);
    char *where = strstr(header, edit[0]);
    if (!where)
        fail_msg("no %s in %s", edit[0], header);
    const size_t cut = strlen(edit[0]), put = strlen(edit[1]);
    *new_size = size - cut + put;
    unsigned char *out = malloc(*new_size);
    assert_non_null(out);
    const size_t before = (size_t)(where - header);
    const uint64_t mended = length - cut + put;
    memcpy(out, &mended, 8);
    memcpy(out + 8, data + 8, before);
    memcpy(out + 8 + before, edit[1], put);
    memcpy(out + 8 + before + put, data + 8 + before + cut, size - 8 - before - cut);
    free(header);
    return out;
}

/* The same weights under other words, those that nobody here knows among them. */
static void metadata_is_replaced(void **state)
{
    (void)state;
    struct tb_model_meta m;
    describe(&m, TB_MODEL_HPN);
    size_t size, longer, again_size;
    struct tb_error err = {0};
    unsigned char *data = encode(&m, &size);
    unsigned char *strange = replace(
        data, size, (const char *const[]){"\"family\"", "\"theirs\":\"x\",\"family\""}, &longer);
    memset(m.name, 0, sizeof m.name);
    (void)snprintf(m.name, sizeof m.name, "Other");
    m.loudness_offsets = (struct tb_model_grid){0};
    unsigned char *again = tb_model_file_with(strange, longer, &m, &again_size, &err);
    assert_non_null(again);
    assert_non_null(memmem(again, again_size, "\"theirs\":\"x\"", 12));
    assert_null(memmem(again, again_size, "loudness_offsets", 16));
    struct tb_model_file *f = tb_model_file_parse(again, again_size, &err);
    struct tb_model_file *before = tb_model_file_parse(data, size, &err);
    assert_true(f && before);
    assert_memory_equal(&f->meta, &m, sizeof m);
    assert_int_equal(f->n_params, before->n_params);
    assert_memory_equal(f->tensors[0].data, before->tensors[0].data, 16);
    m.width = 5;
    assert_null(tb_model_file_with(strange, longer, &m, &again_size, &err));
    assert_non_null(strstr(err.text, "in_mlps.0.0.weight"));
    assert_null(tb_model_file_with(strange, 20, &m, &again_size, &err));
    tb_model_file_free(before);
    tb_model_file_free(f);
    free(again);
    free(strange);
    free(data);
}

#define OFFSETS "0,1.3,-2.5;0,0,12.7"
static const struct {
    const char *edit[2];
    const char *told; /* must be in the error */
} header_edits[] = {
    {{"\"hpn\"", "\"drum\""}, "family"},
    {{"\"family\":\"hpn\"", "\"x\":\"hpn\""}, "family: missing"},
    {{"\"family\":\"hpn\"", "\"family\":1"}, "family: not a string"},
    {{"\"width\":\"4\"", "\"width\":\"5\""}, "in_mlps.0.0.weight: shape is [4, 1]"},
    {{"\"width\":\"4\"", "\"width\":\"0\""}, "width: 0 is outside 1..2048"},
    {{"\"width\":\"4\"", "\"width\":\"4.5\""}, "not a whole number"},
    {{"\"width\":\"4\"", "\"width\":\"nan\""}, "not a number"},
    {{"\"width\":\"4\"", "\"width\":\"0x4\""}, "not a number"},
    {{"\"width\":\"4\"", "\"width\":\"1e999\""}, "width"},
    {{"\"width\":\"4\"", "\"width\":\"\""}, "not a number"},
    {{"\"width\":\"4\"", "\"width\":\"4\",\"width\":\"4\""}, "duplicate"},
    {{"\"n_bands\":\"3\"", "\"n_bands\":\"4\""}, "power of two plus one"},
    {{"\"name\":\"", "\"name\":\"\\u0007"}, "control character"},
    {{"\"name\":\"", "\"hop\":\"8192\",\"name\":\""}, "duplicate"},
    {{"\"hop\":\"64\"", "\"hop\":\"8192\""}, "hop"},
    {{"gru.bias_ih_l0", "gru.bias_xx_l0"}, "gru.bias_ih_l0: missing"},
    {{"\"dtype\":\"F32\"", "\"dtype\":\"F64\""}, "F64 is not"},
    {{"\"dtype\":\"F32\"", "\"dtype\":\"F16\""}, "disagree"},
    {{"\"dtype\":\"F32\"", "\"dtype\":5"}, "dtype"},
    {{"\"dtype\":\"F32\",", ""}, "dtype"},
    {{"\"dtype\":\"F32\"", "\"dtype\":\"F32\",\"more\":1"}, "keys besides"},
    {{"\"shape\":[4,1]", "\"shape\":[1,4]"}, "needs [4, 1]"},
    {{"\"shape\":[4,1]", "\"shape\":[4]"}, "needs [4, 1]"},
    {{"\"shape\":[4,1]", "\"shape\":[4,1,1,1,1]"}, "shape"},
    {{"\"shape\":[4,1]", "\"shape\":[4,0]"}, "shape[1]"},
    {{"\"shape\":[4,1]", "\"shape\":[-4,-1]"}, "shape[0]"},
    {{"\"shape\":[4,1]", "\"shape\":[4.0,1]"}, "shape[0]"},
    {{"\"shape\":[4,1]", "\"shape\":[2147483647,2147483647,4]"}, "disagree"},
    {{"\"shape\":[4,1]", "\"shape\":[2147483647,2147483647,2147483647]"}, "overflows"},
    {{"\"shape\":[4,1]", "\"shape\":[9223372036854775807]"}, "shape[0]"},
    {{"\"shape\":[4,1]", "\"shape\":[99999999999999999999]"}, "header"},
    {{"[0,16]", "[16,0]"}, "begin, end"},
    {{"[0,16]", "[0,16,16]"}, "begin, end"},
    {{"[0,16]", "[-16,0]"}, "begin, end"},
    {{"[0,16]", "[0,9223372036854775807]"}, "ends at byte"},
    {{"[0,16]", "[4,20]"}, "a hole"},
    {{"[16,32]", "[0,16]"}, "overlaps"},
    {{"[16,32]", "[12,28]"}, "overlaps"},
    {{"__metadata__", "__metadatx__"}, "dtype"},
    {{"{\"__metadata__\"", "[\"__metadata__\""}, "header"},
    {{"\"hpn\"", "\"ddx7\""}, "dilations"},
    {{OFFSETS, "0,1.3,-2.5;0,0"}, "loudness_offsets: 2 columns in row 1, 3 before"},
    {{OFFSETS, "0;0"}, "1 columns, at least 2"},
    {{OFFSETS, "0,1;0,2;"}, "a semicolon at the end"},
    {{OFFSETS, "0,1;;0,2"}, "\"\" is not a number"},
    {{OFFSETS, "0,1,;0,2,3"}, "\"\" is not a number"},
    {{OFFSETS, "0,1;0,nan"}, "\"nan\" is not a number"},
    {{OFFSETS, "0,1;0,40.5"}, "40.5 is outside -40..40"},
    {{OFFSETS, "0,1;0.5,1"}, "row 1 begins with 0.5, not 0"},
    {{OFFSETS, "0,1,2;0,20,-21"}, "row 1 falls by more than 40 dB at column 2"},
    {{OFFSETS, "0,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1"}, "more than 17 columns"},
    {{OFFSETS, "0,1;0,1;0,1;0,1;0,1;0,1;0,1;0,1;0,1;0,1;0,1;0,1;0,1;0,1;0,1;0,1;0,1"},
     "more than 16 rows"},
    {{"\"name\":\"", "\"loudness_kind\":\"velocity\",\"name\":\""}, "loudness_kind is velocity"},
};

static void header_edits_are_refused(void **state)
{
    (void)state;
    struct tb_model_meta m;
    describe(&m, TB_MODEL_HPN);
    size_t size;
    unsigned char *data = encode(&m, &size);
    for (size_t i = 0; i < sizeof header_edits / sizeof *header_edits; i++) {
        const char *const *edit = header_edits[i].edit, *told = header_edits[i].told;
        size_t n;
        unsigned char *bad = replace(data, size, edit, &n);
        struct tb_error err = {0};
        if (tb_model_file_parse(bad, n, &err))
            fail_msg("%s became %s and passed", edit[0], edit[1]);
        if (!strstr(err.text, told))
            fail_msg("%s: \"%s\" does not tell \"%s\"", edit[1], err.text, told);
        free(bad);
    }
    free(data);
}

static void lengths_at_extremes(void **state)
{
    (void)state;
    static const uint64_t lengths[] = {0,
                                       1,
                                       2,
                                       1 << 20,
                                       (1 << 20) + 1,
                                       UINT32_MAX,
                                       INT64_MAX,
                                       UINT64_MAX - 8,
                                       UINT64_MAX - 7,
                                       UINT64_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        unsigned char data[64] = {0};
        memcpy(data, &lengths[i], 8);
        memcpy(data + 8, "{}", 2);
        struct tb_error err = {0};
        assert_null(tb_model_file_parse(data, sizeof data, &err));
        assert_int_not_equal(err.status, TB_OK);
    }
}

/* A header ends where the file does, at the latest. Blanks behind the object are JSON still, so
 * that whoever believes a longer length reads on, into the fence. */
static void a_header_stays_inside_its_file(void **state)
{
    static const size_t sizes[] = {8, 9, 10, 64, 4096};
    static const uint64_t beyond[] = {1, 2, 8, 9, 4096, (1 << 20) - 4096};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        unsigned char data[4096];
        const size_t size = sizes[i];
        const uint64_t most = size - 8;
        struct tb_error err = {0};
        memset(data, ' ', sizeof data);
        memcpy(data + 8, "{}", 2);
        memcpy(data, &most, 8);
        assert_null(tb_model_file_parse(fenced(data, size), size, &err));
        assert_null(strstr(err.text, "in a file of"));
        for (size_t k = 0; k < sizeof beyond / sizeof *beyond; k++) {
            const uint64_t lengths[] = {most + beyond[k], UINT64_MAX - beyond[k] + 1};
            for (int end = 0; end < 2; end++) {
                char told[80];
                memcpy(data, &lengths[end], 8);
                (void)snprintf(told, sizeof told, "a header of %llu bytes in a file of %zu,",
                               (unsigned long long)lengths[end], size);
                assert_null(tb_model_file_parse(fenced(data, size), size, &err));
                assert_int_equal(err.status, TB_ECORRUPT);
                if (!strstr(err.text, told))
                    fail_msg("\"%s\" does not tell \"%s\"", err.text, told);
            }
        }
    }
}

static void a_header_has_a_length(void **state)
{
    enum { SIZE = TB_MODEL_MAX_HEADER + 64 };
    (void)state;
    unsigned char *data = malloc(SIZE);
    assert_non_null(data);
    memset(data, ' ', SIZE);
    memcpy(data + 8, "{}", 2);
    for (uint64_t over = 0; over < 2; over++) {
        const uint64_t length = TB_MODEL_MAX_HEADER + over;
        struct tb_error err = {0};
        memcpy(data, &length, 8);
        assert_null(tb_model_file_parse(data, SIZE, &err));
        assert_int_equal(strstr(err.text, "at most 1048576") != NULL, over == 1);
    }
    free(data);
}

static void bad_values_are_refused(void **state)
{
    (void)state;
    static const float bad[] = {NAN, INFINITY, -INFINITY, 2e9f};
    struct tb_model_meta m;
    describe(&m, TB_MODEL_HPN);
    size_t size;
    unsigned char *data = encode(&m, &size);
    for (size_t i = 0; i < 4; i++) {
        float kept;
        memcpy(&kept, data + size - 4, 4);
        memcpy(data + size - 4, &bad[i], 4);
        struct tb_error err = {0};
        assert_null(tb_model_file_parse(data, size, &err));
        assert_non_null(strstr(err.text, "proj_matrices.1.bias: value 2 is"));
        memcpy(data + size - 4, &kept, 4);
    }
    free(data);
}

/* int8 weights with a scale an output mean what the loader makes of them. */
static void int8_has_scales(void **state)
{
    (void)state;
    static struct tb_nn_shape shapes[TB_NN_MAX_TENSORS];
    static struct tb_model_tensor tensors[TB_NN_MAX_TENSORS + 8];
    static int8_t codes[2048];
    static float scales[64];
    struct tb_model_meta m;
    describe(&m, TB_MODEL_FM_ENVELOPE);
    m.width = 16;
    for (int i = 0; i < 2048; i++)
        codes[i] = (int8_t)(i % 255 - 127);
    for (int i = 0; i < 64; i++)
        scales[i] = 0.001f * (float)i;
    const size_t n = network(&m, shapes, tensors);
    size_t at = 0;
    for (; strcmp(tensors[at].name, "gru.weight_hh_l0") != 0;)
        at++;
    tensors[at].dtype = TB_NN_I8;
    tensors[at].data = codes;
    size_t size;
    struct tb_error err = {0};
    assert_null(tb_model_file_encode(&m, tensors, n, &size, &err));
    assert_non_null(strstr(err.text, "gru.weight_hh_l0.scale: missing"));
    tensors[n] = (struct tb_model_tensor){"gru.weight_hh_l0.scale", TB_NN_F32, 1, {48}, scales};
    void *data = tb_model_file_encode(&m, tensors, n + 1, &size, &err);
    assert_non_null(data);
    struct tb_model_file *f = tb_model_file_parse(data, size, &err);
    assert_non_null(f);
    assert_int_equal(f->tensors[at].dtype, TB_NN_I8);
    assert_true(f->tensors[at].scales[5] == scales[5]);
    tb_model_file_free(f);
    free(data);
    codes[7] = -128;
    assert_null(tb_model_file_encode(&m, tensors, n + 1, &size, &err));
    assert_non_null(strstr(err.text, "-128"));
    codes[7] = 0;
    scales[3] = -1;
    assert_null(tb_model_file_encode(&m, tensors, n + 1, &size, &err));
    assert_non_null(strstr(err.text, "negative"));
    tensors[0].dtype = TB_NN_I8; /* two inputs: too small for int8 */
    scales[3] = 1;
    assert_null(tb_model_file_encode(&m, tensors, n + 1, &size, &err));
}

static void strangers_are_refused(void **state)
{
    (void)state;
    static struct tb_nn_shape shapes[TB_NN_MAX_TENSORS];
    static struct tb_model_tensor tensors[TB_NN_MAX_TENSORS + 8];
    struct tb_model_meta m;
    struct tb_error err = {0};
    size_t size;
    describe(&m, TB_MODEL_HPN);
    const size_t n = network(&m, shapes, tensors);
    tensors[n] = (struct tb_model_tensor){"extra", TB_NN_F32, 1, {3}, values};
    assert_null(tb_model_file_encode(&m, tensors, n + 1, &size, &err));
    assert_string_equal(err.text, "extra: not part of such a model");
    tensors[n].name = tensors[0].name;
    assert_null(tb_model_file_encode(&m, tensors, n + 1, &size, &err));
    assert_string_equal(err.text, "in_mlps.0.0.weight: twice");
}

/* Section 1 of the facts: sigmoid(wet) noise exp(-softplus(-decay) 500 t), the dry path in front.
 */
static void decaying_noise_is_an_impulse(void **state)
{
    (void)state;
    static struct tb_nn_shape shapes[TB_NN_MAX_TENSORS];
    static struct tb_model_tensor tensors[TB_NN_MAX_TENSORS + 8];
    static const float decay = 5, wet = 0;
    struct tb_model_meta m;
    struct tb_error err = {0};
    size_t size;
    describe(&m, TB_MODEL_FM_ENVELOPE);
    m.reverb = TB_REVERB_DECAYING_NOISE;
    size_t n = network(&m, shapes, tensors);
    tensors[n++] = (struct tb_model_tensor){"reverb.noise", TB_NN_F32, 1, {4096}, values};
    tensors[n++] = (struct tb_model_tensor){"reverb.decay", TB_NN_F32, 1, {1}, &decay};
    tensors[n++] = (struct tb_model_tensor){"reverb.wet", TB_NN_F32, 1, {1}, &wet};
    void *data = tb_model_file_encode(&m, tensors, n, &size, &err);
    assert_non_null(data);
    struct tb_model_file *f = tb_model_file_parse(data, size, &err);
    assert_non_null(f);
    assert_true(f->impulse[0] == 1);
    for (int i = 1; i < 4096; i += 97) {
        const double want = (double)values[i] * 0.5 * exp(-log(1 + exp(-5.0)) * 500 * i / 16000.0);
        assert_true(fabs((double)f->impulse[i] - want) < 1e-7);
    }
    tb_model_file_free(f);
    free(data);
}

static void free_routing(void **state)
{
    (void)state;
    static const struct {
        const char *routing;
        bool good;
    } cases[] = {{"6>5,5>4,2>1", true}, {"", true},         {"5>6", false},  {"6>6", false},
                 {"7>1", false},        {"6>5,", false},    {"6>55", false}, {"6>", false},
                 {"6>5;5>4", false},    {"6>5 ,5>4", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tb_model_meta m;
        describe(&m, TB_MODEL_FM_ENVELOPE);
        m.fm_algorithm = 0;
        m.fm_carriers = (struct tb_model_reals){2, {1, 4}};
        (void)snprintf(m.fm_routing, sizeof m.fm_routing, "%s", cases[i].routing);
        static struct tb_nn_shape shapes[TB_NN_MAX_TENSORS];
        static struct tb_model_tensor tensors[TB_NN_MAX_TENSORS];
        const size_t n = network(&m, shapes, tensors);
        size_t size;
        void *data = tb_model_file_encode(&m, tensors, n, &size, NULL);
        assert_int_equal(data != NULL, cases[i].good);
        struct tb_model_file *f = data ? tb_model_file_parse(data, size, NULL) : NULL;
        assert_int_equal(f != NULL, cases[i].good);
        if (f && i == 0)
            assert_true(f->fm_modulates[5] == 1 << 4 && f->fm_modulates[4] == 1 << 3 &&
                        f->fm_modulates[1] == 1);
        tb_model_file_free(f);
        free(data);
    }
}

/* FORMAT.md has a row for every key of model_meta.def. */
static void the_page_has_every_key(void **state)
{
    (void)state;
    static char page[1 << 16];
    FILE *file = fopen(TB_SOURCE_ROOT "/models/FORMAT.md", "rb");
    assert_non_null(file);
    assert_true(fread(page, 1, sizeof page - 1, file) > 0);
    (void)fclose(file);
    static const char *const keys[] = {
#define CHOICE(field, key, names, needed, help) key,
#define INTEGER(field, key, min, def, max, needed, help) key,
#define REAL(field, key, min, def, max, needed, help) key,
#define REALS(field, key, most, min, max, needed, help) key,
#define CHOICES(field, key, most, names, needed, help) key,
#define GRID(field, key, rows, columns, min, max, needed, help) key,
#define TEXT(field, key, bytes, needed, help) key,
#include "models/model_meta.def"
    };
    char row[64];
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (snprintf(row, sizeof row, "\n| `%s` |", keys[i]) > 0 && !strstr(page, row))
            fail_msg("%s is not in models/FORMAT.md", keys[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_family_returns),
        cmocka_unit_test(decaying_noise_is_kept),
        cmocka_unit_test(metadata_is_replaced),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(every_byte_may_flip),
        cmocka_unit_test(header_edits_are_refused),
        cmocka_unit_test(lengths_at_extremes),
        cmocka_unit_test(a_header_stays_inside_its_file),
        cmocka_unit_test(a_header_has_a_length),
        cmocka_unit_test(bad_values_are_refused),
        cmocka_unit_test(int8_has_scales),
        cmocka_unit_test(strangers_are_refused),
        cmocka_unit_test(decaying_noise_is_an_impulse),
        cmocka_unit_test(free_routing),
        cmocka_unit_test(the_page_has_every_key),
    };
    fill_values();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
