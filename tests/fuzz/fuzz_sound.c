/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Sounds from outside: the first byte chooses between a WAV file for a render and a frame of a
 * client's microphone, twice, so that a converter meets another rate. */
#include "dsp/sound_file.h"
#include "server/api/microphone.h"
#include "tests/fuzz/fuzz.h"

#include <math.h>

static void hear_file(const uint8_t *data, size_t size)
{
    struct tb_sound sound;
    struct tb_error err = {0};
    if (tb_sound_parse(data, size, 48000, &sound, &err) != TB_OK) {
        FUZZ_CHECK(err.text[0] && !sound.samples && sound.n == 0);
        return;
    }
    FUZZ_CHECK(sound.n > 0 && sound.channels > 0);
    for (size_t i = 0; i < sound.n; i += 97)
        FUZZ_CHECK(!isnan(sound.samples[i]));
    tb_sound_free(&sound);
}

static void hear_frames(const uint8_t *data, size_t size)
{
    static struct tb_mic mic;
    struct tb_error err = {0};
    struct tb_microphone *m = tb_microphone_new(&err);
    FUZZ_CHECK(m);
    const size_t half = size / 2;
    for (int i = 0; i < 2; i++) {
        const uint64_t before = atomic_load(&mic.write);
        const struct tb_microphone_out out = {&mic, i ? 44100 : 48000};
        enum tb_status status = tb_microphone_hear(m, data + (i ? half : 0), i ? size - half : half,
                                                   &out, 1000000000, &err);
        FUZZ_CHECK(status == TB_OK || (status == TB_EINVAL && err.text[0]));
        const uint64_t n = atomic_load(&mic.write) - before;
        FUZZ_CHECK(n <= (uint64_t)TB_MICROPHONE_FRAMES * 7);
        for (uint64_t k = 0; k < n; k++)
            FUZZ_CHECK(isfinite(atomic_load(&mic.sample[(before + k) % TB_MIC_FRAMES])));
    }
    tb_microphone_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] & 1)
        hear_frames(data + 1, size - 1);
    else
        hear_file(data + 1, size - 1);
    return 0;
}
