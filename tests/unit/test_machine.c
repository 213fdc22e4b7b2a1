/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/offline/machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[] = "/tmp/tb-machine-XXXXXX";

static void write_file(const char *path, const char *text)
{
    char full[512];
    (void)snprintf(full, sizeof full, "%s%s", root, path);
    for (char *p = full + strlen(root) + 1; (p = strchr(p, '/')); p++) {
        *p = '\0';
        (void)mkdir(full, 0700);
        *p = '/';
    }
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int remove_entry(const char *path, const struct stat *s, int type, struct FTW *ftw)
{
    (void)s;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int make_root(void **state)
{
    (void)state;
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    (void)state;
    return nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static const char *text_of(const json_t *machine, const char *key)
{
    const char *text = json_string_value(json_object_get(machine, key));
    return text ? text : "(null)";
}

static void nothing_is_known(void **state)
{
    (void)state;
    json_t *machine = tb_machine_describe(root);
    assert_non_null(machine);
    assert_string_equal(text_of(machine, "name"), "unknown");
    static const char *const unknown[] = {"model",     "governor",      "frequency_mhz", "os",
                                          "throttled", "temperature_c", "memory_mb"};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
        assert_true(json_is_null(json_object_get(machine, unknown[i])));
    json_decref(machine);
}

static void a_raspberry_pi(void **state)
{
    (void)state;
    write_file("/proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4");
    write_file("/proc/cpuinfo", "processor\t: 0\nFeatures\t: fp asimd evtstrm\nModel\t\t: Pi\n");
    write_file("/proc/meminfo", "MemTotal:  3884404 kB\nMemAvailable: 2097152 kB\n");
    write_file("/sys/class/thermal/thermal_zone0/type", "cpu-thermal\n");
    write_file("/sys/class/thermal/thermal_zone0/temp", "61800\n");
    write_file("/sys/class/thermal/thermal_zone1/type", "wifi\n");
    write_file("/sys/class/thermal/thermal_zone1/temp", "99000\n");
    write_file("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "ondemand\n");
    write_file("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "600000\n");
    write_file("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", "1800000\n");
    write_file("/sys/devices/platform/soc/soc:firmware/get_throttled", "50000\n");
    write_file("/etc/os-release", "NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n");
    json_t *machine = tb_machine_describe(root);
    assert_non_null(machine);
    assert_string_equal(text_of(machine, "name"), "Raspberry Pi 4 Model B Rev 1.4");
    assert_string_equal(text_of(machine, "governor"), "ondemand");
    assert_string_equal(text_of(machine, "os"), "Debian GNU/Linux 12 (bookworm)");
    static const struct {
        const char *key;
        double value;
    } numbers[] = {{"temperature_c", 61.8},
                   {"frequency_mhz", 600.0},
                   {"frequency_max_mhz", 1800.0},
                   {"memory_mb", 3793.0},
                   {"memory_free_mb", 2048.0}};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        double value = json_number_value(json_object_get(machine, numbers[i].key));
        assert_true(fabs(value - numbers[i].value) < 1e-9);
    }
    assert_true(json_is_true(json_object_get(machine, "throttled")));
    assert_int_equal(json_array_size(json_object_get(machine, "cpu_flags")), 1);
    json_decref(machine);

    bool known = false;
    write_file("/sys/devices/platform/soc/soc:firmware/get_throttled", "0\n");
    assert_false(tb_machine_throttled(root, &known));
    assert_true(known);
}

static void this_machine(void **state)
{
    (void)state;
    json_t *machine = tb_machine_describe("");
    assert_non_null(machine);
    assert_true(json_integer_value(json_object_get(machine, "cores")) >= 1);
    assert_true(json_number_value(json_object_get(machine, "memory_mb")) > 16.0);
    const json_t *versions = json_object_get(machine, "versions");
    assert_string_equal(text_of(versions, "timbred"), TB_VERSION);
    assert_true(json_object_size(versions) >= 7);
    json_decref(machine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_known),
        cmocka_unit_test(a_raspberry_pi),
        cmocka_unit_test(this_machine),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
