/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/timbred-config-XXXXXX";

static enum tb_status load_text(const char *text, const char *option, struct tb_config *config,
                                struct tb_error *err)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    char first[] = "--config", last[128];
    char *argv[] = {first, path, last, NULL};
    (void)snprintf(last, sizeof last, "%s", option ? option : "");
    return tb_config_load(option ? 3 : 2, argv, config, err);
}

static const struct {
    const char *text, *option, *error; /* NULL: accepted */
} cases[] = {
    {"", NULL, NULL},
    {"[audio]\nrate = 44100\nblock=128\n", NULL, NULL},
    {"; comment\n[audio]\n# another\ncpu = -2 ; at the end\n", NULL, NULL},
    {"[audio]\nrate = 44101x\n", NULL, ":2: audio.rate: 44101x is not a whole number"},
    {"[audio]\n\nrate = 8000\n", NULL, ":3: audio.rate: 8000 is not in 22050..192000"},
    {"[audio]\nblock = 99999999999999999999\n", NULL, ":2: audio.block: 99999999999999999999 is"},
    {"[audio]\nbloc2 = 64\n", NULL, ":2: audio.bloc2: no such setting"},
    {"[midi]\nsequencer = perhaps\n", NULL, ":2: midi.sequencer: perhaps is neither"},
    {"rate = 48000\n", NULL, ":1: rate: no such setting"},
    {"[audio]\nrate\n", NULL, ":2: neither [section] nor key = value"},
    {"[audio]\nrate 48000\nblock = 1\n", NULL, ":3: audio.block: 1 is not in 16..2048"},
    {"[audio]\ndriver = oss\n", NULL, "audio.driver: oss is none of auto, alsa, null, file"},
    {"[audio]\ndriver = pulseaudio\n", NULL, ":2: audio.driver: longer than 7 bytes"},
    {"[server]\nport = 70000\n", NULL, ":2: server.port: 70000 is not in 0..65535"},
    {"[server]\nsecurity_contact = mailto:a@b.org\n", NULL, NULL},
    {"", "--server.security_contact=https://b.org/tell?us=1", NULL},
    {"", "--server.security_contact=", NULL},
    {"", "--server.security_contact=a@b.org", "security_contact: a@b.org is neither mailto:"},
    {"", "--server.security_contact=mailto:b.org", "neither mailto:NAME@HOST"},
    {"", "--server.security_contact=mailto:@b.org", "neither mailto:NAME@HOST"},
    {"", "--server.security_contact=mailto:a@b@c", "neither mailto:NAME@HOST"},
    {"", "--server.security_contact=http://b.org", "nor https://"},
    {"", "--server.security_contact=https:///x", "nor https://"},
    {"", "--server.security_contact=mailto:a@b.org\nExpires: never", "neither mailto:"},
    {"", "--server.listen=192.0.2.1", NULL}, /* perhaps not yet this machine's */
    {"", "--server.listen=::1", NULL},
    {"", "--server.listen=fe80::1%eth9", NULL},
    {"", "--server.listen=localhost", "server.listen: localhost is no address, such as 0.0.0.0"},
    {"[server]\nlisten = 1.2.3.4.5\n", NULL, "server.listen: 1.2.3.4.5 is no address"},
    {"", "--server.listen=", "server.listen:  is no address"},
    {"", "--audio.rate=96000", NULL},
    {"", "--audio.rate=1", "audio.rate: 1 is not in 22050..192000"},
    {"", "--audio.rat=1", "audio.rat: no such setting"},
    {"", "--audio.rate", "--audio.rate: expected --section.key=value"},
    {"", "rate=1", "rate=1: expected --section.key=value"},
    {"", "--state=", "--state: expected a folder"},
    {"", "--seconds=-1", "audio.seconds: -1 is not in 0..86400"},
};

static void faults_are_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tb_config config;
        struct tb_error err = {TB_OK, ""};
        enum tb_status status = load_text(cases[i].text, cases[i].option, &config, &err);
        if ((status == TB_OK) != !cases[i].error)
            fail_msg("%zu: status %d: %s", i, status, err.text);
        if (cases[i].error && !strstr(err.text, cases[i].error))
            fail_msg("%zu: \"%s\" does not say \"%s\"", i, err.text, cases[i].error);
        if (cases[i].error && strstr(cases[i].error, ":2:") && !strstr(err.text, path))
            fail_msg("%zu: \"%s\" does not name the file", i, err.text);
    }
}

static void a_line_that_is_too_long_is_not_cut(void **state)
{
    (void)state;
    char text[600];
    struct tb_config config;
    struct tb_error err;
    int head = snprintf(text, sizeof text, "[server]\nhosts = ");
    memset(text + head, 'a', 300);
    (void)snprintf(text + head + 300, 2, "\n");
    assert_int_equal(load_text(text, NULL, &config, &err), TB_EINVAL);
    assert_non_null(strstr(err.text, ":2: the line is too long"));
}

static void options_win_over_the_file(void **state)
{
    (void)state;
    struct tb_config config;
    struct tb_error err;
    const char *text = "[audio]\nrate = 44100\nblock = 256\n[server]\nport = 9000\n"
                       "[midi]\nsequencer = no\nin = /tmp/a,/tmp/b\n";
    assert_int_equal(load_text(text, "--audio.rate=96000", &config, &err), TB_OK);
    assert_int_equal(config.rate_hz, 96000);
    assert_int_equal(config.block, 256);
    assert_int_equal(config.port, 9000);
    assert_true(config.port_fixed);
    assert_false(config.midi_sequencer);
    assert_string_equal(config.midi_in, "/tmp/a,/tmp/b");
    assert_string_equal(config.path, path);
}

static void defaults_need_no_file(void **state)
{
    (void)state;
    struct tb_config config;
    struct tb_error err;
    (void)setenv("STATE_DIRECTORY", "/var/lib/elsewhere", 1);
    assert_int_equal(tb_config_load(0, NULL, &config, &err), TB_OK);
    assert_int_equal(config.rate_hz, 48000);
    assert_int_equal(config.block, 64);
    assert_int_equal(config.periods, 3);
    assert_int_equal(config.priority, 70);
    assert_int_equal(config.cpu, -1);
    assert_false(config.port_fixed);
    assert_string_equal(config.driver, "auto");
    assert_string_equal(config.state_dir, "/var/lib/elsewhere");
}

/* deploy/timbred.conf shows every setting with its default, commented out. */
static void the_shipped_file_is_complete(void **state)
{
    (void)state;
    static const struct {
        const char *key, *text;
    } settings[] = {
#define STRING(X) #X
#define TEXT(KEY, F, DEF) {KEY, DEF},
#define NUMBER(KEY, F, MIN, DEF, MAX) {KEY, STRING(DEF)},
#define BOOL(KEY, F, DEF) {KEY, (DEF) ? "true" : "false"},
#include "server/config.def"
#undef TEXT
#undef NUMBER
#undef BOOL
    };
    FILE *file = fopen(TB_SOURCE_ROOT "/deploy/timbred.conf", "re");
    assert_non_null(file);
    char line[256], section[64] = "", found[64][128];
    size_t n = 0;
    while (fgets(line, sizeof line, file) && n < 64) {
        char key[32], value[64] = "";
        if (sscanf(line, "[%63[^]]]", section) == 1)
            continue;
        if (sscanf(line, ";%31[a-z_] = %63[^\n]", key, value) >= 1)
            (void)snprintf(found[n++], sizeof found[0], "%s.%s=%s", section, key, value);
    }
    assert_int_equal(fclose(file), 0);
    assert_int_equal(n, sizeof settings / sizeof settings[0]);
    for (size_t i = 0; i < n; i++) {
        char expected[128];
        (void)snprintf(expected, sizeof expected, "%s=%s", settings[i].key, settings[i].text);
        assert_string_equal(found[i], expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults_are_named),
        cmocka_unit_test(a_line_that_is_too_long_is_not_cut),
        cmocka_unit_test(options_win_over_the_file),
        cmocka_unit_test(defaults_need_no_file),
        cmocka_unit_test(the_shipped_file_is_complete),
    };
    int fd = mkstemp(path);
    if (fd < 0)
        return 1;
    (void)close(fd);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)unlink(path);
    return failed;
}
