/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/trainer_priv.h"

#include <time.h>

/* A validation loss this many times the best means that training has left the rails. */
static const double DIVERGED = 4;
enum { SETTLED = 500 }; /* steps before that is judged */

struct progress {
    const struct tb_trainer_run *run;
    double began_s, reported_s, saved_s;
    uint64_t first, reported; /* steps */
    double loss, norm;        /* sums since the last report */
    bool better;              /* since the last checkpoint */
};

static double now_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double left_s(const struct tb_trainer *t, const struct progress *p, double now)
{
    const struct tb_trainer_run *run = p->run;
    double left = (double)INFINITY, pace = (double)(t->state.step - p->first) / (now - p->began_s);
    if (run->minutes > 0)
        left = run->minutes * 60 - (now - p->began_s);
    if (run->steps > 0 && pace > 0)
        left = fmin(left, (double)(run->steps - t->state.step) / pace);
    return fmax(0, left);
}

static void report(const struct tb_trainer *t, struct progress *p, double validation)
{
    double now = now_s();
    uint64_t steps = t->state.step - p->reported;
    const struct tb_trainer_report r = {
        .step = t->state.step,
        .best_step = t->state.best_step,
        .loss = steps ? p->loss / (double)steps : (double)NAN,
        .validation = validation,
        .best = tb_trainer_best_loss(t),
        .norm = steps ? p->norm / (double)steps : (double)NAN,
        .rate = tb_trainer_rate(t),
        .steps_per_s = (double)steps / (now - p->reported_s),
        .seconds = now - p->began_s,
        .left_s = left_s(t, p, now),
    };
    if (p->run->report)
        p->run->report(p->run->context, &r);
    p->reported_s = now;
    p->reported = t->state.step;
    p->loss = p->norm = 0;
}

static enum tb_status validate(struct tb_trainer *t, struct progress *p, bool *diverged,
                               struct tb_error *err)
{
    double loss;
    enum tb_split split = tb_dataset_n_clips(t->dataset, TB_SPLIT_VALIDATION) > 0
                              ? TB_SPLIT_VALIDATION
                              : TB_SPLIT_TRAIN;
    enum tb_status s = tb_trainer_loss(t, split, &loss, err);
    *diverged = s == TB_ECORRUPT ||
                (s == TB_OK && t->state.step > SETTLED && loss > DIVERGED * t->state.best);
    if (s == TB_ECONFLICT) /* stopped: it is made up for when the run goes on */
        return TB_OK;
    t->due = false;
    if (s != TB_OK)
        return s == TB_ECORRUPT ? TB_OK : s;
    t->state.since_best++;
    if (loss < t->state.best) {
        t->state.best = loss;
        t->state.best_step = t->state.step;
        t->state.since_best = 0;
        for (size_t i = 0; i < t->network->n_values; i++)
            t->best[i] = t->average[i];
        p->better = true;
    }
    report(t, p, loss);
    tb_trainer_share(t); /* machines whose arithmetic differs in the last bit come together again */
    return TB_OK;
}

static enum tb_status save(struct tb_trainer *t, struct progress *p, struct tb_error *err)
{
    const struct tb_trainer_run *run = p->run;
    p->saved_s = now_s();
    if (!tb_ranks_first(t->options.ranks))
        return TB_OK;
    enum tb_status s = run->checkpoint ? tb_trainer_save(t, run->checkpoint, err) : TB_OK;
    if (s == TB_OK && p->better && run->better) {
        tb_trainer_swap(t, t->best);
        run->better(run->context, t->network);
        tb_trainer_swap(t, t->best);
    }
    p->better = p->better && s != TB_OK;
    if (s == TB_OK && run->saved)
        run->saved(run->context);
    return s;
}

/* True when training is over, with the reason in *end: as rank 0's clock and whoever was asked to
 * stop have it, for all ranks at the same step. */
static bool over(const struct tb_trainer *t, const struct progress *p, enum tb_trainer_end *end)
{
    const struct tb_trainer_run *run = p->run;
    enum { TIME = 1, STOP }; /* the more urgent is the larger */
    const bool late = run->minutes > 0 && now_s() - p->began_s >= run->minutes * 60;
    const bool asked = run->stop && *run->stop;
    const int own = asked ? STOP : late && tb_ranks_first(t->options.ranks) ? TIME : 0;
    const int all = tb_ranks_most(t->options.ranks, own);
    if (all == STOP)
        *end = TB_TRAIN_STOPPED;
    else if (run->steps > 0 && t->state.step >= run->steps)
        *end = TB_TRAIN_STEPS;
    else if (all == TIME)
        *end = TB_TRAIN_TIME;
    else if (t->options.patience > 0 && t->state.since_best >= t->options.patience)
        *end = TB_TRAIN_PATIENCE;
    else
        return false;
    return true;
}

/* One step and what is due after it. *diverged: the step had no sense any more. */
static enum tb_status advance(struct tb_trainer *t, struct progress *p, bool *diverged,
                              struct tb_error *err)
{
    double loss;
    struct tb_error fault;
    enum tb_status s = tb_trainer_step(t, &loss, err);
    *diverged = s == TB_ECORRUPT;
    if (s != TB_OK)
        return *diverged || s == TB_ECONFLICT ? TB_OK : s;
    p->loss += loss;
    p->norm += t->norm;
    t->due = t->state.step % t->options.validate == 0;
    if (t->due)
        s = validate(t, p, diverged, err);
    double now = now_s();
    if (s == TB_OK && !*diverged && now - p->reported_s >= p->run->report_s)
        report(t, p, (double)NAN);
    if (s == TB_OK && !*diverged && now - p->saved_s >= p->run->checkpoint_s &&
        save(t, p, &fault) != TB_OK && p->run->warn)
        p->run->warn(p->run->context, &fault);
    return s;
}

/* What is left when the loop is over. */
static enum tb_status end_run(struct tb_trainer *t, struct progress *p, enum tb_trainer_end end,
                              struct tb_error *err)
{
    enum tb_status s = TB_OK;
    bool diverged = false;
    t->stop = NULL; /* what is saved now is to be whole */
    if (end == TB_TRAIN_DIVERGED) {
        /* The checkpoint keeps the last sound state: this one is not worth going on from. */
        if (p->run->better && isfinite(t->state.best)) {
            tb_trainer_swap(t, t->best);
            p->run->better(p->run->context, t->network);
            tb_trainer_swap(t, t->best);
        }
        return TB_OK;
    }
    if (p->first != t->state.step && t->state.step % t->options.validate != 0 &&
        end != TB_TRAIN_STOPPED)
        s = validate(t, p, &diverged, err);
    return s == TB_OK ? tb_trainer_agree(t, save(t, p, err), err) : s;
}

enum tb_status tb_trainer_go(struct tb_trainer *t, const struct tb_trainer_run *run,
                             enum tb_trainer_end *end, struct tb_error *err)
{
    double now = now_s();
    struct progress p = {.run = run,
                         .began_s = now,
                         .reported_s = now,
                         .saved_s = now,
                         .first = t->state.step,
                         .reported = t->state.step,
                         .better = isfinite(t->state.best)}; /* who knows what was told of it */
    enum tb_status s = TB_OK;
    bool diverged = false;
    t->stop = run->stop;
    t->workers = run->workers;
    if (t->due) /* it was stopped in the middle of one */
        s = validate(t, &p, &diverged, err);
    while (s == TB_OK && !diverged && !over(t, &p, end))
        s = advance(t, &p, &diverged, err);
    if (diverged)
        *end = TB_TRAIN_DIVERGED;
    if (s == TB_OK)
        s = end_run(t, &p, *end, err);
    t->stop = t->workers = NULL;
    return s;
}
