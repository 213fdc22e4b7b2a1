/* SPDX-License-Identifier: GPL-3.0-or-later */
/* usage: ws_load PORT TOKEN CLIENTS STALLED SECONDS
 * Many WebSocket clients that take telemetry, of which the last STALLED never read a byte. Prints
 * one JSON object: frames a second of the live ones, gaps between frames, how many were dropped.
 * The stalled ones take the scope too, so that their buffers are full soon. */
#include "tests/bench/ws_plain.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>

enum { MAX_CLIENTS = 2000, MAX_GAPS = 4 << 20, STALLED_BUFFER = 4096 };

struct client {
    struct ws_reader reader;
    bool stalled;
    uint64_t last_ns, n_frames;
    bool lost;
};

static struct client clients[MAX_CLIENTS];
static uint32_t *gaps_us;
static size_t n_gaps;

static uint64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static void on_frame(struct client *c, uint64_t now)
{
    if (c->last_ns && n_gaps < MAX_GAPS)
        gaps_us[n_gaps++] = (uint32_t)((now - c->last_ns) / 1000);
    c->last_ns = now;
    c->n_frames++;
}

static void on_readable(struct client *c, int epoll)
{
    unsigned char data[65536];
    ssize_t n = recv(c->reader.fd, data, sizeof data, MSG_DONTWAIT);
    int frames = n > 0 ? ws_feed(&c->reader, data, (size_t)n) : 0;
    for (uint64_t now = now_ns(); frames > 0; frames--)
        on_frame(c, now);
    if (n > 0 || (n < 0 && errno == EAGAIN))
        return;
    c->lost = true;
    (void)epoll_ctl(epoll, EPOLL_CTL_DEL, c->reader.fd, NULL);
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void report(int n, int n_stalled, double seconds)
{
    double slowest = 1e9, fastest = 0.0, sum = 0.0;
    int live = 0, lost = 0;
    for (int i = 0; i < n; i++) {
        const struct client *c = &clients[i];
        if (c->stalled)
            continue;
        double rate = (double)c->n_frames / seconds;
        live++;
        lost += c->lost;
        slowest = rate < slowest ? rate : slowest;
        fastest = rate > fastest ? rate : fastest;
        sum += rate;
    }
    qsort(gaps_us, n_gaps, sizeof *gaps_us, compare);
    size_t at_p99 = n_gaps * 99 / 100;
    double p99 = n_gaps ? gaps_us[at_p99] * 1e-3 : 0.0;
    double max = n_gaps ? gaps_us[n_gaps - 1] * 1e-3 : 0.0;
    printf("{\"clients\":%d,\"live\":%d,\"live_lost\":%d,\"frames_per_s\":{\"min\":%.2f,"
           "\"mean\":%.2f,\"max\":%.2f},\"gap_ms\":{\"p99\":%.2f,\"max\":%.2f},\"stalled\":%d,"
           "\"seconds\":%.1f}\n",
           n, live, lost, slowest, live ? sum / live : 0.0, fastest, p99, max, n_stalled, seconds);
}

static bool open_all(int n, int n_stalled, const char *port, const char *token, int epoll)
{
    for (int i = 0; i < n; i++) {
        struct client *c = &clients[i];
        c->stalled = i >= n - n_stalled;
        const char *topics = c->stalled ? "\"telemetry\",\"scope\"" : "\"telemetry\"";
        c->reader.fd = ws_open(atoi(port), token, topics, c->stalled ? STALLED_BUFFER : 0);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        if (c->reader.fd < 0 ||
            (!c->stalled && epoll_ctl(epoll, EPOLL_CTL_ADD, c->reader.fd, &event) != 0)) {
            fprintf(stderr, "ws_load: client %d is refused\n", i);
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    int n = argc == 6 ? atoi(argv[3]) : 0, n_stalled = argc == 6 ? atoi(argv[4]) : 0;
    double seconds = argc == 6 ? strtod(argv[5], NULL) : 0.0;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    gaps_us = malloc(MAX_GAPS * sizeof *gaps_us);
    if (n < 1 || n > MAX_CLIENTS || n_stalled >= n || epoll < 0 || !gaps_us)
        return 2;
    if (!open_all(n, n_stalled, argv[1], argv[2], epoll))
        return 1;
    uint64_t start = now_ns();
    for (int i = 0; i < n; i++)
        clients[i].last_ns = clients[i].n_frames = 0;
    uint64_t end = start + (uint64_t)(seconds * 1e9);
    while (now_ns() < end) {
        struct epoll_event events[64];
        int got = epoll_wait(epoll, events, 64, 100);
        for (int i = 0; i < got; i++)
            on_readable(events[i].data.ptr, epoll);
    }
    report(n, n_stalled, (double)(now_ns() - start) * 1e-9);
    free(gaps_us);
    return 0;
}
