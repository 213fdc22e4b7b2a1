/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * An INI file, and options: two halves of the input split at the first NUL. What is accepted is
 * within its bounds and terminated. */
#include "server/config.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MAX_OPTIONS = 16 };

static void check(const struct tb_config *config)
{
    FUZZ_CHECK(memchr(config->state_dir, '\0', sizeof config->state_dir));
    FUZZ_CHECK(memchr(config->listen, '\0', sizeof config->listen));
    FUZZ_CHECK(memchr(config->hosts, '\0', sizeof config->hosts));
    FUZZ_CHECK(memchr(config->midi_in, '\0', sizeof config->midi_in));
    FUZZ_CHECK(config->rate_hz >= 22050 && config->rate_hz <= 192000);
    FUZZ_CHECK(config->block >= 16 && config->block <= 2048);
    FUZZ_CHECK(config->periods >= 2 && config->periods <= 16);
    FUZZ_CHECK(config->priority >= 0 && config->priority <= 99);
    FUZZ_CHECK(config->cpu >= -2 && config->cpu <= 1023);
}

/* Options are lines; the first says where the INI file is. */
static size_t split(char *text, char **options)
{
    size_t n = 0;
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line && n < MAX_OPTIONS;
         line = strtok_r(NULL, "\n", &rest))
        options[n++] = line;
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tb_config config;
    char path[64];
    char *text = fuzz_text(data, size);
    size_t ini = strlen(text);
    int fd = memfd_create("fuzz-ini", MFD_CLOEXEC);
    FUZZ_CHECK(fd >= 0);
    FUZZ_CHECK(write(fd, text, ini) == (ssize_t)ini);
    (void)snprintf(path, sizeof path, "--config=/proc/self/fd/%d", fd);
    char *options[MAX_OPTIONS + 1] = {path};
    size_t n = ini < size ? split(text + ini + 1, options + 1) : 0;
    struct tb_error err = {0};
    if (tb_config_load((int)n + 1, options, &config, &err) == TB_OK)
        check(&config);
    else
        FUZZ_CHECK(err.text[0] != '\0');
    close(fd);
    free(text);
    return 0;
}
