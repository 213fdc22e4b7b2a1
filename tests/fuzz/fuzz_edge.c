/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What stands at the door of every request: a Host and an Origin on the first two lines, JSON
 * behind them. Only our own names are let in, and what is read as JSON is within its limits. */
#include "server/formats/patch_json.h"
#include "server/web/hosts.h"
#include "server/web/json_in.h"
#include "tests/fuzz/fuzz.h"

#include <strings.h>

static const char *const ours[] = {"localhost", "127.0.0.1", "[::1]", "panel.example"};

static void check_host(const struct tb_hosts *hosts, const char *host)
{
    if (!tb_hosts_allow(hosts, host, -1))
        return;
    bool known = false;
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
        size_t n = strlen(ours[i]);
        known |= strlen(host) >= n && strncasecmp(host, ours[i], n) == 0 &&
                 (host[n] == ':' || host[n] == '\0');
    }
    for (size_t i = 0; i < hosts->n && !known; i++) /* this machine's own names and addresses */
        known = strcasestr(host, hosts->name[i]) != NULL;
    FUZZ_CHECK(known && strpbrk(host, "@/\\ \t,;") == NULL);
}

static int depth_of(const json_t *json)
{
    int deepest = 0;
    const char *key;
    json_t *value;
    size_t i;
    json_object_foreach((json_t *)(uintptr_t)json, key, value)
    {
        int depth = depth_of(value);
        deepest = depth > deepest ? depth : deepest;
    }
    json_array_foreach(json, i, value)
    {
        int depth = depth_of(value);
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest + 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tb_hosts hosts;
    if (hosts.n == 0)
        tb_hosts_init(&hosts, 8080, "panel.example");
    char *host = fuzz_text(data, size);
    char *origin = strchr(host, '\n');
    char *json = origin ? strchr(origin + 1, '\n') : NULL;
    if (json) {
        *origin++ = '\0';
        *json++ = '\0';
        check_host(&hosts, host);
        if (tb_origin_matches(origin, host))
            FUZZ_CHECK(strcasestr(origin, host) != NULL);
        struct tb_error err = {0};
        json_t *read = tb_json_read(json, size - (size_t)(json - host), TB_JSON_STRING, &err);
        FUZZ_CHECK(read || err.text[0] != '\0');
        FUZZ_CHECK(!read || (json_is_object(read) && depth_of(read) <= TB_JSON_MAX_DEPTH + 1));
        json_decref(read);
    }
    free(host);
    return 0;
}
