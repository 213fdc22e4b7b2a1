/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_WEB_JSON_IN_H
#define TB_SERVER_WEB_JSON_IN_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum { TB_JSON_STRING = 4096, TB_JSON_MEMBERS = 1024 };

/* Any thread with 256 KiB of stack. A JSON object from outside: at most TB_JSON_MAX_DEPTH deep,
 * strings up to max_string bytes, no duplicate keys, no NaN, nothing behind it. The depth is
 * counted before the parser recurses. NULL with *err (TB_EINVAL) filled. */
json_t *tb_json_read(const char *text, size_t size, size_t max_string, struct tb_error *err);

/* Is every member of object one of names (NULL-terminated)? else TB_EINVAL names the stranger. */
enum tb_status tb_json_only(json_t *object, const char *const *names, struct tb_error *err);

/* Optional members: absent leaves *out alone. TB_EINVAL names the member and the bound. size counts
 * the terminator; min is in bytes. */
enum tb_status tb_json_text(const json_t *object, const char *name, char *out, size_t size,
                            struct tb_error *err);
enum tb_status tb_json_bool(const json_t *object, const char *name, bool *out,
                            struct tb_error *err);
enum tb_status tb_json_integer(const json_t *object, const char *name, long long bounds[2],
                               long long *out, struct tb_error *err);
enum tb_status tb_json_number(const json_t *object, const char *name, const double bounds[2],
                              double *out, struct tb_error *err);

#endif
