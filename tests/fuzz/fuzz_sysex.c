/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A cartridge file: voices that came out are legal, and survive values and dumps bit for bit. */
#include "server/formats/syx.h"
#include "tests/fuzz/fuzz.h"

static void check_voice(const uint8_t packed[TB_SYX_PACKED])
{
    uint8_t voice[TB_SYX_UNPACKED], back[TB_SYX_UNPACKED], again[TB_SYX_PACKED];
    float values[TB_N_PARAMS], checked;
    char name[TB_SYX_NAME_BYTES];
    tb_syx_unpack(packed, voice);
    FUZZ_CHECK(tb_syx_clamp(voice) == 0);
    tb_syx_pack(voice, again);
    FUZZ_CHECK(memcmp(again, packed, sizeof again) == 0);
    tb_syx_unpack_voice(packed, values, name);
    for (int i = 0; i < TB_N_PARAMS; i++)
        FUZZ_CHECK(tb_param_check((enum tb_param)i, (double)values[i], &checked, NULL) == TB_OK);
    tb_syx_from_values(values, name, back);
    FUZZ_CHECK(memcmp(back, voice, 145) == 0); /* names lose what the display cannot show */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tb_syx_file file;
    FUZZ_CHECK(tb_syx_parse(data, size, &file, NULL) == TB_OK);
    FUZZ_CHECK(file.n_voices * 64 <= size + 64 && file.n_warnings <= TB_SYX_MAX_WARNINGS);
    FUZZ_CHECK(file.n_voices > 0 || file.n_warnings > 0);
    for (size_t i = 0; i < file.n_voices; i++)
        check_voice(file.voices[i]);
    for (size_t i = 0; i < file.n_warnings; i++)
        FUZZ_CHECK(memchr(file.warnings[i], '\0', sizeof file.warnings[i]));
    tb_syx_clear(&file);
    return 0;
}
