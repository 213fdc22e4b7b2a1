/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/api/microphone.h"

#include "dsp/clock.h"

#include <samplerate.h>

#include <stdlib.h>
#include <string.h>

enum { MIN_RATE_HZ = 8000, MAX_RATE_HZ = 192000, BURST_DIVISOR = 2 };

struct tb_microphone {
    SRC_STATE *converter;
    uint32_t from_hz, to_hz; /* that it converts */
    double allowance;        /* frames that may come now */
    uint64_t last_ns;
    float in[TB_MICROPHONE_FRAMES];
    float out[TB_MICROPHONE_FRAMES];
};

struct tb_microphone *tb_microphone_new(struct tb_error *err)
{
    struct tb_microphone *m = calloc(1, sizeof *m);
    int fault = 0;
    if (m)
        m->converter = src_new(SRC_SINC_FASTEST, 1, &fault);
    if (m && m->converter)
        return m;
    free(m);
    (void)tb_fail(err, TB_ENOMEM, "no memory for a microphone");
    return NULL;
}

void tb_microphone_free(struct tb_microphone *m)
{
    if (m)
        (void)src_delete(m->converter);
    free(m);
}

static uint32_t u32_at(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static enum tb_status check(const unsigned char *head, size_t size, struct tb_error *err)
{
    const unsigned count = size >= TB_MICROPHONE_HEAD ? head[2] | (unsigned)head[3] << 8 : 0;
    if (size < TB_MICROPHONE_HEAD || head[0] != TB_MICROPHONE_KIND || head[1] != 1)
        return tb_fail(err, TB_EINVAL, "binary: not of kind %d, version 1", TB_MICROPHONE_KIND);
    if (count > TB_MICROPHONE_FRAMES || size != TB_MICROPHONE_HEAD + 2 * (size_t)count)
        return tb_fail(err, TB_EINVAL, "count: %u samples in %zu bytes, at most %d", count, size,
                       TB_MICROPHONE_FRAMES);
    const uint32_t rate_hz = u32_at(head + 8);
    if (rate_hz < MIN_RATE_HZ || rate_hz > MAX_RATE_HZ)
        return tb_fail(err, TB_EINVAL, "rate_hz: %u is not in %d..%d", rate_hz, MIN_RATE_HZ,
                       MAX_RATE_HZ);
    return TB_OK;
}

/* False when more comes than a clock that runs a bit fast explains. */
static bool afford(struct tb_microphone *m, unsigned count, uint32_t rate_hz, uint64_t now_ns)
{
    const double most = rate_hz, since_s = (double)(now_ns - m->last_ns) * 1e-9;
    m->allowance += (1.0 + 1.0 / BURST_DIVISOR) * (double)rate_hz * since_s;
    m->allowance = m->allowance < most ? m->allowance : most;
    m->last_ns = now_ns;
    if (m->allowance < count)
        return false;
    m->allowance -= count;
    return true;
}

static void publish(struct tb_mic *mic, const float *sound, long n)
{
    const uint64_t at = atomic_load_explicit(&mic->write, memory_order_relaxed);
    for (long i = 0; i < n; i++)
        atomic_store_explicit(&mic->sample[(at + (uint64_t)i) % TB_MIC_FRAMES], sound[i],
                              memory_order_relaxed);
    atomic_store_explicit(&mic->write, at + (uint64_t)n, memory_order_release);
}

enum tb_status tb_microphone_hear(struct tb_microphone *m, const void *data, size_t size,
                                  const struct tb_microphone_out *out, uint64_t now_ns,
                                  struct tb_error *err)
{
    const uint32_t rate_hz = out->rate_hz;
    const unsigned char *head = data;
    if (check(head, size, err) != TB_OK)
        return TB_EINVAL;
    const unsigned count = head[2] | (unsigned)head[3] << 8;
    const uint32_t from_hz = u32_at(head + 8);
    if (rate_hz == 0 || !afford(m, count, from_hz, now_ns))
        return TB_OK;
    if (from_hz != m->from_hz || rate_hz != m->to_hz) {
        (void)src_reset(m->converter);
        (void)src_set_ratio(m->converter, (double)rate_hz / from_hz);
        m->from_hz = from_hz;
        m->to_hz = rate_hz;
    }
    for (unsigned i = 0; i < count; i++) {
        const unsigned char *p = head + TB_MICROPHONE_HEAD + 2 * (size_t)i;
        m->in[i] = (float)(int16_t)(uint16_t)(p[0] | (unsigned)p[1] << 8) * 0x1p-15f;
    }
    SRC_DATA job = {.data_in = m->in,
                    .input_frames = (long)count,
                    .src_ratio = (double)rate_hz / from_hz,
                    .data_out = m->out,
                    .output_frames = TB_MICROPHONE_FRAMES};
    while (job.input_frames > 0) {
        if (src_process(m->converter, &job) != 0 ||
            (job.input_frames_used == 0 && job.output_frames_gen == 0))
            break;
        publish(out->mic, m->out, job.output_frames_gen);
        job.data_in += job.input_frames_used;
        job.input_frames -= job.input_frames_used;
    }
    return TB_OK;
}
