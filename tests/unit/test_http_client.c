/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/cli/http_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Answers one connection with fixed bytes and keeps what was asked. */
struct server {
    int listener;
    const char *answer; /* NULL: say nothing until the client leaves */
    char asked[4096];
    char url[64];
    pthread_t thread;
};

static void *serve_one(void *arg)
{
    struct server *s = arg;
    int fd = accept(s->listener, NULL, NULL);
    size_t n = 0;
    while (n < sizeof s->asked - 1) {
        ssize_t got = recv(fd, s->asked + n, sizeof s->asked - 1 - n, 0);
        if (got <= 0)
            break;
        n += (size_t)got;
        s->asked[n] = '\0';
        char *end = strstr(s->asked, "\r\n\r\n");
        if (end && (!strstr(s->asked, "Content-Length: 9") || strlen(end + 4) >= 9) && s->answer)
            break;
    }
    if (s->answer)
        (void)send(fd, s->answer, strlen(s->answer), MSG_NOSIGNAL);
    (void)close(fd);
    return NULL;
}

static void start(struct server *s, const char *answer)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    memset(s, 0, sizeof *s);
    s->answer = answer;
    s->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(s->listener, 4), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&a, &size), 0);
    (void)snprintf(s->url, sizeof s->url, "http://127.0.0.1:%d/", ntohs(a.sin_port));
    assert_int_equal(pthread_create(&s->thread, NULL, serve_one, s), 0);
}

static void stop(struct server *s)
{
    assert_int_equal(pthread_join(s->thread, NULL), 0);
    (void)close(s->listener);
}

static void asks_and_takes_the_answer(void **state)
{
    (void)state;
    struct server s;
    start(&s, "HTTP/1.1 201 Created\r\nlocation: /api/v1/patches/x\r\nETag: \"7\"\r\n"
              "Content-Length: 10\r\n\r\n{\"a\":true}");
    struct tb_client_request request = {.method = "POST",
                                        .url = s.url,
                                        .path = "/api/v1/patches",
                                        .token = "secret",
                                        .type = "application/json",
                                        .if_match = "\"6\"",
                                        .body = "{\"b\":123}",
                                        .body_size = 9};
    struct tb_client_reply reply;
    struct tb_error err;
    assert_int_equal(tb_client_call(&request, &reply, &err), TB_OK);
    stop(&s);
    assert_int_equal(reply.status, 201);
    assert_string_equal(reply.body, "{\"a\":true}");
    assert_string_equal(reply.location, "/api/v1/patches/x");
    assert_string_equal(reply.etag, "\"7\"");
    tb_client_reply_clear(&reply);
    assert_true(strncmp(s.asked, "POST /api/v1/patches HTTP/1.1\r\nHost: 127.0.0.1:", 47) == 0);
    static const char *const fields[] = {
        "\r\nAuthorization: Bearer secret\r\n", "\r\nContent-Type: application/json\r\n",
        "\r\nIf-Match: \"6\"\r\n", "\r\nContent-Length: 9\r\n", "\r\n\r\n{\"b\":123}"};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        assert_non_null(strstr(s.asked, fields[i]));
}

static void answers_of_every_kind(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        enum tb_status status;
        const char *text; /* body or error */
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: "
         "chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
         TB_OK, "abcde"},
        {"HTTP/1.0 200 OK\r\n\r\nuntil the end", TB_OK, "until the end"},
        {"HTTP/1.1 204 No Content\r\n\r\n", TB_OK, ""},
        {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", TB_EIO,
         "the answer broke off after 3 of 10 bytes"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc", TB_EIO,
         "the answer broke off"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc", TB_EIO,
         "the answer broke off"},
        {"SSH-2.0-OpenSSH\r\n\r\n", TB_ECORRUPT, "the answer is not HTTP"},
        {"HTTP/1.1 200 OK\r\n", TB_ECORRUPT, "the answer is not HTTP"},
        {"", TB_EIO, "the server closed without an answer"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct server s;
        start(&s, cases[i].answer);
        struct tb_client_request request = {.method = "GET", .url = s.url, .path = "/"};
        struct tb_client_reply reply;
        struct tb_error err = {0};
        assert_int_equal(tb_client_call(&request, &reply, &err), cases[i].status);
        stop(&s);
        assert_string_equal(reply.body ? reply.body : err.text, cases[i].text);
        tb_client_reply_clear(&reply);
    }
}

static void problems_become_errors(void **state)
{
    (void)state;
    struct server s;
    start(&s,
          "HTTP/1.1 409 Conflict\r\n\r\n{\"title\":\"Conflict\",\"detail\":\"one runs already\"}");
    struct tb_client_request request = {.method = "GET", .url = s.url, .path = "/"};
    struct tb_error err;
    json_t *reply;
    assert_int_equal(tb_client_json(&request, NULL, &reply, &err), TB_ECONFLICT);
    assert_string_equal(err.text, "one runs already");
    assert_null(reply);
    stop(&s);
    start(&s, "HTTP/1.1 200 OK\r\n\r\n<html>");
    request.url = s.url;
    assert_int_equal(tb_client_json(&request, NULL, &reply, &err), TB_ECORRUPT);
    stop(&s);
}

static void silence_ends(void **state)
{
    (void)state;
    struct server s;
    start(&s, NULL);
    struct tb_client_request request = {
        .method = "GET", .url = s.url, .path = "/", .timeout_ms = 50};
    struct tb_client_reply reply;
    struct tb_error err;
    assert_int_equal(tb_client_call(&request, &reply, &err), TB_EIO);
    assert_string_equal(err.text, "the server took too long to answer");
    stop(&s);
    /* nobody listens any more */
    assert_int_equal(tb_client_call(&request, &reply, &err), TB_ENOTFOUND);
}

static void addresses(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",           "https://x",  "http://",      "http://x:0",  "http://x:65536",
        "http://x/y", "http://u@x", "http://x:80z", "http://[::1", "ftp://x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct tb_client_request request = {.method = "GET", .url = bad[i], .path = "/"};
        struct tb_client_reply reply;
        struct tb_error err;
        assert_int_equal(tb_client_call(&request, &reply, &err), TB_EINVAL);
        assert_true(strncmp(err.text, "url: ", 5) == 0);
    }
    char out[16];
    assert_true(tb_client_escape("a b/\xc3\xa9", out, sizeof out));
    assert_string_equal(out, "a%20b%2F%C3%A9");
    assert_false(tb_client_escape("0123456789abcdef", out, sizeof out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks_and_takes_the_answer),
        cmocka_unit_test(answers_of_every_kind),
        cmocka_unit_test(problems_become_errors),
        cmocka_unit_test(silence_ends),
        cmocka_unit_test(addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
