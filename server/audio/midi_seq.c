/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/audio/midi_seq.h"
#include "server/log.h"

#include <alsa/asoundlib.h>

#include <stdlib.h>
#include <string.h>

enum { DECODED_BYTES = 64, READABLE = SND_SEQ_PORT_CAP_READ | SND_SEQ_PORT_CAP_SUBS_READ };

struct tb_midi_seq {
    snd_seq_t *seq;
    snd_midi_event_t *decoder;
    int port;
};

static void quiet(const char *file, int line, const char *function, int e, const char *fmt, ...)
{
    (void)file, (void)line, (void)function, (void)e, (void)fmt;
}

/* Events become bytes again: one parser then gives controllers, bank and bend range the same
 * meaning whatever way they came. */
static bool set_up(struct tb_midi_seq *s)
{
    (void)snd_lib_error_set_handler(quiet); /* what fails is told once, by us */
    if (snd_seq_open(&s->seq, "default", SND_SEQ_OPEN_DUPLEX, SND_SEQ_NONBLOCK) != 0) {
        s->seq = NULL;
        return false;
    }
    if (snd_midi_event_new(DECODED_BYTES, &s->decoder) != 0) {
        s->decoder = NULL;
        return false;
    }
    snd_midi_event_no_status(s->decoder, 1);
    if (snd_seq_set_client_name(s->seq, "timbred") != 0)
        return false;
    s->port = snd_seq_create_simple_port(
        s->seq, "in", SND_SEQ_PORT_CAP_WRITE | SND_SEQ_PORT_CAP_SUBS_WRITE,
        SND_SEQ_PORT_TYPE_MIDI_GENERIC | SND_SEQ_PORT_TYPE_SYNTHESIZER |
            SND_SEQ_PORT_TYPE_APPLICATION);
    return s->port >= 0;
}

static bool is_hardware(const snd_seq_port_info_t *port)
{
    unsigned caps = snd_seq_port_info_get_capability(port);
    return (caps & READABLE) == READABLE && !(caps & SND_SEQ_PORT_CAP_NO_EXPORT) &&
           (snd_seq_port_info_get_type(port) & SND_SEQ_PORT_TYPE_HARDWARE);
}

static void connect_port(struct tb_midi_seq *s, const snd_seq_port_info_t *port)
{
    int client = snd_seq_port_info_get_client(port), number = snd_seq_port_info_get_port(port);
    if (client == snd_seq_client_id(s->seq) || !is_hardware(port))
        return;
    if (snd_seq_connect_from(s->seq, s->port, client, number) == 0)
        tb_log("midi: connected to %d:%d %s", client, number, snd_seq_port_info_get_name(port));
}

static void connect_all(struct tb_midi_seq *s)
{
    snd_seq_client_info_t *client;
    snd_seq_port_info_t *port;
    snd_seq_client_info_alloca(&client);
    snd_seq_port_info_alloca(&port);
    (void)snd_seq_connect_from(s->seq, s->port, SND_SEQ_CLIENT_SYSTEM,
                               SND_SEQ_PORT_SYSTEM_ANNOUNCE);
    snd_seq_client_info_set_client(client, -1);
    while (snd_seq_query_next_client(s->seq, client) == 0) {
        snd_seq_port_info_set_client(port, snd_seq_client_info_get_client(client));
        snd_seq_port_info_set_port(port, -1);
        while (snd_seq_query_next_port(s->seq, port) == 0)
            connect_port(s, port);
    }
}

struct tb_midi_seq *tb_midi_seq_open(void)
{
    struct tb_midi_seq *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    if (!set_up(s)) {
        tb_midi_seq_close(s);
        return NULL;
    }
    connect_all(s);
    return s;
}

void tb_midi_seq_close(struct tb_midi_seq *s)
{
    if (!s)
        return;
    if (s->decoder)
        snd_midi_event_free(s->decoder);
    if (s->seq)
        (void)snd_seq_close(s->seq);
    free(s);
}

size_t tb_midi_seq_poll(struct tb_midi_seq *s, struct pollfd *fds, size_t max)
{
    int n = snd_seq_poll_descriptors(s->seq, fds, (unsigned)max, POLLIN);
    return n > 0 ? (size_t)n : 0;
}

static void on_new_port(struct tb_midi_seq *s, const snd_seq_addr_t *address)
{
    snd_seq_port_info_t *port;
    snd_seq_port_info_alloca(&port);
    if (snd_seq_get_any_port_info(s->seq, address->client, address->port, port) == 0)
        connect_port(s, port);
}

static void on_event(struct tb_midi_seq *s, snd_seq_event_t *event, struct tb_midi_parser *parser)
{
    unsigned char bytes[DECODED_BYTES];
    switch (event->type) {
    case SND_SEQ_EVENT_PORT_START:
        on_new_port(s, &event->data.addr);
        break;
    case SND_SEQ_EVENT_PORT_UNSUBSCRIBED: /* pulled out: its keys come up */
        tb_midi_parse(parser, (const uint8_t[]){0xb0, 123, 0}, 3);
        break;
    case SND_SEQ_EVENT_SYSEX: /* arrives in pieces, as it was sent */
        tb_midi_parse(parser, event->data.ext.ptr, event->data.ext.len);
        break;
    default: {
        long n = snd_midi_event_decode(s->decoder, bytes, sizeof bytes, event);
        if (n > 0)
            tb_midi_parse(parser, bytes, (size_t)n);
    }
    }
}

void tb_midi_seq_read(struct tb_midi_seq *s, struct tb_midi_parser *parser)
{
    snd_seq_event_t *event;
    int e;
    while ((e = snd_seq_event_input(s->seq, &event)) >= 0 || e == -ENOSPC)
        if (e >= 0)
            on_event(s, event, parser);
}
