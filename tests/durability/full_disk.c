/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A small tmpfs in a mount namespace of our own fills up while patches are written, and becomes
 * read-only. Skipped, loudly, where namespaces are not permitted. */
#include "db/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#define CHECK(condition, text)                                                                     \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "line %d: %s: %s\n", __LINE__, #condition, text);                      \
            return 1;                                                                              \
        }                                                                                          \
    } while (0)

static enum tb_status create(struct tb_store *store, int i, struct tb_error *err)
{
    static struct tb_value values[171];
    struct tb_patch patch = {.values = values, .n_values = 171};
    for (size_t k = 0; k < 171; k++) {
        snprintf(values[k].key, sizeof values[k].key, "key.%zu", k);
        values[k].value = 0.1 * (double)i;
    }
    snprintf(patch.name, sizeof patch.name, "patch %d", i);
    enum tb_status status = tb_store_begin(store, err);
    if (!status)
        status = tb_patch_create(store, &patch, err);
    if (status) {
        tb_store_rollback(store);
        return status;
    }
    return tb_store_commit(store, err);
}

static size_t count(struct tb_store *store, struct tb_error *err)
{
    struct tb_patch_query query = {.limit = 1};
    struct tb_patch *list;
    size_t n, total = 0;
    if (tb_patch_list(store, &query, &list, &n, &total, err) == TB_OK)
        free(list);
    return total;
}

static int fill_and_go_on(const char *directory)
{
    char path[128];
    struct tb_error err = {TB_OK, ""};
    struct tb_store *store = tb_store_open(directory, TB_STORE_WRITE, NULL, &err);
    size_t acknowledged = 0;
    enum tb_status status = TB_OK;
    CHECK(store, err.text);
    while ((status = create(store, (int)acknowledged, &err)) == TB_OK)
        acknowledged++;
    CHECK(status == TB_EFULL, err.text);
    CHECK(acknowledged > 100, "");
    CHECK(strstr(err.text, "no space left on the disk"), err.text);
    for (int i = 0; i < 50; i++) { /* a checkpoint may make room for some more */
        status = create(store, i, &err);
        CHECK(status == TB_OK || status == TB_EFULL, err.text);
        acknowledged += status == TB_OK;
    }
    CHECK(tb_store_backup_now(store, &err) == TB_EFULL, err.text);
    CHECK(count(store, &err) == acknowledged, err.text); /* reading goes on */

    snprintf(path, sizeof path, "%s/ballast", directory);
    CHECK(unlink(path) == 0, strerror(errno));
    CHECK(create(store, 1, &err) == TB_OK, err.text); /* and writing, once there is space */
    tb_store_close(store);
    struct tb_store_report report;
    store = tb_store_open(directory, TB_STORE_WRITE, &report, &err);
    CHECK(store && !report.quarantined && !report.lost, err.text);
    CHECK(count(store, &err) == acknowledged + 1, err.text);

    tb_store_close(store);
    CHECK(mount(NULL, directory, NULL, MS_REMOUNT | MS_RDONLY, NULL) == 0, strerror(errno));
    CHECK(!tb_store_open(directory, TB_STORE_WRITE, &report, &err), "opened a read-only disk");
    CHECK(err.status == TB_EIO && strstr(err.text, "Read-only"), err.text);
    store = tb_store_open(directory, TB_STORE_READ, &report, &err);
    CHECK(store, err.text);
    CHECK(count(store, &err) == acknowledged + 1, err.text);
    CHECK(create(store, 1, &err) == TB_EDENIED, err.text);
    tb_store_close(store);
    printf("{\"acknowledged\":%zu}\n", acknowledged);
    return 0;
}

int main(void)
{
    char directory[] = "/tmp/timbred-full-XXXXXX", path[128], junk[4096] = {1};
    if (!mkdtemp(directory))
        return 2;
    if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount("tmpfs", directory, "tmpfs", 0, "size=24m,mode=0700")) {
        fprintf(stderr, "SKIPPED, a full disk was not tried: %s\n", strerror(errno));
        (void)rmdir(directory);
        return 77;
    }
    snprintf(path, sizeof path, "%s/ballast", directory);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    for (int i = 0; i < 250; i++)
        if (write(fd, junk, sizeof junk) != (ssize_t)sizeof junk)
            return 2;
    close(fd);
    int failed = fill_and_go_on(directory);
    (void)umount2(directory, MNT_DETACH);
    (void)rmdir(directory);
    return failed;
}
