/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/api/publish.h"
#include "server/api/ws.h"
#include "server/state/store_thread.h"
#include "server/web/route.h"
#include "server/web/web.h"

#include <stdio.h>
#include <stdlib.h>

/* One line of the exposition format. */
struct metric {
    const char *name, *kind, *help;
    double value;
};

static void write_requests(FILE *out, struct tb_counters *c)
{
    (void)fputs("# HELP timbred_requests_total Requests by class of status.\n"
                "# TYPE timbred_requests_total counter\n",
                out);
    for (unsigned i = 2; i < 6; i++)
        (void)fprintf(out, "timbred_requests_total{status=\"%uxx\"} %llu\n", i,
                      (unsigned long long)atomic_load(&c->requests[i]));
}

static void write_all(FILE *out, struct tb_web *web)
{
    struct tb_audio_state *a = &web->shm->audio;
    struct tb_counters *c = &web->counters;
    struct tb_load load;
    tb_publish_load(web->publish, &load);
    struct tb_ring *commands = tb_shm_ring(web->shm, web->shm->commands);
    struct tb_ring *frames = tb_shm_ring(web->shm, web->shm->frames);
    const struct metric metrics[] = {
        {"uptime_seconds", "gauge", "Since the web role started.",
         (double)(tb_now_ns() - web->started_ns) * 1e-9},
        {"load_mean", "gauge", "Share of the deadline, last second.", load.mean},
        {"load_p99", "gauge", "Share of the deadline, last second.", load.p99},
        {"load_max", "gauge", "Share of the deadline, last second.", load.max},
        {"voices", "gauge", "Notes that sound.", load.voices},
        {"voices_stolen_total", "counter", "Voices taken from sounding notes.", load.stolen},
        {"nonfinite_total", "counter", "NaN or Inf values caught.", load.nonfinite},
        {"blocks_total", "counter", "Blocks rendered.", (double)atomic_load(&a->blocks)},
        {"blocks_late_total", "counter", "Blocks over their deadline.",
         (double)atomic_load(&a->late)},
        {"xruns_total", "counter", "The device ran dry.", (double)atomic_load(&a->xruns)},
        {"midi_events_total", "counter", "MIDI events.", (double)atomic_load(&a->midi_events)},
        {"web_restarts_total", "counter", "Restarts of the web role.",
         (double)atomic_load(&a->web_restarts)},
        {"commands_depth", "gauge", "Commands waiting for the engine.", tb_ring_depth(commands)},
        {"commands_refused_total", "counter", "Commands refused: queue full.",
         (double)atomic_load(&c->ring_full)},
        {"frames_dropped_total", "counter", "Telemetry frames dropped.",
         (double)atomic_load(&frames->dropped)},
        {"store_depth", "gauge", "Requests waiting for the store.",
         (double)tb_writer_depth(web->writer)},
        {"store_commits_total", "counter", "Transactions.", (double)atomic_load(&c->commits)},
        {"store_changes_total", "counter", "Changes in them.", (double)atomic_load(&c->changes)},
        {"connections_total", "counter", "HTTP connections.", (double)atomic_load(&c->connections)},
        {"connections_refused_total", "counter", "Connections over a limit.",
         (double)atomic_load(&c->refused)},
        {"connections_reaped_total", "counter", "Connections that were too slow.",
         (double)atomic_load(&c->reaped)},
        {"ws_clients", "gauge", "WebSocket clients.", tb_ws_clients(web->ws)},
        {"ws_opened_total", "counter", "WebSocket clients ever.",
         (double)atomic_load(&c->ws_opened)},
        {"ws_dropped_total", "counter", "Clients dropped for not reading.",
         (double)atomic_load(&c->ws_dropped)},
        {"ws_messages_total", "counter", "Messages received.",
         (double)atomic_load(&c->ws_messages)},
        {"ws_frames_total", "counter", "Messages sent.", (double)atomic_load(&c->ws_frames)},
        {"ws_skipped_total", "counter", "Frames replaced by newer ones.",
         (double)atomic_load(&c->ws_skipped)},
    };
    write_requests(out, c);
    for (size_t i = 0; i < sizeof metrics / sizeof metrics[0]; i++)
        (void)fprintf(out, "# HELP timbred_%s %s\n# TYPE timbred_%s %s\ntimbred_%s %.9g\n",
                      metrics[i].name, metrics[i].help, metrics[i].name, metrics[i].kind,
                      metrics[i].name, metrics[i].value);
}

void tb_api_metrics(struct tb_request *request)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out) {
        write_all(out, request->web);
        (void)fclose(out);
    }
    tb_answer_data(request, "text/plain; version=0.0.4; charset=utf-8", text, size);
}
