/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/output.h"

#include "dsp/fastmath.h"

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

static float block_dc(struct tb_output *o, unsigned ch, float x)
{
    if (!tb_is_finite(x)) {
        o->nonfinite++;
        x = 0.0F;
    }
    x = tb_clampf(x, -1e6F, 1e6F);
    /* in silence the rest goes within a few ms instead of lingering as an offset */
    float pole = x == 0.0F && o->dc_in[ch] == 0.0F ? o->quiet_pole : o->dc_pole;
    float y = x - o->dc_in[ch] + pole * o->dc_out[ch];
    o->dc_in[ch] = x;
    o->dc_out[ch] = y;
    return y;
}

/* Without look-ahead, so it adds no latency: the gain falls at once with the peak (a rising flank
 * over the ceiling is held at it) and recovers over 120 ms. Both sides share it. */
void tb_output_process(struct tb_output *o, float *left, float *right, uint32_t n)
{
    for (uint32_t k = 0; k < n; k++) {
        float gain = tb_ramp_next(&o->gain);
        float l = block_dc(o, 0, left[k] * gain), r = block_dc(o, 1, right[k] * gain);
        float al = magnitude(l), ar = magnitude(r);
        float loudest = al > ar ? al : ar;
        o->envelope *= o->release;
        o->envelope = loudest > o->envelope ? loudest : o->envelope;
        float limit = o->envelope > TB_CEILING ? TB_CEILING / o->envelope : 1.0F;
        o->reduction = limit < o->reduction ? limit : o->reduction;
        left[k] = tb_clampf(l * limit, -TB_CEILING, TB_CEILING);
        right[k] = tb_clampf(r * limit, -TB_CEILING, TB_CEILING);
        o->peak[0] = al * limit > o->peak[0] ? al * limit : o->peak[0];
        o->peak[1] = ar * limit > o->peak[1] ? ar * limit : o->peak[1];
        o->square += left[k] * left[k] + right[k] * right[k];
    }
}
