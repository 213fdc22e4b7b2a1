/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * usage: durability kill|early-ack [CYCLES]
 * A writer changes patches in group commits and acknowledges each through a pipe; it is killed with
 * SIGKILL at a random moment, again and again. What was acknowledged must be there with its whole
 * content, and nothing may be damaged. CYCLES: 100, or TIMBRED_KILLS, or 1,000 where
 * TIMBRED_FULL=1. early-ack plants a fault, the acknowledgement before the commit: it succeeds when
 * the loss is found. */
#include "db/store.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { N_VALUES = 171, GROUP = 7, N_PATCHES = 40 };

/* Counter i is written to patch i % N_PATCHES; its values follow from it. */
static double value_of(uint64_t counter, size_t k)
{
    return (double)((counter * 2654435761U + k * 97) % 100);
}

static void fill(struct tb_patch *patch, uint64_t counter)
{
    snprintf(patch->name, sizeof patch->name, "patch %llu", (unsigned long long)counter);
    snprintf(patch->uuid, sizeof patch->uuid, "00000000-0000-4000-8000-%012llu",
             (unsigned long long)(counter % N_PATCHES));
    for (size_t k = 0; k < N_VALUES; k++) {
        snprintf(patch->values[k].key, sizeof patch->values[k].key, "key.%zu", k);
        patch->values[k].value = value_of(counter, k);
    }
    patch->n_values = N_VALUES;
}

static void die(const char *what, const struct tb_error *err)
{
    fprintf(stderr, "%s: %s\n", what, err->text);
    _exit(3);
}

static void acknowledge(int fd, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++)
        if (write(fd, &i, sizeof i) != (ssize_t)sizeof i)
            _exit(4);
}

static void write_forever(const char *directory, int fd, uint64_t next, bool early)
{
    struct tb_error err;
    struct tb_patch patch = {.values = calloc(N_VALUES, sizeof *patch.values)};
    struct tb_store *store = tb_store_open(directory, TB_STORE_WRITE, NULL, &err);
    if (!store)
        die("open", &err);
    for (;; next += GROUP) {
        if (tb_store_begin(store, &err))
            die("begin", &err);
        for (uint64_t i = next; i < next + GROUP; i++) {
            fill(&patch, i);
            if (tb_store_savepoint(store, &err))
                die("savepoint", &err);
            enum tb_status status = tb_patch_replace(store, &patch, 0, &err);
            if (status == TB_ENOTFOUND)
                status = tb_patch_create(store, &patch, &err);
            if (status || tb_store_release(store, &err))
                die("write", &err);
        }
        if (early)
            acknowledge(fd, next, next + GROUP);
        if (tb_store_commit(store, &err))
            die("commit", &err);
        if (!early)
            acknowledge(fd, next, next + GROUP);
        if (next % 997 < GROUP && tb_store_backup_now(store, &err))
            die("backup", &err);
    }
}

struct tally {
    uint64_t acknowledged, lost, damaged;
};

/* Every patch is whole, and no counter up to last is missing. Returns the newest counter found. */
static uint64_t inspect(const char *directory, uint64_t last, struct tally *tally)
{
    struct tb_error err;
    struct tb_store_report report;
    struct tb_store *store = tb_store_open(directory, TB_STORE_WRITE, &report, &err);
    if (!store)
        die("reopen", &err);
    if (report.quarantined || report.lost) {
        fprintf(stderr, "damaged: quarantined %d, lost %d: %s\n", report.quarantined, report.lost,
                report.reason);
        tally->damaged++;
    }
    uint64_t newest = 0;
    for (uint64_t p = 0; p < N_PATCHES; p++) {
        struct tb_patch patch;
        char uuid[TB_UUID];
        snprintf(uuid, sizeof uuid, "00000000-0000-4000-8000-%012llu", (unsigned long long)p);
        uint64_t wanted = last >= p ? last - (last - p) % N_PATCHES : 0;
        if (tb_patch_read(store, uuid, &patch, &err)) {
            tally->lost += last >= p && wanted > 0;
            continue;
        }
        uint64_t counter = strtoull(patch.name + 6, NULL, 10);
        tally->lost += counter < wanted;
        tally->damaged += patch.n_values != N_VALUES || counter % N_PATCHES != p;
        for (size_t k = 0; k < patch.n_values; k++)
            tally->damaged += patch.values[k].value !=
                              value_of(counter, strtoull(patch.values[k].key + 4, NULL, 10));
        newest = counter > newest ? counter : newest;
        tb_patch_clear(&patch);
    }
    tb_store_close(store);
    return newest;
}

static void cycle(const char *directory, bool early, uint64_t *next, unsigned *seed,
                  struct tally *tally)
{
    int fds[2];
    uint64_t counter, last = *next - 1;
    if (pipe2(fds, O_CLOEXEC))
        _exit(5);
    pid_t writer = fork();
    if (writer == 0) {
        close(fds[0]);
        write_forever(directory, fds[1], *next, early);
    }
    close(fds[1]);
    usleep(5000 + (unsigned)rand_r(seed) % 60000);
    kill(writer, SIGKILL);
    int status;
    waitpid(writer, &status, 0);
    if (!WIFSIGNALED(status))
        _exit(6);
    while (read(fds[0], &counter, sizeof counter) == (ssize_t)sizeof counter) {
        last = counter;
        tally->acknowledged++;
    }
    close(fds[0]);
    uint64_t newest = inspect(directory, last, tally);
    *next = (newest > last ? newest : last) + 1;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

int main(int argc, char **argv)
{
    const char *full = getenv("TIMBRED_FULL"), *kills = getenv("TIMBRED_KILLS");
    bool early = argc > 1 && strcmp(argv[1], "early-ack") == 0;
    if (!kills)
        kills = full && strcmp(full, "1") == 0 ? "1000" : "100";
    long cycles = strtol(argc > 2 ? argv[2] : kills, NULL, 10);
    char directory[] = "/var/tmp/timbred-kill-XXXXXX"; /* a disk, where there is one */
    struct tally tally = {0};
    struct timespec from, to;
    uint64_t next = 1;
    unsigned seed = 1;
    if (!mkdtemp(directory))
        return 2;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (long i = 0; i < cycles; i++)
        cycle(directory, early, &next, &seed, &tally);
    clock_gettime(CLOCK_MONOTONIC, &to);
    double seconds = (double)(to.tv_sec - from.tv_sec) + 1e-9 * (double)(to.tv_nsec - from.tv_nsec);
    printf("{\"cycles\":%ld,\"acknowledged\":%llu,\"lost\":%llu,\"damaged\":%llu,"
           "\"seconds\":%.1f}\n",
           cycles, (unsigned long long)tally.acknowledged, (unsigned long long)tally.lost,
           (unsigned long long)tally.damaged, seconds);
    (void)nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    if (tally.acknowledged < (uint64_t)cycles)
        return 1; /* it hardly wrote: nothing is proved */
    return early ? tally.lost == 0 : tally.lost + tally.damaged != 0;
}
