/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_FUZZ_FUZZ_H
#define TB_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Each target defines this one function; libFuzzer calls it, and so does replay.c. A fault of the
 * parser shows as a crash, a sanitizer report or a failed FUZZ_CHECK. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold for any input; stays on in every build. */
#define FUZZ_CHECK(condition)                                                                      \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

/* A terminated copy of data, to be freed: a read behind its end is seen by the sanitizer. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
    char *text = calloc(1, size + 1);
    FUZZ_CHECK(text);
    if (size > 0)
        memcpy(text, data, size);
    return text;
}

#endif
