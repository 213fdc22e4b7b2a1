/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_AUDIO_KEEPER_H
#define TB_SERVER_AUDIO_KEEPER_H

#include "base/error.h"
#include "server/audio/audio_thread.h"
#include "server/audio/realtime.h"
#include "server/config.h"
#include "server/link.h"

/* Keeps the audio thread supplied: opens and closes devices on a thread of its own (that may take
 * seconds), brings a lost one back, builds the engine for the device's rate, frees what the audio
 * thread has done with. */
struct tb_keeper;

/* Main thread. Opens the configured device and starts the audio thread. NULL with *err filled. */
struct tb_keeper *tb_keeper_start(const struct tb_config *config,
                                  const struct tb_realtime *realtime, struct tb_shm *shm,
                                  struct tb_error *err);

/* Main thread. Fades out, stops the audio thread, closes everything. */
void tb_keeper_stop(struct tb_keeper *keeper);

struct tb_audio_thread *tb_keeper_thread(struct tb_keeper *keeper);

struct tb_keeper_sound {
    float values[TB_N_PARAMS];
    char models[2][TB_LINK_HASH]; /* A, B: hashes; "" none */
};

/* Main thread. Builds the program for the engine that plays now and queues it behind the commands
 * before index `after`; device parameters among the values follow at once. TB_EFULL when the audio
 * thread does not take its orders, TB_ECONFLICT when a model is not prepared for the rate of the
 * engine. */
enum tb_status tb_keeper_load(struct tb_keeper *keeper, const struct tb_keeper_sound *sound,
                              uint32_t after, struct tb_error *err);

/* Neural instruments that are ready, or will be. */
struct tb_instruments *tb_keeper_instruments(struct tb_keeper *keeper);

/* Main thread. Requests TB_LINK_DEVICES and TB_LINK_DEVICE_SET go in as they came over the link,
 * the answers come out of tb_keeper_fd the same way (tb_link_receive). */
enum tb_status tb_keeper_request(struct tb_keeper *keeper, const struct tb_link_header *header,
                                 const void *payload, struct tb_error *err);
int tb_keeper_fd(const struct tb_keeper *keeper);

/* Main thread. The configured device after the configuration was read again. */
void tb_keeper_reconfigure(struct tb_keeper *keeper, const struct tb_config *config);

#endif
