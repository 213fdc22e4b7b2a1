/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/data/phrase.h"

#ifdef TB_WITH_FLUIDSYNTH

#include "models/train/dataset.h"

#include <fluidsynth.h>
#include <samplerate.h>

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Rendered at three times the rate and brought down, since the synthesiser lets alias what lies
 * above half of its own rate. */
enum { OVER = 3, HOP = OVER * TB_CLIP_HOP, BEND_SEMITONES = 12, EXPRESSION = 11, CHANNELS = 2 };

struct tb_soundfont {
    fluid_settings_t *settings;
    fluid_synth_t *synth;
    char name[64];
};

static void be_silent(int level, const char *message, void *user)
{
    (void)level;
    (void)message;
    (void)user;
}

static bool set_up(struct tb_soundfont *font)
{
    for (int level = 0; level < LAST_LOG_LEVEL; level++)
        (void)fluid_set_log_function(level, be_silent, NULL);
    font->settings = new_fluid_settings();
    if (!font->settings)
        return false;
    (void)fluid_settings_setnum(font->settings, "synth.sample-rate",
                                OVER * (double)TB_CLIP_RATE_HZ);
    (void)fluid_settings_setint(font->settings, "synth.reverb.active", 0);
    (void)fluid_settings_setint(font->settings, "synth.chorus.active", 0);
    (void)fluid_settings_setint(font->settings, "synth.dynamic-sample-loading", 1);
    (void)fluid_settings_setint(font->settings, "synth.cpu-cores", 1);
    (void)fluid_settings_setnum(font->settings, "synth.gain", 0.6);
    font->synth = new_fluid_synth(font->settings);
    return font->synth != NULL;
}

struct tb_soundfont *tb_soundfont_open(const char *path, int bank, int preset, struct tb_error *err)
{
    struct tb_soundfont *font = calloc(1, sizeof *font);
    enum tb_status status = TB_OK;
    int id = FLUID_FAILED;
    if (!font || !set_up(font))
        status = tb_fail(err, TB_ENOMEM, "out of memory");
    else if (access(path, R_OK) != 0 || !fluid_is_soundfont(path))
        status = tb_fail(err, TB_ENOTFOUND, "soundfont: %.100s: no readable soundfont", path);
    else if ((id = fluid_synth_sfload(font->synth, path, 0)) == FLUID_FAILED)
        status = tb_fail(err, TB_ENOTFOUND, "soundfont: %.100s: cannot be loaded", path);
    else if (fluid_synth_program_select(font->synth, 0, id, bank, preset) != FLUID_OK ||
             fluid_synth_program_select(font->synth, 1, id, bank, preset) != FLUID_OK)
        status = tb_fail(err, TB_ENOTFOUND, "preset: the soundfont has no preset %d in bank %d",
                         preset, bank);
    if (!font || status != TB_OK) {
        tb_soundfont_free(font);
        return NULL;
    }
    fluid_preset_t *chosen = fluid_synth_get_channel_preset(font->synth, 0);
    (void)snprintf(font->name, sizeof font->name, "%s",
                   chosen ? fluid_preset_get_name(chosen) : "");
    return font;
}

void tb_soundfont_free(struct tb_soundfont *font)
{
    if (!font)
        return;
    delete_fluid_synth(font->synth);
    delete_fluid_settings(font->settings);
    free(font);
}

const char *tb_soundfont_name(const struct tb_soundfont *font)
{
    return font->name;
}

/* Where the wheel and the expression pedal of a note are. Notes take two channels in turn, or the
 * end of one would jump to the bend of the next. */
static void control(fluid_synth_t *synth, int channel, const struct tb_phrase_note *note,
                    float time_s)
{
    const float bend = tb_phrase_bend(note, time_s) / BEND_SEMITONES;
    const int wheel = (int)lrintf(8192 + 8191 * bend);
    (void)fluid_synth_pitch_bend(synth, channel, wheel < 0 ? 0 : wheel > 16383 ? 16383 : wheel);
    (void)fluid_synth_cc(synth, channel, EXPRESSION,
                         (int)lrintf(127 * tb_phrase_expression(note, time_s)));
}

static void release(struct tb_soundfont *font, const struct tb_phrase *phrase, size_t note)
{
    (void)fluid_synth_noteoff(font->synth, (int)(note % CHANNELS), phrase->notes[note].key);
}

static int render(struct tb_soundfont *font, const struct tb_phrase *phrase, float *wide,
                  float *keys, size_t n_frames)
{
    size_t next = 0, off = 0; /* notes begun and ended */
    int fault = 0;
    for (size_t k = 0; k < n_frames && !fault; k++) {
        float left[HOP], right[HOP];
        const float now = (float)k / 250;
        while (off < next && phrase->notes[off].end_s <= now)
            release(font, phrase, off++);
        if (next < phrase->n_notes && phrase->notes[next].start_s <= now) {
            for (; off < next; off++)
                release(font, phrase, off);
            const struct tb_phrase_note *note = &phrase->notes[next];
            control(font->synth, (int)(next % CHANNELS), note, 0);
            (void)fluid_synth_noteon(font->synth, (int)(next % CHANNELS), note->key,
                                     note->velocity);
            next++;
        }
        const struct tb_phrase_note *note = &phrase->notes[next ? next - 1 : 0];
        keys[k] = (float)note->key;
        if (next) {
            control(font->synth, (int)((next - 1) % CHANNELS), note, now - note->start_s);
            keys[k] += tb_phrase_bend(note, now - note->start_s);
        }
        fault = fluid_synth_write_float(font->synth, HOP, left, 0, 1, right, 0, 1) != FLUID_OK;
        for (size_t i = 0; i < HOP; i++)
            wide[k * HOP + i] = (left[i] + right[i]) / 2;
    }
    return fault;
}

enum tb_status tb_soundfont_play(struct tb_soundfont *font, const struct tb_phrase *phrase,
                                 float **samples, size_t *n_samples, float **keys,
                                 struct tb_error *err)
{
    const size_t n_frames = (size_t)ceilf(phrase->length_s * 250);
    float *wide = malloc(n_frames * HOP * sizeof *wide);
    *n_samples = n_frames * TB_CLIP_HOP;
    *samples = calloc(*n_samples, sizeof **samples);
    *keys = malloc(n_frames * sizeof **keys);
    enum tb_status status = TB_OK;
    for (int channel = 0; channel < CHANNELS; channel++) {
        (void)fluid_synth_all_sounds_off(font->synth, channel);
        (void)fluid_synth_pitch_wheel_sens(font->synth, channel, BEND_SEMITONES);
    }
    if (!wide || !*samples || !*keys)
        status = tb_fail(err, TB_ENOMEM, "out of memory");
    else if (render(font, phrase, wide, *keys, n_frames))
        status = tb_fail(err, TB_EIO, "soundfont: cannot be played");
    if (status == TB_OK) {
        SRC_DATA data = {.data_in = wide,
                         .data_out = *samples,
                         .input_frames = (long)(n_frames * HOP),
                         .output_frames = (long)*n_samples,
                         .src_ratio = 1.0 / OVER};
        if (src_simple(&data, SRC_SINC_MEDIUM_QUALITY, 1) != 0)
            status = tb_fail(err, TB_EIO, "soundfont: cannot be resampled");
    }
    free(wide);
    if (status != TB_OK) {
        free(*samples);
        free(*keys);
        *samples = *keys = NULL;
    }
    return status;
}

#else

struct tb_soundfont *tb_soundfont_open(const char *path, int bank, int preset, struct tb_error *err)
{
    (void)tb_fail(err, TB_EUNSUPPORTED,
                  "soundfont: %.40s bank %d preset %d: this build has no "
                  "libfluidsynth",
                  path, bank, preset);
    return NULL;
}

void tb_soundfont_free(struct tb_soundfont *font)
{
    (void)font;
}

const char *tb_soundfont_name(const struct tb_soundfont *font)
{
    (void)font;
    return "";
}

enum tb_status tb_soundfont_play(struct tb_soundfont *font, const struct tb_phrase *phrase,
                                 float **samples, size_t *n_samples, float **keys,
                                 struct tb_error *err)
{
    (void)font;
    (void)phrase;
    *samples = *keys = NULL;
    *n_samples = 0;
    return tb_fail(err, TB_EUNSUPPORTED, "soundfont: this build has no libfluidsynth");
}

#endif
