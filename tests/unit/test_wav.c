/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/offline/wav.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <sndfile.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const float samples[] = {0.0F, 0.5F, -0.5F, 1.5F, -1.5F, 0.25F};

static int write_memfd(enum tb_wav_format format)
{
    int fd = memfd_create("wav", MFD_CLOEXEC);
    assert_true(fd >= 0);
    struct tb_wav_config config = {48000, 2, format};
    struct tb_error err;
    struct tb_wav *wav = tb_wav_create_fd(fd, &config, &err);
    assert_non_null(wav);
    assert_int_equal(tb_wav_write(wav, samples, 3, &err), TB_OK);
    assert_int_equal(tb_wav_close(wav, &err), TB_OK);
    return fd;
}

static void formats_come_back(void **state)
{
    (void)state;
    static const struct {
        enum tb_wav_format format;
        double step; /* of quantisation; 0 keeps even what is over full scale */
    } cases[] = {{TB_WAV_FLOAT, 0.0}, {TB_WAV_PCM16, 1.0 / 32768.0}, {TB_WAV_PCM24, 1.2e-7}};
    for (size_t c = 0; c < 3; c++) {
        int fd = write_memfd(cases[c].format);
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        SF_INFO info = {0};
        SNDFILE *file = sf_open_fd(fd, SFM_READ, &info, SF_TRUE);
        assert_non_null(file);
        assert_int_equal(info.frames, 3);
        assert_int_equal(info.channels, 2);
        assert_int_equal(info.samplerate, 48000);
        float back[6];
        assert_int_equal(sf_readf_float(file, back, 3), 3);
        for (size_t i = 0; i < 6; i++) {
            float want = samples[i];
            if (cases[c].step > 0.0)
                want = fmaxf(-1.0F, fminf(1.0F, want));
            assert_true(fabs((double)(back[i] - want)) <= 1.01 * cases[c].step);
        }
        (void)sf_close(file);
    }
}

static void same_samples_same_bytes(void **state)
{
    (void)state;
    unsigned char bytes[2][512];
    ssize_t n[2];
    for (int i = 0; i < 2; i++) {
        int fd = write_memfd(TB_WAV_FLOAT);
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        n[i] = read(fd, bytes[i], sizeof bytes[i]);
        (void)close(fd);
    }
    assert_true(n[0] > 24 && n[0] == n[1]);
    assert_memory_equal(bytes[0], bytes[1], (size_t)n[0]);
    assert_null(memmem(bytes[0], (size_t)n[0], "PEAK", 4)); /* it would hold the time */
}

static void a_bad_path_is_named(void **state)
{
    (void)state;
    struct tb_wav_config config = {48000, 1, TB_WAV_FLOAT};
    struct tb_error err;
    assert_null(tb_wav_create("/nonexistent/x.wav", &config, &err));
    assert_int_equal(err.status, TB_EIO);
    assert_non_null(strstr(err.text, "/nonexistent/x.wav"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_come_back),
        cmocka_unit_test(same_samples_same_bytes),
        cmocka_unit_test(a_bad_path_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
