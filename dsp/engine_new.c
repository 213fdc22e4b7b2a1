/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Creation and teardown, on control threads only: not part of the RT library. */
#include "dsp/engine_priv.h"

#include "dsp/cpu.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HEARING_DB (-90.0F) /* nothing softer has a pitch: the softest of transfer.gate */

static enum tb_status check(const struct tb_engine_config *c, struct tb_error *err)
{
    if (!(c->rate_hz >= 22050.0F && c->rate_hz <= 192000.0F))
        return tb_fail(err, TB_EINVAL, "rate_hz: %g is not within 22050..192000",
                       (double)c->rate_hz);
    if (c->max_block < TB_MIN_BLOCK || c->max_block > TB_MAX_BLOCK)
        return tb_fail(err, TB_EINVAL, "max_block: %u is not within %d..%d", c->max_block,
                       TB_MIN_BLOCK, TB_MAX_BLOCK);
    if (c->cpu != TB_CPU_BEST && !tb_cpu_supports(c->cpu))
        return tb_fail(err, TB_EUNSUPPORTED, "cpu: this processor has no %s", tb_cpu_name(c->cpu));
    return TB_OK;
}

static size_t aligned(size_t bytes)
{
    return (bytes + TB_CACHE_LINE - 1) / TB_CACHE_LINE * TB_CACHE_LINE;
}

/* Defaults of a fresh instrument, INIT voice included. */
static void prepare(struct tb_engine *e, uint32_t seed)
{
    tb_params_default(e->device);
    for (int v = 0; v < N_VOICES; v++)
        tb_fm_lane_clear(&e->group[v / TB_LANES], (unsigned)v % TB_LANES);
    tb_lfo_reset(&e->lfo, (uint8_t)(seed ^ seed >> 8 ^ seed >> 16 ^ seed >> 24));
    e->random = seed * 2654435761U | 1U;
    tb_output_init(&e->output, e->rate_hz);
    tb_transfer_reset(&e->hearing.transfer);
    e->hearing.gone_s = 1.0F;
    e->volume = e->performance.expression = 1.0F;
    e->performance.breath = -1.0F;
    e->cc_portamento_time = -1;
    e->last_note = -1.0F;
    e->newest = -1;
}

struct tb_engine *tb_engine_new(const struct tb_engine_config *config, struct tb_error *err)
{
    if (check(config, err) != TB_OK)
        return NULL;
    size_t bytes = aligned(sizeof(struct tb_engine)), at = bytes;
    for (unsigned i = 0; i < TB_N_EFFECTS; i++)
        bytes += aligned(tb_effects[i]->bytes(config->rate_hz));
    struct tb_engine *e = aligned_alloc(TB_CACHE_LINE, bytes);
    if (!e) {
        (void)tb_fail(err, TB_ENOMEM, "engine: no memory for %zu bytes", bytes);
        return NULL;
    }
    memset(e, 0, bytes); /* touches every page */
    e->rate_hz = config->rate_hz;
    e->max_block = config->max_block;
    e->cpu = tb_cpu_resolve(config->cpu);
    e->kernels = tb_cpu_fm_kernels(e->cpu);
    for (unsigned i = 0; i < TB_N_EFFECTS; i++) {
        e->effect[i] = (char *)e + at;
        tb_effects[i]->init(e->effect[i], e->rate_hz);
        at += aligned(tb_effects[i]->bytes(config->rate_hz));
    }
    prepare(e, config->seed);
    e->hearing.analysis = tb_analysis_new(
        &(struct tb_analysis_config){
            .rate_hz = roundf(e->rate_hz), .gate_db = HEARING_DB, .n_fft = 512, .floor_db = -80.0F},
        err);
    struct tb_program *program = e->hearing.analysis ? tb_program_new(e, e->device, err) : NULL;
    if (!program) {
        tb_analysis_free(e->hearing.analysis);
        free(e);
        return NULL;
    }
    e->current = 1;
    (void)tb_engine_swap(e, program); /* into slot 0 */
    return e;
}

void tb_engine_free(struct tb_engine *e)
{
    if (!e)
        return;
    tb_program_free(e->slot[0].program);
    tb_program_free(e->slot[1].program);
    tb_program_free(e->retired);
    tb_analysis_free(e->hearing.analysis);
    free(e);
}

struct tb_program *tb_program_new(const struct tb_engine *e, const float values[TB_N_PARAMS],
                                  struct tb_error *err)
{
    struct tb_program *p = calloc(1, sizeof *p);
    if (!p) {
        (void)tb_fail(err, TB_ENOMEM, "program: no memory for %zu bytes", sizeof *p);
        return NULL;
    }
    for (unsigned id = 0; id < TB_N_PARAMS; id++) {
        p->values[id] = (float)tb_params[id].def;
        if (tb_params[id].owner == TB_OWNER_PATCH &&
            tb_param_check((enum tb_param)id, (double)values[id], &p->values[id], err) != TB_OK) {
            free(p);
            return NULL;
        }
    }
    p->rate_hz = e->rate_hz;
    p->controller = TB_CONTROLLER_EG;
    p->synth = TB_SYNTH_FM;
    tb_program_derive(p);
    return p;
}

void tb_program_free(struct tb_program *program)
{
    if (program)
        tb_neural_pair_free(program->pair);
    free(program);
}
