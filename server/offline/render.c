/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/offline/render.h"

#include "models/neural_spec.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Below -100 dBFS for this long counts as silence. */
#define SILENCE 1e-5
#define SILENCE_S 0.1
#define FADE_S 0.02
enum { SETTLE_FRAMES = 1024 };

struct renderer {
    const struct tb_render_spec *spec;
    struct tb_engine *engine;
    float *left, *right; /* [block] each */
    size_t i_event;      /* next of the score */
    uint64_t frame;      /* rendered so far */
    uint64_t end;        /* known end, or UINT64_MAX while waiting for silence */
    uint64_t fade_from;  /* UINT64_MAX: no fade */
    uint64_t quiet;      /* frames of silence in a row */
    double peak;
};

void tb_render_make_dry(float values[TB_N_PARAMS])
{
    values[TB_P_CHORUS_MIX] = 0.0F;
    values[TB_P_REVERB_MIX] = 0.0F;
    values[TB_P_PATCH_GAIN] = 0.0F;
    values[TB_P_MASTER_GAIN] = 0.0F;
    values[TB_P_MASTER_TUNE] = 0.0F;
}

/* Of notes and input, without the tail. */
static double end_s(const struct tb_render_spec *spec)
{
    return fmax(spec->score->end_s, (double)spec->n_input / (double)spec->rate_hz);
}

static enum tb_status check(const struct tb_render_spec *spec, struct tb_error *err)
{
    if (spec->rate_hz < 22050 || spec->rate_hz > 192000)
        return tb_fail(err, TB_EINVAL, "rate_hz: %u is not in 22050..192000", spec->rate_hz);
    if (spec->block < TB_MIN_BLOCK || spec->block > TB_MAX_BLOCK)
        return tb_fail(err, TB_EINVAL, "block: %u is not in %d..%d", spec->block, TB_MIN_BLOCK,
                       TB_MAX_BLOCK);
    if (!(spec->tail_s >= 0.0 && spec->tail_s <= 60.0))
        return tb_fail(err, TB_EINVAL, "tail_s: %g is not in 0..60", spec->tail_s);
    if (!(spec->total_s >= 0.0 && spec->total_s <= TB_RENDER_MAX_SECONDS))
        return tb_fail(err, TB_EINVAL, "total_s: %g is not in 0..%d", spec->total_s,
                       TB_RENDER_MAX_SECONDS);
    double length_s = spec->total_s > 0.0 ? spec->total_s : end_s(spec) + spec->tail_s;
    if (length_s > TB_RENDER_MAX_SECONDS)
        return tb_fail(err, TB_ETOOLARGE, "%.1f s with the tail, more than %d s", length_s,
                       TB_RENDER_MAX_SECONDS);
    return TB_OK;
}

/* The program takes over what is built here. */
static struct tb_program *make_program(const struct renderer *r, struct tb_error *err)
{
    struct tb_neural *neural[2] = {NULL, NULL};
    for (int i = 0; i < 2; i++) {
        struct tb_neural_spec spec;
        if (!r->spec->models[i])
            continue;
        tb_neural_spec_of(r->spec->models[i], &spec);
        neural[i] = tb_neural_new(&spec, (float)r->spec->rate_hz, r->spec->cpu, err);
        if (!neural[i]) {
            tb_neural_free(neural[0]);
            return NULL;
        }
    }
    return tb_program_new_neural(r->engine, r->spec->values, neural[0], neural[1], err);
}

/* Device parameters are events, patch parameters a program. */
static enum tb_status load(struct renderer *r, struct tb_error *err)
{
    const struct tb_render_spec *spec = r->spec;
    for (int i = 0; i < TB_N_PARAMS; i++) {
        if (tb_params[i].owner != TB_OWNER_DEVICE || i == TB_P_MIDI_CHANNEL)
            continue;
        float value;
        enum tb_status s = tb_param_check((enum tb_param)i, (double)spec->values[i], &value, err);
        if (s != TB_OK)
            return s;
        struct tb_event event = {.type = TB_EVENT_PARAM, .id = (uint16_t)i, .value = value};
        tb_engine_handle(r->engine, &event);
    }
    struct tb_program *program = make_program(r, err);
    if (!program)
        return err->status;
    if (!tb_engine_swap(r->engine, program)) {
        tb_program_free(program);
        return tb_fail(err, TB_ECONFLICT, "render: the engine did not take the patch");
    }
    return TB_OK;
}

/* A moment of nothing, unheard: the gains of the load have settled, so that the first note of two
 * renders is the same note. Short, because a free LFO runs meanwhile. */
static void settle(struct renderer *r)
{
    for (uint32_t n = 0; n < SETTLE_FRAMES;) {
        uint32_t left = SETTLE_FRAMES - n, block = left < r->spec->block ? left : r->spec->block;
        tb_engine_render(r->engine, r->left, r->right, block);
        tb_program_free(tb_engine_retired(r->engine));
        n += block;
    }
}

static uint64_t frame_of(const struct renderer *r, double time_s)
{
    return (uint64_t)llround(time_s * (double)r->spec->rate_hz);
}

/* Hands over the events of the coming block; shortens it where more fall in than it may take. */
static uint32_t feed(struct renderer *r, uint32_t n)
{
    const struct tb_score *score = r->spec->score;
    for (int fed = 0; r->i_event < score->n; r->i_event++, fed++) {
        uint64_t at = frame_of(r, score->events[r->i_event].time_s);
        if (at >= r->frame + n)
            return n;
        uint64_t offset = at > r->frame ? at - r->frame : 0;
        if (fed == TB_MAX_EVENTS)
            return offset > 0 ? (uint32_t)offset : 1;
        struct tb_event event = score->events[r->i_event].event;
        event.offset = (uint16_t)offset;
        event.stamp_ns = 0;
        tb_engine_handle(r->engine, &event);
    }
    return n;
}

/* The input of the coming block; silence behind its end, so that its voice ends. */
static void listen(struct renderer *r, uint32_t n)
{
    const struct tb_render_spec *spec = r->spec;
    if (spec->n_input == 0)
        return;
    uint64_t left = r->frame < spec->n_input ? spec->n_input - r->frame : 0;
    uint32_t heard = left < n ? (uint32_t)left : n;
    memset(r->left, 0, n * sizeof *r->left);
    if (heard > 0)
        memcpy(r->left, spec->input + r->frame, heard * sizeof *r->left);
    tb_engine_input(r->engine, r->left, n);
}

/* Behind the end of the score: keys that are still down go up, then silence is waited for. */
static void wait_for_silence(struct renderer *r, uint64_t score_end, bool *released)
{
    if (r->frame < score_end)
        return;
    if (!*released) {
        struct tb_event off = {.type = TB_EVENT_ALL_NOTES_OFF, .source = TB_SOURCE_ANY};
        tb_engine_handle(r->engine, &off);
        r->quiet = 0;
        *released = true;
    }
    struct tb_frame state;
    tb_engine_telemetry(r->engine, &state);
    if (r->quiet >= frame_of(r, SILENCE_S) && state.voices == 0)
        r->end = r->frame;
}

static void measure(struct renderer *r, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        double level = fmax(fabs((double)r->left[i]), fabs((double)r->right[i]));
        r->peak = fmax(r->peak, level);
        r->quiet = level < SILENCE ? r->quiet + 1 : 0;
        uint64_t frame = r->frame + i;
        if (frame >= r->fade_from) {
            double gain = (double)(r->end - frame) / (FADE_S * (double)r->spec->rate_hz);
            float g = (float)fmin(gain, 1.0);
            r->left[i] *= g;
            r->right[i] *= g;
        }
    }
}

static enum tb_status run(struct renderer *r, bool *cut, struct tb_error *err)
{
    const struct tb_render_spec *spec = r->spec;
    bool exact = spec->total_s > 0.0, released = exact;
    uint64_t score_end = frame_of(r, end_s(spec));
    r->end = exact ? frame_of(r, spec->total_s) : score_end + frame_of(r, spec->tail_s);
    uint64_t bound = r->end, fade = frame_of(r, FADE_S);
    r->fade_from = exact || r->end < fade ? UINT64_MAX : r->end - fade;
    while (r->frame < r->end) {
        if (!exact)
            wait_for_silence(r, score_end, &released);
        uint64_t left = r->end - r->frame;
        if (left == 0)
            break;
        if (r->frame < score_end && left > score_end - r->frame && !exact)
            left = score_end - r->frame;
        uint32_t n = feed(r, left < spec->block ? (uint32_t)left : spec->block);
        listen(r, n);
        tb_engine_render(r->engine, r->left, r->right, n);
        measure(r, n);
        r->frame += n;
        if (!spec->sink(spec->context, r->left, r->right, n))
            return tb_fail(err, TB_ECONFLICT, "render: stopped");
    }
    *cut = !exact && r->frame == bound && r->quiet < frame_of(r, SILENCE_S);
    return TB_OK;
}

enum tb_status tb_render(const struct tb_render_spec *spec, struct tb_render_report *report,
                         struct tb_error *err)
{
    struct tb_error local;
    err = err ? err : &local;
    enum tb_status s = check(spec, err);
    if (s != TB_OK)
        return s;
    struct tb_engine_config config = {.rate_hz = (float)spec->rate_hz,
                                      .max_block = spec->block,
                                      .cpu = spec->cpu,
                                      .seed = spec->seed};
    struct renderer r = {.spec = spec, .engine = tb_engine_new(&config, err)};
    if (!r.engine)
        return err->status;
    float *buffer = calloc(2 * (size_t)spec->block, sizeof *buffer);
    bool cut = false;
    if (!buffer) {
        tb_engine_free(r.engine);
        return tb_fail(err, TB_ENOMEM, "render: no memory");
    }
    r.left = buffer;
    r.right = buffer + spec->block;
    s = load(&r, err);
    if (s == TB_OK) {
        settle(&r);
        s = run(&r, &cut, err);
    }
    tb_program_free(tb_engine_retired(r.engine));
    tb_engine_free(r.engine);
    free(buffer);
    if (report)
        *report = (struct tb_render_report){r.frame, r.peak, cut};
    return s;
}
