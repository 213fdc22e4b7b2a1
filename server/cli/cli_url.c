/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/cli/cli_run.h"
#include "server/cli/http_client.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <qrencode.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { PROBE_MS = 1000 };

/* Does the server answer at url? */
static bool answers(const char *url)
{
    struct tb_error err;
    struct tb_client_reply reply;
    const struct tb_client_request request = {
        .method = "GET", .url = url, .path = "/api/v1/health", .timeout_ms = PROBE_MS};
    if (tb_client_call(&request, &reply, &err) != TB_OK)
        return false;
    bool ok = reply.status == 200;
    tb_client_reply_clear(&reply);
    return ok;
}

/* The first address of this machine for others at which the server on port listens. */
static bool reachable_url(const char *port, char *url, size_t size)
{
    struct ifaddrs *list = NULL;
    bool found = false;
    if (getifaddrs(&list) != 0)
        return false;
    for (const struct ifaddrs *i = list; i && !found; i = i->ifa_next) {
        char host[64];
        bool usable = i->ifa_addr && i->ifa_addr->sa_family == AF_INET && (i->ifa_flags & IFF_UP) &&
                      !(i->ifa_flags & IFF_LOOPBACK);
        if (!usable || getnameinfo(i->ifa_addr, sizeof(struct sockaddr_in), host, sizeof host, NULL,
                                   0, NI_NUMERICHOST) != 0)
            continue;
        (void)snprintf(url, size, "http://%s%s", host, port);
        found = answers(url);
    }
    freeifaddrs(list);
    return found;
}

/* The server's address as others have to write it. */
static void choose_url(const struct tb_cli *cli, char *url, size_t size)
{
    const char *rest = cli->url + strlen("http://");
    const char *port = strrchr(rest, ':');
    bool local = strncmp(rest, "127.", 4) == 0 || strncmp(rest, "localhost", 9) == 0;
    if (local && !tb_args_text(&cli->args, "url", NULL)) {
        if (reachable_url(port ? port : "", url, size))
            return;
        fputs("timbred: others cannot reach this address: the server listens on this machine only "
              "(server.listen)\n",
              stderr);
    }
    (void)snprintf(url, size, "%s", cli->url);
}

/* Two rows of the code in one line of half blocks; dark on light whatever the terminal's colours,
 * with the four modules of quiet around that cameras need. */
static void draw_qr(const QRcode *code)
{
    enum { QUIET = 4 };
    for (int y = -QUIET; y < code->width + QUIET; y += 2) {
        fputs("\033[30;107m", stdout);
        for (int x = -QUIET; x < code->width + QUIET; x++) {
            int dark = 0;
            for (int half = 0; half < 2; half++) {
                int row = y + half;
                bool inside = x >= 0 && x < code->width && row >= 0 && row < code->width;
                if (inside && (code->data[row * code->width + x] & 1))
                    dark |= 1 << half;
            }
            static const char *const blocks[] = {" ", "\xe2\x96\x80", "\xe2\x96\x84",
                                                 "\xe2\x96\x88"};
            fputs(blocks[dark], stdout);
        }
        fputs("\033[0m\n", stdout);
    }
}

static int show(struct tb_cli *cli, const char *link)
{
    if (cli->json)
        return tb_cli_print(json_pack("{s:s}", "url", link));
    if (tb_args_has(&cli->args, "qr")) {
        QRcode *code = QRcode_encodeString(link, 0, QR_ECLEVEL_L, QR_MODE_8, 1);
        if (code) {
            draw_qr(code);
            QRcode_free(code);
        }
    }
    puts(link);
    return 0;
}

int tb_run_url(struct tb_cli *cli)
{
    struct tb_error err;
    char url[256], link[512];
    json_t *reply = NULL;
    int status = tb_cli_connect(cli, TB_CLI_SERVER);
    if (status)
        return status;
    choose_url(cli, url, sizeof url);
    (void)snprintf(link, sizeof link, "%s/", url);
    if (!tb_args_has(&cli->args, "no-token")) {
        json_t *body = json_pack("{s:s,s:s}", "role", "admin", "label", "link of timbred url");
        if (tb_cli_call(cli, "POST", "/tokens", body, &reply, &err) != TB_OK)
            return tb_cli_fail(cli, &err);
        const char *token = json_string_value(json_object_get(reply, "token"));
        size_t n = strlen(link);
        (void)snprintf(link + n, sizeof link - n, "#token=%s", token ? token : "");
        json_decref(reply);
    }
    return show(cli, link);
}
