/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/offline/machine.h"

#include <alsa/version.h>
#include <ctype.h>
#include <dirent.h>
#include <libwebsockets.h>
#include <math.h>
#include <microhttpd.h>
#include <sndfile.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { MAX_FILE = 16384, MAX_PATH = 512 };

/* First MAX_FILE - 1 bytes of root/path, without trailing white space and NULs. False: not there.
 */
static bool read_text(const char *root, const char *path, char text[MAX_FILE])
{
    char full[MAX_PATH];
    if (snprintf(full, sizeof full, "%s%s", root, path) >= (int)sizeof full)
        return false;
    FILE *file = fopen(full, "re");
    if (!file)
        return false;
    size_t n = fread(text, 1, MAX_FILE - 1, file);
    (void)fclose(file);
    while (n > 0 && (text[n - 1] == '\0' || isspace((unsigned char)text[n - 1])))
        n--;
    text[n] = '\0';
    return n > 0;
}

static double read_number(const char *root, const char *path)
{
    char text[MAX_FILE], *end;
    if (!read_text(root, path, text))
        return (double)NAN;
    double value = strtod(text, &end);
    return end == text ? (double)NAN : value;
}

/* Value of "key : value" or KEY="value" in text, "" when it is not there. */
static void find_value(const char *text, const char *key, char separator, char *value, size_t size)
{
    value[0] = '\0';
    size_t length = strlen(key);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        const char *p = line + length;
        if (strncmp(line, key, length) != 0 || !memchr(p, separator, strcspn(p, "\n")))
            continue;
        p = strchr(p, separator) + 1;
        p += strspn(p, " \t\"");
        size_t n = strcspn(p, "\n\"");
        (void)snprintf(value, size, "%.*s", (int)n, p);
        return;
    }
}

static json_t *number_or_null(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *text_or_null(const char *text)
{
    return text[0] ? json_string(text) : json_null();
}

void tb_machine_name(const char *root, char *name, size_t size)
{
    char text[MAX_FILE];
    if (read_text(root, "/proc/device-tree/model", text)) {
        (void)snprintf(name, size, "%s", text);
        return;
    }
    (void)snprintf(name, size, "unknown");
    if (!read_text(root, "/proc/cpuinfo", text))
        return;
    static const char *const keys[] = {"model name", "Model", "Hardware", "Processor"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        char value[128];
        find_value(text, keys[i], ':', value, sizeof value);
        if (value[0]) {
            (void)snprintf(name, size, "%s", value);
            return;
        }
    }
}

static bool is_processor_zone(const char *type)
{
    static const char *const types[] = {"cpu",  "soc",  "x86_pkg_temp", "coretemp",
                                        "acpi", "core", "package",      "big"};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strncasecmp(type, types[i], strlen(types[i])) == 0)
            return true;
    }
    return false;
}

double tb_machine_temperature_c(const char *root)
{
    double hottest = (double)NAN;
    for (int i = 0; i < 64; i++) {
        char path[MAX_PATH], type[MAX_FILE];
        (void)snprintf(path, sizeof path, "/sys/class/thermal/thermal_zone%d/type", i);
        if (!read_text(root, path, type))
            break;
        if (!is_processor_zone(type))
            continue;
        (void)snprintf(path, sizeof path, "/sys/class/thermal/thermal_zone%d/temp", i);
        double milli = read_number(root, path);
        if (isfinite(milli))
            hottest = isnan(hottest) ? milli / 1000.0 : fmax(hottest, milli / 1000.0);
    }
    return hottest;
}

bool tb_machine_throttled(const char *root, bool *known)
{
    char text[MAX_FILE];
    /* bits 1, 2: now; 17, 18: since start (frequency capped, throttled) */
    if (read_text(root, "/sys/devices/platform/soc/soc:firmware/get_throttled", text)) {
        *known = true;
        return (strtoul(text, NULL, 16) & 0x60006U) != 0;
    }
    double events =
        read_number(root, "/sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count");
    *known = isfinite(events);
    return *known && events > 0.0;
}

json_t *tb_machine_versions(void)
{
    unsigned long alsa = SND_LIB_VERSION;
    char alsa_text[32], sndfile[128] = "";
    (void)snprintf(alsa_text, sizeof alsa_text, "%lu.%lu.%lu", alsa >> 16, alsa >> 8 & 0xff,
                   alsa & 0xff);
    (void)sf_command(NULL, SFC_GET_LIB_VERSION, sndfile, (int)sizeof sndfile);
    char *dash = strchr(sndfile, '-');
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "timbred", TB_VERSION, "libmicrohttpd",
                     MHD_get_version(), "libwebsockets", lws_get_library_version(), "jansson",
                     jansson_version_str(), "libsndfile", dash ? dash + 1 : sndfile, "alsa",
                     alsa_text, "libsodium", sodium_version_string());
}

/* The vector extensions that our kernels can use, and what tells a virtual machine. */
static json_t *flags_of(const char *cpuinfo, bool *is_virtual)
{
    static const char *const wanted[] = {"sse4_1",   "avx2",  "fma",         "avx512f",
                                         "avx512vl", "asimd", "avx512_vnni", "asimddp"};
    json_t *flags = json_array();
    char line[8192];
    find_value(cpuinfo, "flags", ':', line, sizeof line);
    if (!line[0])
        find_value(cpuinfo, "Features", ':', line, sizeof line);
    *is_virtual = false;
    char *save = NULL;
    for (char *word = strtok_r(line, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        *is_virtual |= strcmp(word, "hypervisor") == 0;
        for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
            if (strcmp(word, wanted[i]) == 0 && flags)
                (void)json_array_append_new(flags, json_string(word));
        }
    }
    return flags;
}

static void add_frequencies(json_t *machine, const char *root)
{
    static const char base[] = "/sys/devices/system/cpu/cpu0/cpufreq/";
    char path[MAX_PATH], governor[MAX_FILE] = "", cpuinfo[MAX_FILE] = "", mhz[64];
    (void)snprintf(path, sizeof path, "%sscaling_governor", base);
    (void)read_text(root, path, governor);
    (void)snprintf(path, sizeof path, "%sscaling_cur_freq", base);
    double now_mhz = read_number(root, path) / 1000.0;
    (void)snprintf(path, sizeof path, "%scpuinfo_max_freq", base);
    double max_mhz = read_number(root, path) / 1000.0;
    if (!isfinite(now_mhz) && read_text(root, "/proc/cpuinfo", cpuinfo)) {
        find_value(cpuinfo, "cpu MHz", ':', mhz, sizeof mhz);
        now_mhz = mhz[0] ? strtod(mhz, NULL) : (double)NAN;
    }
    (void)json_object_set_new(machine, "governor", text_or_null(governor));
    (void)json_object_set_new(machine, "frequency_mhz", number_or_null(now_mhz));
    (void)json_object_set_new(machine, "frequency_max_mhz", number_or_null(max_mhz));
}

static void add_memory(json_t *machine, const char *root)
{
    static const char *const keys[][2] = {{"MemTotal", "memory_mb"},
                                          {"MemAvailable", "memory_free_mb"}};
    char text[MAX_FILE] = "", value[64];
    (void)read_text(root, "/proc/meminfo", text);
    for (size_t i = 0; i < 2; i++) {
        find_value(text, keys[i][0], ':', value, sizeof value);
        json_t *mb = value[0] ? json_real(floor(strtod(value, NULL) / 1024.0)) : json_null();
        (void)json_object_set_new(machine, keys[i][1], mb);
    }
}

static void add_kernel(json_t *machine, const char *root)
{
    struct utsname system = {0};
    char text[MAX_FILE] = "", name[128] = "";
    (void)uname(&system);
    (void)json_object_set_new(machine, "arch", json_string(system.machine));
    (void)json_object_set_new(machine, "kernel", json_string(system.release));
    bool realtime = read_number(root, "/sys/kernel/realtime") > 0.0;
    (void)json_object_set_new(machine, "realtime_kernel", json_boolean(realtime));
    if (read_text(root, "/etc/os-release", text))
        find_value(text, "PRETTY_NAME", '=', name, sizeof name);
    (void)json_object_set_new(machine, "os", text_or_null(name));
}

json_t *tb_machine_describe(const char *root)
{
    json_t *machine = json_object();
    if (!machine)
        return NULL;
    char name[128], cpuinfo[MAX_FILE] = "", model[128];
    tb_machine_name(root, name, sizeof name);
    (void)read_text(root, "/proc/cpuinfo", cpuinfo);
    find_value(cpuinfo, "model name", ':', model, sizeof model);
    bool is_virtual, known;
    (void)json_object_set_new(machine, "name", json_string(name));
    (void)json_object_set_new(machine, "model", text_or_null(model));
    (void)json_object_set_new(machine, "cores", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
    (void)json_object_set_new(machine, "cpu_flags", flags_of(cpuinfo, &is_virtual));
    (void)json_object_set_new(machine, "virtual", json_boolean(is_virtual));
    add_kernel(machine, root);
    add_frequencies(machine, root);
    add_memory(machine, root);
    double temperature_c = tb_machine_temperature_c(root);
    (void)json_object_set_new(machine, "temperature_c", number_or_null(temperature_c));
    bool throttled = tb_machine_throttled(root, &known);
    (void)json_object_set_new(machine, "throttled", known ? json_boolean(throttled) : json_null());
    (void)json_object_set_new(machine, "versions", tb_machine_versions());
    return machine;
}
