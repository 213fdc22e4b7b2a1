/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/transfer.h"

#include "dsp/fastmath.h"

#include <math.h>
#include <string.h>

#define FRAME_S (1.0F / 250.0F)
#define CLOSE_DB 4.0F      /* the gate closes so much below where it opens */
#define QUIET_FRAMES 8     /* after so many */
#define GRACE_FRAMES 15    /* a pitch may be lost for so long: consonants, breath */
#define FADE_DB 2.0F       /* a frame, afterwards */
#define LOST_FRAMES 75     /* then the note ends */
#define KEY_TURN 0.6F      /* semitones from a key at which it becomes another one */
#define MEMORY_FRAMES 7500 /* half a minute of pitches; then all count half */
#define SETTLE_FRAMES 25   /* of pitch before the loudness is fitted */
#define LIFT_STEP_DB (24.0F * FRAME_S)
#define MOST_LIFT_DB 40.0F
#define WORTH_OCTAVES 0.25F /* what another octave must be better by */
#define VELOCITY_RANGE_DB 40.0F

void tb_transfer_derive(struct tb_transfer_settings *s, const float v[TB_N_PARAMS])
{
    *s = (struct tb_transfer_settings){
        .on = v[TB_P_TRANSFER_SOURCE] > 0.5F,
        .fit = v[TB_P_TRANSFER_FIT] > 0.5F,
        .gate_db = v[TB_P_TRANSFER_GATE],
        .octaves = v[TB_P_TRANSFER_OCTAVE] + v[TB_P_TRANSFER_SEMITONES] / 12.0F,
        .loudness_db = v[TB_P_TRANSFER_LOUDNESS],
    };
}

void tb_transfer_reset(struct tb_transfer *t)
{
    memset(t, 0, sizeof *t);
    t->heard.level_db = t->heard.loudness_db = -120.0F;
}

void tb_transfer_mute(struct tb_transfer *t)
{
    t->muted = t->open;
    t->sounding = false;
}

/* Nothing that is no number gets further than here. */
static void take(struct tb_transfer *t, const struct tb_analysis_frame *f)
{
    const bool pitched = f->voiced && f->f0_hz >= 20.0F && f->f0_hz <= 20000.0F;
    t->heard.f0_hz = pitched ? f->f0_hz : 0.0F;
    t->heard.voiced = pitched;
    t->heard.confidence = tb_clampf(f->confidence, 0.0F, 1.0F);
    t->heard.level_db = tb_clampf(f->level_db, -120.0F, 20.0F);
    t->heard.loudness_db = tb_clampf(f->loudness_db, -200.0F, 60.0F);
}

static void move_gate(struct tb_transfer *t, float gate_db)
{
    if (t->heard.level_db >= gate_db)
        t->open = true;
    const bool low = t->heard.level_db < gate_db - CLOSE_DB;
    t->quiet = low ? t->quiet + (t->quiet < QUIET_FRAMES) : 0;
    if (t->quiet >= QUIET_FRAMES)
        t->open = t->muted = false;
}

/* The value below which that share of what was heard lies. */
static float percentile(const float *counts, int n, float sum, float share)
{
    float below = 0.0F;
    for (int i = 0; i < n; i++) {
        below += counts[i];
        if (below >= share * sum)
            return (float)i;
    }
    return (float)(n - 1);
}

static void count(float *counts, int n, float *sum, float at)
{
    if (*sum >= (float)MEMORY_FRAMES) {
        for (int i = 0; i < n; i++)
            counts[i] *= 0.5F;
        *sum *= 0.5F;
    }
    counts[tb_clampi((int)(at + 0.5F), 0, n - 1)] += 1.0F;
    *sum += 1.0F;
}

static float octaves_outside(float low, float high, float from, float to)
{
    return (low < from ? from - low : 0.0F) + (high > to ? high - to : 0.0F);
}

/* The octave in which the player's pitches lie within the model's, or least outside; the one that
 * is, unless another is better by a good deal. */
static float best_shift(const struct tb_transfer *t, float octaves,
                        const struct tb_transfer_range *r)
{
    const struct tb_transfer_player *p = &t->player;
    if (!(r->low_hz > 0.0F) || !(r->high_hz > r->low_hz))
        return 0.0F;
    const float from = log2f(r->low_hz), to = log2f(r->high_hz);
    const float base = log2f(440.0F) - 69.0F / 12.0F; /* of key 0 */
    const float few = p->n_keys < (float)SETTLE_FRAMES ? 1.0F : 0.0F;
    const float tenth = percentile(p->key, TB_TRANSFER_KEYS, p->n_keys, 0.1F) / 12.0F + base;
    const float most = percentile(p->key, TB_TRANSFER_KEYS, p->n_keys, 0.9F) / 12.0F + base;
    const float low = few > 0.0F ? octaves : tenth, high = few > 0.0F ? octaves : most;
    float best = t->shift;
    float least = octaves_outside(low + best, high + best, from, to) - WORTH_OCTAVES;
    for (int i = -4; i <= 4; i++) {
        const float size = i < 0 ? -(float)i : (float)i;
        const float shift = (float)i;
        const float outside = octaves_outside(low + shift, high + shift, from, to) + 0.01F * size;
        if (outside < least) {
            least = outside;
            best = shift;
        }
    }
    return best;
}

/* Brings the player's loud notes to the model's loudest, slowly. */
static void follow_loudness(struct tb_transfer *t, const struct tb_transfer_range *r)
{
    const struct tb_transfer_player *p = &t->player;
    if (p->n_levels < (float)SETTLE_FRAMES)
        return;
    const float loud =
        percentile(p->level, TB_TRANSFER_LEVELS, p->n_levels, 0.95F) + (float)TB_TRANSFER_LOWEST_DB;
    const float wanted = tb_clampf(r->high_db - loud, -MOST_LIFT_DB, MOST_LIFT_DB);
    t->lift_db += tb_clampf(wanted - t->lift_db, -LIFT_STEP_DB, LIFT_STEP_DB);
}

static void take_key(struct tb_transfer *t, bool first)
{
    const float key = 69.0F + 12.0F * (t->octaves - log2f(440.0F));
    const float off = key - (float)t->key;
    if (first || off > KEY_TURN || off < -KEY_TURN)
        t->key = (uint8_t)tb_clampi((int)(tb_clampf(key, 0.0F, 127.0F) + 0.5F), 0, 127);
}

static void take_pitch(struct tb_transfer *t, const struct tb_transfer_settings *s,
                       const struct tb_transfer_range *r)
{
    const float octaves = log2f(t->heard.f0_hz);
    const bool first = !t->sounding;
    count(t->player.key, TB_TRANSFER_KEYS, &t->player.n_keys,
          69.0F + 12.0F * (octaves - log2f(440.0F)));
    count(t->player.level, TB_TRANSFER_LEVELS, &t->player.n_levels,
          t->heard.loudness_db - (float)TB_TRANSFER_LOWEST_DB);
    if (first && s->fit) /* never within a note */
        t->shift = best_shift(t, octaves, r);
    if (s->fit)
        follow_loudness(t, r);
    t->unvoiced = 0;
    t->octaves = octaves + s->octaves + (s->fit ? t->shift : 0.0F);
    t->sounding = true;
    take_key(t, first);
}

void tb_transfer_frame(struct tb_transfer *t, const struct tb_analysis_frame *frame,
                       const struct tb_transfer_settings *s, const struct tb_transfer_range *r)
{
    take(t, frame);
    move_gate(t, s->gate_db);
    t->unvoiced += t->unvoiced < LOST_FRAMES;
    if (!t->open || t->muted || t->unvoiced >= LOST_FRAMES)
        t->sounding = false;
    if (t->open && !t->muted && t->heard.voiced)
        take_pitch(t, s, r);
    if (!t->sounding)
        return;
    float db = t->heard.loudness_db + s->loudness_db + (s->fit ? t->lift_db : 0.0F);
    if (t->unvoiced > GRACE_FRAMES)
        db -= FADE_DB * (float)(t->unvoiced - GRACE_FRAMES);
    t->below_high_db = tb_clampf(db - r->high_db, -160.0F, 40.0F);
    t->velocity = tb_clampf(1.0F + t->below_high_db / VELOCITY_RANGE_DB, 0.0F, 1.0F);
}
