/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/api/publish.h"

#include "server/api/status.h"
#include "server/api/ws_priv.h"
#include "server/state/control.h"
#include "server/state/programs.h"
#include "server/web/web.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    IDLE_US = 50000,
    FRAME_US = 33333,
    LISTEN_US = 10000,
    NOTE_US = 3000,
    MAX_POINTS = 16,
    LOADS = 1024,
    SCOPE = 1024,
    MAX_PCM = 4096,
    NOTES = 64,
    PICTURES = TB_TOPIC_TELEMETRY | TB_TOPIC_NEURAL | TB_TOPIC_SCOPE,
};

struct head {
    uint8_t kind, version;
    uint16_t count;
    uint32_t sequence;
};

struct point {
    uint8_t level[TB_N_OPERATORS];
    int8_t pitch, lfo;
};

/* Binary message 1. */
struct telemetry {
    struct head head;
    float load_mean, load_max, peak[TB_N_CHANNELS], rms, limiter_db, f0_hz, pitch_semitones;
    uint32_t late, xruns;
    uint16_t voices, reserved;
    struct point points[MAX_POINTS];
};
_Static_assert(sizeof(struct telemetry) == 52 + MAX_POINTS * 8, "laid out as API.md says");

struct note {
    int64_t at_ns; /* 0: free */
    uint8_t key;
};

struct tb_publish {
    struct tb_web *web;
    struct tb_programs *programs;
    struct tb_frame frames[TB_FRAMES]; /* since the last telemetry message */
    size_t n_frames;
    uint32_t sequence[5]; /* by kind */
    uint64_t pcm_position;
    bool listening;
    int64_t next_frame_ns, next_status_ns;
    int64_t frame_gap_ns;  /* the earliest for the next frame */
    pthread_mutex_t mutex; /* of all below */
    float loads[LOADS];    /* of the last blocks */
    size_t n_loads, load_at;
    struct tb_frame last;
    int64_t last_ns;
    struct note notes[NOTES];
};

struct tb_publish *tb_publish_new(struct tb_web *web, struct tb_error *err)
{
    struct tb_publish *publish = calloc(1, sizeof *publish);
    if (!publish || pthread_mutex_init(&publish->mutex, NULL)) {
        free(publish);
        (void)tb_fail(err, TB_ENOMEM, "no memory for telemetry");
        return NULL;
    }
    publish->web = web;
    publish->programs = tb_programs_new(web, err);
    if (publish->programs)
        return publish;
    tb_publish_free(publish);
    return NULL;
}

void tb_publish_free(struct tb_publish *publish)
{
    if (!publish)
        return;
    tb_programs_free(publish->programs);
    (void)pthread_mutex_destroy(&publish->mutex);
    free(publish);
}

static void take_frames(struct tb_publish *publish)
{
    struct tb_shm *shm = publish->web->shm;
    struct tb_ring *ring = tb_shm_ring(shm, shm->frames);
    struct tb_frame frame;
    (void)pthread_mutex_lock(&publish->mutex);
    for (size_t i = 0; i < TB_FRAMES && tb_ring_pop(ring, &frame); i++) {
        publish->loads[publish->load_at] = frame.load;
        publish->load_at = (publish->load_at + 1) % LOADS;
        publish->n_loads += publish->n_loads < LOADS;
        publish->last = frame;
        publish->last_ns = tb_now_ns();
        if (publish->n_frames == TB_FRAMES)
            publish->n_frames = 0;
        publish->frames[publish->n_frames++] = frame;
    }
    (void)pthread_mutex_unlock(&publish->mutex);
}

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

void tb_publish_load(struct tb_publish *publish, struct tb_load *load)
{
    float sorted[LOADS];
    (void)pthread_mutex_lock(&publish->mutex);
    size_t n = publish->n_loads;
    memcpy(sorted, publish->loads, n * sizeof sorted[0]);
    bool fresh = publish->last_ns && tb_now_ns() - publish->last_ns < 2000000000;
    *load = (struct tb_load){.voices = fresh ? publish->last.voices : 0,
                             .stolen = publish->last.stolen,
                             .nonfinite = publish->last.nonfinite};
    (void)pthread_mutex_unlock(&publish->mutex);
    if (n == 0)
        return;
    qsort(sorted, n, sizeof sorted[0], compare_floats);
    for (size_t i = 0; i < n; i++)
        load->mean += (double)sorted[i] / (double)n;
    load->p99 = (double)sorted[(n - 1) * 99 / 100];
    load->max = (double)sorted[n - 1];
}

/* Linear 0..1 to a byte: 255 is full, a step 96/255 dB, 0 silent. */
static uint8_t level_byte(float level)
{
    if (!(level > 1.585e-5f)) /* -96 dB */
        return 0;
    float steps = 255.0f + 20.0f * log10f(level) * (255.0f / 96.0f);
    return steps < 1.0f ? 1 : steps > 255.0f ? 255 : (uint8_t)lroundf(steps);
}

static int8_t signed_byte(float value, float scale)
{
    float v = value * scale;
    return v < -127.0f ? -127 : v > 127.0f ? 127 : (int8_t)lrintf(v);
}

static void fill_points(const struct tb_publish *publish, struct telemetry *t)
{
    size_t n = publish->n_frames < MAX_POINTS ? publish->n_frames : MAX_POINTS;
    for (size_t i = 0; i < n; i++) {
        const struct tb_frame *f = &publish->frames[(i + 1) * publish->n_frames / n - 1];
        for (int op = 0; op < TB_N_OPERATORS; op++)
            t->points[i].level[op] = level_byte(f->operator_level[op]);
        t->points[i].pitch = signed_byte(f->pitch_semitones, 4.0f);
        t->points[i].lfo = signed_byte(f->lfo, 127.0f);
    }
    t->head.count = (uint16_t)n;
}

static void send_telemetry(struct tb_publish *publish)
{
    struct telemetry t = {.head = {1, 1, 0, publish->sequence[1]++}};
    const struct tb_frame *last = &publish->frames[publish->n_frames - 1];
    fill_points(publish, &t);
    for (size_t i = 0; i < publish->n_frames; i++) {
        const struct tb_frame *f = &publish->frames[i];
        t.load_mean += f->load / (float)publish->n_frames;
        t.load_max = fmaxf(t.load_max, f->load);
        t.rms = fmaxf(t.rms, f->rms);
        t.limiter_db = fmaxf(t.limiter_db, f->limiter_db);
        for (int ch = 0; ch < TB_N_CHANNELS; ch++)
            t.peak[ch] = fmaxf(t.peak[ch], f->peak[ch]);
    }
    t.f0_hz = last->f0_hz;
    t.pitch_semitones = last->pitch_semitones;
    t.late = last->late;
    t.xruns = (uint32_t)atomic_load(&publish->web->shm->audio.xruns);
    t.voices = last->voices;
    tb_ws_publish(publish->web->ws, TB_TOPIC_TELEMETRY, &t,
                  sizeof t - (MAX_POINTS - t.head.count) * sizeof t.points[0]);
}

/* Binary message 4. */
struct neural {
    struct head head;
    uint8_t family, n_harmonics, n_bands, n_tables;
    float f0_hz, loudness_db, confidence, input_db, input_f0_hz;
    uint8_t view[TB_MAX_VIEW];
};
_Static_assert(sizeof(struct neural) == 32 + TB_MAX_VIEW, "laid out as API.md says");

static void send_neural(struct tb_publish *publish)
{
    const struct tb_frame_neural *f = &publish->frames[publish->n_frames - 1].neural;
    const size_t count = (size_t)f->n_harmonics + f->n_bands + f->n_tables;
    struct neural m = {.head = {4, 1, (uint16_t)count, publish->sequence[4]++},
                       .family = f->family,
                       .n_harmonics = f->n_harmonics,
                       .n_bands = f->n_bands,
                       .n_tables = f->n_tables,
                       .f0_hz = f->pitch_hz,
                       .loudness_db = f->loudness_db,
                       .confidence = f->confidence,
                       .input_db = f->input_db,
                       .input_f0_hz = f->input_f0_hz};
    memcpy(m.view, f->view, count < TB_MAX_VIEW ? count : TB_MAX_VIEW);
    tb_ws_publish(publish->web->ws, TB_TOPIC_NEURAL, &m, sizeof m - TB_MAX_VIEW + count);
}

static uint32_t tap_sample(const struct tb_tap *tap, uint64_t at)
{
    return atomic_load_explicit(&tap->sample[at % TB_TAP_FRAMES], memory_order_relaxed);
}

static void send_scope(struct tb_publish *publish)
{
    struct {
        struct head head;
        float rate_hz;
        uint32_t reserved;
        int16_t sample[SCOPE];
    } m = {.head = {3, 1, SCOPE, publish->sequence[3]++}};
    const struct tb_tap *tap = &publish->web->shm->tap;
    uint64_t write = atomic_load_explicit(&tap->write, memory_order_acquire);
    uint64_t from = write > SCOPE ? write - SCOPE : 0;
    m.rate_hz = (float)atomic_load(&publish->web->shm->audio.rate_hz);
    for (size_t i = 0; i < SCOPE; i++) {
        uint32_t s = from + i < write ? tap_sample(tap, from + i) : 0;
        m.sample[i] = (int16_t)(((int16_t)(s & 0xffff) + (int16_t)(s >> 16)) / 2);
    }
    tb_ws_publish(publish->web->ws, TB_TOPIC_SCOPE, &m, sizeof m);
}

static void send_pcm(struct tb_publish *publish)
{
    static struct {
        struct head head;
        uint32_t rate_hz, reserved;
        uint64_t position;
        uint32_t sample[MAX_PCM];
    } m; /* service thread only */
    const struct tb_tap *tap = &publish->web->shm->tap;
    uint64_t write = atomic_load_explicit(&tap->write, memory_order_acquire);
    if (!publish->listening || write - publish->pcm_position > TB_TAP_FRAMES / 2)
        publish->pcm_position = write;
    publish->listening = true;
    size_t n = (size_t)(write - publish->pcm_position);
    n = n < MAX_PCM ? n : MAX_PCM;
    if (n == 0)
        return;
    m.head = (struct head){2, 1, (uint16_t)n, publish->sequence[2]++};
    m.rate_hz = atomic_load(&publish->web->shm->audio.rate_hz);
    m.position = publish->pcm_position;
    for (size_t i = 0; i < n; i++)
        m.sample[i] = tap_sample(tap, publish->pcm_position + i);
    publish->pcm_position += n;
    tb_ws_publish(publish->web->ws, TB_TOPIC_LISTEN, &m,
                  sizeof m - (MAX_PCM - n) * sizeof m.sample[0]);
}

static void send_status(struct tb_publish *publish)
{
    json_t *status = tb_status_json(publish->web);
    if (status)
        (void)json_object_set_new(status, "type", json_string("status"));
    tb_ws_broadcast(publish->web->ws, TB_TOPIC_STATUS, status, 0);
}

static void tell_note(struct tb_publish *publish, const struct tb_notice *notice)
{
    if (!(tb_ws_topics(publish->web->ws) & TB_TOPIC_NOTES))
        return;
    json_t *note = json_pack("{s:s, s:b, s:i, s:i, s:I}", "type", "note", "on",
                             notice->type == TB_NOTICE_NOTE_ON, "key", (int)notice->key, "velocity",
                             (int)notice->value, "source", (json_int_t)notice->source);
    tb_ws_broadcast(publish->web->ws, TB_TOPIC_NOTES, note, 0);
}

static void take_notices(struct tb_publish *publish)
{
    struct tb_web *web = publish->web;
    struct tb_ring *ring = tb_shm_ring(web->shm, web->shm->notices);
    struct tb_notice notice;
    bool device = false;
    for (size_t i = 0; i < TB_NOTICES && tb_ring_pop(ring, &notice); i++) {
        if (notice.type == TB_NOTICE_NOTE_ON || notice.type == TB_NOTICE_NOTE_OFF)
            tell_note(publish, &notice);
        else if (notice.type == TB_NOTICE_PROGRAM)
            tb_programs_want(publish->programs, notice.id);
        else if (notice.type == TB_NOTICE_DEVICE)
            device = true;
    }
    tb_programs_tick(publish->programs);
    if (device)
        send_status(publish);
}

bool tb_publish_note_off(struct tb_publish *publish, uint8_t key, unsigned after_ms)
{
    bool found = false;
    (void)pthread_mutex_lock(&publish->mutex);
    for (size_t i = 0; i < NOTES && !found; i++) {
        if (publish->notes[i].at_ns)
            continue;
        publish->notes[i] = (struct note){tb_now_ns() + after_ms * 1000000LL, key};
        found = true;
    }
    (void)pthread_mutex_unlock(&publish->mutex);
    return found;
}

/* Ends notes that are due; true when others still wait. */
static bool end_notes(struct tb_publish *publish)
{
    int64_t now = tb_now_ns();
    bool waiting = false;
    for (size_t i = 0; i < NOTES; i++) {
        (void)pthread_mutex_lock(&publish->mutex);
        struct note note = publish->notes[i];
        (void)pthread_mutex_unlock(&publish->mutex);
        struct tb_event off = {
            .type = TB_EVENT_NOTE_OFF, .key = note.key, .source = TB_SOURCE_REST};
        waiting |= note.at_ns != 0;
        if (!note.at_ns || note.at_ns > now ||
            tb_control_event(publish->web->control, &off, NULL) != TB_OK)
            continue;
        (void)pthread_mutex_lock(&publish->mutex);
        publish->notes[i].at_ns = 0;
        (void)pthread_mutex_unlock(&publish->mutex);
    }
    return waiting;
}

static int64_t frame_due_ns(const struct tb_publish *publish)
{
    return publish->next_frame_ns > publish->frame_gap_ns ? publish->next_frame_ns
                                                          : publish->frame_gap_ns;
}

static void send_pictures(struct tb_publish *publish, unsigned topics, int64_t now)
{
    if (!(topics & PICTURES)) {
        publish->n_frames = 0;
        return;
    }
    if (now < frame_due_ns(publish))
        return;
    /* Frames that a busy machine held up are made good at twice the pace, up to three of them. */
    publish->next_frame_ns += FRAME_US * 1000LL;
    if (publish->next_frame_ns < now - 3 * FRAME_US * 1000LL)
        publish->next_frame_ns = now - 3 * FRAME_US * 1000LL;
    publish->frame_gap_ns = now + FRAME_US * 1000LL / 2;
    if (topics & TB_TOPIC_TELEMETRY && publish->n_frames)
        send_telemetry(publish);
    if (topics & TB_TOPIC_NEURAL && publish->n_frames)
        send_neural(publish);
    publish->n_frames = 0;
    if (topics & TB_TOPIC_SCOPE)
        send_scope(publish);
}

int64_t tb_publish_tick(struct tb_publish *publish)
{
    unsigned topics = tb_ws_topics(publish->web->ws);
    int64_t now = tb_now_ns();
    take_frames(publish);
    take_notices(publish);
    if (topics & TB_TOPIC_LISTEN)
        send_pcm(publish);
    else
        publish->listening = false;
    send_pictures(publish, topics, now);
    if (topics & TB_TOPIC_STATUS && now >= publish->next_status_ns) {
        publish->next_status_ns = now + 1000000000;
        send_status(publish);
    }
    if (end_notes(publish))
        return NOTE_US;
    if (topics & TB_TOPIC_LISTEN)
        return LISTEN_US;
    if (!(topics & PICTURES))
        return topics & TB_TOPIC_NOTES ? FRAME_US / 2 : IDLE_US;
    int64_t left_us = (frame_due_ns(publish) - tb_now_ns()) / 1000;
    return left_us > 0 ? left_us : 1;
}
