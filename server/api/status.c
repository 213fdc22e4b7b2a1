/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/api/status.h"

#include "dsp/engine.h"
#include "server/api/publish.h"
#include "server/api/ws.h"
#include "server/offline/machine.h"
#include "server/web/web.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void copy_text(char *to, size_t size, const char *from, size_t from_size)
{
    size_t n = strnlen(from, from_size);
    n = n < size ? n : size - 1;
    memcpy(to, from, n);
    to[n] = '\0';
}

void tb_status_texts(struct tb_web *web, char *device, size_t device_size, char *why,
                     size_t why_size)
{
    const struct tb_audio_state *a = &web->shm->audio;
    for (int attempt = 0; attempt < 100; attempt++) {
        uint32_t version = atomic_load(&a->text_version);
        copy_text(device, device_size, a->device, sizeof a->device);
        copy_text(why, why_size, a->why, sizeof a->why);
        if (!(version & 1) && version == atomic_load(&a->text_version))
            return;
    }
}

static json_t *load_json(const struct tb_load *load)
{
    return json_pack("{s:f, s:f, s:f}", "mean", load->mean, "p99", load->p99, "max", load->max);
}

/* The device's name says its driver: PCM names of ALSA, "null", or a path. */
static const char *driver_of(const char *device)
{
    if (!strcmp(device, "null") || !device[0])
        return "null";
    return device[0] == '/' || strstr(device, ".wav") ? "file" : "alsa";
}

/* What is heard beside the device, a client's microphone before all. */
static json_t *input_json(struct tb_web *web)
{
    const struct tb_audio_state *a = &web->shm->audio;
    char text[sizeof a->input] = "";
    for (int attempt = 0; attempt < 100; attempt++) {
        uint32_t version = atomic_load(&a->text_version);
        copy_text(text, sizeof text, a->input, sizeof a->input);
        if (!(version & 1) && version == atomic_load(&a->text_version))
            break;
    }
    uint32_t client = atomic_load(&web->shm->mic.client);
    return json_pack(
        "{s:b, s:s, s:o, s:I, s:f, s:f, s:f}", "on", client != 0 || atomic_load(&a->has_input),
        "text", text, "client", client ? json_integer(client) : json_null(), "frames",
        (json_int_t)atomic_load(&a->input_frames), "f0_hz", (double)atomic_load(&a->input_f0_hz),
        "confidence", (double)atomic_load(&a->input_confidence), "level_db",
        (double)atomic_load(&a->input_level_db));
}

static json_t *audio_json(struct tb_web *web)
{
    static const char *const states[] = {"stopped", "running", "lost"};
    struct tb_audio_state *a = &web->shm->audio;
    char device[64] = "", why[160] = "";
    struct tb_load load;
    tb_publish_load(web->publish, &load);
    tb_status_texts(web, device, sizeof device, why, sizeof why);
    uint32_t state = atomic_load(&a->state), rate = atomic_load(&a->rate_hz);
    uint32_t block = atomic_load(&a->block), periods = atomic_load(&a->periods);
    double latency = rate ? 1000.0 * block * periods / rate : 0.0;
    json_t *audio = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:f, s:b, s:b, s:i, s:s}",
                              "driver", driver_of(device), "device", device, "why", why, "state",
                              states[state < 3 ? state : 0], "rate_hz", (json_int_t)rate, "block",
                              (json_int_t)block, "periods", (json_int_t)periods, "latency_ms",
                              latency, "realtime", (int)atomic_load(&a->realtime), "locked",
                              (int)atomic_load(&a->locked), "cpu", (int)atomic_load(&a->cpu),
                              "kernel", tb_cpu_name((enum tb_cpu)atomic_load(&a->kernel)));
    if (!audio)
        return NULL;
    (void)json_object_set_new(audio, "load", load_json(&load));
    (void)json_object_set_new(audio, "late", json_integer((json_int_t)atomic_load(&a->late)));
    (void)json_object_set_new(audio, "xruns", json_integer((json_int_t)atomic_load(&a->xruns)));
    (void)json_object_set_new(audio, "input", input_json(web));
    (void)json_object_set_new(audio, "voices", json_integer(load.voices));
    return audio;
}

json_t *tb_status_json(struct tb_web *web)
{
    struct tb_audio_state *a = &web->shm->audio;
    double celsius = tb_machine_temperature_c("");
    return json_pack("{s:s, s:f, s:o, s:i, s:I, s:I, s:o}", "version", TB_VERSION, "uptime_s",
                     (double)(tb_now_ns() - web->started_ns) * 1e-9, "audio", audio_json(web),
                     "clients", (int)tb_ws_clients(web->ws), "midi_events",
                     (json_int_t)atomic_load(&a->midi_events), "web_restarts",
                     (json_int_t)atomic_load(&a->web_restarts), "temperature_c",
                     isfinite(celsius) ? json_real(celsius) : json_null());
}
