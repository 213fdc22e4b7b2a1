/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/config.h"

#include <ini.h>

#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SYSTEM_FILE "/etc/timbred/timbred.conf"

enum kind { TEXT, NUMBER, BOOL };

struct setting {
    const char *key;
    enum kind kind;
    size_t offset, size;
    long min, max, number;
    const char *text;
};

static const struct setting settings[] = {
#define FIELD(F) offsetof(struct tb_config, F), sizeof(((struct tb_config *)0)->F)
#define TEXT(KEY, F, DEF) {KEY, TEXT, FIELD(F), 0, 0, 0, DEF},
#define NUMBER(KEY, F, MIN, DEF, MAX) {KEY, NUMBER, FIELD(F), MIN, MAX, DEF, NULL},
#define BOOL(KEY, F, DEF) {KEY, BOOL, FIELD(F), 0, 1, DEF, NULL},
#include "server/config.def"
#undef TEXT
#undef NUMBER
#undef BOOL
#undef FIELD
};
enum { N_SETTINGS = sizeof settings / sizeof settings[0] };

static void store_number(struct tb_config *config, const struct setting *s, long number)
{
    char *field = (char *)config + s->offset;
    if (s->kind == BOOL) {
        bool value = number != 0;
        memcpy(field, &value, sizeof value);
    } else if (s->size == sizeof(uint16_t)) {
        uint16_t value = (uint16_t)number;
        memcpy(field, &value, sizeof value);
    } else {
        int32_t value = (int32_t)number; /* every bound fits, signed or not */
        memcpy(field, &value, sizeof value);
    }
}

static enum tb_status read_number(const struct setting *s, const char *text, long *number,
                                  struct tb_error *err)
{
    static const char *const yes[] = {"1", "true", "yes", "on"};
    static const char *const no[] = {"0", "false", "no", "off"};
    if (s->kind == BOOL) {
        for (size_t i = 0; i < 4; i++)
            if (strcmp(text, yes[i]) == 0 || strcmp(text, no[i]) == 0) {
                *number = strcmp(text, yes[i]) == 0;
                return TB_OK;
            }
        return tb_fail(err, TB_EINVAL, "%s: %.40s is neither true nor false", s->key, text);
    }
    char *end;
    errno = 0;
    *number = strtol(text, &end, 10);
    if (end == text || *end != '\0')
        return tb_fail(err, TB_EINVAL, "%s: %.40s is not a whole number", s->key, text);
    if (errno != 0 || *number < s->min || *number > s->max)
        return tb_fail(err, TB_EINVAL, "%s: %.40s is not in %ld..%ld", s->key, text, s->min,
                       s->max);
    return TB_OK;
}

static enum tb_status set(struct tb_config *config, const char *key, const char *text,
                          struct tb_error *err)
{
    for (size_t i = 0; i < N_SETTINGS; i++) {
        const struct setting *s = &settings[i];
        if (strcmp(key, s->key) != 0)
            continue;
        if (s->kind == TEXT) {
            if (strlen(text) >= s->size)
                return tb_fail(err, TB_EINVAL, "%s: longer than %zu bytes", key, s->size - 1);
            memcpy((char *)config + s->offset, text, strlen(text) + 1);
            return TB_OK;
        }
        long number = 0;
        enum tb_status status = read_number(s, text, &number, err);
        if (status == TB_OK) {
            store_number(config, s, number);
            if (strcmp(key, "server.port") == 0)
                config->port_fixed = true;
        }
        return status;
    }
    return tb_fail(err, TB_EINVAL, "%.60s: no such setting", key);
}

/* inih of Debian 12 tells neither the line of a fault nor that a line was too long for it; this
 * reader does. */
struct reader {
    FILE *file;
    int line;
    struct tb_config *config;
    struct tb_error *err; /* the first fault, already with file and line */
    bool failed, cut;
};

static void fault(struct reader *r, const char *text)
{
    if (!r->failed)
        (void)tb_fail(r->err, TB_EINVAL, "%s:%d: %s", r->config->path, r->line, text);
    r->failed = true;
}

static char *next_line(char *buffer, int size, void *stream)
{
    struct reader *r = stream;
    char *got = r->failed ? NULL : fgets(buffer, size, r->file);
    if (!got)
        return NULL;
    r->line++;
    if (!strchr(buffer, '\n') && !feof(r->file))
        r->cut = true;
    if (r->cut) {
        fault(r, "the line is too long");
        return NULL;
    }
    return got;
}

static int on_setting(void *user, const char *section, const char *name, const char *value)
{
    struct reader *r = user;
    char key[128];
    struct tb_error err;
    (void)snprintf(key, sizeof key, "%s%s%s", section, section[0] ? "." : "", name);
    if (set(r->config, key, value, &err) == TB_OK)
        return 1;
    fault(r, err.text);
    return 0;
}

static enum tb_status read_file(struct tb_config *config, const char *path, struct tb_error *err)
{
    if (strlen(path) >= sizeof config->path)
        return tb_fail(err, TB_EINVAL, "--config: longer than %zu bytes", sizeof config->path - 1);
    memcpy(config->path, path, strlen(path) + 1);
    struct reader r = {.file = fopen(path, "re"), .config = config, .err = err};
    if (!r.file)
        return tb_fail(err, TB_EINVAL, "%.100s: %s", path, strerror(errno));
    int bad_line = ini_parse_stream(next_line, &r, on_setting, &r);
    if (bad_line != 0 && !r.failed) {
        r.line = bad_line;
        fault(&r, "neither [section] nor key = value");
    }
    (void)fclose(r.file);
    return r.failed ? TB_EINVAL : TB_OK;
}

static void state_default(struct tb_config *config)
{
    const char *systemd = getenv("STATE_DIRECTORY");
    const char *xdg = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    size_t size = sizeof config->state_dir;
    if (systemd && systemd[0] == '/')
        (void)snprintf(config->state_dir, size, "%s", systemd);
    else if (xdg && xdg[0] == '/')
        (void)snprintf(config->state_dir, size, "%s/timbred", xdg);
    else if (home && home[0] == '/' && home[1] != '\0')
        (void)snprintf(config->state_dir, size, "%s/.local/state/timbred", home);
    else
        (void)snprintf(config->state_dir, size, "/var/lib/timbred");
}

static void defaults(struct tb_config *config)
{
    memset(config, 0, sizeof *config);
    for (size_t i = 0; i < N_SETTINGS; i++) {
        const struct setting *s = &settings[i];
        if (s->kind == TEXT)
            memcpy((char *)config + s->offset, s->text, strlen(s->text) + 1);
        else
            store_number(config, s, s->number);
    }
    state_default(config);
}

/* The value of option `name` at argv[*i], "--name=value" or "--name value"; NULL when argv[*i] is
 * another option, "" when the value is missing. */
static const char *value_of(int argc, char **argv, int *i, const char *name)
{
    const char *arg = argv[*i];
    size_t n = strlen(name);
    assert(arg);
    if (strncmp(arg, name, n) != 0 || (arg[n] != '=' && arg[n] != '\0'))
        return NULL;
    if (arg[n] == '=')
        return arg + n + 1;
    return *i + 1 < argc ? argv[++*i] : "";
}

static enum tb_status set_option(struct tb_config *config, const char *arg, struct tb_error *err)
{
    const char *equals = strchr(arg, '=');
    char key[64];
    if (strncmp(arg, "--", 2) != 0 || !equals || (size_t)(equals - arg - 2) >= sizeof key)
        return tb_fail(err, TB_EINVAL,
                       "%.60s: expected --section.key=value; timbred serve --help lists them", arg);
    size_t n = (size_t)(equals - arg) - 2;
    memcpy(key, arg + 2, n);
    key[n] = '\0';
    return set(config, key, equals + 1, err);
}

static enum tb_status options(int argc, char **argv, struct tb_config *config, struct tb_error *err)
{
    for (int i = 0; i < argc; i++) {
        const char *value;
        enum tb_status status = TB_OK;
        if (value_of(argc, argv, &i, "--config"))
            continue; /* read before */
        if ((value = value_of(argc, argv, &i, "--state"))) {
            if (value[0] == '\0' || strlen(value) >= sizeof config->state_dir)
                return tb_fail(err, TB_EINVAL, "--state: expected a folder of 1..%zu bytes",
                               sizeof config->state_dir - 1);
            memcpy(config->state_dir, value, strlen(value) + 1);
        } else if ((value = value_of(argc, argv, &i, "--seconds"))) {
            status = set(config, "audio.seconds", value, err);
        } else if (strcmp(argv[i], "--verbose") == 0) {
            config->verbose = true;
        } else {
            status = set_option(config, argv[i], err);
        }
        if (status != TB_OK)
            return status;
    }
    return TB_OK;
}

/* An address as RFC 9116 wants it: it is served as it stands, so nothing that ends a line. */
static bool is_contact(const char *text)
{
    for (const char *c = text; *c; c++)
        if (*c <= ' ' || *c > '~' || strchr("\"<>\\^`{|}", *c))
            return false;
    if (strncmp(text, "mailto:", 7) == 0) {
        const char *at = strchr(text, '@');
        return at && at > text + 7 && at[1] != '\0' && !strchr(at + 1, '@');
    }
    return strncmp(text, "https://", 8) == 0 && isalnum((unsigned char)text[8]);
}

/* Whether this machine has it now is another question: a network may come up later. */
static bool is_address(const char *text)
{
    char address[sizeof((struct tb_config *)0)->listen];
    struct in6_addr six;
    struct in_addr four;
    (void)snprintf(address, sizeof address, "%s", text);
    address[strcspn(address, "%")] = '\0'; /* fe80::1%eth0 */
    return inet_aton(address, &four) || inet_pton(AF_INET6, address, &six) == 1;
}

static enum tb_status check(const struct tb_config *config, struct tb_error *err)
{
    if (!is_address(config->listen))
        return tb_fail(
            err, TB_EINVAL,
            "server.listen: %.60s is no address, such as 0.0.0.0, 127.0.0.1 or ::", config->listen);
    if (config->security_contact[0] && !is_contact(config->security_contact))
        return tb_fail(err, TB_EINVAL,
                       "server.security_contact: %.60s is neither mailto:NAME@HOST nor https://...",
                       config->security_contact);
    static const char *const drivers[] = {"auto", "alsa", "null", "file"};
    for (size_t i = 0; i < sizeof drivers / sizeof drivers[0]; i++)
        if (strcmp(config->driver, drivers[i]) == 0)
            return TB_OK;
    return tb_fail(err, TB_EINVAL, "audio.driver: %s is none of auto, alsa, null, file",
                   config->driver);
}

enum tb_status tb_config_load(int argc, char **argv, struct tb_config *config, struct tb_error *err)
{
    defaults(config);
    const char *path = NULL;
    for (int i = 0; i < argc; i++) {
        const char *value = value_of(argc, argv, &i, "--config");
        if (value && value[0] == '\0')
            return tb_fail(err, TB_EINVAL, "--config: expected a file");
        path = value ? value : path;
    }
    if (!path && access(SYSTEM_FILE, F_OK) == 0)
        path = SYSTEM_FILE;
    enum tb_status status = TB_OK;
    if (path)
        status = read_file(config, path, err);
    if (status == TB_OK)
        status = options(argc, argv, config, err);
    return status == TB_OK ? check(config, err) : status;
}
