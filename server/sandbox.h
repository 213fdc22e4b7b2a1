/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_SANDBOX_H
#define TB_SERVER_SANDBOX_H

#include "server/config.h"

/* A child gives up what it does not need, for good: identity (as root it becomes the owner of the
 * state folder), capabilities, new privileges, files (landlock), system calls (seccomp; what is
 * not on the list fails with EPERM). To be called by the main thread before it starts others, with
 * the listening sockets open. What this kernel lacks (landlock before 5.13) is left out; what it
 * has but refuses is an error. */

/* Web role: files of the state folder; reads the configuration, /proc and /sys. No outgoing
 * connections, no programs. */
enum tb_status tb_sandbox_web(const struct tb_config *config, struct tb_error *err);

/* Job role: reads /proc and /sys, computes, and talks over the descriptors it has. config may be
 * NULL. */
enum tb_status tb_sandbox_job(const struct tb_config *config, struct tb_error *err);

/* Training role: reads some folders besides and owns one, all below the state folder; as root it
 * becomes the owner of that. */
struct tb_sandbox_folders {
    const char *readable[2], *own; /* paths, or NULL */
};
enum tb_status tb_sandbox_train(const struct tb_config *config,
                                const struct tb_sandbox_folders *folders, struct tb_error *err);

#endif
