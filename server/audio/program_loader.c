/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/audio/program_loader.h"
#include "server/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Without these the sender could change what has been checked. */
enum { NEEDED_SEALS = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW, TRIES = 100 };

static enum tb_status check_values(const float from[TB_N_PARAMS], float to[TB_N_PARAMS],
                                   struct tb_error *err)
{
    for (int id = 0; id < TB_N_PARAMS; id++) {
        enum tb_status status = tb_param_check((enum tb_param)id, (double)from[id], &to[id], err);
        if (status != TB_OK)
            return status;
    }
    return TB_OK;
}

static bool is_hash(const char hash[TB_LINK_HASH])
{
    size_t n = strnlen(hash, TB_LINK_HASH);
    return n == 0 ||
           (n == TB_LINK_HASH - 1 && strspn(hash, "0123456789abcdef") == TB_LINK_HASH - 1);
}

enum tb_status tb_patch_image_read(int fd, float values[TB_N_PARAMS], char models[2][TB_LINK_HASH],
                                   struct tb_error *err)
{
    struct tb_patch_image image;
    struct stat st;
    int seals = fd < 0 ? -1 : fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & NEEDED_SEALS) != NEEDED_SEALS)
        return tb_fail(err, TB_EINVAL, "patch image: not a sealed memory file");
    if (fstat(fd, &st) != 0 || st.st_size != (off_t)sizeof image)
        return tb_fail(err, TB_EINVAL, "patch image: %lld bytes, expected %zu",
                       (long long)st.st_size, sizeof image);
    if (pread(fd, &image, sizeof image, 0) != (ssize_t)sizeof image)
        return tb_fail(err, TB_EIO, "patch image: %s", strerror(errno));
    if (image.magic != TB_PATCH_MAGIC)
        return tb_fail(err, TB_EINVAL, "patch image: magic %08x, expected %08x", image.magic,
                       TB_PATCH_MAGIC);
    if (image.n_params != TB_N_PARAMS)
        return tb_fail(err, TB_EINVAL, "patch image: %u parameters, expected %d", image.n_params,
                       TB_N_PARAMS);
    if (!is_hash(image.models[0]) || !is_hash(image.models[1]))
        return tb_fail(err, TB_EINVAL, "patch image: a model is not named by a SHA-256");
    float checked[TB_N_PARAMS];
    enum tb_status status = check_values(image.values, checked, err);
    if (status == TB_OK) {
        memcpy(values, checked, sizeof checked);
        memcpy(models, image.models, sizeof image.models);
    }
    return status;
}

enum tb_status tb_current_read(const struct tb_shm *shm, float values[TB_N_PARAMS],
                               struct tb_error *err)
{
    const struct tb_current *current = &shm->current;
    if (atomic_load(&current->version) == 0)
        return tb_fail(err, TB_ENOTFOUND, "nothing has been loaded yet");
    for (int i = 0; i < TRIES; i++) {
        float copy[TB_N_PARAMS];
        uint32_t before = atomic_load(&current->version);
        for (int id = 0; id < TB_N_PARAMS; id++)
            copy[id] =
                atomic_load_explicit(&current->slots[before % 2].values[id], memory_order_acquire);
        if (before == atomic_load(&current->version))
            return check_values(copy, values, err);
    }
    return tb_fail(err, TB_ECONFLICT, "the current state is being written");
}
