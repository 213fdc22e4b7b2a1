/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Timbre transfer: the sound at the input plays one voice of the pair. */
#include "dsp/neural_pair_priv.h"

#include "dsp/fastmath.h"

#define OPEN_S 0.005F
#define CLOSE_S 0.06F
#define REST_S 0.3F      /* of silence, after which the network forgets what it heard */
#define PITCH_SHARE 0.3F /* of the distance a slice: within one frame of the analysis */
#define OUTSIDE_S 0.25F  /* out of the model's range before the octave changes */
#define PEAK_FALL_DB_S 0.5F
#define VOICE_GAIN 0.25F /* as a note's */
#define VELOCITY_DB 60.0F

/* By octaves into the range that the model was trained on, when the player stays outside. */
static void fit_pitch(struct tb_input *in, const struct tb_neural *n, float seconds)
{
    const float hz = in->heard_hz * tb_exp2f((float)in->octaves);
    const int step = hz < n->low_hz ? 1 : hz > n->high_hz ? -1 : 0;
    in->outside_s = step ? in->outside_s + seconds : 0.0F;
    if (in->outside_s < OUTSIDE_S)
        return;
    in->octaves = tb_clampi(in->octaves + step, -4, 4);
    in->outside_s = 0.0F;
}

static void hear(struct tb_input *in, const struct tb_analysis_frame *frame, float gate_db,
                 const struct tb_neural *n, float seconds)
{
    in->last = *frame;
    in->open = frame->level_db > gate_db;
    if (!in->open)
        return;
    in->loudness_db = frame->loudness_db;
    in->peak_db -= PEAK_FALL_DB_S * seconds;
    if (frame->loudness_db > in->peak_db)
        in->peak_db = frame->loudness_db;
    if (!frame->voiced)
        return; /* breath and attacks keep the pitch of the note */
    if (in->heard_hz <= 0.0F || in->fade <= 0.0F)
        in->hz = 0.0F; /* a new phrase starts on its pitch */
    in->heard_hz = frame->f0_hz;
    fit_pitch(in, n, seconds);
}

void tb_pair_listen(const struct tb_program *program, const float *sound, uint32_t count)
{
    enum { MOST = 8 };
    struct tb_neural_pair *p = program->pair;
    struct tb_input *in = &p->input;
    struct tb_analysis_frame frames[MOST];
    if (!program->transfer.on) {
        if (in->listening)
            tb_analysis_reset(in->analysis);
        in->listening = in->open = false;
        return;
    }
    if (!in->listening) {
        in->peak_db = p->part[0]->high_db;
        in->heard_hz = 0.0F;
        in->octaves = 0;
    }
    in->listening = true;
    const size_t n = tb_analysis_process(in->analysis, sound, count, frames, MOST);
    for (size_t i = 0; i < n; i++)
        hear(in, &frames[i], program->transfer.gate_db, p->part[0], 1.0F / 250.0F);
}

static void start_voice(struct tb_neural_pair *p, struct tb_input *in)
{
    const int i = tb_pair_free_player(p);
    if (i < 0)
        return;
    in->player = i;
    p->player[i] = (struct tb_player){.used = true};
    in->hz = 0.0F;
    in->quiet_s = 0.0F;
    for (unsigned k = 0; k < p->n_parts; k++)
        if (p->active[k])
            tb_neural_start(p->part[k], (unsigned)i, true);
}

static void stop_voice(struct tb_neural_pair *p, struct tb_input *in)
{
    for (unsigned k = 0; k < p->n_parts; k++)
        tb_neural_stop(p->part[k], (unsigned)in->player);
    p->player[in->player].used = false;
    in->player = -1;
}

static float loudness_of(const struct tb_neural_pair *p, const struct tb_neural *n,
                         const struct tb_transfer *t)
{
    const struct tb_input *in = &p->input;
    if (!in->open)
        return n->loudness == TB_NEURAL_VELOCITY ? 0.0F : n->floor_db;
    float db = in->loudness_db + t->loudness_db + p->loudness_db;
    if (t->fit)
        db += n->high_db - in->peak_db;
    if (n->loudness == TB_NEURAL_VELOCITY)
        return tb_clampf(1.0F + (db - n->high_db) / VELOCITY_DB, 0.0F, 1.0F);
    return tb_clampf(db, n->floor_db, 0.0F);
}

static void aim_voice(struct tb_neural_pair *p, const struct tb_program *program)
{
    struct tb_input *in = &p->input;
    const struct tb_transfer *t = &program->transfer;
    const float octaves = (float)(t->fit ? in->octaves : 0) + t->octaves + p->octaves;
    const float hz = in->heard_hz * tb_exp2f(octaves), highest = 0.498F * p->part[0]->rate_hz;
    in->hz = in->hz > 0.0F ? in->hz + PITCH_SHARE * (hz - in->hz) : hz;
    const float fade = in->fade * in->fade * (3.0F - 2.0F * in->fade);
    struct tb_neural_aim aim = {.f0_hz = in->hz < highest ? in->hz : highest};
    for (unsigned k = 0; k < p->n_parts; k++) {
        struct tb_neural *n = p->part[k];
        if (!n->voice[in->player].used)
            continue;
        aim.loudness = loudness_of(p, n, t);
        aim.gain = VOICE_GAIN * program->gain * fade * p->weight[k];
        tb_neural_aim(n, (unsigned)in->player, &aim, TB_SLICE);
    }
}

void tb_pair_input_slice(struct tb_neural_pair *p, const struct tb_program *program)
{
    struct tb_input *in = &p->input;
    const float seconds = (float)TB_SLICE / p->part[0]->rate_hz;
    const bool open = in->listening && in->open && in->heard_hz > 0.0F && !p->part[0]->leaving;
    if (open && in->player < 0)
        start_voice(p, in);
    if (in->player < 0)
        return;
    const float step = open ? seconds / OPEN_S : -seconds / CLOSE_S;
    in->fade = tb_clampf(in->fade + step, 0.0F, 1.0F);
    in->quiet_s = open ? 0.0F : in->quiet_s + seconds;
    aim_voice(p, program);
    if (in->fade <= 0.0F && (in->quiet_s > REST_S || p->part[0]->leaving))
        stop_voice(p, in);
}
