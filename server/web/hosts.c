/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/web/hosts.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static void add(struct tb_hosts *hosts, const char *name, bool any_port)
{
    size_t length = strlen(name);
    if (hosts->n == TB_MAX_HOSTS || length == 0 || length >= sizeof hosts->name[0])
        return;
    for (size_t i = 0; i <= length; i++)
        hosts->name[hosts->n][i] = (char)tolower((unsigned char)name[i]);
    hosts->any_port[hosts->n++] = any_port;
}

void tb_address_text(const struct sockaddr *address, char *text, size_t size)
{
    text[0] = '\0';
    if (address->sa_family == AF_INET) {
        struct sockaddr_in a;
        memcpy(&a, address, sizeof a);
        (void)inet_ntop(AF_INET, &a.sin_addr, text, (socklen_t)size);
    } else if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 a;
        memcpy(&a, address, sizeof a);
        if (IN6_IS_ADDR_V4MAPPED(&a.sin6_addr))
            (void)inet_ntop(AF_INET, &a.sin6_addr.s6_addr[12], text, (socklen_t)size);
        else
            (void)inet_ntop(AF_INET6, &a.sin6_addr, text, (socklen_t)size);
    }
}

static void add_interfaces(struct tb_hosts *hosts)
{
    struct ifaddrs *list = NULL;
    if (getifaddrs(&list))
        return;
    for (struct ifaddrs *i = list; i; i = i->ifa_next) {
        char text[64], name[72];
        if (!i->ifa_addr || !(i->ifa_flags & IFF_UP))
            continue;
        tb_address_text(i->ifa_addr, text, sizeof text);
        (void)snprintf(name, sizeof name, strchr(text, ':') ? "[%s]" : "%s", text);
        if (text[0])
            add(hosts, name, false);
    }
    freeifaddrs(list);
}

void tb_hosts_init(struct tb_hosts *hosts, uint16_t port, const char *further)
{
    *hosts = (struct tb_hosts){.port = port};
    add(hosts, "localhost", false);
    add(hosts, "127.0.0.1", false);
    add(hosts, "[::1]", false);
    char name[120], local[128];
    if (gethostname(name, sizeof name - 8) == 0) {
        name[sizeof name - 8] = '\0';
        add(hosts, name, false);
        (void)snprintf(local, sizeof local, "%s.local", name);
        add(hosts, local, false);
    }
    char *copy = strdup(further), *rest = NULL;
    for (char *t = copy ? strtok_r(copy, ", ", &rest) : NULL; t; t = strtok_r(NULL, ", ", &rest))
        add(hosts, t, true);
    free(copy);
    add_interfaces(hosts);
}

/* Splits "name", "name:port" or "[v6]:port"; *port 80 when absent. False when malformed. */
static bool split(const char *host, char *name, size_t size, unsigned *port)
{
    const char *end = host[0] == '[' ? strchr(host, ']') : NULL;
    if (host[0] == '[' && !end)
        return false;
    const char *colon = strchr(end ? end : host, ':');
    size_t length = colon ? (size_t)(colon - host) : strlen(host);
    if (length == 0 || length >= size || (end && length != (size_t)(end + 1 - host)))
        return false;
    memcpy(name, host, length);
    name[length] = '\0';
    *port = 80;
    if (!colon)
        return true;
    size_t digits = strspn(colon + 1, "0123456789");
    if (digits == 0 || digits > 5 || colon[1 + digits])
        return false;
    *port = (unsigned)strtoul(colon + 1, NULL, 10);
    return true;
}

static bool is_local_address(int fd, const char *name)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    char text[64], host[72];
    if (fd < 0 || getsockname(fd, (struct sockaddr *)&address, &size))
        return false;
    tb_address_text((struct sockaddr *)&address, text, sizeof text);
    (void)snprintf(host, sizeof host, strchr(text, ':') ? "[%s]" : "%s", text);
    return text[0] && !strcasecmp(host, name);
}

bool tb_hosts_allow(const struct tb_hosts *hosts, const char *host, int fd)
{
    char name[128];
    unsigned port;
    if (!split(host, name, sizeof name, &port))
        return false;
    for (size_t i = 0; i < hosts->n; i++)
        if (!strcasecmp(hosts->name[i], name) && (hosts->any_port[i] || port == hosts->port))
            return true;
    return port == hosts->port && is_local_address(fd, name);
}

bool tb_origin_matches(const char *origin, const char *host)
{
    if (!strncasecmp(origin, "http://", 7))
        return !strcasecmp(origin + 7, host);
    if (!strncasecmp(origin, "https://", 8))
        return !strcasecmp(origin + 8, host);
    return false;
}

bool tb_hosts_reachable(const struct tb_hosts *hosts, size_t i, char *text, size_t size)
{
    for (size_t k = 0; k < hosts->n; k++) {
        const char *name = hosts->name[k];
        bool v4 = name[strspn(name, "0123456789.")] == '\0';
        if (!v4 || !strncmp(name, "127.", 4) || !strncmp(name, "169.254.", 8) || i-- > 0)
            continue;
        (void)snprintf(text, size, "%s", name);
        return true;
    }
    return false;
}
