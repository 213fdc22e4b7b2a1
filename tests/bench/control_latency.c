/* SPDX-License-Identifier: GPL-3.0-or-later */
/* usage: control_latency PID PORT TOKEN ROUNDS
 * From the send() of a note or a parameter over WebSocket to the first sample that it changed, as
 * the shared tap of a running daemon shows it. One JSON object. The daemon should play the INIT
 * voice through the null device, and nobody else. */
#include "dsp/clock.h"
#include "server/shm.h"
#include "tests/bench/ws_plain.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>

enum { MAX_ROUNDS = 10000, GIVE_UP_MS = 500 };

static struct tb_shm *attach(const char *pid)
{
    char folder[64], path[400], target[64];
    struct tb_shm *shm = NULL;
    (void)snprintf(folder, sizeof folder, "/proc/%s/fd", pid);
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir && !shm && (e = readdir(dir));) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        ssize_t n = readlink(path, target, sizeof target - 1);
        if (n <= 0 || strncmp(target, "/memfd:timbred", 14) != 0)
            continue;
        int fd = open(path, O_RDWR | O_CLOEXEC);
        shm = tb_shm_map(fd, NULL);
        (void)close(fd);
    }
    if (dir)
        (void)closedir(dir);
    return shm;
}

static int loudest(struct tb_shm *shm, uint64_t from, uint64_t to)
{
    int most = 0;
    for (uint64_t i = from; i < to; i++) {
        int left = (int16_t)(atomic_load(&shm->tap.sample[i % TB_TAP_FRAMES]) & 0xffff);
        most = abs(left) > most ? abs(left) : most;
    }
    return most;
}

/* Nanoseconds until the tap tells of sound (or of silence); 0: not within GIVE_UP_MS. */
static uint64_t wait_for(struct tb_shm *shm, bool sound, uint64_t start)
{
    uint64_t read = atomic_load(&shm->tap.write);
    for (;;) {
        uint64_t now = tb_clock_ns(), write = atomic_load(&shm->tap.write);
        if (write > read) {
            if ((loudest(shm, read, write) > 0) == sound)
                return tb_clock_ns() - start;
            read = write;
        }
        if (now - start > GIVE_UP_MS * (TB_NS_PER_S / 1000))
            return 0;
        tb_clock_sleep_ms(0);
    }
}

static void discard(int fd)
{
    static struct ws_reader reader;
    unsigned char data[65536];
    reader.fd = fd;
    for (ssize_t n; (n = recv(fd, data, sizeof data, MSG_DONTWAIT)) > 0;)
        (void)ws_feed(&reader, data, (size_t)n);
}

static uint64_t measure(struct tb_shm *shm, int fd, const char *message, bool sound)
{
    discard(fd);
    uint64_t start = tb_clock_ns();
    return ws_send(fd, message) ? wait_for(shm, sound, start) : 0;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void print(const char *name, uint64_t *times, size_t n, size_t missed)
{
    qsort(times, n, sizeof *times, compare);
    size_t at_p50 = n / 2, at_p99 = n * 99 / 100;
    printf("\"%s\":{\"n\":%zu,\"missed\":%zu,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f}",
           name, n, missed, n ? (double)times[at_p50] * 1e-6 : 0.0,
           n ? (double)times[at_p99] * 1e-6 : 0.0, n ? (double)times[n - 1] * 1e-6 : 0.0);
}

/* Rounds of on and off: the times of `on`, each from silence. */
static void rounds(struct tb_shm *shm, int fd, const char *const messages[2], int n_rounds,
                   const char *name)
{
    static uint64_t times[MAX_ROUNDS];
    size_t n = 0, missed = 0;
    for (int i = 0; i < n_rounds; i++) {
        uint64_t took = measure(shm, fd, messages[0], true);
        if (took > 0)
            times[n++] = took;
        else
            missed++;
        (void)measure(shm, fd, messages[1], false);
        tb_clock_sleep_ms(15 + (unsigned)i % 5); /* under 200 messages a second, off the grid */
    }
    print(name, times, n, missed);
}

int main(int argc, char **argv)
{
    struct tb_shm *shm = argc == 5 ? attach(argv[1]) : NULL;
    int n_rounds = argc == 5 ? atoi(argv[4]) : 0;
    if (!shm || n_rounds < 1 || n_rounds > MAX_ROUNDS)
        return 2;
    int fd = ws_open(atoi(argv[2]), argv[3], "\"notes\"", 0);
    if (fd < 0)
        return 1;
    static const char *const notes[2] = {
        "{\"type\":\"note\",\"on\":true,\"key\":96,\"velocity\":127}", "{\"type\":\"panic\"}"};
    static const char *const levels[2] = {"{\"type\":\"set\",\"values\":{\"fm.op1.on\":1}}",
                                          "{\"type\":\"set\",\"values\":{\"fm.op1.on\":0}}"};
    tb_clock_sleep_ms(200);
    printf("{\"block\":%u,\"rate_hz\":%u,", atomic_load(&shm->audio.block),
           atomic_load(&shm->audio.rate_hz));
    rounds(shm, fd, notes, n_rounds, "note");
    (void)ws_send(fd, levels[1]);
    tb_clock_sleep_ms(50);
    (void)ws_send(fd, notes[0]);
    tb_clock_sleep_ms(100);
    putchar(',');
    rounds(shm, fd, levels, n_rounds, "parameter");
    puts("}");
    (void)close(fd);
    return 0;
}
