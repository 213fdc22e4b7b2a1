/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/state/link_client.h"

#include "server/state/imports.h"
#include "server/state/jobs.h"
#include "server/web/thread.h"
#include "server/web/web.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_MS = 3000 };

/* A question that waits, on its asker's stack. */
struct waiting {
    uint32_t id;
    bool answered;
    struct tb_link_header header;
    void *payload;
    struct waiting *next;
};

struct tb_link_client {
    struct tb_web *web;
    int socket;
    void (*lost)(void);
    pthread_t thread;
    pthread_mutex_t mutex; /* of everything below, and of sending */
    pthread_cond_t cond;   /* CLOCK_MONOTONIC */
    struct waiting *waiting;
    uint32_t next_id;
    bool gone;
};

static void take_answer(struct tb_link_client *client, const struct tb_link_header *header,
                        const void *payload)
{
    (void)pthread_mutex_lock(&client->mutex);
    for (struct waiting *w = client->waiting; w; w = w->next) {
        if (w->id != header->id || w->answered)
            continue;
        w->header = *header;
        w->payload = header->size ? malloc(header->size) : NULL;
        if (w->payload)
            memcpy(w->payload, payload, header->size);
        w->answered = true;
        (void)pthread_cond_broadcast(&client->cond);
        break;
    }
    (void)pthread_mutex_unlock(&client->mutex);
}

static void handle(struct tb_link_client *client, const struct tb_link_header *header,
                   const void *payload)
{
    switch (header->type) {
    case TB_LINK_DONE:
        take_answer(client, header, payload);
        break;
    case TB_LINK_SYSEX:
        tb_import_sysex(client->web, payload, header->size);
        break;
    case TB_LINK_JOB_EXITED: /* jobs end with their own socket */
    default:
        break;
    }
}

void tb_link_client_stop(struct tb_link_client *client)
{
    (void)pthread_mutex_lock(&client->mutex);
    client->gone = true;
    (void)pthread_cond_broadcast(&client->cond);
    (void)pthread_mutex_unlock(&client->mutex);
}

static void *link_main(void *arg)
{
    struct tb_link_client *client = arg;
    void *payload = malloc(TB_LINK_MAX);
    struct pollfd p = {client->socket, POLLIN, 0};
    while (payload && (poll(&p, 1, -1) >= 0 || errno == EINTR)) {
        struct tb_link_header header;
        struct tb_error err;
        int fd = -1;
        enum tb_status status = tb_link_receive(client->socket, &header, payload, &fd, &err);
        if (fd >= 0)
            (void)close(fd);
        if (status == TB_OK)
            handle(client, &header, payload);
        else if (status == TB_EIO)
            break;
    }
    free(payload);
    tb_link_client_stop(client);
    client->lost();
    return NULL;
}

/* With the mutex held. False when the time is up or the other side is gone. */
static bool wait_for(struct tb_link_client *client, const struct waiting *w, int timeout_ms)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (timeout_ms ? timeout_ms : ANSWER_MS) / 1000;
    while (!w->answered && !client->gone)
        if (pthread_cond_timedwait(&client->cond, &client->mutex, &until) == ETIMEDOUT)
            break;
    return w->answered;
}

static void forget(struct tb_link_client *client, struct waiting *w)
{
    struct waiting **at = &client->waiting;
    while (*at && *at != w)
        at = &(*at)->next;
    if (*at)
        *at = w->next;
}

enum tb_status tb_link_ask(struct tb_link_client *client, const struct tb_link_question *question,
                           struct tb_link_answer *answer, struct tb_error *err)
{
    struct waiting w = {0};
    (void)pthread_mutex_lock(&client->mutex);
    if (client->gone) {
        (void)pthread_mutex_unlock(&client->mutex);
        return tb_fail(err, TB_EIO, "the audio role is stopping");
    }
    w.id = ++client->next_id;
    w.next = client->waiting;
    client->waiting = &w;
    struct tb_link_header header = {.type = question->type,
                                    .id = w.id,
                                    .size = (uint32_t)question->size,
                                    .value = question->value};
    enum tb_status status =
        tb_link_send(client->socket, &header, question->payload, question->fd, err);
    if (status == TB_OK && !wait_for(client, &w, question->timeout_ms))
        status = tb_fail(err, TB_EIO, "the audio role does not answer");
    forget(client, &w);
    (void)pthread_mutex_unlock(&client->mutex);
    if (status == TB_OK && w.header.status != TB_OK)
        status = tb_fail(err, (enum tb_status)w.header.status, "%s", w.header.text);
    if (status == TB_OK && answer)
        *answer = (struct tb_link_answer){w.header.value, w.payload, w.header.size};
    else
        free(w.payload);
    return status;
}

struct tb_link_client *tb_link_client_new(struct tb_web *web, int socket, void (*lost)(void),
                                          struct tb_error *err)
{
    struct tb_link_client *client = calloc(1, sizeof *client);
    pthread_condattr_t attr;
    if (!client || pthread_mutex_init(&client->mutex, NULL) || pthread_condattr_init(&attr) ||
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) ||
        pthread_cond_init(&client->cond, &attr)) {
        free(client);
        (void)tb_fail(err, TB_ENOMEM, "no memory for the link");
        return NULL;
    }
    (void)pthread_condattr_destroy(&attr);
    client->web = web;
    client->socket = socket;
    client->lost = lost;
    if (tb_thread_start(&client->thread, "link", link_main, client, err) == TB_OK)
        return client;
    free(client);
    return NULL;
}

void tb_link_client_free(struct tb_link_client *client)
{
    if (!client)
        return;
    (void)shutdown(client->socket, SHUT_RDWR);
    (void)pthread_join(client->thread, NULL);
    (void)pthread_cond_destroy(&client->cond);
    (void)pthread_mutex_destroy(&client->mutex);
    free(client);
}
