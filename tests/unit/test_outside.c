/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/web/hosts.h"
#include "server/web/json_in.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What the edge believes of a request: its Host, its Origin, the members of its body. */

static void a_name_that_is_not_ours_is_refused(void **state)
{
    struct tb_hosts hosts = {.name = {"localhost", "[::1]", "studio.example"},
                             .any_port = {false, false, true},
                             .n = 4,
                             .port = 8080};
    static const struct {
        const char *host;
        bool allowed;
    } cases[] = {
        {"localhost:8080", true},
        {"LocalHost:8080", true},
        {"localhost", false},
        {"localhost:80", false},
        {"localhost:8081", false},
        {"localhost:808", false},
        {"localhost:73616", false},      /* 8080 + 65536 */
        {"localhost:4294975376", false}, /* 8080 + 2^32 */
        {"localhost:080800", false},
        {"localhost:8080x", false},
        {"localhost:", false},
        {"localhost:+8080", false},
        {"localhost.:8080", false},
        {" localhost:8080", false},
        {"xlocalhost:8080", false},
        {"localhostx:8080", false},
        {"localhost:8080:8080", false},
        {"[::1]:8080", true},
        {"[::1]", false},
        {"[::1", false},
        {"[::1]x:8080", false},
        {"::1:8080", false},
        {"[]:8080", false},
        {"", false},
        {":8080", false},
        {"studio.example", true},
        {"studio.example:65535", true},
        {"studio.example:", false},
        {"a.studio.example", false},
        {"127.0.0.1:8080", false},
    };
    (void)state;
    memset(hosts.name[3], 'n', sizeof hosts.name[3] - 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (tb_hosts_allow(&hosts, cases[i].host, -1) != cases[i].allowed)
            fail_msg("\"%s\"", cases[i].host);
    char longest[140];
    for (int over = 0; over < 2; over++) {
        const int n = (int)sizeof hosts.name[3] - 1 + over;
        memset(longest, 'n', sizeof longest);
        (void)snprintf(longest + n, sizeof longest - (size_t)n, ":8080");
        assert_int_equal(tb_hosts_allow(&hosts, longest, -1), over == 0);
    }
}

/* A lease that came after the start: the address at which a connection arrived is ours. */
static void the_address_of_the_connection_is_ours(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const struct tb_hosts hosts = {.port = 8080};
    (void)state;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_true(tb_hosts_allow(&hosts, "127.0.0.1:8080", fd));
    assert_false(tb_hosts_allow(&hosts, "127.0.0.1:8081", fd));
    assert_false(tb_hosts_allow(&hosts, "127.0.0.1", fd));
    assert_false(tb_hosts_allow(&hosts, "127.0.0.2:8080", fd));
    assert_false(tb_hosts_allow(&hosts, "127.0.0.1:8080", -1));
    (void)close(fd);
}

static void an_origin_is_the_whole_host(void **state)
{
    static const struct {
        const char *origin;
        bool matches;
    } cases[] = {
        {"http://pi:8080", true},   {"https://pi:8080", true},   {"HTTP://PI:8080", true},
        {"http://pi:8080/", false}, {"http://pi", false},        {"http://pi:80800", false},
        {"http://xpi:8080", false}, {"http://pi:808", false},    {"httpx//pi:8080", false},
        {"httpsx//pi:8080", false}, {"pi:8080", false},          {"null", false},
        {"file://pi:8080", false},  {"http://a@pi:8080", false}, {"", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (tb_origin_matches(cases[i].origin, "pi:8080") != cases[i].matches)
            fail_msg("\"%s\"", cases[i].origin);
}

static void members_keep_to_their_bounds(void **state)
{
    static const struct {
        const char *json, *error; /* NULL: fine */
    } numbers[] = {
        {"{}", NULL},
        {"{\"n\":-2}", NULL},
        {"{\"n\":7}", NULL},
        {"{\"n\":7.0}", NULL},
        {"{\"n\":-3}", "n: -3 is below -2"},
        {"{\"n\":8}", "n: 8 is above 7"},
        {"{\"n\":7.0000001}", "n: 7 is above 7"},
        {"{\"n\":1.5}", "n: 1.5 is not a whole number"},
        {"{\"n\":9223372036854775807}", "n: 9.22337e+18 is above 7"},
        {"{\"n\":-1e300}", "n: -1e+300 is below -2"},
        {"{\"n\":\"7\"}", "n: not a number"},
        {"{\"n\":true}", "n: not a number"},
        {"{\"n\":null}", "n: not a number"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct tb_error err = {0};
        long long n = 5;
        json_t *json = tb_json_read(numbers[i].json, strlen(numbers[i].json), 64, &err);
        assert_non_null(json);
        enum tb_status status = tb_json_integer(json, "n", (long long[]){-2, 7}, &n, &err);
        assert_string_equal(err.text, numbers[i].error ? numbers[i].error : "");
        assert_int_equal(status, numbers[i].error ? TB_EINVAL : TB_OK);
        assert_int_equal(n, i == 1 ? -2 : i == 2 || i == 3 ? 7 : 5); /* refused, absent: left */
        json_decref(json);
    }
    static const struct {
        const char *json, *error;
    } texts[] = {
        {"{\"t\":\"abc\"}", NULL},
        {"{\"t\":\"\"}", NULL},
        {"{\"t\":\"a\\n\\t\"}", NULL},
        {"{\"t\":\"abcd\"}", "t: 4 bytes, at most 3"},
        {"{\"t\":\"\xc3\xa4\xc3\xa4\"}", "t: 4 bytes, at most 3"},
        {"{\"t\":\"a\\u001fb\"}", "t: control character"},
        {"{\"t\":1}", "t: not a string"},
        {"{\"t\":null}", "t: not a string"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct tb_error err = {0};
        char out[5] = "old";
        json_t *json = tb_json_read(texts[i].json, strlen(texts[i].json), 64, &err);
        assert_non_null(json);
        enum tb_status status = tb_json_text(json, "t", out, 4, &err);
        assert_string_equal(err.text, texts[i].error ? texts[i].error : "");
        assert_int_equal(status, texts[i].error ? TB_EINVAL : TB_OK);
        assert_string_equal(out,
                            texts[i].error ? "old" : json_string_value(json_object_get(json, "t")));
        json_decref(json);
    }
}

static void a_body_is_one_object(void **state)
{
    static const struct {
        const char *text, *error; /* NULL: fine */
    } cases[] = {
        {"", "JSON: the body is empty"},
        {"[]", "JSON: not an object"},
        {"3", "JSON: line 1: '[' or '{' expected near '3'"},
        {"{\"a\":\"12345678\"}", NULL},
        {"{\"a\":\"123456789\"}", "JSON: a string is longer than 8 bytes"},
        {"{\"123456789\":1}", "JSON: a string is longer than 8 bytes"},
        {"{\"a\":\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\"}", NULL},
        {"{\"a\":\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"1\"}", "JSON: a string is longer than 8 bytes"},
        {"{\"a\":\"[[[[[[[\",\"b\":\"{{{{{{{\"}", NULL},
    };
    static const char *const names[] = {"a", "b", NULL};
    char deep[128];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tb_error err = {0};
        json_t *json = tb_json_read(cases[i].text, strlen(cases[i].text), 8, &err);
        assert_string_equal(err.text, cases[i].error ? cases[i].error : "");
        assert_int_equal(json == NULL, cases[i].error != NULL);
        json_decref(json);
    }
    for (int levels = 32; levels <= 33; levels++) {
        int n = snprintf(deep, sizeof deep, "{\"a\":");
        memset(deep + n, '[', 32);
        memset(deep + n + levels - 1, ']', 32);
        (void)snprintf(deep + n + 2 * (levels - 1), 2, "}");
        json_t *json = tb_json_read(deep, strlen(deep), 8, NULL);
        assert_int_equal(json == NULL, levels == 33);
        json_decref(json);
    }
    struct tb_error err = {0};
    json_t *json = json_pack("{s:i,s:i}", "a", 1, "b", 2);
    assert_int_equal(tb_json_only(json, names, &err), TB_OK);
    (void)json_object_set_new(json, "ab", json_null());
    assert_int_equal(tb_json_only(json, names, &err), TB_EINVAL);
    assert_string_equal(err.text, "ab: unknown member");
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_that_is_not_ours_is_refused),
        cmocka_unit_test(the_address_of_the_connection_is_ours),
        cmocka_unit_test(an_origin_is_the_whole_host),
        cmocka_unit_test(members_keep_to_their_bounds),
        cmocka_unit_test(a_body_is_one_object),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
