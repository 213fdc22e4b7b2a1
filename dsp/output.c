/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/output.h"

#include "dsp/fastmath.h"
#include "dsp/fm_group.h"

void tb_output_init(struct tb_output *o, float rate_hz)
{
    *o = (struct tb_output){.dc_pole = 1.0F - 6.2831853F * 5.0F / rate_hz, /* 5 Hz */
                            .quiet_pole = tb_exp2f(-1.44269504F / (0.002F * rate_hz)),
                            .release = tb_exp2f(-1.44269504F / (0.12F * rate_hz)),
                            .reduction = 1.0F};
}

void tb_output_begin(struct tb_output *o)
{
    o->reduction = 1.0F;
    o->peak[0] = o->peak[1] = o->square = 0.0F;
}

static float magnitude(float x)
{
    return x < 0.0F ? -x : x;
}

/* Gain, guard and DC block of one side; returns its peak. */
static float block_dc(struct tb_output *o, unsigned ch, const float *gain, float *x, uint32_t n)
{
    float in = o->dc_in[ch], out = o->dc_out[ch], peak = 0.0F;
    for (uint32_t k = 0; k < n; k++) {
        float now = x[k] * gain[k];
        if (!tb_is_finite(now)) {
            o->nonfinite++;
            now = 0.0F;
        }
        now = tb_clampf(now, -1e6F, 1e6F);
        /* in silence the rest goes within a few ms instead of lingering as an offset */
        float pole = now == 0.0F && in == 0.0F ? o->quiet_pole : o->dc_pole;
        out = now - in + pole * out;
        in = now;
        x[k] = out;
        peak = magnitude(out) > peak ? magnitude(out) : peak;
    }
    o->dc_in[ch] = in;
    o->dc_out[ch] = out;
    return peak;
}

/* Without look-ahead, so it adds no latency: the gain falls at once with the peak (a rising flank
 * over the ceiling is held at it) and recovers over 120 ms. Both sides share it. */
static void limit(struct tb_output *o, float *left, float *right, uint32_t n)
{
    for (uint32_t k = 0; k < n; k++) {
        float al = magnitude(left[k]), ar = magnitude(right[k]);
        float loudest = al > ar ? al : ar;
        o->envelope *= o->release;
        o->envelope = loudest > o->envelope ? loudest : o->envelope;
        float gain = o->envelope > TB_CEILING ? TB_CEILING / o->envelope : 1.0F;
        o->reduction = gain < o->reduction ? gain : o->reduction;
        left[k] = tb_clampf(left[k] * gain, -TB_CEILING, TB_CEILING);
        right[k] = tb_clampf(right[k] * gain, -TB_CEILING, TB_CEILING);
    }
}

static void meter(struct tb_output *o, const float *left, const float *right, uint32_t n)
{
    const float *const side[2] = {left, right};
    for (unsigned ch = 0; ch < 2; ch++) {
        float peak = o->peak[ch], square = 0.0F;
        for (uint32_t k = 0; k < n; k++) {
            float x = side[ch][k];
            peak = magnitude(x) > peak ? magnitude(x) : peak;
            square += x * x;
        }
        o->peak[ch] = peak;
        o->square += square;
    }
}

void tb_output_process(struct tb_output *o, float *left, float *right, uint32_t n)
{
    float gain[TB_SLICE] = {0};
    for (uint32_t k = 0; k < n; k++)
        gain[k] = tb_ramp_next(&o->gain);
    float l = block_dc(o, 0, gain, left, n), r = block_dc(o, 1, gain, right, n);
    if (l > TB_CEILING || r > TB_CEILING || o->envelope > TB_CEILING)
        limit(o, left, right, n);
    else
        o->envelope = 0.0F; /* below the ceiling the envelope decides nothing */
    meter(o, left, right, n);
}
