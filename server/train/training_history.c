/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/train/training_history.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_LINE = 1024, MAX_BYTES = 256 << 20 };

void tb_training_history_reset(struct tb_training_history *history)
{
    memset(history, 0, sizeof *history);
    history->stride = 1;
    history->validation = (double)NAN;
}

/* Every second one goes; what was validated stays. */
static void thin(struct tb_training_history *h)
{
    size_t n = 0;
    for (size_t i = 0; i < h->n; i += 2) {
        h->points[n] = h->points[i];
        if (i + 1 < h->n && isfinite(h->points[i + 1].validation))
            h->points[n].validation = h->points[i + 1].validation;
        n++;
    }
    h->n = n;
    h->stride *= 2;
}

static double number(const json_t *report, const char *key)
{
    const json_t *value = json_object_get(report, key);
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

static void count_time(struct tb_training_history *h, double seconds)
{
    if (!isfinite(seconds) || seconds < 0)
        return;
    h->spent_s += seconds >= h->call_s ? seconds - h->call_s : seconds;
    h->call_s = seconds;
}

void tb_training_history_add(struct tb_training_history *h, const json_t *report)
{
    const double step = number(report, "step"), loss = number(report, "loss");
    const double validation = number(report, "validation");
    if (!(step >= 0 && step < 1e15))
        return;
    count_time(h, number(report, "seconds"));
    while (h->n > 0 && (double)h->points[h->n - 1].step >= step && !isfinite(validation))
        h->n--;
    if (isfinite(validation))
        h->validation = validation;
    if (!isfinite(loss) || ++h->skipped < h->stride)
        return;
    if (h->n == TB_HISTORY_POINTS)
        thin(h);
    h->points[h->n++] = (struct tb_history_point){(uint64_t)step, loss, h->validation};
    h->skipped = 0;
    h->validation = (double)NAN;
}

json_t *tb_training_history_read(struct tb_training_history *h, const char *path)
{
    char line[MAX_LINE];
    json_t *last = NULL;
    long read = 0;
    tb_training_history_reset(h);
    FILE *file = fopen(path, "re");
    while (file && read < MAX_BYTES && fgets(line, sizeof line, file)) {
        read += (long)strlen(line);
        json_t *report = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
        if (json_is_object(report)) {
            tb_training_history_add(h, report);
            json_decref(last);
            last = json_incref(report);
        }
        json_decref(report);
    }
    if (file)
        (void)fclose(file);
    h->call_s = 0; /* who goes on begins a new call */
    return last;
}

static json_t *number_json(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

json_t *tb_training_history_json(const struct tb_training_history *h)
{
    json_t *list = json_array();
    for (size_t i = 0; i < h->n; i++)
        (void)json_array_append_new(list, json_pack("[I, o, o]", (json_int_t)h->points[i].step,
                                                    number_json(h->points[i].loss),
                                                    number_json(h->points[i].validation)));
    return list;
}
