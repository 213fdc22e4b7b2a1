/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_CONFIG_H
#define TB_SERVER_CONFIG_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* What the owner of the device decides. Order: built-in defaults, then the INI file (--config, else
 * /etc/timbred/timbred.conf where it exists), then options --section.key=value. Every role reads it
 * the same way from the same command line. */
struct tb_config {
    char path[256];      /* the INI file that was read, "" for none */
    char state_dir[256]; /* database, tokens, backups; --state */
    char listen[64];     /* server.listen: address; "0.0.0.0", or "127.0.0.1" for this machine */
    uint16_t port;       /* server.port: 8080; 0 = any free one */
    bool port_fixed;     /* the port was asked for: do not try the next one when it is taken */
    char hosts[512];     /* server.hosts: further Host names, separated by commas */
    char security_contact[200]; /* server.security_contact: mailto: or https: address, "" = none */
    char driver[8];             /* audio.driver: "auto", "alsa", "null", "file" */
    char device[64];            /* audio.device: PCM name or path, "" = choose */
    char input[256];    /* audio.input: what is heard: PCM name, "same", or a WAV; "" = nothing */
    uint32_t rate_hz;   /* audio.rate: 48000 */
    uint32_t block;     /* audio.block: 64 frames */
    uint32_t periods;   /* audio.periods: 3 */
    int priority;       /* audio.priority: SCHED_FIFO 1..99, 70; 0 = do not ask */
    int cpu;            /* audio.cpu: -1 = the last one where there are two or more, -2 = none */
    uint32_t seconds;   /* audio.seconds: driver "file" only: stop after so many, 0 = on SIGTERM */
    char zoo[256];      /* models.zoo: folder of shipped models, "" = beside the program */
    uint32_t model_mib; /* models.max_mib: 64, the largest model that may be uploaded */
    uint32_t recording_mib;  /* training.recording_mib: 256, the largest recording */
    uint32_t recordings;     /* training.recordings: 2000, of one data set */
    uint32_t recordings_mib; /* training.total_mib: 4096, of all data sets */
    char midi_in[256];       /* midi.in: raw devices, FIFOs or ptys, separated by commas */
    char midi_out[256];  /* midi.out: raw device, FIFO, pty or file for the pitch of the input */
    bool midi_sequencer; /* midi.sequencer: be an ALSA sequencer client */
    bool verbose;
};

/* Control thread. Short options: --config FILE, --state DIR, --verbose, --seconds N; the first two
 * and the last also with "=". Fills *config from argv[0..argc) (options only, no command name).
 * TB_EINVAL names the file, line or option and the bound. */
enum tb_status tb_config_load(int argc, char **argv, struct tb_config *config,
                              struct tb_error *err);

#endif
