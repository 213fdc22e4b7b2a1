/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_OFFLINE_JOB_WIRE_H
#define TB_SERVER_OFFLINE_JOB_WIRE_H

#include "base/error.h"
#include "server/offline/job.h"

#include <jansson.h>
#include <stdbool.h>

/* Packets between the web role and a job child, as job.h has them. Any thread; no two at once for
 * one direction of a socket. */

/* One packet as it came: its bytes, and at most TB_JOB_FDS descriptors, close on exec and the
 * caller's. 0 when the other side is gone, sent more than fits, or, unless it may wait, nothing
 * yet. */
size_t tb_job_receive(int socket, void *packet, size_t size, int fds[TB_JOB_FDS], size_t *n_fds,
                      bool wait);

/* Waits until it is sent: one packet, with a descriptor unless fd < 0, which stays the caller's.
 * Steals json; false without memory, or when the other side is gone. */
bool tb_job_send(int socket, json_t *json, int fd);

/* The last packet of a job: status TB_OK seals fd and sends it as the result, whose type may be
 * NULL; else *err is told. */
void tb_job_send_end(int socket, enum tb_status status, const char *type, int fd,
                     const struct tb_error *err);

/* Of the web role, does not wait: one packet from a job. TB_OK: it is done, *fd is the result, the
 * caller's. TB_ENOTFOUND: it goes on, *packet is what it tells, to be decref'd. Else *err is what
 * went wrong, and *fault whether the job itself said so. *packet and *fd are set to none before. */
enum tb_status tb_job_take(int socket, json_t **packet, int *fd, bool *fault, struct tb_error *err);

#endif
