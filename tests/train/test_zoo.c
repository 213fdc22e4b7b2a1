/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The shipped instruments, each played by the engine's decoder and synthesisers: a middle note at
 * two loudnesses and silence after it. usage: test-zoo FOLDER
 */
#include "models/eval/measure.h"
#include "models/eval/play.h"
#include "models/train/file.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FRAMES = 700, NOTE = 400, SAMPLES = FRAMES * 64, SECOND = 16000 };

static float f0[FRAMES], loudness[FRAMES], audio[SAMPLES];

struct heard {
    double level_db, cents, off_db, share, rest_db, clicks;
};

static bool play(struct tb_player *player, const struct tb_model_meta *m, double db,
                 struct heard *h)
{
    static struct tb_follow_sums sums;
    struct tb_follow follow;
    struct tb_clicks clicks;
    struct tb_error err;
    const double hz = sqrt(m->pitch_low_hz * m->pitch_high_hz);
    for (size_t i = 0; i < FRAMES; i++) {
        f0[i] = (float)hz;
        loudness[i] = (float)(i < NOTE ? db : m->loudness_floor_db);
    }
    const struct tb_curve curve = {f0, loudness, FRAMES};
    const struct tb_analysis_config config = {SECOND,
                                              -60,
                                              (enum tb_analysis_loudness)m->loudness_kind,
                                              (unsigned)m->loudness_n_fft,
                                              (float)m->loudness_reference_db,
                                              (float)m->loudness_floor_db};
    const struct tb_asked asked = {
        f0 + 100, loudness + 100, NULL, 250, 4, (float)m->loudness_floor_db};
    memset(&sums, 0, sizeof sums);
    if (!tb_player_render(player, &curve, audio) ||
        tb_measure_follow(audio + (size_t)100 * 64, &asked, &config, &sums, &err) != TB_OK)
        return false;
    tb_measure_follow_end(&sums, &follow);
    tb_measure_clicks(audio, SAMPLES, &clicks);
    *h = (struct heard){tb_measure_level_db(audio + 8000, SECOND),
                        follow.cents_median,
                        follow.loudness_db,
                        follow.heard,
                        tb_measure_level_db(audio + SAMPLES - 4000, 4000),
                        clicks.largest};
    return true;
}

/* What an instrument must do to be shipped. */
static bool fit(const char *name, const struct heard *loud, const struct heard *soft)
{
    const bool good = loud->share > 0.9 && loud->cents < 10 && loud->off_db < 6 &&
                      soft->off_db < 6 && loud->level_db > soft->level_db + 6 &&
                      loud->level_db > -40 && loud->rest_db < -60 && loud->clicks < TB_CLICK_RATIO;
    printf("%s %-32s %5.1f and %5.1f dBFS, %.1f cents, %.1f and %.1f dB off, rest %.0f dBFS, "
           "clicks %.1f\n",
           good ? "ok  " : "BAD ", name, loud->level_db, soft->level_db, loud->cents, loud->off_db,
           soft->off_db, loud->rest_db, loud->clicks);
    return good;
}

static bool check(const char *folder, const char *name)
{
    char path[4096];
    void *data = NULL;
    size_t size;
    struct tb_error err = {0};
    struct heard loud, soft;
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    if (tb_file_read(path, (size_t)64 << 20, &data, &size, &err) != TB_OK) {
        printf("BAD  %s: %s\n", name, err.text);
        return false;
    }
    struct tb_model_file *file = tb_model_file_parse(data, size, &err);
    bool good = file && file->meta.licence[0] && file->meta.uuid[0];
    if (file && file->meta.family == TB_MODEL_FM_ENVELOPE) {
        good = file->meta.licence[0] != '\0';
    } else if (good) {
        struct tb_player *player =
            tb_player_new(file, &(struct tb_play_options){.cpu = TB_NN_CPU_BEST}, &err);
        const struct tb_model_meta *m = &file->meta;
        good = player && play(player, m, m->loudness_high_db - 10, &loud) &&
               play(player, m, m->loudness_high_db - 25, &soft) && fit(name, &loud, &soft);
        tb_player_free(player);
    }
    if (!good)
        printf("BAD  %s: %s\n", name, err.text);
    tb_model_file_free(file);
    free(data);
    return good;
}

int main(int argc, char **argv)
{
    DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
    int bad = 0, n = 0;
    if (!dir)
        return 2;
    for (const struct dirent *e; (e = readdir(dir));) {
        const char *dot = strrchr(e->d_name, '.');
        if (!dot || strcmp(dot, ".safetensors") != 0)
            continue;
        bad += !check(argv[1], e->d_name);
        n++;
    }
    (void)closedir(dir);
    printf("%d models, %d of them bad\n", n, bad);
    return n == 0 || bad > 0;
}
