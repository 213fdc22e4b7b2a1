/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_ENGINE_PRIV_H
#define TB_DSP_ENGINE_PRIV_H

#include "dsp/effect.h"
#include "dsp/engine.h"
#include "dsp/fm_group.h"
#include "dsp/fm_voice.h"
#include "dsp/instrument.h"
#include "dsp/lfo.h"
#include "dsp/neural_pair.h"
#include "dsp/output.h"
#include "dsp/program.h"
#include "dsp/transfer.h"

/* Between the engine_*.c files only. */

enum {
    N_GROUPS = 12, /* 64 voices, 64 of the program before, the rest for voices fading out */
    N_VOICES = N_GROUPS * TB_LANES,
    N_HELD = 128,   /* keys down at once, all players together */
    N_PEDALS = 64,  /* players with the pedal down */
    N_HEARD = 64,   /* frames of an input that wait for their slice */
    N_NOTICES = 256 /* power of two */
};

enum voice_state { VOICE_FREE, VOICE_HELD, VOICE_PEDAL, VOICE_RELEASED, VOICE_FADING };

/* A voice's place in `voice` is group * TB_LANES + lane. */
struct voice {
    uint8_t state; /* enum voice_state */
    uint8_t channel, key, velocity;
    uint8_t note; /* transposed, 0..127 */
    bool gliding;
    bool member; /* came on a member channel of an MPE zone */
    uint32_t source;
    uint64_t order; /* of starting */
    float fade;     /* 0..1: smooth gain, 1 = full */
    float fade_inc; /* per slice; < 0 ends the voice at 0 */
    float position; /* of the pitch in semitones while gliding */
    float drone;    /* seconds the released voice has rested at an audible level */
};

/* The voices of one group, as bits per lane. */
struct group_state {
    uint32_t released; /* look for their end */
    uint32_t moving;   /* fading or gliding: look at them each slice */
};

/* The sounding program and, while a cross-fade lasts, the one before. */
struct slot {
    struct tb_program *program; /* owned; NULL when unused */
    struct tb_fm_slice slice;
    float switches[TB_N_OPERATORS]; /* 0..1, moving towards program->on */
    float feedback;                 /* likewise */
    float gain;                     /* of its voices, likewise */
};

/* A key that is down. */
struct held {
    uint32_t source;
    uint8_t channel, key, velocity;
    bool covered; /* its voice begins under a cross-fade */
};

struct pedal {
    uint32_t source;
    uint8_t channel;
};

/* The input. */
struct hearing {
    struct tb_analysis *analysis; /* owned */
    struct tb_transfer transfer;
    struct tb_transfer_range range; /* of the instrument that plays */
    struct tb_analysis_frame frame[N_HEARD];
    uint32_t due[N_HEARD]; /* frames into the block */
    unsigned n;
    float gone_s; /* since there was an input */
};

struct tb_engine {
    struct tb_fm_group group[N_GROUPS];
    _Alignas(TB_CACHE_LINE) float sum[TB_SLICE * TB_LANES];
    struct group_state gstate[N_GROUPS];
    struct voice voice[N_VOICES];

    const struct tb_fm_kernels *kernels;
    enum tb_cpu cpu;
    float rate_hz;
    uint32_t max_block;
    uint64_t frame;       /* rendered so far */
    uint64_t block_start; /* frame at which the block began */
    uint32_t in_slice;    /* frames into the slice, 0: the next slice is not aimed yet */

    struct slot slot[2];
    unsigned current;           /* slot of new notes */
    struct tb_program *retired; /* waiting for tb_engine_retired */
    bool edited;                /* program->values changed, derive again */
    float device[TB_N_PARAMS];  /* device parameters */

    struct hearing hearing;
    struct tb_lfo lfo;
    struct tb_mod_state mods;
    struct tb_performance performance; /* for neural programs; expression for all */
    bool touched, was_touched;         /* some voices may have a bend or pressure of their own */
    float bend, volume;
    int8_t cc_portamento_time; /* -1: the patch's */
    bool portamento_off, mono_override, poly_override;
    float last_note; /* semitones, where a glide begins; < 0: none */

    struct held held[N_HELD];
    unsigned n_held;
    int mono_direction; /* +1 highest wins, -1 lowest, 0 not yet known */
    struct pedal pedal[N_PEDALS];
    unsigned n_pedals;

    uint32_t random; /* free-running phases; xorshift, never 0 */
    uint64_t order;
    int newest; /* voice started last, -1 */
    uint32_t stolen, ignored, shed;
    float load_before;  /* of the block before */
    uint64_t shed_rest; /* frame until which no voice is given up */

    struct tb_event event[TB_MAX_EVENTS];
    uint32_t n_events;
    struct tb_notice notice[N_NOTICES];
    uint32_t notice_read, notice_write;

    void *effect[TB_N_EFFECTS];
    struct tb_output output;
    uint32_t block_frames;
};

/* The voice in use after v (-1: the first), or -1: most lanes are free most of the time. */
static inline int next_voice(const struct tb_engine *e, int v)
{
    for (v++; v < N_VOICES; v = v / TB_LANES * TB_LANES + TB_LANES) {
        uint32_t rest = e->group[v / TB_LANES].used >> (v % TB_LANES);
        if (rest)
            return v + __builtin_ctz(rest);
    }
    return -1;
}

static inline const struct tb_controller *controller_of(const struct tb_program *p)
{
    return tb_controllers[p->controller];
}

/* engine_voices.c */
TB_RT struct tb_program *tb_engine_program(struct tb_engine *e);
TB_RT bool tb_engine_is_mono(const struct tb_engine *e);
TB_RT int tb_engine_voice_start(struct tb_engine *e, const struct held *key, float from_note);
TB_RT void tb_engine_voice_retune(struct tb_engine *e, int v, const struct held *key, bool glide);
TB_RT void tb_engine_voice_tune(struct tb_engine *e, int v);
TB_RT void tb_engine_voice_release(struct tb_engine *e, int v);
TB_RT void tb_engine_voice_fade(struct tb_engine *e, int v, float seconds);
TB_RT void tb_engine_voice_free(struct tb_engine *e, int v);
TB_RT int tb_engine_voice_clone(struct tb_engine *e, int v, unsigned algorithm);
TB_RT void tb_engine_voice_retrigger(struct tb_engine *e, int v, const struct held *key);
TB_RT unsigned tb_engine_count(const struct tb_engine *e);
TB_RT unsigned tb_engine_shed(struct tb_engine *e, bool only_released);
TB_RT void tb_engine_trim_polyphony(struct tb_engine *e, unsigned most);
TB_RT void tb_engine_voice_fresh(struct tb_engine *e, int v);
TB_RT void tb_engine_tell(struct tb_engine *e, enum tb_notice_type type, const struct voice *v);

/* engine_notes.c */
TB_RT void tb_engine_note_on(struct tb_engine *e, const struct held *key);
TB_RT void tb_engine_note_off(struct tb_engine *e, uint32_t source, uint8_t channel, uint8_t key);
TB_RT void tb_engine_pedal(struct tb_engine *e, uint32_t source, uint8_t channel, bool down);
TB_RT void tb_engine_all_notes_off(struct tb_engine *e, uint32_t source, int channel);
TB_RT void tb_engine_silence(struct tb_engine *e, uint32_t source, int channel);
TB_RT void tb_engine_panic(struct tb_engine *e);

/* engine_input.c */
TB_RT void tb_engine_hear(struct tb_engine *e);
TB_RT void tb_engine_input_end(struct tb_engine *e);

/* engine_events.c */
TB_RT bool tb_engine_is_member(const struct tb_engine *e, unsigned channel);
TB_RT void tb_engine_apply(struct tb_engine *e, const struct tb_event *event);

/* engine_edit.c */
TB_RT void tb_engine_edit(struct tb_engine *e);
TB_RT void tb_engine_reroute(struct tb_engine *e);
TB_RT void tb_engine_retire(struct tb_engine *e);
TB_RT void tb_engine_copy_device(const struct tb_engine *e, struct tb_program *p);

/* engine_slice.c */
TB_RT void tb_engine_slice(struct tb_engine *e);
TB_RT void tb_engine_aim_dirty(struct tb_engine *e);
TB_RT void tb_engine_slot_slice(struct tb_engine *e, struct slot *slot);

#endif
