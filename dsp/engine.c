/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A block from beginning to end: events at their frames, slices, voices, effects, output. */
#include "dsp/engine.h"

#include "dsp/engine_priv.h"
#include "dsp/fastmath.h"
#include "dsp/fpu.h"

#define SHED_REST_S 0.012F

void tb_engine_handle(struct tb_engine *e, const struct tb_event *event)
{
    if (e->n_events == TB_MAX_EVENTS) { /* in order, though all at the block's beginning */
        for (uint32_t i = 0; i < TB_MAX_EVENTS; i++)
            tb_engine_apply(e, &e->event[i]);
        e->n_events = 0;
    }
    uint32_t i = e->n_events++;
    while (i > 0 && e->event[i - 1].offset > event->offset) { /* nearly always in order already */
        e->event[i] = e->event[i - 1];
        i--;
    }
    e->event[i] = *event;
}

/* Two blocks in a row, so that a stall of the machine costs no voice. Then as many voices as are
 * too many, and a rest: they fade for 4 ms, and what their frames still cost is seen for two frames
 * of a model. (One a block, without a rest, gave up 55 of 64 where 43 were too many.) */
void tb_engine_load(struct tb_engine *e, float load)
{
    enum { RELEASED_AT = 85, ANY_AT = 95, AIM = 80 }; /* percent of the deadline */
    const float steady = 100.0F * (load < e->load_before ? load : e->load_before);
    e->load_before = load;
    if (!(steady >= (float)RELEASED_AT) || e->frame < e->shed_rest)
        return;
    const bool any = steady >= (float)ANY_AT;
    const float share = any ? 1.0F - (float)AIM / steady : 0.0F;
    const unsigned too_many = (unsigned)(share * (float)tb_engine_count(e));
    unsigned shed = 0;
    for (unsigned i = 0; i < (too_many > 1 ? too_many : 1); i++)
        shed += tb_engine_shed(e, !any);
    e->shed += shed;
    if (shed > 0)
        e->shed_rest = e->frame + (uint64_t)(SHED_REST_S * e->rate_hz);
}

/* Voices of all groups, summed to mono. */
static void render_voices(struct tb_engine *e, float *left, float *right, uint32_t n)
{
    bool sounding = false;
    for (int i = 0; i < N_GROUPS; i++) {
        struct tb_fm_group *g = &e->group[i];
        const struct tb_program *p = e->slot[g->slot].program;
        if (!g->used || !tb_synths[p->synth]->render)
            continue;
        if (!sounding)
            memset(e->sum, 0, n * e->kernels->width * sizeof(float));
        sounding = true;
        tb_synths[p->synth]->render(e->kernels, g, e->sum, n);
    }
    if (sounding)
        e->kernels->fold(e->sum, left, n);
    else
        memset(left, 0, n * sizeof *left);
    for (unsigned i = 0; i < 2; i++) {
        const struct tb_program *p = e->slot[i].program;
        if (p && tb_synths[p->synth]->mix)
            tb_synths[p->synth]->mix(p, left, n);
    }
    memcpy(right, left, n * sizeof *right);
}

/* Something upstream went wrong: whatever keeps state that may hold NaN starts afresh. */
static void recover(struct tb_engine *e)
{
    for (int v = next_voice(e, -1); v >= 0; v = next_voice(e, v))
        if (e->voice[v].state != VOICE_FREE)
            tb_engine_voice_free(e, v);
    e->n_held = 0;
    for (unsigned i = 0; i < TB_N_EFFECTS; i++)
        tb_effects[i]->silence(e->effect[i]);
}

/* n frames without an event, within one slice. */
static void render_part(struct tb_engine *e, float *left, float *right, uint32_t n)
{
    if (e->in_slice == 0)
        tb_engine_slice(e);
    else
        tb_engine_aim_dirty(e);
    render_voices(e, left, right, n);
    for (unsigned i = 0; i < TB_N_EFFECTS; i++)
        tb_effects[i]->process(e->effect[i], left, right, n);
    uint32_t caught = e->output.nonfinite;
    tb_output_process(&e->output, left, right, n);
    if (e->output.nonfinite != caught)
        recover(e);
    e->in_slice = (e->in_slice + n) % TB_SLICE;
    e->frame += n;
}

void tb_engine_render(struct tb_engine *e, float *left, float *right, uint32_t n)
{
    struct tb_fpu fpu;
    tb_fpu_enter(&fpu);
    tb_output_begin(&e->output);
    e->block_frames = n;
    e->block_start = e->frame;
    uint32_t done = 0, next = 0;
    while (done < n || next < e->n_events) {
        while (next < e->n_events && (e->event[next].offset <= done || done >= n))
            tb_engine_apply(e, &e->event[next++]);
        uint32_t part = n - done;
        uint32_t slice = TB_SLICE - e->in_slice;
        part = slice < part ? slice : part;
        if (next < e->n_events && e->event[next].offset - done < part)
            part = e->event[next].offset - done;
        if (part > 0)
            render_part(e, left + done, right + done, part);
        done += part;
    }
    e->n_events = 0;
    tb_engine_input_end(e);
    tb_fpu_leave(&fpu);
}

static void voice_telemetry(const struct tb_engine *e, int v, struct tb_frame *frame)
{
    const struct tb_fm_group *g = &e->group[v / TB_LANES];
    const struct slot *slot = &e->slot[g->slot];
    const struct tb_algorithm *a = &tb_algorithms[g->algorithm];
    unsigned lane = (unsigned)v % TB_LANES;
    if (slot->program->pair) {
        tb_pair_view(slot->program->pair, g->player[lane], frame);
        frame->f0_hz = frame->neural.pitch_hz;
        frame->pitch_semitones = 12.0F * slot->slice.pitch;
        return;
    }
    float full = tb_exp2f((float)TB_ATT_FULL / 256.0F - 2.0F - TB_SIN_LEAD_LOG2);
    float carrier = tb_exp2f((float)tb_fm_carrier_att(tb_algorithm_carriers(a)) / 256.0F);
    for (unsigned op = 0; op < TB_N_OPERATORS; op++) {
        float level = g->amp[op][lane] * full * ((a->carriers >> op & 1U) ? carrier : 1.0F);
        frame->operator_level[op] = tb_clampf(level, 0.0F, 1.0F);
    }
    float eg = g->x0[TB_PITCH_ROW][lane] +
               g->step[TB_PITCH_ROW][lane] * (float)g->elapsed[TB_PITCH_ROW][lane];
    float tune = e->device[TB_P_MASTER_TUNE] / 1200.0F;
    frame->pitch_semitones = 12.0F * (eg + slot->slice.pitch - tune);
    frame->f0_hz = tb_exp2f(g->octaves[lane] + eg + slot->slice.pitch);
}

/* The voice started last that still sounds. */
static int newest_voice(const struct tb_engine *e)
{
    int best = -1;
    if (e->newest >= 0 && e->voice[e->newest].state != VOICE_FREE &&
        e->voice[e->newest].state != VOICE_FADING)
        return e->newest;
    for (int v = next_voice(e, -1); v >= 0; v = next_voice(e, v))
        if (e->voice[v].state != VOICE_FREE && e->voice[v].state != VOICE_FADING &&
            (best < 0 || e->voice[v].order > e->voice[best].order))
            best = v;
    return best;
}

void tb_engine_telemetry(const struct tb_engine *e, struct tb_frame *frame)
{
    *frame = (struct tb_frame){.frame = e->frame - e->block_frames,
                               .lfo = (float)e->lfo.value / 128.0F,
                               .peak = {e->output.peak[0], e->output.peak[1]},
                               .voices = (uint16_t)tb_engine_count(e),
                               .n_frames = (uint16_t)e->block_frames,
                               .stolen = e->stolen,
                               .shed = e->shed,
                               .nonfinite = e->output.nonfinite};
    float samples = 2.0F * (float)(e->block_frames ? e->block_frames : 1);
    frame->rms = tb_sqrtf(e->output.square / samples);
    frame->limiter_db = tb_gain_db(1.0F / e->output.reduction);
    int v = newest_voice(e);
    if (v >= 0)
        voice_telemetry(e, v, frame);
    const struct tb_analysis_frame *heard = &e->hearing.transfer.heard;
    frame->neural.confidence = heard->confidence;
    frame->neural.input_db = heard->level_db;
    frame->neural.input_f0_hz = heard->f0_hz;
}

bool tb_engine_notice(struct tb_engine *e, struct tb_notice *notice)
{
    if (e->notice_read == e->notice_write)
        return false;
    *notice = e->notice[e->notice_read++ & (N_NOTICES - 1)];
    return true;
}

enum tb_cpu tb_engine_cpu(const struct tb_engine *e)
{
    return e->cpu;
}
