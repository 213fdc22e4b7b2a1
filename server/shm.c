/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/shm.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct layout {
    uint32_t commands, frames, notices, size;
};

static uint32_t place(uint32_t *end, uint32_t capacity, size_t record_size)
{
    uint32_t at = (*end + TB_CACHE_LINE - 1) / TB_CACHE_LINE * TB_CACHE_LINE;
    *end = at + (uint32_t)tb_ring_bytes(capacity, (uint32_t)record_size);
    return at;
}

static struct layout layout(void)
{
    struct layout l = {0};
    l.size = (uint32_t)sizeof(struct tb_shm);
    l.commands = place(&l.size, TB_COMMANDS, sizeof(struct tb_event));
    l.frames = place(&l.size, TB_FRAMES, sizeof(struct tb_frame));
    l.notices = place(&l.size, TB_NOTICES, sizeof(struct tb_notice));
    return l;
}

static struct tb_shm *map(int fd, size_t size)
{
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    return at == MAP_FAILED ? NULL : at;
}

static void fill(struct tb_shm *shm, const struct layout *l)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    memset(shm, 0, l->size); /* touches every page: the audio thread never faults here */
    shm->size = l->size;
    shm->n_params = TB_N_PARAMS;
    shm->generation = (uint32_t)now.tv_sec ^ (uint32_t)now.tv_nsec;
    shm->commands = l->commands;
    shm->frames = l->frames;
    shm->notices = l->notices;
    atomic_store(&shm->audio.cpu, -1);
    atomic_store(&shm->audio.input_level_db, -120.0f);
    tb_ring_init(tb_shm_ring(shm, l->commands), TB_COMMANDS, sizeof(struct tb_event));
    tb_ring_init(tb_shm_ring(shm, l->frames), TB_FRAMES, sizeof(struct tb_frame));
    tb_ring_init(tb_shm_ring(shm, l->notices), TB_NOTICES, sizeof(struct tb_notice));
    shm->magic = TB_SHM_MAGIC;
}

struct tb_shm *tb_shm_new(int *fd, struct tb_error *err)
{
    const struct layout l = layout();
    *fd = memfd_create("timbred", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (*fd < 0) {
        (void)tb_fail(err, TB_EIO, "shared memory: %s", strerror(errno));
        return NULL;
    }
    /* Sealed against shrinking: a child cannot make the audio thread fault by truncating it. */
    if (ftruncate(*fd, l.size) != 0 ||
        fcntl(*fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        (void)tb_fail(err, TB_EIO, "shared memory: %s", strerror(errno));
        close(*fd);
        return NULL;
    }
    struct tb_shm *shm = map(*fd, l.size);
    if (!shm) {
        (void)tb_fail(err, TB_ENOMEM, "shared memory of %u bytes: %s", l.size, strerror(errno));
        close(*fd);
        return NULL;
    }
    fill(shm, &l);
    return shm;
}

struct tb_shm *tb_shm_map(int fd, struct tb_error *err)
{
    const struct layout l = layout();
    struct stat st;
    if (fstat(fd, &st) != 0) {
        (void)tb_fail(err, TB_EIO, "shared memory: %s", strerror(errno));
        return NULL;
    }
    if (st.st_size != (off_t)l.size) {
        (void)tb_fail(err, TB_ECORRUPT, "shared memory: %lld bytes, expected %u",
                      (long long)st.st_size, l.size);
        return NULL;
    }
    struct tb_shm *shm = map(fd, l.size);
    if (!shm) {
        (void)tb_fail(err, TB_ENOMEM, "shared memory: %s", strerror(errno));
        return NULL;
    }
    if (shm->magic != TB_SHM_MAGIC || shm->size != l.size || shm->n_params != TB_N_PARAMS ||
        shm->commands != l.commands || shm->frames != l.frames || shm->notices != l.notices) {
        (void)tb_fail(err, TB_ECORRUPT, "shared memory: not that of this build");
        (void)munmap(shm, l.size);
        return NULL;
    }
    return shm;
}

void tb_shm_unmap(struct tb_shm *shm)
{
    if (shm)
        (void)munmap(shm, layout().size);
}
