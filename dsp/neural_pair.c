/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Notes on neural instruments: who plays which voice, what each asks of both models, and how A goes
 * over into B. */
#include "dsp/neural_pair_priv.h"

#include "dsp/fastmath.h"

#define MIX_S 0.02F      /* from A to B at most this fast */
#define KNOB_SHARE 0.1F  /* of the distance a slice, for pitch and loudness knobs */
#define VOICE_SCALE 2.0F /* of the lane's gain: a voice at 1 peaks where a DX7 carrier does */
#define SILENT_LEVEL 1e-4F
#define REST_S 0.5F
#define FAINT 0.01F            /* of the loudest that a note was */
#define FAINT_S 0.25F          /* such a rest is no part of the note */
#define FOLLOW_ATTACK_S 0.001F /* the input has an attack of its own */

static struct tb_neural_pair *pair_of(const struct tb_program *program)
{
    return program->pair;
}

static float slice_seconds(const struct tb_neural_pair *p, float frames)
{
    return frames / p->part[0]->rate_hz;
}

static int free_player(const struct tb_neural_pair *p)
{
    for (unsigned i = 0; i < TB_NEURAL_VOICES; i++)
        if (!p->player[i].used && tb_neural_is_free(p->part[0], i) &&
            (p->n_parts < 2 || tb_neural_is_free(p->part[1], i)))
            return (int)i;
    return -1;
}

void tb_pair_start(struct tb_fm_group *g, unsigned lane, const struct tb_program *program,
                   const struct tb_fm_note *note)
{
    struct tb_neural_pair *p = pair_of(program);
    const bool go_on = note->keep_levels && g->player[lane] < TB_NEURAL_VOICES;
    const int i = go_on ? g->player[lane] : free_player(p);
    if (i < 0) { /* as many as ever fade at once: this note stays silent and ends */
        g->player[lane] = TB_NO_PLAYER;
        return;
    }
    struct tb_player *player = &p->player[i];
    g->player[lane] = (uint8_t)i;
    player->used = true;
    player->note.channel = note->channel;
    player->note.key = note->key;
    player->note.velocity = note->velocity;
    player->note.member = note->member;
    player->note.follows = note->follows;
    tb_note_start(&player->note, go_on);
    for (unsigned k = 0; k < p->n_parts && !go_on; k++)
        if (p->active[k])
            tb_neural_start(p->part[k], (unsigned)i, !note->covered);
}

static struct tb_player *player_of(const struct tb_fm_group *g, unsigned lane,
                                   const struct tb_program *program)
{
    const unsigned i = g->player[lane];
    return i < TB_NEURAL_VOICES ? &pair_of(program)->player[i] : NULL;
}

void tb_pair_release(struct tb_fm_group *g, unsigned lane, const struct tb_program *program,
                     int32_t back)
{
    (void)back; /* less than a slice, and loudness is asked ahead anyway */
    struct tb_player *player = player_of(g, lane, program);
    if (player)
        tb_note_release(&player->note);
}

void tb_pair_stop(struct tb_fm_group *g, unsigned lane, const struct tb_program *program)
{
    struct tb_neural_pair *p = pair_of(program);
    struct tb_player *player = player_of(g, lane, program);
    for (unsigned k = 0; player && k < p->n_parts; k++)
        tb_neural_stop(p->part[k], g->player[lane]);
    if (player)
        player->used = false;
    g->player[lane] = TB_NO_PLAYER;
}

/* A network that is told velocities ends its notes itself; of one that is told loudness the
 * envelope knows. */
static bool part_over(const struct tb_neural *n, unsigned i, const struct tb_note *note)
{
    if (n->loudness != TB_NEURAL_VELOCITY)
        return tb_note_over(note);
    return note->envelope.stage == TB_NOTE_RELEASE && note->released_s > REST_S &&
           tb_neural_fm_level(n, i) < SILENT_LEVEL;
}

bool tb_pair_over(const struct tb_fm_group *g, unsigned lane, const struct tb_program *program)
{
    const struct tb_neural_pair *p = pair_of(program);
    const struct tb_player *player = player_of(g, lane, program);
    for (unsigned k = 0; player && k < p->n_parts; k++)
        if (p->active[k] && !part_over(p->part[k], g->player[lane], &player->note))
            return false;
    return true;
}

/* What is left of a released note lies far below it: networks of envelopes seldom end at nothing.
 */
static bool is_faint(const struct tb_neural_pair *p, unsigned i)
{
    for (unsigned k = 0; k < p->n_parts; k++) {
        const struct tb_neural *n = p->part[k];
        if (p->active[k] && (n->loudness != TB_NEURAL_VELOCITY ||
                             tb_neural_fm_level(n, i) > FAINT * n->voice[i].loudest))
            return false;
    }
    return true;
}

float tb_pair_patience(const struct tb_fm_group *g, unsigned lane, const struct tb_program *program)
{
    const struct tb_player *player = player_of(g, lane, program);
    if (player && player->note.released_s <= REST_S)
        return 0.0F;
    return player && is_faint(pair_of(program), g->player[lane]) ? FAINT_S : TB_DRONE_S;
}

static float towards(float value, float target, float most)
{
    const float d = target - value;
    return value + (d > most ? most : d < -most ? -most : d);
}

static float nearer(float value, float target)
{
    const float d = target - value;
    return d < 1e-6F && d > -1e-6F ? target : value + KNOB_SHARE * d;
}

static void activate(struct tb_neural_pair *p, unsigned k, bool active)
{
    if (active == p->active[k])
        return;
    p->active[k] = active;
    for (unsigned i = 0; i < TB_NEURAL_VOICES; i++) {
        if (active && p->player[i].used && tb_neural_is_free(p->part[k], i))
            tb_neural_start(p->part[k], i, false);
        else if (!active)
            tb_neural_stop(p->part[k], i);
    }
}

/* Which models work, and how loud each is at the end of the slice. */
static void balance(struct tb_neural_pair *p, const struct tb_neural_bend *bend)
{
    if (p->n_parts < 2) {
        p->weight[0] = 1.0F;
        return;
    }
    const bool morph = bend->morph && p->alike;
    p->mix = towards(p->mix, bend->mix, slice_seconds(p, (float)TB_SLICE) / MIX_S);
    p->morphed =
        towards(p->morphed, morph ? 1.0F : 0.0F, slice_seconds(p, (float)TB_SLICE) / MIX_S);
    const bool blending = p->morphed > 0.0F || morph;
    p->part[0]->blend = blending ? p->part[1] : NULL;
    p->part[0]->blend_share = p->morphed * p->mix;
    p->weight[0] = 1.0F - p->mix * (1.0F - p->morphed);
    p->weight[1] = p->mix * (1.0F - p->morphed);
    activate(p, 0, blending || p->weight[0] > 0.0F || bend->mix < 1.0F);
    activate(p, 1,
             (blending && (p->mix > 0.0F || bend->mix > 0.0F)) || p->weight[1] > 0.0F ||
                 bend->mix > 0.0F);
}

void tb_pair_begin(const struct tb_program *program, const struct tb_performance *performance)
{
    struct tb_neural_pair *p = pair_of(program);
    const struct tb_neural_bend *bend = &program->bend;
    p->performance = performance;
    p->follower = program->note;
    p->follower.attack_s = FOLLOW_ATTACK_S;
    p->follower.sustain_db = p->follower.velocity = p->follower.vibrato_octaves = 0.0F;
    p->octaves = nearer(p->octaves, bend->octaves);
    p->loudness_db = nearer(p->loudness_db, bend->loudness_db);
    balance(p, bend);
    for (unsigned k = 0; k < p->n_parts; k++)
        p->part[k]->bend = *bend;
}

static float loudness_of(const struct tb_neural_pair *p, const struct tb_neural *n,
                         const struct tb_note_now *now)
{
    if (n->loudness == TB_NEURAL_VELOCITY)
        return now->velocity * tb_db_gain(p->loudness_db);
    const float db =
        n->high_db - now->softness * (n->high_db - n->low_db) + now->loudness_db + p->loudness_db;
    return db > n->floor_db ? db : n->floor_db;
}

static void aim_player(struct tb_neural_pair *p, unsigned i, const struct tb_note_now *now,
                       struct tb_neural_aim *aim, uint32_t left)
{
    const float gain = aim->gain;
    for (unsigned k = 0; k < p->n_parts; k++) {
        struct tb_neural *n = p->part[k];
        if (!n->voice[i].used)
            continue;
        const bool ends_itself = n->loudness == TB_NEURAL_VELOCITY;
        aim->loudness = loudness_of(p, n, now);
        aim->gain = gain * p->weight[k] * (ends_itself ? now->level : now->gain);
        tb_neural_aim(n, i, aim, left);
    }
}

/* The octaves of the input instead of the key's, and its loudness. */
static float listen(struct tb_note *note, const struct tb_performance *performance,
                    struct tb_note_now *now)
{
    const bool down = note->envelope.stage != TB_NOTE_RELEASE;
    if (down) {
        note->heard = performance->heard;
        now->velocity = note->heard.velocity;
    } else {
        now->velocity *= note->heard.velocity;
    }
    now->loudness_db += note->heard.below_high_db;
    return note->heard.octaves;
}

void tb_pair_aim(const struct tb_fm_kernels *kernels, struct tb_fm_group *g,
                 const struct tb_fm_slice *slice, const struct tb_program *program)
{
    (void)kernels;
    struct tb_neural_pair *p = pair_of(program);
    const float ahead_s = NEURAL_PIPELINE_FRAMES * p->part[0]->hop / p->part[0]->rate_hz;
    const float highest = 0.498F * p->part[0]->rate_hz;
    for (uint32_t m = g->used; m; m &= m - 1) {
        const unsigned lane = (unsigned)__builtin_ctz(m), i = g->player[lane];
        g->gain[lane] = g->gain_target[lane]; /* the engine waits for it to end a fade */
        const int32_t frames = g->dirty ? g->advance[lane] : TB_SLICE;
        g->gain[lane] = g->gain_target[lane]; /* where it is when the engine looks again */
        if (i >= TB_NEURAL_VOICES || frames <= 0)
            continue;
        struct tb_note *note = &p->player[i].note;
        struct tb_note_now now;
        const struct tb_note_shape *shape = note->follows ? &p->follower : &program->note;
        tb_note_advance(note, shape, slice_seconds(p, (float)frames));
        tb_note_ask(note, shape, p->performance, ahead_s, &now);
        const float key = note->follows ? listen(note, p->performance, &now) : g->octaves[lane];
        const float octaves = key + slice->pitch + p->octaves + now.octaves;
        const float hz = tb_exp2f(octaves);
        struct tb_neural_aim aim = {.f0_hz = hz < highest ? hz : highest,
                                    .tilt_db = now.tilt_db,
                                    .gain = g->gain_target[lane] * VOICE_SCALE};
        aim_player(p, i, &now, &aim, (uint32_t)slice->left);
    }
}

void tb_pair_end(const struct tb_program *program, uint32_t left, bool whole)
{
    struct tb_neural_pair *p = pair_of(program);
    for (unsigned k = 0; k < p->n_parts; k++) /* A first: it takes what B says of the same frame */
        tb_neural_slice(p->part[k], left, whole);
}

void tb_pair_mix(const struct tb_program *program, float *out, uint32_t count)
{
    struct tb_neural_pair *p = pair_of(program);
    for (unsigned k = 0; k < p->n_parts; k++)
        tb_neural_render(p->part[k], out, count);
}

void tb_pair_range(const struct tb_neural_pair *p, struct tb_transfer_range *range)
{
    const struct tb_neural *n = p->part[0];
    *range = (struct tb_transfer_range){.low_hz = n->low_hz,
                                        .high_hz = n->high_hz,
                                        .low_db = n->low_db,
                                        .high_db = n->high_db,
                                        .scale = n->scale};
}

bool tb_pair_leave(struct tb_neural_pair *p)
{
    bool quiet = true;
    for (unsigned k = 0; k < p->n_parts; k++) {
        p->part[k]->leaving = true;
        quiet = quiet && tb_neural_is_quiet(p->part[k]);
    }
    return quiet;
}

void tb_pair_panic(struct tb_neural_pair *p)
{
    for (unsigned k = 0; k < p->n_parts; k++)
        tb_neural_panic(p->part[k]);
}

void tb_pair_view(const struct tb_neural_pair *p, unsigned player, struct tb_frame *frame)
{
    if (player >= TB_NEURAL_VOICES)
        return;
    const unsigned k = p->n_parts > 1 && p->weight[1] > p->weight[0] ? 1 : 0;
    if (p->part[k]->voice[player].used)
        tb_neural_view(p->part[k], player, frame);
}
