/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_WEB_HOSTS_H
#define TB_SERVER_WEB_HOSTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum { TB_MAX_HOSTS = 64 };

/* The names by which this device may be called: the only defence against a page whose own name is
 * made to resolve to us. */
struct tb_hosts {
    char name[TB_MAX_HOSTS][128]; /* lower case, without port */
    bool any_port[TB_MAX_HOSTS];  /* named by the owner: a proxy may answer on another port */
    size_t n;
    uint16_t port;
};

/* Before threads. further: names from the configuration, separated by commas. Adds localhost, the
 * machine's name, NAME.local and the addresses of its interfaces. */
void tb_hosts_init(struct tb_hosts *hosts, uint16_t port, const char *further);

/* Any thread. Is this the text of an allowed Host header? Also allowed is the address at which the
 * connection fd arrived (-1: not asked), so that a new lease needs no restart. */
bool tb_hosts_allow(const struct tb_hosts *hosts, const char *host, int fd);

/* Any thread. Is this Origin the one of that Host? */
bool tb_origin_matches(const char *origin, const char *host);

/* Numeric text of an address, IPv4-mapped ones as IPv4. */
void tb_address_text(const struct sockaddr *address, char *text, size_t size);

/* The i-th address of this machine that others can reach; false when there are no more. */
bool tb_hosts_reachable(const struct tb_hosts *hosts, size_t i, char *text, size_t size);

#endif
