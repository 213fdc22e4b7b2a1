/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/train/train_entry.h"

#include "models/train/network_file.h"
#include "models/train/prune.h"
#include "models/train/trainer.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* timbred prune MODEL OUT --width N [--data DIR]: removes units; with data, trains what is left. */

struct pruned {
    struct tb_model_meta meta;
    size_t width_before, width_after, before, after; /* parameters */
    double loss_before, loss_cut, loss_after;        /* of the test split, NAN without data */
    uint64_t steps;
};

static struct tb_trainer_options options_of(const struct tb_args *args, double *floor)
{
    struct tb_trainer_options o;
    const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    tb_trainer_defaults(&o);
    o.batch = (size_t)tb_args_number(args, "batch", 4);
    o.clip_frames = (size_t)(tb_args_number(args, "seconds", 2) * TB_CLIP_RATE_HZ / TB_CLIP_HOP);
    o.threads = (size_t)tb_args_number(args, "threads", cpus < 1 ? 1 : fmin(16, (double)cpus));
    o.rate = tb_args_number(args, "rate", o.rate);
    o.seed = (uint64_t)tb_args_number(args, "seed", 1);
    o.validate = 100;
    if (tb_args_has(args, "floor")) {
        *floor = pow(10, tb_args_number(args, "floor", -60) / 20);
        o.objective = tb_floor_objective;
        o.context = floor;
    }
    return o;
}

/* Takes network over. */
static enum tb_status test_loss(struct tb_network *network, const struct tb_dataset *dataset,
                                const struct tb_trainer_options *options, double *loss,
                                struct tb_error *err)
{
    struct tb_trainer *t = tb_trainer_new(network, dataset, options, err);
    const enum tb_status status = t ? tb_trainer_loss(t, TB_SPLIT_TEST, loss, err) : err->status;
    tb_trainer_free(t);
    return status;
}

static void report(void *context, const struct tb_trainer_report *r)
{
    (void)context;
    (void)fprintf(stderr, "step %llu, %.2f steps/s, loss %.3f, best %.3f\n",
                  (unsigned long long)r->step, r->steps_per_s, r->loss, r->best);
}

static enum tb_status fine_tune(const struct tb_args *args, struct tb_trainer *trainer,
                                struct pruned *p, struct tb_error *err)
{
    const struct tb_trainer_run run = {.steps = (uint64_t)tb_args_number(args, "steps", 500),
                                       .minutes = tb_args_number(args, "minutes", 0),
                                       .report_s = 5,
                                       .report = report};
    enum tb_trainer_end end;
    enum tb_status status = tb_trainer_loss(trainer, TB_SPLIT_TEST, &p->loss_cut, err);
    if (status == TB_OK)
        status = tb_trainer_go(trainer, &run, &end, err);
    if (status == TB_OK)
        (void)tb_trainer_best(trainer);
    if (status == TB_OK)
        status = tb_trainer_loss(trainer, TB_SPLIT_TEST, &p->loss_after, err);
    p->steps = tb_trainer_steps(trainer);
    return status;
}

static enum tb_status save(const struct tb_args *args, const struct tb_network *network,
                           struct pruned *p, struct tb_error *err)
{
    const size_t told = strlen(p->meta.training);
    p->meta.uuid[0] = '\0';
    p->meta.size = 0;
    p->meta.loudness_offsets = (struct tb_model_grid){0}; /* they were those of the whole network */
    (void)snprintf(p->meta.training + told, sizeof p->meta.training - told,
                   "; pruned from width %zu, then %llu steps", p->width_before,
                   (unsigned long long)p->steps);
    return tb_network_save(network, &p->meta, TB_NN_F16, args->operands[1], err);
}

/* Takes the pruned network over. */
static enum tb_status with_data(const struct tb_args *args, struct tb_network *network,
                                struct pruned *p, struct tb_error *err)
{
    double floor = 0;
    const struct tb_trainer_options options = options_of(args, &floor);
    struct tb_dataset *dataset = tb_dataset_open(tb_args_text(args, "data", ""), err);
    struct tb_network *whole = dataset ? tb_network_load(args->operands[0], NULL, err) : NULL;
    enum tb_status status =
        whole ? test_loss(whole, dataset, &options, &p->loss_before, err) : err->status;
    struct tb_trainer *trainer = NULL;
    if (status == TB_OK) {
        trainer = tb_trainer_new(network, dataset, &options, err);
        status = trainer ? fine_tune(args, trainer, p, err) : err->status;
    } else {
        tb_network_free(network);
    }
    if (status == TB_OK)
        status = save(args, tb_trainer_best(trainer), p, err);
    tb_trainer_free(trainer);
    tb_dataset_free(dataset);
    return status;
}

static json_t *number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

static enum tb_status tell(const struct tb_args *args, const struct pruned *p, struct tb_error *err)
{
    if (tb_args_has(args, "json")) {
        json_t *line = json_pack("{s:s,s:I,s:I,s:I,s:I,s:I,s:o,s:o,s:o}", "output",
                                 args->operands[1], "width_before", (json_int_t)p->width_before,
                                 "width", (json_int_t)p->width_after, "parameters_before",
                                 (json_int_t)p->before, "parameters", (json_int_t)p->after, "steps",
                                 (json_int_t)p->steps, "loss_before", number(p->loss_before),
                                 "loss_pruned", number(p->loss_cut), "loss", number(p->loss_after));
        (void)json_dumpf(line, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
        (void)putchar('\n');
        json_decref(line);
    } else {
        printf("%s: width %zu of %zu, %zu of %zu parameters\n", args->operands[1], p->width_after,
               p->width_before, p->after, p->before);
        if (isfinite(p->loss_before))
            printf("test loss %.3f before, %.3f pruned, %.3f after %llu steps\n", p->loss_before,
                   p->loss_cut, p->loss_after, (unsigned long long)p->steps);
    }
    return fflush(stdout) == 0 ? TB_OK : tb_fail(err, TB_EIO, "standard output: cannot be written");
}

enum tb_status tb_train_prune(const struct tb_args *args, struct tb_error *err)
{
    struct pruned p = {
        .loss_before = (double)NAN, .loss_cut = (double)NAN, .loss_after = (double)NAN};
    if (!tb_args_has(args, "width"))
        return tb_fail(err, TB_EINVAL, "--width: needed");
    struct tb_network *network = tb_network_load(args->operands[0], &p.meta, err);
    if (!network)
        return err->status;
    p.width_before = network->spec.hidden;
    p.before = network->n_values;
    struct tb_network *cut = tb_prune(network, (size_t)tb_args_number(args, "width", 0), err);
    tb_network_free(network);
    if (!cut)
        return err->status;
    p.width_after = cut->spec.hidden;
    p.after = cut->n_values;
    enum tb_status status;
    if (tb_args_has(args, "data")) {
        status = with_data(args, cut, &p, err);
    } else {
        status = save(args, cut, &p, err);
        tb_network_free(cut);
    }
    return status == TB_OK ? tell(args, &p, err) : status;
}
