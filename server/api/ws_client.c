/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/api/ws_priv.h"

#include "server/web/web.h"

#include <stdlib.h>
#include <string.h>

struct tb_message *tb_message_new(const void *data, size_t size, bool binary)
{
    struct tb_message *message = malloc(sizeof *message + LWS_PRE + size);
    if (!message)
        return NULL;
    *message = (struct tb_message){.references = 1, .binary = binary, .size = size};
    memcpy(message->data + LWS_PRE, data, size);
    return message;
}

void tb_message_drop(struct tb_message *message)
{
    if (message && --message->references == 0)
        free(message);
}

bool tb_session_waits(const struct tb_session *session)
{
    bool pictures = false;
    for (int i = 0; i < TB_N_PICTURES; i++)
        pictures = pictures || session->newest[i];
    return session->n || session->pcm_n || pictures || session->close_code;
}

static void want_write(struct tb_session *session)
{
    if (!session->waiting_ns)
        session->waiting_ns = tb_now_ns();
    (void)lws_callback_on_writable(session->wsi);
}

void tb_session_push(struct tb_session *session, struct tb_message *message)
{
    if (session->n == TB_WS_QUEUE) {
        session->close_code = TB_WS_OVERFLOW;
    } else {
        message->references++;
        session->queue[(session->first + session->n++) % TB_WS_QUEUE] = message;
    }
    want_write(session);
}

void tb_session_newest(struct tb_session *session, struct tb_message **place,
                       struct tb_message *message)
{
    if (*place)
        session->ws->web->counters.ws_skipped++;
    tb_message_drop(*place);
    message->references++;
    *place = message;
    want_write(session);
}

void tb_session_pcm(struct tb_session *session, struct tb_message *message)
{
    if (session->pcm_n == TB_WS_PCM) { /* too slow to listen: the oldest sound is lost */
        tb_message_drop(session->pcm[session->pcm_first]);
        session->pcm_first = (session->pcm_first + 1) % TB_WS_PCM;
        session->pcm_n--;
        session->ws->web->counters.ws_skipped++;
    }
    message->references++;
    session->pcm[(session->pcm_first + session->pcm_n++) % TB_WS_PCM] = message;
    want_write(session);
}

/* What goes out next; texts first, then sound, then pictures. */
static struct tb_message *take(struct tb_session *session)
{
    struct tb_message *message = NULL;
    if (session->n) {
        message = session->queue[session->first];
        session->first = (session->first + 1) % TB_WS_QUEUE;
        session->n--;
    } else if (session->pcm_n) {
        message = session->pcm[session->pcm_first];
        session->pcm_first = (session->pcm_first + 1) % TB_WS_PCM;
        session->pcm_n--;
    }
    for (int i = 0; i < TB_N_PICTURES && !message; i++) {
        message = session->newest[i];
        session->newest[i] = NULL;
    }
    return message;
}

/* Called when the socket has room for one message at least; before each further one the library
 * asks the kernel, which costs a third of a small write. */
int tb_session_write(struct tb_session *session)
{
    for (bool first = true; first || !lws_send_pipe_choked(session->wsi); first = false) {
        struct tb_message *message = take(session);
        if (!message)
            break;
        int n = lws_write(session->wsi, message->data + LWS_PRE, message->size,
                          message->binary ? LWS_WRITE_BINARY : LWS_WRITE_TEXT);
        tb_message_drop(message);
        if (n < 0)
            return -1;
        session->ws->web->counters.ws_frames++;
        if (!tb_session_waits(session))
            break;
    }
    if (!session->n && session->close_code) {
        lws_close_reason(session->wsi, (enum lws_close_status)session->close_code, NULL, 0);
        return -1;
    }
    session->waiting_ns = 0;
    if (tb_session_waits(session))
        want_write(session);
    return 0;
}

void tb_session_clear(struct tb_session *session)
{
    struct tb_message *message;
    while ((message = take(session)))
        tb_message_drop(message);
    free(session->in);
    session->in = NULL;
}
