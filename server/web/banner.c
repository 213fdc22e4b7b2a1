/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/web/banner.h"

#include "server/api/status.h"
#include "server/web/web.h"

#include <qrencode.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Two rows of modules in one line of text, light on dark, with the quiet zone that readers need. */
static void print_qr(const char *text)
{
    static const char *const halves[] = {"\u2588", "\u2584", "\u2580", " "};
    enum { QUIET = 2 };
    QRcode *code = QRcode_encodeString(text, 0, QR_ECLEVEL_L, QR_MODE_8, 1);
    if (!code)
        return;
    for (int y = -QUIET; y < code->width + QUIET; y += 2) {
        (void)fputs("  ", stdout);
        for (int x = -QUIET; x < code->width + QUIET; x++) {
            unsigned dark = 0;
            for (int half = 0; half < 2; half++) {
                int row = y + half;
                bool inside = x >= 0 && x < code->width && row >= 0 && row < code->width;
                if (inside && code->data[row * code->width + x] & 1)
                    dark |= 2u >> half;
            }
            (void)fputs(halves[dark], stdout);
        }
        (void)fputc('\n', stdout);
    }
    QRcode_free(code);
}

static void print_links(struct tb_web *web, const char *token, char *best, size_t size)
{
    char address[64];
    const char *listen = web->config.listen;
    bool every = !strcmp(listen, "0.0.0.0") || !strcmp(listen, "::");
    (void)snprintf(best, size, "http://%s:%u/#token=%s", every ? "127.0.0.1" : listen, web->port,
                   token);
    (void)printf("  %s\n", best);
    for (size_t i = 0; every && tb_hosts_reachable(&web->hosts, i, address, sizeof address); i++) {
        char link[200];
        (void)snprintf(link, sizeof link, "http://%s:%u/#token=%s", address, web->port, token);
        (void)printf("  %s\n", link);
        if (i == 0)
            (void)snprintf(best, size, "%s", link);
    }
}

void tb_banner_print(struct tb_web *web, const char *token)
{
    char best[200], device[64] = "", why[160] = "";
    const struct tb_audio_state *a = &web->shm->audio;
    tb_status_texts(web, device, sizeof device, why, sizeof why);
    (void)printf("\ntimbred %s: open the panel in a browser\n", TB_VERSION);
    print_links(web, token, best, sizeof best);
    if (isatty(STDOUT_FILENO))
        print_qr(best);
    (void)printf("  sound: %s%s%s%s\n", device[0] ? device : "none", why[0] ? " (" : "", why,
                 why[0] ? ")" : "");
    (void)printf("  real time: scheduling %s, memory %s, processor %s; `timbred doctor` tells "
                 "more\n\n",
                 atomic_load(&a->realtime) ? "granted" : "not granted",
                 atomic_load(&a->locked) ? "locked" : "not locked",
                 atomic_load(&a->cpu) >= 0 ? "of its own" : "shared");
    (void)fflush(stdout);
}
