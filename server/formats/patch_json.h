/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_FORMATS_PATCH_JSON_H
#define TB_SERVER_FORMATS_PATCH_JSON_H

#include "base/error.h"
#include "db/store.h"
#include "dsp/params.h"

#include <jansson.h>

/* Patches and banks as JSON: bodies of REST and our single-file format
 *   {"format":"timbred","version":1,"patches":[PATCH...],"banks":[BANK...]}
 *   PATCH {uuid,name,author,category,tags,comment,licence,favourite,factory,revision,created,
 *          updated,model:MODEL|null,model_b:MODEL|null,values:{key:number}}
 *   MODEL {uuid,sha256,name}      BANK {uuid,name,number,patches:[uuid|null...]}
 * Any thread but audio. */
enum { TB_JSON_MAX_DEPTH = 32, TB_JSON_MAX_STRING = 4096, TB_FILE_MAX_PATCHES = 16384 };

/* Sentences that are no errors; the last one says so when there were more. */
struct tb_warnings {
    char text[24][160];
    size_t n;
};
void tb_warn(struct tb_warnings *warnings, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* One pass over the bytes before a parser that recurses: at most TB_JSON_MAX_DEPTH levels, strings
 * of at most max_string bytes as written, but \" and its like count as one. */
enum tb_status tb_json_scan(const char *text, size_t size, size_t max_string, struct tb_error *err);

/* What is wrong, without the names of the library's flags. Lives as long as fault. */
const char *tb_json_reason(const json_error_t *fault);

/* JSON text from outside: depth and length of strings are bounded before jansson sees it (its own
 * limit of 2,048 levels needs 256 KiB of stack), duplicate keys, NaN, malformed UTF-8 and text
 * behind the end are refused. NULL: err says where. To be freed with json_decref. */
json_t *tb_json_parse(const char *text, size_t size, struct tb_error *err);

/* Compact text with nine digits, to be freed; NULL when out of memory. It is parsed again and
 * compared, because jansson 2.14 answers a failed allocation inside with a text that lacks keys. */
char *tb_json_dump(json_t *json, size_t *size, struct tb_error *err);

/* TB_BODY_FULL: absent fields take their defaults, name is required. TB_BODY_MERGE: absent fields
 * stay, null takes the default (RFC 7396). */
enum tb_body { TB_BODY_FULL, TB_BODY_MERGE };

/* Fills *patch from body. FULL expects a zeroed or cleared one, MERGE one that was read; on an
 * error it is unchanged. A uuid in the body is taken over where it is well formed (FULL only);
 * factory, revision, created and updated are ignored. err names the field and the bound:
 * "fm.op1.coarse: 64 is above 31". Unknown fields and parameters are errors without warnings; with
 * them they are told, and parameters are kept. */
enum tb_status tb_patch_from_json(json_t *body, enum tb_body kind, struct tb_patch *patch,
                                  struct tb_warnings *warnings, struct tb_error *err);

/* New references; NULL when out of memory. A summary has no comment, licence, created and values.
 */
json_t *tb_patch_to_json(const struct tb_patch *patch);
/* What a compact dump of that with nine digits says, to be freed; NULL when out of memory or a
 * value is not finite. */
char *tb_patch_to_text(const struct tb_patch *patch, size_t *size);
json_t *tb_patch_summary_to_json(const struct tb_patch *patch);
/* A network plays it, so it is none of a DX7's voices. */
bool tb_patch_has_network(const struct tb_patch *patch);
/* {"uuid","sha256","name"}; what GET /state adds ("missing") is passed over. key: for err. */
enum tb_status tb_model_ref_from_json(const char *key, const json_t *json, struct tb_model_ref *ref,
                                      struct tb_error *err);
json_t *tb_model_ref_to_json(const struct tb_model_ref *ref); /* null where there is none */
json_t *tb_bank_to_json(const struct tb_bank *bank);

/* Fills *bank (zeroed before; freed with tb_bank_clear); name, number and patches are required. */
enum tb_status tb_bank_from_json(const json_t *body, struct tb_bank *bank, struct tb_error *err);

/* A whole file. */
struct tb_patch_file {
    struct tb_patch *patches; /* owned */
    size_t n_patches;
    struct tb_bank *banks; /* owned */
    size_t n_banks;
};
void tb_patch_file_clear(struct tb_patch_file *file);

/* Reads our format, or one PATCH alone. All or nothing; errors start with "patches[3]: ". */
enum tb_status tb_patch_file_parse(const char *text, size_t size, struct tb_patch_file *file,
                                   struct tb_warnings *warnings, struct tb_error *err);
json_t *tb_patch_file_to_json(const struct tb_patch *patches, size_t n_patches,
                              const struct tb_bank *banks, size_t n_banks);

/* A patch's values as the engine's array and back: missing ones take the default, stored ones
 * beyond today's bounds the nearest bound; keys that this version does not know stay in the patch.
 * set: TB_ENOMEM. Parameters of the device are left alone (get: their defaults). */
void tb_patch_get_params(const struct tb_patch *patch, float values[TB_N_PARAMS]);
enum tb_status tb_patch_set_params(struct tb_patch *patch, const float values[TB_N_PARAMS],
                                   struct tb_error *err);

/* A uuid of the usual form, lower case. */
bool tb_uuid_is_valid(const char *text);

/* Text for people in fields: trims blanks at both ends; refuses control characters (a comment may
 * have line ends) and more than size - 1 bytes. err names field. */
enum tb_status tb_text_field(const char *field, const char *text, char *out, size_t size,
                             bool lines, struct tb_error *err);

#endif
