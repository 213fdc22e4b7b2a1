/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/audio.h"

#include <stdio.h>
#include <string.h>

static const struct tb_audio_driver *const drivers[] = {
    &tb_audio_alsa,
    &tb_audio_null,
    &tb_audio_file,
};
enum { N_DRIVERS = sizeof drivers / sizeof drivers[0] };

const struct tb_audio_driver *tb_audio_driver_at(size_t i)
{
    return i < N_DRIVERS ? drivers[i] : NULL;
}

const struct tb_audio_driver *tb_audio_driver_find(const char *name)
{
    for (size_t i = 0; i < N_DRIVERS; i++)
        if (strcmp(drivers[i]->name, name) == 0)
            return drivers[i];
    return NULL;
}

static struct tb_audio *open_auto(const struct tb_audio_request *request, char *why, size_t size,
                                  struct tb_error *err)
{
    struct tb_error no_card;
    struct tb_audio *audio = tb_audio_alsa.open(request, &no_card);
    if (audio) {
        (void)snprintf(why, size, "%s", audio->text);
        return audio;
    }
    audio = tb_audio_null.open(request, err);
    if (audio)
        (void)snprintf(why, size, "%s: playing into the browser", no_card.text);
    return audio;
}

struct tb_audio *tb_audio_open(const char *driver, const struct tb_audio_request *request,
                               char *why, size_t size, struct tb_error *err)
{
    if (strcmp(driver, "auto") == 0)
        return open_auto(request, why, size, err);
    const struct tb_audio_driver *d = tb_audio_driver_find(driver);
    if (!d) {
        (void)tb_fail(err, TB_EINVAL, "audio driver: %s is none of auto, alsa, null, file", driver);
        return NULL;
    }
    struct tb_audio *audio = d->open(request, err);
    if (audio)
        (void)snprintf(why, size, "asked for: %s", audio->text);
    return audio;
}

void tb_audio_close(struct tb_audio *audio)
{
    if (audio)
        audio->driver->close(audio);
}
