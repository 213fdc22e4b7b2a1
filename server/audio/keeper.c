/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/audio/keeper.h"
#include "dsp/alsa_cards.h"
#include "dsp/clock.h"
#include "dsp/neural.h"
#include "server/audio/device_request.h"
#include "server/audio/instruments.h"
#include "server/audio/program_loader.h"
#include "server/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TICK_MS = 50, RETRY_MS = 500, LOOK_FOR_CARD_MS = 2000, RELEASE_MS = 2000 };
enum { STACK_BYTES = 512 * 1024, MAX_ENTRIES = 40, FIRST_SEED = 1 };

struct tb_keeper {
    struct tb_shm *shm;
    struct tb_audio_thread *thread;
    pthread_mutex_t lock; /* engine and sound; main and keeper threads */
    struct tb_engine *engine;
    struct tb_keeper_sound sound; /* last loaded */
    bool loaded;
    _Atomic uint32_t rate_hz; /* of engine */
    struct tb_instruments *instruments;

    /* Keeper thread. */
    struct tb_device_choice choice;
    bool on_card;      /* what was chosen plays; else the clock alone */
    bool exclusive;    /* ... and it is one that only one can have open */
    bool releasing;    /* the device was asked back */
    uint64_t retry_ns; /* when to look for it next, 0: not at all */
    uint64_t lost_ns;
    pthread_t keeper;
    int ours, theirs; /* socket pair: main, keeper */
    atomic_bool stop;
};

/* ---- what is told */

static void tell(struct tb_keeper *k, const char *device, const char *why, const char *input)
{
    struct tb_audio_state *a = &k->shm->audio;
    atomic_fetch_add(&a->text_version, 1);
    (void)snprintf(a->device, sizeof a->device, "%s", device);
    (void)snprintf(a->why, sizeof a->why, "%s", why);
    (void)snprintf(a->input, sizeof a->input, "%s", input);
    atomic_fetch_add(&a->text_version, 1);
}

static void announce(const struct tb_audio *audio, const char *why)
{
    tb_log("audio: %s, %u Hz, %u frames x %u: %s", audio->name, audio->rate_hz, audio->block,
           audio->periods, why);
}

/* ---- devices and engines */

static struct tb_audio *clock_like(const struct tb_audio *device, struct tb_error *err)
{
    struct tb_audio_request request = {.rate_hz = device->rate_hz,
                                       .block = device->block,
                                       .periods = device->periods > 1 ? device->periods : 2};
    return tb_audio_null.open(&request, err);
}

static struct tb_engine *engine_for(uint32_t rate_hz, struct tb_error *err)
{
    struct tb_engine_config config = {.rate_hz = (float)rate_hz,
                                      .max_block = TB_MAX_BLOCK,
                                      .cpu = TB_CPU_BEST,
                                      .seed = FIRST_SEED};
    return tb_engine_new(&config, err);
}

static struct tb_audio *open_choice(struct tb_keeper *k, char *why, size_t size,
                                    struct tb_error *err)
{
    struct tb_audio *device = tb_audio_open(k->choice.driver, &k->choice.request, why, size, err);
    k->on_card =
        device && (device->driver != &tb_audio_null || strcmp(k->choice.driver, "null") == 0);
    return device;
}

/* With the lock held. Device parameters reach the engine as events, the rest as a program, which
 * takes over both instruments in any case. */
static enum tb_status send_values(struct tb_keeper *k, const float values[TB_N_PARAMS],
                                  struct tb_neural *neural[2], uint32_t after, struct tb_error *err)
{
    struct tb_program *program =
        tb_program_new_neural(k->engine, values, neural[0], neural[1], err);
    if (!program)
        return err->status;
    for (int id = 0; id < TB_N_PARAMS; id++) {
        struct tb_event e = {.type = TB_EVENT_PARAM, .id = (uint16_t)id, .value = values[id]};
        if (tb_params[id].owner == TB_OWNER_DEVICE && !tb_audio_thread_event(k->thread, &e)) {
            tb_program_free(program);
            return tb_fail(err, TB_EFULL, "the audio thread does not take its orders");
        }
    }
    if (tb_audio_thread_program(k->thread, program, after))
        return TB_OK;
    tb_program_free(program);
    return tb_fail(err, TB_EFULL, "the audio thread does not take its orders");
}

/* What was prepared for the engine's rate; both or none. */
static enum tb_status take_instruments(struct tb_keeper *k, const struct tb_keeper_sound *sound,
                                       struct tb_neural *neural[2], struct tb_error *err)
{
    uint32_t rate_hz = atomic_load(&k->rate_hz);
    enum tb_status status =
        tb_instruments_take(k->instruments, sound->models[0], rate_hz, &neural[0], err);
    neural[1] = NULL;
    if (status == TB_OK)
        status = tb_instruments_take(k->instruments, sound->models[1], rate_hz, &neural[1], err);
    if (status != TB_OK)
        tb_neural_free(neural[0]);
    return status;
}

enum tb_status tb_keeper_load(struct tb_keeper *k, const struct tb_keeper_sound *sound,
                              uint32_t after, struct tb_error *err)
{
    struct tb_neural *neural[2];
    (void)pthread_mutex_lock(&k->lock);
    enum tb_status status = take_instruments(k, sound, neural, err);
    if (status == TB_OK)
        status = send_values(k, sound->values, neural, after, err);
    if (status == TB_OK) {
        k->sound = *sound;
        k->loaded = true;
    }
    (void)pthread_mutex_unlock(&k->lock);
    return status;
}

struct tb_instruments *tb_keeper_instruments(struct tb_keeper *k)
{
    return k->instruments;
}

/* Without the lock, because it takes its time: what plays, for another rate. A model that cannot be
 * built leaves its place empty. */
static void build_instruments(struct tb_keeper *k, uint32_t rate_hz, struct tb_neural *neural[2])
{
    struct tb_keeper_sound sound;
    (void)pthread_mutex_lock(&k->lock);
    sound = k->sound;
    (void)pthread_mutex_unlock(&k->lock);
    for (int i = 0; i < 2; i++) {
        struct tb_error err;
        if (tb_instruments_build(k->instruments, sound.models[i], rate_hz, &neural[i], &err) !=
            TB_OK)
            tb_log("audio: %s", err.text);
    }
}

/* With the lock held. The old engine is retired by the audio thread. Takes over neural. */
static enum tb_status change_engine(struct tb_keeper *k, uint32_t rate_hz,
                                    struct tb_neural *neural[2], struct tb_error *err)
{
    struct tb_engine *engine = engine_for(rate_hz, err);
    if (engine && !tb_audio_thread_engine(k->thread, engine)) {
        tb_engine_free(engine);
        engine = NULL;
        (void)tb_fail(err, TB_EFULL, "the audio thread does not take its orders");
    }
    float values[TB_N_PARAMS];
    memcpy(values, k->sound.values, sizeof values);
    bool known = tb_current_read(k->shm, values, NULL) == TB_OK || k->loaded;
    if (!engine || !known) {
        tb_neural_free(neural[0]);
        tb_neural_free(neural[1]);
    }
    if (!engine)
        return err->status;
    k->engine = engine;
    atomic_store(&k->rate_hz, rate_hz);
    uint32_t now = atomic_load(&tb_shm_ring(k->shm, k->shm->commands)->read);
    return known ? send_values(k, values, neural, now, err) : TB_OK;
}

/* Hands an open device to the audio thread, with the engine that its rate needs. */
static enum tb_status play_on(struct tb_keeper *k, struct tb_audio *device, struct tb_error *err)
{
    struct tb_output output = {.device = device, .clock = clock_like(device, err)};
    struct tb_neural *neural[2] = {NULL, NULL};
    enum tb_status status = output.clock ? TB_OK : err->status;
    bool other_rate = device->rate_hz != atomic_load(&k->rate_hz);
    if (status == TB_OK && other_rate)
        build_instruments(k, device->rate_hz, neural);
    (void)pthread_mutex_lock(&k->lock);
    if (status == TB_OK && other_rate)
        status = change_engine(k, device->rate_hz, neural, err);
    if (status == TB_OK && !tb_audio_thread_output(k->thread, &output))
        status = tb_fail(err, TB_EFULL, "the audio thread does not take its orders");
    (void)pthread_mutex_unlock(&k->lock);
    if (status == TB_OK)
        k->exclusive = device->driver != &tb_audio_null;
    else
        tb_audio_close(output.clock);
    return status;
}

static void free_retired(struct tb_keeper *k)
{
    struct tb_retired r;
    while (tb_audio_thread_retired(k->thread, &r)) {
        if (r.type == TB_RETIRED_PROGRAM)
            tb_program_free(r.program);
        else if (r.type == TB_RETIRED_ENGINE)
            tb_engine_free(r.engine);
        else {
            if (r.lost) {
                tb_log("audio: %s is lost; playing on without it", r.audio->name);
                tell(k, r.audio->name, "the sound card is gone: looking for it", "");
                k->lost_ns = tb_clock_ns();
                k->retry_ns = k->lost_ns + RETRY_MS * TB_NS_PER_MS;
            }
            k->releasing = k->releasing && r.audio->driver == &tb_audio_null;
            tb_audio_close(r.audio);
        }
    }
}

/* Looks for a lost device, or, where none was found at start, for the first card. */
static void look_again(struct tb_keeper *k)
{
    bool lost = k->lost_ns != 0;
    uint64_t wait_ms = lost ? RETRY_MS : LOOK_FOR_CARD_MS;
    k->retry_ns = tb_clock_ns() + wait_ms * TB_NS_PER_MS;
    struct tb_card card;
    if (!lost && tb_cards_list("/proc/asound", &card, 1) == 0)
        return;
    const struct tb_audio_driver *driver = tb_audio_driver_find(k->choice.driver);
    struct tb_error err;
    struct tb_audio *device = (driver ? driver : &tb_audio_alsa)->open(&k->choice.request, &err);
    if (!device)
        return;
    if (play_on(k, device, &err) != TB_OK) {
        tb_audio_close(device);
        tb_log("audio: %s", err.text);
        return;
    }
    tell(k, device->name, device->text, device->input);
    announce(device, lost ? "back" : device->text);
    k->on_card = true;
    k->retry_ns = 0;
    k->lost_ns = 0;
}

/* A card can be open only once, so the audio thread gives it back before the next is opened. */
static void release_device(struct tb_keeper *k)
{
    struct tb_audio like = {.rate_hz = atomic_load(&k->shm->audio.rate_hz),
                            .block = atomic_load(&k->shm->audio.block),
                            .periods = atomic_load(&k->shm->audio.periods)};
    struct tb_error err;
    struct tb_output none = {.clock = clock_like(&like, &err)};
    if (!none.clock)
        return;
    bool held = atomic_load(&k->shm->audio.state) == TB_DEVICE_RUNNING && k->exclusive;
    if (!tb_audio_thread_output(k->thread, &none)) {
        tb_audio_close(none.clock);
        return;
    }
    k->releasing = held;
    for (int waited = 0; waited < RELEASE_MS; waited++) {
        free_retired(k);
        if (!k->releasing)
            return;
        tb_clock_sleep_ms(1);
    }
}

static enum tb_status open_and_play(struct tb_keeper *k, struct tb_error *err)
{
    char why[160];
    struct tb_audio *device = open_choice(k, why, sizeof why, err);
    if (!device)
        return err->status;
    enum tb_status status = play_on(k, device, err);
    if (status != TB_OK) {
        tb_audio_close(device);
        return status;
    }
    k->lost_ns = 0;
    k->retry_ns = k->on_card ? 0 : tb_clock_ns() + LOOK_FOR_CARD_MS * TB_NS_PER_MS;
    tell(k, device->name, why, device->input);
    announce(device, why);
    return TB_OK;
}

static enum tb_status set_device(struct tb_keeper *k, const void *payload, size_t size,
                                 struct tb_error *err)
{
    struct tb_device_request request;
    struct tb_device_choice next = k->choice, before = k->choice;
    if (size != sizeof request)
        return tb_fail(err, TB_EINVAL, "device request: %zu bytes, expected %zu", size,
                       sizeof request);
    memcpy(&request, payload, sizeof request);
    enum tb_status status = tb_device_request_check(&request, &next, err);
    if (status != TB_OK)
        return status;
    release_device(k);
    k->choice = next;
    status = open_and_play(k, err);
    if (status == TB_OK)
        return TB_OK;
    k->choice = before;
    struct tb_error again;
    if (open_and_play(k, &again) != TB_OK) {
        tb_log("audio: %s", again.text);
        k->lost_ns = tb_clock_ns();
        k->retry_ns = k->lost_ns + RETRY_MS * TB_NS_PER_MS;
    }
    return status;
}

static size_t list_devices(struct tb_keeper *k, struct tb_device_entry *entries, size_t max)
{
    size_t n = 0;
    const struct tb_audio_driver *driver;
    for (size_t d = 0; (driver = tb_audio_driver_at(d)); d++) {
        struct tb_audio_entry found[MAX_ENTRIES];
        size_t n_found = driver->list(found, max - n);
        for (size_t i = 0; i < n_found; i++) {
            struct tb_device_entry *e = &entries[n++];
            memset(e, 0, sizeof *e);
            (void)snprintf(e->driver, sizeof e->driver, "%s", driver->name);
            memcpy(e->name, found[i].name, sizeof e->name);
            memcpy(e->text, found[i].text, sizeof e->text);
            memcpy(e->holder, found[i].holder, sizeof e->holder);
            e->playback = 1;
            e->capture = found[i].capture;
            e->busy = found[i].busy;
            e->current = strcmp(e->name, k->shm->audio.device) == 0;
        }
    }
    return n;
}

static void answer(struct tb_keeper *k, const struct tb_link_header *request, const void *payload)
{
    struct tb_link_header reply = {.type = TB_LINK_DONE, .id = request->id};
    struct tb_error err = {0};
    struct tb_device_entry entries[MAX_ENTRIES];
    if (request->type == TB_LINK_DEVICES) {
        size_t n = list_devices(k, entries, MAX_ENTRIES);
        reply.size = (uint32_t)(n * sizeof *entries);
    } else {
        reply.status = set_device(k, payload, request->size, &err);
        memcpy(reply.text, err.text, sizeof reply.text);
    }
    if (request->id == 0) { /* our own, after the configuration changed */
        if (reply.status != TB_OK)
            tb_log("audio: %s", reply.text);
        return;
    }
    if (tb_link_send(k->theirs, &reply, entries, -1, &err) != TB_OK)
        tb_log("audio: %s", err.text);
}

static void *run(void *arg)
{
    struct tb_keeper *k = arg;
    char *payload = malloc(TB_LINK_MAX);
    while (!atomic_load(&k->stop)) {
        struct pollfd p = {.fd = k->theirs, .events = POLLIN};
        (void)poll(&p, 1, TICK_MS);
        free_retired(k);
        if (k->retry_ns != 0 && tb_clock_ns() >= k->retry_ns)
            look_again(k);
        struct tb_link_header header;
        struct tb_error err;
        int fd;
        if (payload && (p.revents & POLLIN) &&
            tb_link_receive(k->theirs, &header, payload, &fd, &err) == TB_OK)
            answer(k, &header, payload);
    }
    free(payload);
    return NULL;
}

/* ---- main thread */

static enum tb_status start_thread(struct tb_keeper *k, struct tb_error *err)
{
    pthread_attr_t attr;
    int e = pthread_attr_init(&attr);
    if (e == 0) {
        e = pthread_attr_setstacksize(&attr, STACK_BYTES);
        e = e ? e : pthread_create(&k->keeper, &attr, run, k);
        (void)pthread_attr_destroy(&attr);
    }
    if (e != 0)
        return tb_fail(err, TB_EIO, "device thread: %s", strerror(e));
    (void)pthread_setname_np(k->keeper, "devices");
    return TB_OK;
}

static void choose(struct tb_device_choice *choice, const struct tb_config *config)
{
    memset(choice, 0, sizeof *choice);
    memcpy(choice->driver, config->driver, sizeof choice->driver);
    memcpy(choice->request.name, config->device, sizeof choice->request.name);
    choice->request.rate_hz = config->rate_hz;
    choice->request.block = config->block;
    choice->request.periods = config->periods;
    choice->request.seconds = config->seconds;
    memcpy(choice->request.input, config->input, sizeof choice->request.input);
}

/* A named card that is missing at start is no reason not to start: it is looked for like a lost
 * one, and the browser can listen meanwhile. */
static struct tb_audio *open_first(struct tb_keeper *k, char *why, size_t size,
                                   struct tb_error *err)
{
    struct tb_audio *device = open_choice(k, why, size, err);
    if (device || strcmp(k->choice.driver, "alsa") != 0)
        return device;
    (void)snprintf(why, size, "%.100s: playing into the browser", err->text);
    k->lost_ns = tb_clock_ns();
    return tb_audio_null.open(&k->choice.request, err);
}

static enum tb_status start_audio(struct tb_keeper *k, const struct tb_realtime *realtime,
                                  struct tb_error *err)
{
    char why[160];
    struct tb_audio *device = open_first(k, why, sizeof why, err);
    if (!device)
        return err->status;
    struct tb_audio_start start = {
        .shm = k->shm, .priority = realtime->priority, .cpu = realtime->cpu};
    if (!device->driver->realtime) {
        start.priority = 0; /* as fast as it can must not mean at the cost of all others */
        start.cpu = -1;
    }
    start.output.device = device;
    start.output.clock = clock_like(device, err);
    start.engine = engine_for(device->rate_hz, err);
    atomic_store(&k->rate_hz, device->rate_hz);
    tell(k, device->name, why, device->input);
    if (start.output.clock && start.engine) {
        k->engine = start.engine;
        k->thread = tb_audio_thread_start(&start, err);
    }
    if (!k->thread) {
        tb_audio_close(device);
        tb_audio_close(start.output.clock);
        tb_engine_free(start.engine);
        return err->status;
    }
    announce(device, why);
    k->exclusive = device->driver != &tb_audio_null;
    if (!k->on_card)
        k->retry_ns = tb_clock_ns() + RETRY_MS * TB_NS_PER_MS;
    return TB_OK;
}

/* Everything but its threads. */
static void free_keeper(struct tb_keeper *k)
{
    tb_instruments_stop(k->instruments);
    close(k->ours);
    close(k->theirs);
    (void)pthread_mutex_destroy(&k->lock);
    free(k);
}

struct tb_keeper *tb_keeper_start(const struct tb_config *config,
                                  const struct tb_realtime *realtime, struct tb_shm *shm,
                                  struct tb_error *err)
{
    struct tb_keeper *k = calloc(1, sizeof *k);
    int pair[2];
    if (!k || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0) {
        (void)tb_fail(err, TB_EIO, "devices: %s", strerror(errno));
        free(k);
        return NULL;
    }
    k->shm = shm;
    k->ours = pair[0];
    k->theirs = pair[1];
    (void)pthread_mutex_init(&k->lock, NULL);
    choose(&k->choice, config);
    k->instruments = tb_instruments_start(&k->rate_hz, err);
    if (k->instruments && start_audio(k, realtime, err) == TB_OK) {
        if (start_thread(k, err) == TB_OK)
            return k;
        tb_audio_thread_stop(k->thread);
    }
    free_keeper(k);
    return NULL;
}

void tb_keeper_stop(struct tb_keeper *k)
{
    atomic_store(&k->stop, true);
    (void)pthread_join(k->keeper, NULL);
    tb_audio_thread_stop(k->thread);
    free_keeper(k);
}

struct tb_audio_thread *tb_keeper_thread(struct tb_keeper *k)
{
    return k->thread;
}

enum tb_status tb_keeper_request(struct tb_keeper *k, const struct tb_link_header *header,
                                 const void *payload, struct tb_error *err)
{
    return tb_link_send(k->ours, header, payload, -1, err);
}

int tb_keeper_fd(const struct tb_keeper *k)
{
    return k->ours;
}

void tb_keeper_reconfigure(struct tb_keeper *k, const struct tb_config *config)
{
    struct tb_device_request request = {
        .rate_hz = config->rate_hz, .block = config->block, .periods = config->periods};
    request.set_input = 1;
    (void)snprintf(request.input, sizeof request.input, "%.63s", config->input);
    memcpy(request.driver, config->driver, sizeof request.driver);
    memcpy(request.name, config->device, sizeof request.name);
    struct tb_link_header header = {.type = TB_LINK_DEVICE_SET, .size = sizeof request};
    struct tb_error err;
    if (tb_keeper_request(k, &header, &request, &err) != TB_OK)
        tb_log("audio: %s", err.text);
}
