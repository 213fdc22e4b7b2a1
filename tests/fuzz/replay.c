/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Runs a fuzz target over its corpus with the normal compiler: usage: replay FOLDER...
 * Every file is given whole, cut short in many places and with single bytes changed, so that what
 * was once found stays found. */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

enum { MAX_FILE = 1 << 22, VARIANTS = 256 };

static unsigned long n_files, n_runs;

static void run(const uint8_t *data, size_t size)
{
    /* a copy of the exact size, so that valgrind and the sanitizers see one byte too far */
    uint8_t *copy = malloc(size ? size : 1);
    FUZZ_CHECK(copy);
    memcpy(copy, data, size);
    (void)LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    n_runs++;
}

static void run_variants(uint8_t *data, size_t size)
{
    static const uint8_t bytes[] = {0x00, 0xFF, 0x7F, 0x80, '"', '\n'};
    run(data, size);
    size_t step = size / VARIANTS + 1;
    for (size_t i = 0; i < size; i += step) {
        run(data, i);
        uint8_t before = data[i];
        data[i] = bytes[(i / step) % sizeof bytes];
        run(data, size);
        data[i] = before;
    }
}

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat info;
    if (!file || fstat(fileno(file), &info) != 0 || info.st_size > MAX_FILE) {
        (void)fprintf(stderr, "%s: cannot be read\n", path);
        if (file)
            (void)fclose(file);
        return 1;
    }
    uint8_t *data = malloc((size_t)info.st_size + 1);
    FUZZ_CHECK(data);
    size_t size = fread(data, 1, (size_t)info.st_size, file);
    (void)fclose(file);
    run_variants(data, size);
    free(data);
    n_files++;
    return 0;
}

static int replay_folder(const char *folder)
{
    DIR *entries = opendir(folder);
    if (!entries) {
        perror(folder);
        return 1;
    }
    int failed = 0;
    const struct dirent *entry;
    while ((entry = readdir(entries)) != NULL) {
        char path[4096];
        (void)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.')
            failed |= replay_file(path);
    }
    closedir(entries);
    return failed;
}

int main(int argc, char **argv)
{
    int failed = 0;
    for (int i = 1; i < argc; i++)
        failed |= replay_folder(argv[i]);
    printf("%lu files, %lu runs\n", n_files, n_runs);
    return failed || n_files == 0;
}
