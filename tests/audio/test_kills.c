/* SPDX-License-Identifier: GPL-3.0-or-later */
/* usage: test-kills [KILLS]     (50, or 1,000 where TIMBRED_FULL=1)
 * A child pushes commands into the shared ring as fast as it can and is killed at any instant,
 * again and again, while the real audio thread plays: no command may be torn, no period late that
 * is not late in the witness too. Prints one JSON object; ends with 1 when a bound is broken. */
#include "server/audio/keeper.h"
#include "server/shm.h"
#include "tests/audio/checking_engine.h"
#include "tests/audio/witness.h"

#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SHM_FD = 20, KILLS = 50, KILLS_FULL = 1000, BLOCK = 64, RATE_HZ = 48000 };

/* The child. Stops when the parent is gone. */
static int produce(void)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct tb_error err;
    struct tb_shm *shm = tb_shm_map(SHM_FD, &err);
    if (!shm)
        return 1;
    struct tb_ring *ring = tb_shm_ring(shm, shm->commands);
    for (uint64_t number = (uint64_t)getpid() << 32;; number++) {
        struct tb_event e = checking_command(number);
        while (!tb_ring_push(ring, &e))
            (void)usleep(200);
    }
}

static pid_t spawn_child(int shm_fd)
{
    posix_spawn_file_actions_t actions;
    char self[] = "/proc/self/exe", word[] = "--produce";
    char *argv[] = {self, word, NULL}, *env[] = {NULL};
    pid_t pid = 0;
    if (posix_spawn_file_actions_init(&actions) != 0)
        return 0;
    (void)posix_spawn_file_actions_adddup2(&actions, shm_fd, SHM_FD);
    if (posix_spawn(&pid, self, &actions, NULL, argv, env) != 0)
        pid = 0;
    (void)posix_spawn_file_actions_destroy(&actions);
    return pid;
}

struct outcome {
    unsigned kills;
    double first_ms_sum;
};

static int kill_again_and_again(unsigned kills, int shm_fd, struct outcome *o)
{
    uint32_t random = 7;
    for (; o->kills < kills; o->kills++) {
        uint64_t start = tb_clock_ns(), before = atomic_load(&checking_commands);
        pid_t pid = spawn_child(shm_fd);
        if (pid == 0)
            return 1;
        while (atomic_load(&checking_commands) == before) {
            if (tb_clock_ns() - start > 5 * TB_NS_PER_S)
                return 1;
            (void)usleep(200);
        }
        o->first_ms_sum += (double)(tb_clock_ns() - start) / 1e6;
        random = random * 1664525 + 1013904223;
        (void)usleep((useconds_t)(500 + (random >> 8) % 15000));
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--produce") == 0)
        return produce();
    const char *full = getenv("TIMBRED_FULL");
    unsigned kills = full && strcmp(full, "1") == 0 ? KILLS_FULL : KILLS;
    if (argc > 1)
        kills = (unsigned)strtoul(argv[1], NULL, 10);
    struct tb_config config = {.driver = "null",
                               .rate_hz = RATE_HZ,
                               .block = BLOCK,
                               .periods = 3,
                               .priority = 70,
                               .cpu = -1};
    struct tb_realtime realtime;
    struct tb_error err;
    int shm_fd;
    tb_realtime_prepare(&config, &realtime);
    struct tb_shm *shm = tb_shm_new(&shm_fd, &err);
    struct tb_keeper *keeper = shm ? tb_keeper_start(&config, &realtime, shm, &err) : NULL;
    if (!keeper) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    struct witness w = {
        .priority = 70, .cpu = realtime.cpu, .period_ns = BLOCK * TB_NS_PER_S / RATE_HZ};
    struct outcome o = {0};
    int failed = witness_start(&w) != 0 || kill_again_and_again(kills, shm_fd, &o) != 0;
    witness_stop(&w);
    unsigned long long late = atomic_load(&shm->audio.late) + atomic_load(&shm->audio.xruns);
    printf("{\"kills\":%u,\"commands\":%llu,\"torn\":%llu,\"periods\":%llu,\"late\":%llu,"
           "\"witness_late\":%llu,\"witness_worst_us\":%.0f,\"first_command_ms\":%.2f}\n",
           o.kills, (unsigned long long)atomic_load(&checking_commands),
           (unsigned long long)atomic_load(&checking_torn),
           (unsigned long long)atomic_load(&shm->audio.blocks), late, (unsigned long long)w.late,
           (double)w.worst_ns / 1e3, o.kills ? o.first_ms_sum / o.kills : 0);
    tb_keeper_stop(keeper);
    tb_shm_unmap(shm);
    return failed || o.kills < kills || atomic_load(&checking_torn) > 0 || late > w.late ? 1 : 0;
}
