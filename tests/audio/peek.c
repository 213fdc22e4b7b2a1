/* SPDX-License-Identifier: GPL-3.0-or-later */
/* usage: peek PID status | tone SECONDS | witness
 * Looks into the shared memory of a running daemon, as its web role would, without disturbing
 * it: prints its counters, or listens to its output for a while and measures it, as one JSON
 * object. As a witness it does nothing at the daemon's own pace until its input ends, then prints
 * how many periods came late, of how many. */
#include "dsp/clock.h"
#include "server/shm.h"
#include "tests/audio/witness.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct tb_shm *attach(const char *pid)
{
    char folder[64], path[400], target[64];
    (void)snprintf(folder, sizeof folder, "/proc/%s/fd", pid);
    DIR *dir = opendir(folder);
    struct tb_shm *shm = NULL;
    for (struct dirent *e; dir && !shm && (e = readdir(dir));) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        ssize_t n = readlink(path, target, sizeof target - 1);
        if (n <= 0 || strncmp(target, "/memfd:timbred", 14) != 0)
            continue;
        struct tb_error err;
        int fd = open(path, O_RDWR | O_CLOEXEC);
        shm = tb_shm_map(fd, &err);
        (void)close(fd);
    }
    if (dir)
        (void)closedir(dir);
    return shm;
}

static void print_status(const struct tb_shm *shm)
{
    const struct tb_audio_state *a = &shm->audio;
    printf(
        "{\"state\":%u,\"rate_hz\":%u,\"block\":%u,\"periods\":%u,\"realtime\":%u,"
        "\"locked\":%u,\"cpu\":%d,\"blocks\":%llu,\"late\":%llu,\"xruns\":%llu,"
        "\"heartbeat\":%llu,\"web_restarts\":%llu,\"midi_events\":%llu,\"frames\":%llu,"
        "\"clock_ns\":%llu,\"notices\":%u,\"device\":\"%s\",\"why\":\"%s\"}\n",
        a->state, a->rate_hz, a->block, a->periods, a->realtime, a->locked, a->cpu,
        (unsigned long long)a->blocks, (unsigned long long)a->late, (unsigned long long)a->xruns,
        (unsigned long long)a->heartbeat, (unsigned long long)a->web_restarts,
        (unsigned long long)a->midi_events, (unsigned long long)shm->tap.write,
        (unsigned long long)tb_clock_ns(),
        atomic_load(
            &((const struct tb_ring *)((const void *)((const char *)shm + shm->notices)))->write),
        a->device, a->why);
}

struct meter {
    double first, last, crossings, sum, before, peak;
    uint64_t n;
};

/* Rising zero crossings, interpolated: exact for the sine of the INIT voice. */
static void hear(struct meter *m, double v)
{
    if (m->before < 0 && v >= 0) {
        double at = (double)m->n - v / (v - m->before);
        if (m->crossings == 0)
            m->first = at;
        m->last = at;
        m->crossings++;
    }
    m->sum += v * v;
    m->peak = fmax(m->peak, fabs(v));
    m->before = v;
    m->n++;
}

static void print_tone(struct tb_shm *shm, double seconds)
{
    struct meter m = {0};
    uint64_t read = atomic_load(&shm->tap.write);
    uint64_t end = tb_clock_ns() + (uint64_t)(seconds * 1e9);
    while (tb_clock_ns() < end) {
        tb_clock_sleep_ms(10);
        for (uint64_t write = atomic_load(&shm->tap.write); read < write; read++)
            hear(&m,
                 (int16_t)(atomic_load(&shm->tap.sample[read % TB_TAP_FRAMES]) & 0xffff) / 32768.0);
    }
    double f0 = m.crossings > 1 ? (m.crossings - 1) * shm->audio.rate_hz / (m.last - m.first) : 0;
    printf("{\"frames\":%llu,\"f0_hz\":%.4f,\"rms\":%.6f,\"peak\":%.6f}\n", (unsigned long long)m.n,
           f0, m.n ? sqrt(m.sum / (double)m.n) : 0, m.peak);
}

static int be_witness(const struct tb_shm *shm)
{
    struct witness w = {.priority = shm->audio.realtime ? 70 : 0,
                        .cpu = shm->audio.cpu,
                        .period_ns = shm->audio.block * TB_NS_PER_S / shm->audio.rate_hz};
    char c;
    if (witness_start(&w) != 0)
        return 1;
    while (read(STDIN_FILENO, &c, 1) > 0) {
    }
    witness_stop(&w);
    printf("%llu %llu\n", (unsigned long long)w.late, (unsigned long long)w.periods);
    return 0;
}

int main(int argc, char **argv)
{
    struct tb_shm *shm = argc >= 3 ? attach(argv[1]) : NULL;
    if (!shm)
        return 1;
    if (strcmp(argv[2], "status") == 0)
        print_status(shm);
    else if (strcmp(argv[2], "tone") == 0 && argc == 4)
        print_tone(shm, strtod(argv[3], NULL));
    else if (strcmp(argv[2], "witness") == 0)
        return be_witness(shm);
    else
        return 2;
    return 0;
}
