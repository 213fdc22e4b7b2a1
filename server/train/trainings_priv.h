/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_TRAIN_TRAININGS_PRIV_H
#define TB_SERVER_TRAIN_TRAININGS_PRIV_H

#include "server/train/training_history.h"
#include "server/train/trainings.h"
#include "server/web/web.h"

#include <pthread.h>
#include <stdbool.h>

/* Between trainings.c, which runs them, and trainings_read.c, which tells of them. */

struct tb_trainings {
    struct tb_web *web;
    pthread_mutex_t clips;  /* one short job at a time */
    _Atomic int n_clips;    /* that run or wait */
    pthread_mutex_t orders; /* of start, resume, delete: they follow each other */
    pthread_mutex_t mutex;  /* of what follows */
    bool running, stop_asked, has_thread;
    pthread_t thread;
    char uuid[TB_UUID]; /* of the one that runs */
    char set[TB_UUID];  /* its data set */
    int threads;        /* as it was begun with */
    json_t *about;      /* its about.json, newer than on the disk */
    json_t *live;       /* what is only told: progress, steps_per_s, left_s */
    json_t *used;       /* about.json of the set, while nobody else may change that */
    struct tb_training_history history;
    double limit_s; /* training time in all after which it ends */
    int64_t told_ns, played_ns;
    int workers; /* as the job was told */
};

static inline const char *tb_trainings_state(const struct tb_trainings *t)
{
    return t->web->config.state_dir;
}

static inline const char *tb_training_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static inline double tb_training_number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

bool tb_training_runs(struct tb_trainings *trainings, const char *uuid);

#endif
