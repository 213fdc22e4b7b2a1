/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/audio/audio_thread.h"
#include "dsp/clock.h"
#include "server/audio/realtime.h"
#include "server/audio/sound_input.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ORDERS = 256, RETIRED = 1024, RETIRED_BY_ONE = 64, MIDI_MESSAGES = 1024 };
enum { COMMANDS_PER_BLOCK = 384, MIDI_PER_BLOCK = 128, NOTICES_PER_BLOCK = 64 };
enum { STACK_BYTES = 256 * 1024, MAX_SOURCES = 64, MAX_XRUNS_IN_A_ROW = 50 };
static const float fade_s = 0.05f, tone_s = 1.0f, tone_hz = 440.0f, tone_peak = 0.25f;
static const float tone_ramp_s = 0.01f;

enum order_type { PROGRAM, OUTPUT, ENGINE, EVENT, TONE, RELEASE_WEB, STOP };
struct order {
    enum order_type type;
    uint32_t after; /* PROGRAM: index in the command ring */
    union {
        struct tb_program *program;
        struct tb_output output;
        struct tb_engine *engine;
        struct tb_event event;
    };
};

struct tb_audio_thread {
    /* Audio thread only. */
    struct tb_engine *engine;
    struct tb_output output;
    struct tb_program *pending; /* to be swapped in once the commands before `after` are done */
    uint32_t after;
    uint32_t sources[MAX_SOURCES]; /* who played through the web role since it started */
    uint32_t n_sources;
    bool stopping;
    float gain;      /* falls to 0 when stopping */
    uint32_t silent; /* blocks since then */
    uint32_t xruns_in_row;
    uint64_t frames;
    uint32_t tone_left; /* frames */
    float tone_phase_cyc;
    float left[TB_MAX_BLOCK], right[TB_MAX_BLOCK], heard[TB_MAX_BLOCK];
    struct tb_sound_input input;

    /* Shared. */
    struct tb_shm *shm;
    struct tb_ring *commands, *frames_ring, *notices; /* in shm */
    struct tb_ring *orders, *retired, *midi;          /* private */
    pthread_mutex_t order_lock; /* between the senders of orders; audio never takes it */
    pthread_t thread;
    int priority, cpu;
    _Atomic int tid; /* 0 until it runs */
    _Atomic uint32_t midi_channel;
    atomic_bool ended;
};

/* ---- the audio thread: nothing below allocates, locks, logs or waits but the device's wait */

static void retire(struct tb_audio_thread *t, const struct tb_retired *r)
{
    (void)tb_ring_push(t->retired, r); /* there is room: see can_retire */
}

static void retire_audio(struct tb_audio_thread *t, struct tb_audio *audio, bool lost)
{
    struct tb_retired r = {.type = TB_RETIRED_AUDIO, .audio = audio, .lost = lost};
    if (audio)
        retire(t, &r);
}

static void retire_program(struct tb_audio_thread *t, struct tb_program *program)
{
    struct tb_retired r = {.type = TB_RETIRED_PROGRAM, .program = program};
    if (program)
        retire(t, &r);
}

static void tell_device(struct tb_audio_thread *t, enum tb_device_state state)
{
    struct tb_notice notice = {.type = TB_NOTICE_DEVICE, .id = state};
    atomic_store(&t->shm->audio.state, state);
    (void)tb_ring_push(t->notices, &notice);
}

static struct tb_audio *current(const struct tb_audio_thread *t)
{
    return t->output.device ? t->output.device : t->output.clock;
}

static void take_output(struct tb_audio_thread *t, const struct tb_output *output)
{
    retire_audio(t, t->output.device, false);
    retire_audio(t, t->output.clock, false);
    t->output = *output;
    t->xruns_in_row = 0;
    const struct tb_audio *audio = current(t);
    atomic_store(&t->shm->audio.rate_hz, audio->rate_hz);
    atomic_store(&t->shm->audio.block, audio->block);
    atomic_store(&t->shm->audio.periods, audio->periods);
    atomic_store(&t->shm->audio.has_input, audio->has_input);
    tell_device(t, output->device ? TB_DEVICE_RUNNING : TB_DEVICE_LOST);
}

static void take_engine(struct tb_audio_thread *t, struct tb_engine *engine)
{
    struct tb_retired r = {.type = TB_RETIRED_ENGINE, .engine = t->engine};
    retire_program(t, t->pending); /* was made for the old one's rate */
    t->pending = NULL;
    t->engine = engine;
    atomic_store(&t->shm->audio.kernel, (uint32_t)tb_engine_cpu(engine));
    retire(t, &r);
}

static void remember(struct tb_audio_thread *t, uint32_t source)
{
    if (t->n_sources > MAX_SOURCES)
        return; /* more than the table holds: all notes will end */
    for (uint32_t i = 0; i < t->n_sources; i++)
        if (t->sources[i] == source)
            return;
    if (t->n_sources < MAX_SOURCES)
        t->sources[t->n_sources] = source;
    t->n_sources++;
}

static void release_web(struct tb_audio_thread *t)
{
    struct tb_event e = {.type = TB_EVENT_ALL_NOTES_OFF};
    if (t->n_sources > MAX_SOURCES) {
        t->n_sources = 1;
        t->sources[0] = TB_SOURCE_ANY;
    }
    for (uint32_t i = 0; i < t->n_sources; i++) {
        e.source = t->sources[i];
        tb_engine_handle(t->engine, &e);
    }
    t->n_sources = 0;
}

static void apply(struct tb_audio_thread *t, const struct tb_event *e)
{
    if (e->type == TB_EVENT_PARAM && e->id == TB_P_MIDI_CHANNEL && e->value >= 0 && e->value <= 16)
        atomic_store_explicit(&t->midi_channel, (uint32_t)e->value, memory_order_relaxed);
    tb_engine_handle(t->engine, e);
}

static bool due(const struct tb_audio_thread *t)
{
    uint32_t read = atomic_load_explicit(&t->commands->read, memory_order_relaxed);
    return (int32_t)(read - t->after) >= 0 || tb_ring_depth(t->commands) == 0;
}

/* Orders wait while nobody fetches what they replace: a storm of loads fills the queue of orders
 * and is refused there. */
static bool can_retire(const struct tb_audio_thread *t)
{
    return tb_ring_depth(t->retired) < RETIRED - RETIRED_BY_ONE;
}

/* Orders are taken in turn; those behind a program that has to wait for commands wait with it. */
static void take_orders(struct tb_audio_thread *t)
{
    struct order o;
    while ((!t->pending || due(t)) && can_retire(t) && tb_ring_pop(t->orders, &o)) {
        switch (o.type) {
        case PROGRAM:
            retire_program(t, t->pending); /* overtaken before it could sound */
            t->pending = o.program;
            t->after = o.after;
            break;
        case OUTPUT:
            take_output(t, &o.output);
            break;
        case ENGINE:
            take_engine(t, o.engine);
            break;
        case EVENT:
            apply(t, &o.event);
            break;
        case TONE:
            t->tone_left = (uint32_t)(tone_s * (float)current(t)->rate_hz);
            break;
        case RELEASE_WEB:
            release_web(t);
            break;
        case STOP:
            t->stopping = true;
            break;
        }
    }
}

/* False while a program is due but the one before it is still fading in: the commands behind it
 * have to wait. */
static bool settle(struct tb_audio_thread *t)
{
    while (t->pending && due(t)) {
        if (!tb_engine_swap(t->engine, t->pending))
            return false;
        t->pending = NULL;
        take_orders(t);
    }
    return true;
}

/* The number of commands is read before the orders: a command that its sender pushed after a load
 * was confirmed is then never seen without that load. */
static void take_commands(struct tb_audio_thread *t)
{
    uint32_t n = tb_ring_depth(t->commands);
    take_orders(t);
    struct tb_event e;
    for (uint32_t i = 0; i < n && i < COMMANDS_PER_BLOCK; i++) {
        if (!settle(t) || !tb_ring_pop(t->commands, &e))
            return;
        if (e.type == TB_EVENT_NOTE_ON)
            remember(t, e.source);
        apply(t, &e);
        take_orders(t);
    }
    (void)settle(t);
}

static void take_midi(struct tb_audio_thread *t)
{
    struct tb_midi_message m;
    for (uint32_t i = 0; i < MIDI_PER_BLOCK && tb_ring_pop(t->midi, &m); i++) {
        if (m.event.type == TB_EVENT_NONE)
            (void)tb_ring_push(t->notices, &m.notice);
        else
            tb_engine_handle(t->engine, &m.event);
        atomic_fetch_add_explicit(&t->shm->audio.midi_events, 1, memory_order_relaxed);
    }
}

static void add_tone(struct tb_audio_thread *t, uint32_t n, float rate_hz)
{
    float ramp = tone_ramp_s * rate_hz, total = tone_s * rate_hz;
    for (uint32_t i = 0; i < n && t->tone_left > 0; i++, t->tone_left--) {
        float left = (float)t->tone_left;
        float edge = fminf(fminf(left, total - left) / ramp, 1.0f);
        float v = tone_peak * edge * sinf(6.28318531f * t->tone_phase_cyc);
        t->tone_phase_cyc += tone_hz / rate_hz;
        t->tone_phase_cyc -= floorf(t->tone_phase_cyc);
        t->left[i] = fmaxf(-1.0f, fminf(1.0f, t->left[i] + v));
        t->right[i] = fmaxf(-1.0f, fminf(1.0f, t->right[i] + v));
    }
}

static void fade_out(struct tb_audio_thread *t, uint32_t n, float rate_hz)
{
    float step = 1.0f / (fade_s * rate_hz);
    for (uint32_t i = 0; i < n; i++) {
        t->gain = fmaxf(0.0f, t->gain - step);
        t->left[i] *= t->gain;
        t->right[i] *= t->gain;
    }
    if (t->gain == 0.0f)
        t->silent++;
}

static void write_tap(struct tb_audio_thread *t, uint32_t n)
{
    struct tb_tap *tap = &t->shm->tap;
    uint64_t at = atomic_load_explicit(&tap->write, memory_order_relaxed);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t l = (uint16_t)(int16_t)lrintf(t->left[i] * 32767.0f);
        uint32_t r = (uint16_t)(int16_t)lrintf(t->right[i] * 32767.0f);
        atomic_store_explicit(&tap->sample[(at + i) % TB_TAP_FRAMES], l | r << 16,
                              memory_order_relaxed);
    }
    atomic_store_explicit(&tap->write, at + n, memory_order_release);
}

static void report(struct tb_audio_thread *t, uint32_t n, float load)
{
    struct tb_audio_state *a = &t->shm->audio;
    if (load > 1.0f && current(t)->driver->realtime)
        atomic_fetch_add_explicit(&a->late, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&a->blocks, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&a->heartbeat, 1, memory_order_relaxed);
    struct tb_frame frame = {0};
    tb_engine_telemetry(t->engine, &frame);
    struct tb_engine_heard heard;
    tb_engine_heard(t->engine, &heard);
    atomic_store_explicit(&a->input_open, heard.open, memory_order_relaxed);
    atomic_store_explicit(&a->input_f0_hz, frame.neural.input_f0_hz, memory_order_relaxed);
    atomic_store_explicit(&a->input_confidence, frame.neural.confidence, memory_order_relaxed);
    atomic_store_explicit(&a->input_level_db, frame.neural.input_db, memory_order_relaxed);
    frame.frame = t->frames;
    frame.n_frames = (uint16_t)n;
    frame.load = load;
    if (current(t)->driver->realtime)
        tb_engine_load(t->engine, load);
    frame.late = (uint32_t)atomic_load_explicit(&a->late, memory_order_relaxed);
    (void)tb_ring_push(t->frames_ring, &frame);
    t->frames += n;
    struct tb_notice notice;
    for (uint32_t i = 0; i < NOTICES_PER_BLOCK && tb_engine_notice(t->engine, &notice); i++)
        (void)tb_ring_push(t->notices, &notice);
    retire_program(t, tb_engine_retired(t->engine));
}

/* After a result of wait or write. A device that only ever runs dry is as good as lost. */
static void judge(struct tb_audio_thread *t, enum tb_audio_result result)
{
    if (result == TB_AUDIO_XRUN) {
        atomic_fetch_add_explicit(&t->shm->audio.xruns, 1, memory_order_relaxed);
        if (++t->xruns_in_row > MAX_XRUNS_IN_A_ROW && t->output.device)
            result = TB_AUDIO_LOST;
    }
    if (result == TB_AUDIO_END) {
        atomic_store(&t->ended, true);
        retire_audio(t, t->output.device, false);
        t->output.device = NULL;
        tell_device(t, TB_DEVICE_STOPPED);
    }
    if (result == TB_AUDIO_LOST && t->output.device) {
        retire_audio(t, t->output.device, true);
        t->output.device = NULL;
        t->xruns_in_row = 0;
        tell_device(t, TB_DEVICE_LOST);
    }
}

static void block(struct tb_audio_thread *t)
{
    enum tb_audio_result result = current(t)->driver->wait(current(t));
    if (result != TB_AUDIO_OK)
        judge(t, result);
    uint64_t start_ns = tb_clock_ns();
    take_commands(t);
    take_midi(t);
    struct tb_audio *audio = current(t);
    uint32_t n = audio->block;
    float rate_hz = (float)audio->rate_hz;
    uint32_t n_heard = tb_sound_input_take(&t->input, t->shm, audio, t->heard, TB_MAX_BLOCK);
    tb_engine_input(t->engine, t->heard, n_heard);
    tb_engine_render(t->engine, t->left, t->right, n);
    if (t->tone_left > 0)
        add_tone(t, n, rate_hz);
    if (t->stopping)
        fade_out(t, n, rate_hz);
    uint64_t spent_ns = tb_clock_ns() - start_ns;
    result = audio->driver->write(audio, t->left, t->right);
    if (result == TB_AUDIO_OK)
        t->xruns_in_row = 0;
    else
        judge(t, result);
    write_tap(t, n);
    report(t, n, (float)((double)spent_ns * 1e-9 * (double)rate_hz / n));
}

static void *run(void *arg)
{
    struct tb_audio_thread *t = arg;
    bool fifo = tb_realtime_enter(t->priority, t->cpu);
    atomic_store(&t->shm->audio.realtime, fifo);
    atomic_store(&t->shm->audio.cpu, t->cpu);
    atomic_store(&t->shm->audio.kernel, (uint32_t)tb_engine_cpu(t->engine));
    atomic_store(&t->tid, gettid());
    /* Once silent, the device's buffer is played out too. */
    while (!t->stopping || t->gain > 0.0f || t->silent <= current(t)->periods)
        block(t);
    return NULL;
}

/* ---- control threads */

static struct tb_ring *new_ring(uint32_t capacity, size_t record_size)
{
    size_t bytes = tb_ring_bytes(capacity, (uint32_t)record_size);
    bytes = (bytes + TB_CACHE_LINE - 1) / TB_CACHE_LINE * TB_CACHE_LINE;
    struct tb_ring *ring = aligned_alloc(TB_CACHE_LINE, bytes);
    if (ring) {
        memset(ring, 0, bytes);
        tb_ring_init(ring, capacity, (uint32_t)record_size);
    }
    return ring;
}

static void free_rings(struct tb_audio_thread *t)
{
    free(t->orders);
    free(t->retired);
    free(t->midi);
}

static enum tb_status launch(struct tb_audio_thread *t, struct tb_error *err)
{
    pthread_attr_t attr;
    int e = pthread_attr_init(&attr);
    if (e == 0) {
        e = pthread_attr_setstacksize(&attr, STACK_BYTES);
        if (e == 0)
            e = pthread_create(&t->thread, &attr, run, t);
        (void)pthread_attr_destroy(&attr);
    }
    if (e != 0)
        return tb_fail(err, TB_EIO, "audio thread: %s", strerror(e));
    (void)pthread_setname_np(t->thread, "audio");
    while (atomic_load(&t->tid) == 0)
        tb_clock_sleep_ms(1);
    return TB_OK;
}

struct tb_audio_thread *tb_audio_thread_start(const struct tb_audio_start *start,
                                              struct tb_error *err)
{
    struct tb_audio_thread *t = calloc(1, sizeof *t);
    if (!t) {
        (void)tb_fail(err, TB_ENOMEM, "no memory for the audio thread");
        return NULL;
    }
    memset(t->left, 0, sizeof t->left);
    t->shm = start->shm;
    t->engine = start->engine;
    t->gain = 1.0f;
    t->priority = start->priority;
    t->cpu = start->cpu;
    t->commands = tb_shm_ring(start->shm, start->shm->commands);
    t->frames_ring = tb_shm_ring(start->shm, start->shm->frames);
    t->notices = tb_shm_ring(start->shm, start->shm->notices);
    t->orders = new_ring(ORDERS, sizeof(struct order));
    t->retired = new_ring(RETIRED, sizeof(struct tb_retired));
    t->midi = new_ring(MIDI_MESSAGES, sizeof(struct tb_midi_message));
    (void)pthread_mutex_init(&t->order_lock, NULL);
    bool memory = t->orders && t->retired && t->midi;
    if (!memory)
        (void)tb_fail(err, TB_ENOMEM, "no memory for the audio thread");
    if (memory)
        take_output(t, &start->output);
    if (!memory || launch(t, err) != TB_OK) {
        free_rings(t);
        free(t);
        return NULL;
    }
    return t;
}

static bool order(struct tb_audio_thread *t, const struct order *o)
{
    (void)pthread_mutex_lock(&t->order_lock);
    bool sent = tb_ring_push(t->orders, o);
    (void)pthread_mutex_unlock(&t->order_lock);
    return sent;
}

bool tb_audio_thread_program(struct tb_audio_thread *t, struct tb_program *program, uint32_t after)
{
    return order(t, &(struct order){.type = PROGRAM, .program = program, .after = after});
}

bool tb_audio_thread_output(struct tb_audio_thread *t, const struct tb_output *output)
{
    return order(t, &(struct order){.type = OUTPUT, .output = *output});
}

bool tb_audio_thread_engine(struct tb_audio_thread *t, struct tb_engine *engine)
{
    return order(t, &(struct order){.type = ENGINE, .engine = engine});
}

bool tb_audio_thread_event(struct tb_audio_thread *t, const struct tb_event *event)
{
    return order(t, &(struct order){.type = EVENT, .event = *event});
}

bool tb_audio_thread_tone(struct tb_audio_thread *t)
{
    return order(t, &(struct order){.type = TONE});
}

bool tb_audio_thread_release_web(struct tb_audio_thread *t)
{
    return order(t, &(struct order){.type = RELEASE_WEB});
}

bool tb_audio_thread_retired(struct tb_audio_thread *t, struct tb_retired *retired)
{
    return tb_ring_pop(t->retired, retired);
}

bool tb_audio_thread_midi(struct tb_audio_thread *t, const struct tb_midi_message *message)
{
    return tb_ring_push(t->midi, message);
}

uint32_t tb_audio_thread_midi_channel(const struct tb_audio_thread *t)
{
    return atomic_load_explicit(&t->midi_channel, memory_order_relaxed);
}

int tb_audio_thread_tid(const struct tb_audio_thread *t)
{
    return atomic_load(&t->tid);
}

bool tb_audio_thread_ended(const struct tb_audio_thread *t)
{
    return atomic_load(&t->ended);
}

static void free_retired(const struct tb_retired *r)
{
    if (r->type == TB_RETIRED_PROGRAM)
        tb_program_free(r->program);
    else if (r->type == TB_RETIRED_ENGINE)
        tb_engine_free(r->engine);
    else
        tb_audio_close(r->audio);
}

/* After the thread has ended: what lies in the rings is nobody's but ours. */
static void free_all(struct tb_audio_thread *t)
{
    struct tb_retired r;
    while (tb_ring_pop(t->retired, &r))
        free_retired(&r);
    struct order o;
    while (tb_ring_pop(t->orders, &o)) {
        if (o.type == PROGRAM)
            tb_program_free(o.program);
        else if (o.type == ENGINE)
            tb_engine_free(o.engine);
        else if (o.type == OUTPUT) {
            tb_audio_close(o.output.device);
            tb_audio_close(o.output.clock);
        }
    }
    tb_program_free(t->pending);
    tb_audio_close(t->output.device);
    tb_audio_close(t->output.clock);
    tb_engine_free(t->engine);
}

void tb_audio_thread_stop(struct tb_audio_thread *t)
{
    while (!order(t, &(struct order){.type = STOP}))
        tb_clock_sleep_ms(1);
    (void)pthread_join(t->thread, NULL);
    atomic_store(&t->shm->audio.state, TB_DEVICE_STOPPED);
    free_all(t);
    free_rings(t);
    (void)pthread_mutex_destroy(&t->order_lock);
    free(t);
}
