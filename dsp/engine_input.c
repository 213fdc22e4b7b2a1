/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A sound at the input plays the instrument: frames of its analysis take effect at the slice that
 * follows them, however long the blocks are, and one voice follows them. */
#include "dsp/engine_priv.h"

#include <string.h>

#define FOLLOW_SHARE 0.4F /* of the distance to the newest frame, a slice */
#define GONE_S 0.25F      /* without an input: silence */
#define INPUT_VELOCITY 100

static const struct tb_transfer_range plain_range = {.scale = {.loudness = TB_ANALYSIS_A_WEIGHTED,
                                                               .n_fft = 512,
                                                               .reference_db = 20.7F,
                                                               .floor_db = -80.0F}};

void tb_engine_input(struct tb_engine *e, const float *mono, uint32_t n)
{
    struct hearing *h = &e->hearing;
    const struct tb_program *p = tb_engine_program(e);
    h->range = plain_range;
    if (p->pair)
        tb_pair_range(p->pair, &h->range);
    (void)tb_analysis_use(h->analysis, &h->range.scale);
    if (n > 0)
        h->gone_s = 0.0F;
    for (uint32_t i = 0; i < n; i++) {
        struct tb_analysis_frame frame;
        if (tb_analysis_process(h->analysis, mono + i, 1, &frame, 1) == 0 || h->n == N_HEARD)
            continue;
        h->due[h->n] = i + 1;
        h->frame[h->n++] = frame;
    }
}

/* What is left when a block is over came too early for it: the input is ahead of the output. */
void tb_engine_input_end(struct tb_engine *e)
{
    for (unsigned i = 0; i < e->hearing.n; i++)
        e->hearing.due[i] = 0;
}

static void take_frames(struct hearing *h, uint32_t at, const struct tb_transfer_settings *s)
{
    unsigned taken = 0;
    while (taken < h->n && h->due[taken] <= at)
        tb_transfer_frame(&h->transfer, &h->frame[taken++], s, &h->range);
    h->n -= taken;
    memmove(h->frame, h->frame + taken, h->n * sizeof h->frame[0]);
    memmove(h->due, h->due + taken, h->n * sizeof h->due[0]);
}

static int voice_of_input(const struct tb_engine *e)
{
    for (int v = next_voice(e, -1); v >= 0; v = next_voice(e, v))
        if (e->voice[v].source == TB_SOURCE_INPUT && e->voice[v].state == VOICE_HELD)
            return v;
    return -1;
}

/* The key that the voice is nearest to, for keyboards that light up. */
static void move_key(struct tb_engine *e, int v, uint8_t key)
{
    if (e->voice[v].key == key)
        return;
    tb_engine_tell(e, TB_NOTICE_NOTE_OFF, &e->voice[v]);
    e->voice[v].key = key;
    tb_engine_tell(e, TB_NOTICE_NOTE_ON, &e->voice[v]);
}

static void follow(struct tb_engine *e, bool fresh)
{
    const struct tb_transfer *t = &e->hearing.transfer;
    struct tb_heard *now = &e->performance.heard;
    const float share = fresh ? 1.0F : FOLLOW_SHARE;
    now->octaves += share * (t->octaves - now->octaves);
    now->below_high_db += share * (t->below_high_db - now->below_high_db);
    now->velocity = t->velocity;
}

void tb_engine_hear(struct tb_engine *e)
{
    struct hearing *h = &e->hearing;
    const struct tb_program *p = tb_engine_program(e);
    struct tb_transfer_settings settings;
    tb_transfer_derive(&settings, p->values);
    take_frames(h, (uint32_t)(e->frame - e->block_start), &settings);
    if (h->gone_s < GONE_S) {
        h->gone_s += (float)TB_SLICE / e->rate_hz;
    } else {
        const struct tb_analysis_frame silence = {.level_db = -120.0F, .loudness_db = -120.0F};
        tb_transfer_frame(&h->transfer, &silence, &settings, &h->range);
    }
    const bool wanted = settings.on && p->pair && h->transfer.sounding;
    const int v = voice_of_input(e);
    if (wanted)
        follow(e, v < 0);
    if (v >= 0 && !wanted) {
        tb_engine_voice_release(e, v);
    } else if (v >= 0) {
        move_key(e, v, h->transfer.key);
    } else if (wanted) {
        const struct held key = {
            .source = TB_SOURCE_INPUT, .key = h->transfer.key, .velocity = INPUT_VELOCITY};
        tb_engine_trim_polyphony(e, (unsigned)e->device[TB_P_ENGINE_VOICES] - 1);
        (void)tb_engine_voice_start(e, &key, -1.0F);
    }
}

void tb_engine_heard(const struct tb_engine *e, struct tb_engine_heard *heard)
{
    const struct tb_transfer *t = &e->hearing.transfer;
    *heard = (struct tb_engine_heard){.f0_hz = t->heard.f0_hz,
                                      .confidence = t->heard.confidence,
                                      .level_db = t->heard.level_db,
                                      .open = t->open};
}
