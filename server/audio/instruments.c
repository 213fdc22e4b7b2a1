/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/audio/instruments.h"

#include "models/neural_spec.h"

#include <sodium.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Prepared: A and B of the next load, and those that come back after a comparison. Files: of what
 * plays, what was prepared, and some that were. */
enum { HASH = 65, MAX_READY = 4, MAX_FILES = 8, STACK_BYTES = 512 * 1024 };
enum { MAX_FILE_BYTES = 512 << 20 };

struct ready {
    char hash[HASH];
    struct tb_neural *neural; /* NULL: free */
    uint64_t age;             /* the smallest goes first */
};

struct file {
    char hash[HASH];
    int fd; /* -1: free */
    uint64_t age;
};

struct tb_instruments {
    const _Atomic uint32_t *rate_hz;
    pthread_mutex_t mutex; /* of ready, files and clock; held for moments only */
    struct ready ready[MAX_READY];
    struct file files[MAX_FILES];
    uint64_t clock;
    int ours, theirs; /* socket pair: main, builder */
    pthread_t thread;
    atomic_bool stop;
};

/* ---- building */

static const void *read_file(int fd, size_t *size, struct tb_error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size < 8 ||
        st.st_size > MAX_FILE_BYTES) {
        (void)tb_fail(err, TB_EINVAL, "model: not a file of 8 bytes to 512 MiB");
        return NULL;
    }
    *size = (size_t)st.st_size;
    /* A mapping of the file would kill us when somebody cuts it off meanwhile. */
    char *data = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED) {
        (void)tb_fail(err, TB_ENOMEM, "model: no memory for its %zu bytes", *size);
        return NULL;
    }
    for (size_t at = 0; at < *size;) {
        ssize_t n = pread(fd, data + at, *size - at, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            (void)tb_fail(err, TB_EIO, "model: %s", n < 0 ? strerror(errno) : "cut off");
            (void)munmap(data, *size);
            return NULL;
        }
        at += (size_t)n;
    }
    return data;
}

static enum tb_status check_hash(const void *data, size_t size, const char *wanted,
                                 struct tb_error *err)
{
    unsigned char hash[crypto_hash_sha256_BYTES];
    char text[HASH];
    (void)crypto_hash_sha256(hash, data, size);
    (void)sodium_bin2hex(text, sizeof text, hash, sizeof hash);
    if (strcmp(text, wanted) == 0)
        return TB_OK;
    return tb_fail(err, TB_ECORRUPT, "model: the file has changed, its hash is %.12s, not %.12s",
                   text, wanted);
}

static enum tb_status build(int fd, const char *hash, uint32_t rate_hz, struct tb_neural **neural,
                            struct tb_error *err)
{
    size_t size = 0;
    const void *data = read_file(fd, &size, err);
    if (!data)
        return err->status;
    enum tb_status status = check_hash(data, size, hash, err);
    struct tb_model_file *file = status == TB_OK ? tb_model_file_parse(data, size, err) : NULL;
    if (file) {
        struct tb_neural_spec spec;
        tb_neural_spec_of(file, &spec);
        *neural = tb_neural_new(&spec, (float)rate_hz, TB_CPU_BEST, err);
    }
    if (status == TB_OK && (!file || !*neural))
        status = err->status;
    tb_model_file_free(file);
    (void)munmap((void *)(size_t)data, size);
    return status;
}

/* ---- what is kept; all with the mutex held */

static struct ready *find_ready(struct tb_instruments *s, const char *hash, uint32_t rate_hz)
{
    for (size_t i = 0; i < MAX_READY; i++) {
        struct ready *r = &s->ready[i];
        if (r->neural && strcmp(r->hash, hash) == 0 &&
            tb_neural_rate_hz(r->neural) == (float)rate_hz)
            return r;
    }
    return NULL;
}

/* What had to make room, to be freed without the mutex. */
static struct tb_neural *put_ready(struct tb_instruments *s, const char *hash,
                                   struct tb_neural *neural)
{
    struct ready *oldest = &s->ready[0];
    for (size_t i = 1; i < MAX_READY; i++)
        if (oldest->neural && (!s->ready[i].neural || s->ready[i].age < oldest->age))
            oldest = &s->ready[i];
    struct tb_neural *old = oldest->neural;
    *oldest = (struct ready){.neural = neural, .age = ++s->clock};
    memcpy(oldest->hash, hash, HASH);
    return old;
}

static struct file *find_file(struct tb_instruments *s, const char *hash)
{
    for (size_t i = 0; i < MAX_FILES; i++)
        if (s->files[i].fd >= 0 && strcmp(s->files[i].hash, hash) == 0)
            return &s->files[i];
    return NULL;
}

static void keep_file(struct tb_instruments *s, const char *hash, int fd)
{
    struct file *place = find_file(s, hash);
    for (size_t i = 0; i < MAX_FILES && !place; i++)
        if (s->files[i].fd < 0)
            place = &s->files[i];
    if (!place)
        place = &s->files[0];
    for (size_t i = 0; i < MAX_FILES && place->fd >= 0 && strcmp(place->hash, hash) != 0; i++)
        if (s->files[i].age < place->age)
            place = &s->files[i];
    if (place->fd >= 0)
        (void)close(place->fd);
    *place = (struct file){.fd = fd, .age = ++s->clock};
    memcpy(place->hash, hash, HASH);
}

/* A duplicate, or -1. */
static int file_of(struct tb_instruments *s, const char *hash)
{
    (void)pthread_mutex_lock(&s->mutex);
    struct file *file = find_file(s, hash);
    int fd = file ? fcntl(file->fd, F_DUPFD_CLOEXEC, 0) : -1;
    if (file)
        file->age = ++s->clock;
    (void)pthread_mutex_unlock(&s->mutex);
    return fd;
}

/* ---- the builder */

static enum tb_status prepare(struct tb_instruments *s, const char *hash, struct tb_error *err)
{
    uint32_t rate_hz = atomic_load(s->rate_hz);
    struct tb_neural *neural = NULL, *old = NULL;
    (void)pthread_mutex_lock(&s->mutex);
    struct ready *there = find_ready(s, hash, rate_hz);
    if (there)
        there->age = ++s->clock;
    (void)pthread_mutex_unlock(&s->mutex);
    if (there)
        return TB_OK;
    enum tb_status status = tb_instruments_build(s, hash, rate_hz, &neural, err);
    if (status != TB_OK)
        return status;
    (void)pthread_mutex_lock(&s->mutex);
    old = put_ready(s, hash, neural);
    (void)pthread_mutex_unlock(&s->mutex);
    tb_neural_free(old);
    return TB_OK;
}

static void *run(void *arg)
{
    struct tb_instruments *s = arg;
    char *payload = malloc(TB_LINK_MAX);
    while (payload && !atomic_load(&s->stop)) {
        struct tb_link_header header;
        struct tb_error err = {0};
        int fd = -1;
        if (tb_link_receive(s->theirs, &header, payload, &fd, &err) != TB_OK)
            continue; /* stopped, or nothing of ours */
        char hash[HASH];
        memcpy(hash, payload, HASH);
        struct tb_link_header reply = {.type = TB_LINK_DONE, .id = header.id};
        reply.status = prepare(s, hash, &err);
        memcpy(reply.text, err.text, sizeof reply.text);
        (void)tb_link_send(s->theirs, &reply, NULL, -1, &err);
    }
    free(payload);
    return NULL;
}

/* ---- others */

static enum tb_status start_thread(struct tb_instruments *s, struct tb_error *err)
{
    pthread_attr_t attr;
    int e = pthread_attr_init(&attr);
    if (e == 0) {
        e = pthread_attr_setstacksize(&attr, STACK_BYTES);
        e = e ? e : pthread_create(&s->thread, &attr, run, s);
        (void)pthread_attr_destroy(&attr);
    }
    if (e != 0)
        return tb_fail(err, TB_EIO, "instruments: %s", strerror(e));
    (void)pthread_setname_np(s->thread, "instruments");
    return TB_OK;
}

struct tb_instruments *tb_instruments_start(const _Atomic uint32_t *rate_hz, struct tb_error *err)
{
    struct tb_instruments *s = calloc(1, sizeof *s);
    int pair[2];
    if (!s || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        (void)tb_fail(err, TB_EIO, "instruments: %s", strerror(errno));
        free(s);
        return NULL;
    }
    s->rate_hz = rate_hz;
    s->ours = pair[0];
    s->theirs = pair[1];
    for (size_t i = 0; i < MAX_FILES; i++)
        s->files[i].fd = -1;
    (void)pthread_mutex_init(&s->mutex, NULL);
    if (start_thread(s, err) == TB_OK)
        return s;
    (void)close(s->ours);
    (void)close(s->theirs);
    (void)pthread_mutex_destroy(&s->mutex);
    free(s);
    return NULL;
}

void tb_instruments_stop(struct tb_instruments *s)
{
    if (!s)
        return;
    atomic_store(&s->stop, true);
    (void)shutdown(s->ours, SHUT_RDWR);
    (void)pthread_join(s->thread, NULL);
    for (size_t i = 0; i < MAX_READY; i++)
        tb_neural_free(s->ready[i].neural);
    for (size_t i = 0; i < MAX_FILES; i++)
        if (s->files[i].fd >= 0)
            (void)close(s->files[i].fd);
    (void)close(s->ours);
    (void)close(s->theirs);
    (void)pthread_mutex_destroy(&s->mutex);
    free(s);
}

enum tb_status tb_instruments_prepare(struct tb_instruments *s, const struct tb_link_header *header,
                                      const void *payload, int fd, struct tb_error *err)
{
    char hash[HASH];
    if (header->size != HASH || ((const char *)payload)[HASH - 1] != '\0' ||
        strspn(payload, "0123456789abcdef") != HASH - 1)
        return tb_fail(err, TB_EINVAL, "model: not named by a SHA-256");
    memcpy(hash, payload, HASH);
    int kept = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (kept < 0)
        return tb_fail(err, TB_EINVAL, "model: the descriptor is missing");
    (void)pthread_mutex_lock(&s->mutex);
    keep_file(s, hash, kept);
    (void)pthread_mutex_unlock(&s->mutex);
    return tb_link_send(s->ours, header, payload, -1, err);
}

int tb_instruments_fd(const struct tb_instruments *s)
{
    return s->ours;
}

enum tb_status tb_instruments_take(struct tb_instruments *s, const char *hash, uint32_t rate_hz,
                                   struct tb_neural **neural, struct tb_error *err)
{
    *neural = NULL;
    if (!hash[0])
        return TB_OK;
    (void)pthread_mutex_lock(&s->mutex);
    struct ready *there = find_ready(s, hash, rate_hz);
    if (there) {
        *neural = there->neural;
        *there = (struct ready){0};
    }
    (void)pthread_mutex_unlock(&s->mutex);
    return *neural ? TB_OK : tb_fail(err, TB_ECONFLICT, "model: %.12s is not prepared", hash);
}

enum tb_status tb_instruments_build(struct tb_instruments *s, const char *hash, uint32_t rate_hz,
                                    struct tb_neural **neural, struct tb_error *err)
{
    *neural = NULL;
    if (!hash[0])
        return TB_OK;
    int fd = file_of(s, hash);
    if (fd < 0)
        return tb_fail(err, TB_ENOTFOUND, "model: the file of %.12s is not here", hash);
    enum tb_status status = build(fd, hash, rate_hz, neural, err);
    (void)close(fd);
    return status;
}
