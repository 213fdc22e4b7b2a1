/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * usage: bench-store [PATCHES [SEARCHES]]      (100000 2000)
 * One JSON object: what the store costs with 100,000 patches. Changes really change values: SQLite
 * writes nothing for equal ones. Nothing is skipped to the cache: the file is in /var/tmp. */
#include "db/store.h"
#include "dsp/params.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *const words[] = {
    "bass", "piano", "bright", "warm",  "pad",  "brass", "string", "lead",  "bell",  "organ",
    "soft", "hard",  "glass",  "wood",  "reed", "steel", "night",  "slow",  "fast",  "deep",
    "tine", "choir", "vox",    "pluck", "harp", "koto",  "drum",   "space", "drift", "saw"};
enum { N_WORDS = sizeof words / sizeof words[0], GROUP = 16 };
static unsigned seed = 1;

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Of this thread: what a busy machine does not spoil. */
static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static const char *word(void)
{
    return words[(size_t)rand_r(&seed) % N_WORDS];
}

static void check(enum tb_status status, const struct tb_error *err)
{
    if (status == TB_OK)
        return;
    fprintf(stderr, "%s\n", err->text);
    exit(1);
}

static void name_patch(struct tb_patch *p, size_t i)
{
    snprintf(p->uuid, sizeof p->uuid, "00000000-0000-4000-8000-%012u", (unsigned)i);
    snprintf(p->name, sizeof p->name, "%s %s %u", word(), word(), (unsigned)rand_r(&seed) % 1000);
    snprintf(p->author, sizeof p->author, "author%u", (unsigned)rand_r(&seed) % 300);
    snprintf(p->category, sizeof p->category, "%s", words[(size_t)rand_r(&seed) % 12]);
    snprintf(p->tags[0], sizeof p->tags[0], "%s", word());
    p->n_tags = 1;
    snprintf(p->comment, sizeof p->comment, "%s and %s, rather %s", word(), word(), word());
}

static void change_values(struct tb_patch *p)
{
    for (size_t k = 0; k < p->n_values; k++)
        p->values[k].value = (double)(rand_r(&seed) % 100);
}

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static double create_all(struct tb_store *store, struct tb_patch *p, size_t n)
{
    struct tb_error err;
    double from = now_s();
    for (size_t i = 0; i < n; i++) {
        if (i % 256 == 0)
            check(tb_store_begin(store, &err), &err);
        name_patch(p, i);
        change_values(p);
        check(tb_patch_create(store, p, &err), &err);
        if (i % 256 == 255 || i + 1 == n)
            check(tb_store_commit(store, &err), &err);
    }
    return now_s() - from;
}

/* Durable changes a second, group of them in a transaction; *cpu_us is what each takes. */
static double change(struct tb_store *store, struct tb_patch *p, size_t n_patches, int group,
                     double *cpu_us)
{
    struct tb_error err;
    double from = now_s(), to = from, cpu_from = cpu_s();
    int n = 0;
    while (to - from < 2.0) {
        check(tb_store_begin(store, &err), &err);
        for (int i = 0; i < group; i++, n++) {
            snprintf(p->uuid, sizeof p->uuid, "00000000-0000-4000-8000-%012u",
                     (unsigned)rand_r(&seed) % (unsigned)n_patches);
            change_values(p);
            check(tb_store_savepoint(store, &err), &err);
            check(tb_patch_replace(store, p, 0, &err), &err);
            check(tb_store_release(store, &err), &err);
        }
        check(tb_store_commit(store, &err), &err);
        to = now_s();
    }
    *cpu_us = (cpu_s() - cpu_from) * 1e6 / n;
    return n / (to - from);
}

static double read_rate(struct tb_store *store, size_t n_patches)
{
    struct tb_error err;
    double from = now_s(), to = from;
    int n = 0;
    for (; to - from < 2.0; n++) {
        struct tb_patch got;
        char uuid[TB_UUID];
        snprintf(uuid, sizeof uuid, "00000000-0000-4000-8000-%012u",
                 (unsigned)rand_r(&seed) % (unsigned)n_patches);
        check(tb_patch_read(store, uuid, &got, &err), &err);
        tb_patch_clear(&got);
        to = now_s();
    }
    return n / (to - from);
}

/* As people type: one to six letters, one or two words, sometimes a filter or another order. With
 * p, a patch is changed before each search, so that nothing is left of earlier ones. */
static void search(struct tb_store *store, size_t n, double *times, double *cpu, struct tb_patch *p)
{
    static const char *const sorts[] = {NULL, NULL, NULL, "name", "updated", "category"};
    for (size_t i = 0; i < n; i++) {
        struct tb_error err;
        struct tb_patch *list;
        char text[64];
        size_t found, total;
        snprintf(text, sizeof text, "%.*s", 1 + rand_r(&seed) % 6, word());
        if (rand_r(&seed) % 3 == 0)
            snprintf(text + strlen(text), 32, " %s", word());
        struct tb_patch_query query = {
            .text = text, .limit = 100, .sort = sorts[(size_t)rand_r(&seed) % 6]};
        if (rand_r(&seed) % 4 == 0)
            query.category = words[(size_t)rand_r(&seed) % 12];
        if (p) {
            change_values(p);
            check(tb_store_begin(store, &err), &err);
            check(tb_patch_replace(store, p, 0, &err), &err);
            check(tb_store_commit(store, &err), &err);
        }
        double from = now_s(), cpu_from = cpu_s();
        check(tb_patch_list(store, &query, &list, &found, &total, &err), &err);
        times[i] = (now_s() - from) * 1e3;
        cpu[i] = (cpu_s() - cpu_from) * 1e3;
        free(list);
    }
    qsort(times, n, sizeof *times, compare);
    qsort(cpu, n, sizeof *cpu, compare);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

int main(int argc, char **argv)
{
    size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000;
    size_t n_searches = argc > 2 ? strtoul(argv[2], NULL, 10) : 2000;
    char directory[] = "/var/tmp/timbred-bench-XXXXXX", path[128];
    struct tb_error err;
    struct tb_patch p = {.values = calloc(TB_N_PARAMS, sizeof *p.values)};
    double *times = calloc(n_searches, sizeof *times), *cpu = calloc(n_searches, sizeof *cpu);
    if (!mkdtemp(directory) || !p.values || !times || !cpu) {
        free(p.values);
        free(times);
        free(cpu);
        return 1;
    }
    for (size_t i = 0; i < TB_N_PARAMS; i++)
        if (tb_params[i].owner == TB_OWNER_PATCH)
            snprintf(p.values[p.n_values++].key, sizeof p.values[0].key, "%s", tb_params[i].key);
    struct tb_store *store = tb_store_open(directory, TB_STORE_WRITE, NULL, &err);
    if (!store)
        check(TB_EIO, &err);
    double created = create_all(store, &p, n);
    double single_us, grouped_us;
    double single = change(store, &p, n, 1, &single_us);
    double grouped = change(store, &p, n, GROUP, &grouped_us);
    double reads = read_rate(store, n);
    const size_t n_cold = n_searches / 4, at_p99 = n_cold * 99 / 100;
    search(store, n_cold, times, cpu, &p);
    const double cold_ms = times[at_p99], cold_cpu_ms = cpu[at_p99];
    search(store, n_searches, times, cpu, NULL);
    double from = now_s();
    check(tb_store_backup_now(store, &err), &err);
    double backup = now_s() - from;
    tb_store_close(store);
    struct stat st = {0};
    snprintf(path, sizeof path, "%s/timbred.db", directory);
    (void)stat(path, &st);
    from = now_s();
    store = tb_store_open(directory, TB_STORE_WRITE, NULL, &err);
    double opened = now_s() - from;
    tb_store_close(store);
    printf("{\"patches\":%zu,\"bytes\":%lld,\"create_per_s\":%.0f,\"durable_change_per_s\":%.0f,"
           "\"durable_change_grouped_per_s\":%.0f,\"group\":%d,\"change_cpu_us\":%.1f,"
           "\"change_grouped_cpu_us\":%.1f,\"read_per_s\":%.0f,"
           "\"search_after_change_p99_ms\":%.2f,\"search_after_change_p99_cpu_ms\":%.2f,"
           "\"search_p99_cpu_ms\":%.2f,\"search_p50_ms\":%.2f,\"search_p99_ms\":%.2f,\"search_max_"
           "ms\":%.2f,"
           "\"backup_s\":%.2f,\"open_with_check_s\":%.2f}\n",
           n, (long long)st.st_size, (double)n / created, single, grouped, GROUP, single_us,
           grouped_us, reads, cold_ms, cold_cpu_ms, cpu[n_searches * 99 / 100],
           times[n_searches / 2], times[n_searches * 99 / 100], times[n_searches - 1], backup,
           opened);
    (void)nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    tb_patch_clear(&p);
    free(times);
    free(cpu);
    return 0;
}
