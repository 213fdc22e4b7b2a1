/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/audio/program_loader.h"
#include "server/link.h"
#include "server/shm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static unsigned char payload[TB_LINK_MAX], received[TB_LINK_MAX];

static void new_pair(int pair[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
                     0);
}

static int count_fds(void)
{
    int n = 0;
    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static void packets_of_every_size_arrive_whole(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {0, 1, 163, 4104, 65535, TB_LINK_MAX};
    int pair[2];
    new_pair(pair);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct tb_link_header out = {.type = TB_LINK_SYSEX, .id = 7, .size = sizes[i]}, in;
        struct tb_error err;
        int fd;
        for (size_t k = 0; k < sizes[i]; k++)
            payload[k] = (unsigned char)(k * 31 + i);
        assert_int_equal(tb_link_send(pair[0], &out, payload, -1, &err), TB_OK);
        assert_int_equal(tb_link_receive(pair[1], &in, received, &fd, &err), TB_OK);
        assert_int_equal(fd, -1);
        assert_int_equal(in.size, sizes[i]);
        assert_memory_equal(received, payload, sizes[i]);
    }
    struct tb_link_header big = {.size = TB_LINK_MAX + 1};
    assert_int_equal(tb_link_send(pair[0], &big, payload, -1, NULL), TB_ETOOLARGE);
    (void)close(pair[0]);
    (void)close(pair[1]);
}

static void one_descriptor_travels_and_more_are_refused(void **state)
{
    (void)state;
    int pair[2], fd;
    struct tb_link_header out = {.type = TB_LINK_LOAD}, in;
    struct tb_error err;
    new_pair(pair);
    int before = count_fds();
    assert_int_equal(tb_link_send(pair[0], &out, NULL, 0, &err), TB_OK);
    assert_int_equal(tb_link_receive(pair[1], &in, received, &fd, &err), TB_OK);
    assert_true(fd > 2);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    (void)close(fd);

    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * 3)];
    } control = {0};
    struct iovec part = {&out, sizeof out};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control};
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * 3);
    memcpy(CMSG_DATA(c), (int[]){0, 1, 2}, sizeof(int) * 3);
    assert_true(sendmsg(pair[0], &message, 0) > 0);
    assert_int_equal(tb_link_receive(pair[1], &in, received, &fd, &err), TB_ECORRUPT);
    assert_int_equal(fd, -1);
    assert_int_equal(count_fds(), before); /* none leaked */
    (void)close(pair[0]);
    (void)close(pair[1]);
}

static void malformed_packets_are_refused(void **state)
{
    (void)state;
    static const struct {
        size_t bytes;
        uint32_t size, status;
    } cases[] = {
        {1, 0, 0},
        {sizeof(struct tb_link_header) - 1, 0, 0},
        {sizeof(struct tb_link_header), 1, 0},
        {sizeof(struct tb_link_header) + 4, 3, 0},
        {sizeof(struct tb_link_header) + 4, UINT32_MAX, 0},
        {sizeof(struct tb_link_header), 0, TB_N_STATUS},
        {sizeof(struct tb_link_header) + TB_LINK_MAX + 1, TB_LINK_MAX + 1, 0},
    };
    static unsigned char raw[sizeof(struct tb_link_header) + TB_LINK_MAX + 1];
    int pair[2], fd;
    new_pair(pair);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tb_link_header head = {.size = cases[i].size, .status = cases[i].status}, in;
        struct tb_error err;
        memset(&head.text, 'x', sizeof head.text); /* and no end */
        memcpy(raw, &head, sizeof head);
        assert_int_equal(send(pair[0], raw, cases[i].bytes, 0), cases[i].bytes);
        assert_int_equal(tb_link_receive(pair[1], &in, received, &fd, &err), TB_ECORRUPT);
        assert_int_equal(in.text[sizeof in.text - 1], 0);
    }
    struct tb_link_header in;
    assert_int_equal(tb_link_receive(pair[1], &in, received, &fd, NULL), TB_ENOTFOUND);
    (void)close(pair[0]);
    assert_int_equal(tb_link_receive(pair[1], &in, received, &fd, NULL), TB_EIO);
    assert_int_equal(tb_link_send(pair[1], &in, NULL, -1, NULL), TB_EIO);
    (void)close(pair[1]);
}

static void shared_memory_is_checked(void **state)
{
    (void)state;
    struct tb_error err;
    int fd;
    struct tb_shm *shm = tb_shm_new(&fd, &err);
    assert_non_null(shm);
    struct tb_shm *other = tb_shm_map(fd, &err);
    assert_non_null(other);
    struct tb_event e = {.type = TB_EVENT_NOTE_ON, .key = 60}, got;
    assert_true(tb_ring_push(tb_shm_ring(other, other->commands), &e));
    assert_true(tb_ring_pop(tb_shm_ring(shm, shm->commands), &got));
    assert_memory_equal(&e, &got, sizeof e);
    assert_int_not_equal(ftruncate(fd, 1), 0); /* sealed */
    tb_shm_unmap(other);
    uint32_t *const fields[] = {&shm->magic,    &shm->size,   &shm->n_params,
                                &shm->commands, &shm->frames, &shm->notices};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        (*fields[i])++;
        assert_null(tb_shm_map(fd, &err));
        assert_int_equal(err.status, TB_ECORRUPT);
        (*fields[i])--;
    }
    tb_shm_unmap(shm);
    (void)close(fd);
    int small = memfd_create("small", MFD_CLOEXEC);
    assert_null(tb_shm_map(small, &err));
    assert_null(tb_shm_map(-1, &err));
    (void)close(small);
}

enum { SEALS = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW };

static int image_fd(const struct tb_patch_image *image, size_t size, int seals)
{
    int fd = memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(write(fd, image, size), size);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

/* The web role was killed while it wrote: what was whole before it still is. */
static void a_torn_mirror_is_not_believed(void **state)
{
    (void)state;
    struct tb_error err;
    int fd;
    struct tb_shm *shm = tb_shm_new(&fd, &err);
    assert_non_null(shm);
    float values[TB_N_PARAMS];
    assert_int_equal(tb_current_read(shm, values, &err), TB_ENOTFOUND);
    for (uint32_t version = 1; version < 4; version++) {
        struct tb_current_slot *whole = &shm->current.slots[version % 2];
        struct tb_current_slot *torn = &shm->current.slots[(version + 1) % 2];
        for (size_t i = 0; i < TB_N_PARAMS; i++)
            atomic_store(&whole->values[i], (float)tb_params[i].def);
        atomic_store(&shm->current.version, version);
        for (size_t i = 0; i < TB_N_PARAMS / 2; i++)
            atomic_store(&torn->values[i], NAN);
        assert_int_equal(tb_current_read(shm, values, &err), TB_OK);
        for (size_t i = 0; i < TB_N_PARAMS; i++)
            assert_true(values[i] == (float)tb_params[i].def);
    }
    tb_shm_unmap(shm);
    (void)close(fd);
}

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void patch_images_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *fault;
        size_t size;
        int seals;
        uint32_t magic, n_params;
        int id;
        float value;
        const char *model;
    } cases[] = {
        {NULL, 0, SEALS, TB_PATCH_MAGIC, TB_N_PARAMS, -1, 0, NULL},
        {"not a sealed", 0, F_SEAL_SHRINK, TB_PATCH_MAGIC, TB_N_PARAMS, -1, 0, NULL},
        {"expected", 4, SEALS, TB_PATCH_MAGIC, TB_N_PARAMS, -1, 0, NULL},
        {"magic", 0, SEALS, 1, TB_N_PARAMS, -1, 0, NULL},
        {"parameters", 0, SEALS, TB_PATCH_MAGIC, TB_N_PARAMS + 1, -1, 0, NULL},
        {"fm.algorithm", 0, SEALS, TB_PATCH_MAGIC, TB_N_PARAMS, TB_P_FM_ALGORITHM, 33, NULL},
        {"fm.algorithm", 0, SEALS, TB_PATCH_MAGIC, TB_N_PARAMS, TB_P_FM_ALGORITHM, NAN, NULL},
        {"midi.channel", 0, SEALS, TB_PATCH_MAGIC, TB_N_PARAMS, TB_P_MIDI_CHANNEL, INFINITY, NULL},
        {NULL, 0, SEALS, TB_PATCH_MAGIC, TB_N_PARAMS, -1, 0, HASH},
        {"SHA-256", 0, SEALS, TB_PATCH_MAGIC, TB_N_PARAMS, -1, 0, "../../etc/passwd"},
        {"SHA-256", 0, SEALS, TB_PATCH_MAGIC, TB_N_PARAMS, -1, 0, HASH "0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tb_patch_image image = {.magic = cases[i].magic, .n_params = cases[i].n_params};
        float values[TB_N_PARAMS] = {-1234.0f};
        struct tb_error err = {0};
        char models[2][TB_LINK_HASH] = {"as", "before"};
        tb_params_default(image.values);
        if (cases[i].model) /* the last one has no end */
            memcpy(image.models[1], cases[i].model, strlen(cases[i].model));
        if (cases[i].id >= 0)
            image.values[cases[i].id] = cases[i].value;
        int fd = image_fd(&image, cases[i].size ? cases[i].size : sizeof image, cases[i].seals);
        enum tb_status status = tb_patch_image_read(fd, values, models, &err);
        assert_int_equal(status == TB_OK, cases[i].fault == NULL);
        if (cases[i].fault && (!strstr(err.text, cases[i].fault) || values[0] > -1234.0f))
            fail_msg("%zu: \"%s\" does not say \"%s\"", i, err.text, cases[i].fault);
        assert_string_equal(models[1], cases[i].fault   ? "before"
                                       : cases[i].model ? cases[i].model
                                                        : "");
        (void)close(fd);
    }
    float values[TB_N_PARAMS];
    char models[2][TB_LINK_HASH];
    assert_int_not_equal(tb_patch_image_read(-1, values, models, NULL), TB_OK);
    assert_int_not_equal(tb_patch_image_read(0, values, models, NULL), TB_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_of_every_size_arrive_whole),
        cmocka_unit_test(one_descriptor_travels_and_more_are_refused),
        cmocka_unit_test(malformed_packets_are_refused),
        cmocka_unit_test(shared_memory_is_checked),
        cmocka_unit_test(a_torn_mirror_is_not_believed),
        cmocka_unit_test(patch_images_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
