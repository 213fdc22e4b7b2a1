/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/offline/job_wire.h"

#include "server/offline/job.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* What a job, which may have been taken over by a hostile file, can say to the web role. */

static int ends[2]; /* web, job */

static int open_pair(void **state)
{
    (void)state;
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
}

static int close_pair(void **state)
{
    (void)state;
    (void)close(ends[0]);
    (void)close(ends[1]);
    return 0;
}

static int descriptors(void)
{
    int n = 0;
    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static int result_file(void)
{
    int fd = memfd_create("result", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "sound", 5), 5);
    return fd;
}

static void each_packet_is_understood(void **state)
{
    static const struct {
        const char *packet;
        bool with_file, fault;
        enum tb_status status;
        const char *text;
    } cases[] = {
        {"{\"progress\":0.5,\"detail\":\"x\"}", false, false, TB_ENOTFOUND, NULL},
        {"{\"progress\":0.5}", true, false, TB_ENOTFOUND, NULL},
        {"{\"done\":false}", true, false, TB_ENOTFOUND, NULL},
        {"{}", false, false, TB_ENOTFOUND, NULL},
        {"{\"done\":true}", true, false, TB_OK, NULL},
        {"{\"done\":true}", false, false, TB_EIO, "the job ended without a result"},
        {"{\"error\":{\"status\":1,\"text\":\"notes: none\"}}", false, true, TB_EINVAL,
         "notes: none"},
        {"{\"error\":{\"status\":9,\"text\":\"x\"},\"done\":true}", true, true, TB_ECORRUPT, "x"},
        {"{\"error\":{\"status\":0,\"text\":\"x\"}}", false, true, TB_EIO, "x"},
        {"{\"error\":{\"status\":-1,\"text\":\"x\"}}", false, true, TB_EIO, "x"},
        {"{\"error\":{\"status\":11,\"text\":\"x\"}}", false, true, TB_EIO, "x"},
        {"{\"error\":{\"status\":4294967297,\"text\":\"x\"}}", false, true, TB_EIO, "x"},
        {"{\"error\":\"x\"}", false, true, TB_EIO, "job failed"},
        {"{\"error\":{\"status\":1,\"text\":\"%s%n\"}}", false, true, TB_EINVAL, "%s%n"},
        {"[1]", false, false, TB_ENOTFOUND, NULL},
        {"{\"done\":true", true, false, TB_EIO, "the job ended without a result"},
        {"{\"done\":false,\"done\":true}", true, false, TB_EIO, "the job ended without a result"},
        {"\xff", false, false, TB_EIO, "the job ended without a result"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tb_error err = {0};
        json_t *packet = NULL;
        int fd = -1, before = descriptors(), file = cases[i].with_file ? result_file() : -1;
        char control[CMSG_SPACE(sizeof file)] = {0}, text[256];
        (void)snprintf(text, sizeof text, "%s", cases[i].packet);
        struct iovec part = {text, strlen(text)};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
        bool fault = !cases[i].fault;
        if (file >= 0) {
            message.msg_control = control;
            message.msg_controllen = sizeof control;
            struct cmsghdr *head = CMSG_FIRSTHDR(&message);
            *head = (struct cmsghdr){CMSG_LEN(sizeof file), SOL_SOCKET, SCM_RIGHTS};
            memcpy(CMSG_DATA(head), &file, sizeof file);
        }
        assert_int_equal(sendmsg(ends[1], &message, 0), strlen(text));
        if (file >= 0)
            (void)close(file);
        print_message("%s\n", cases[i].packet);
        assert_int_equal(tb_job_take(ends[0], &packet, &fd, &fault, &err), cases[i].status);
        assert_int_equal(fault, cases[i].fault);
        assert_int_equal(packet != NULL, cases[i].status == TB_ENOTFOUND);
        assert_int_equal(fd >= 0, cases[i].status == TB_OK);
        if (cases[i].text)
            assert_string_equal(err.text, cases[i].text);
        if (fd >= 0)
            (void)close(fd);
        json_decref(packet);
        assert_int_equal(descriptors(), before); /* what nobody wants is closed */
    }
}

static void a_packet_has_a_size(void **state)
{
    static const int sizes[] = {TB_JOB_PACKET, TB_JOB_PACKET + 1};
    char text[TB_JOB_PACKET + 1];
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct tb_error err = {0};
        json_t *packet = NULL;
        bool fault;
        int fd;
        memset(text, ' ', sizeof text);
        memcpy(text, "{}", 2);
        assert_int_equal(send(ends[1], text, (size_t)sizes[i], 0), sizes[i]);
        assert_int_equal(tb_job_take(ends[0], &packet, &fd, &fault, &err),
                         i == 0 ? TB_ENOTFOUND : TB_EIO);
        json_decref(packet);
    }
}

static void the_end_is_sealed(void **state)
{
    static const char *const types[] = {"audio/wav", NULL};
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct tb_error err = {0};
        json_t *packet = NULL;
        bool fault;
        int fd = -1, file = result_file();
        char read_back[8] = "";
        tb_job_send_end(ends[1], TB_OK, types[i], file, &err);
        (void)close(file);
        assert_int_equal(tb_job_take(ends[0], &packet, &fd, &fault, &err), TB_OK);
        assert_int_equal(pread(fd, read_back, sizeof read_back, 0), 5);
        assert_string_equal(read_back, "sound");
        assert_int_equal(write(fd, "x", 1), -1);
        assert_int_equal(ftruncate(fd, 0), -1);
        (void)close(fd);
    }
    struct tb_error told = {TB_EFULL, "disk: full"}, err = {0};
    json_t *packet = NULL;
    bool fault = false;
    int fd = -1;
    tb_job_send_end(ends[1], told.status, NULL, -1, &told);
    assert_int_equal(tb_job_take(ends[0], &packet, &fd, &fault, &err), TB_EFULL);
    assert_true(fault);
    assert_string_equal(err.text, told.text);
}

static void nobody_is_there_any_more(void **state)
{
    struct tb_error err = {0};
    json_t *packet = NULL;
    bool fault = true;
    int fd = 0;
    (void)state;
    assert_false(tb_job_send(ends[1], NULL, -1));
    (void)close(ends[1]);
    assert_int_equal(tb_job_take(ends[0], &packet, &fd, &fault, &err), TB_EIO);
    assert_false(fault);
    assert_int_equal(fd, -1);
    assert_false(tb_job_send(ends[0], json_pack("{s:b}", "stop", 1), -1)); /* and no SIGPIPE */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_packet_is_understood, open_pair, close_pair),
        cmocka_unit_test_setup_teardown(a_packet_has_a_size, open_pair, close_pair),
        cmocka_unit_test_setup_teardown(the_end_is_sealed, open_pair, close_pair),
        cmocka_unit_test_setup_teardown(nobody_is_there_any_more, open_pair, close_pair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
