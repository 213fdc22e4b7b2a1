/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/alsa_cards.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A made-up /proc/asound: a Raspberry Pi with HDMI, its headphone jack, a HAT and two USB cards,
 * one of which can only record. */

static char root[] = "/tmp/timbred-cards-XXXXXX";

static void put(const char *name, const char *text)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", root, name);
    for (char *at = path + strlen(root) + 1; (at = strchr(at, '/')); *at++ = '/') {
        *at = '\0';
        (void)mkdir(path, 0700);
    }
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int make_tree(void **state)
{
    (void)state;
    char status[64];
    if (!mkdtemp(root))
        return 1;
    put("cards", " 0 [vc4hdmi0       ]: vc4-hdmi - vc4-hdmi-0\n"
                 "                      vc4-hdmi-0\n"
                 " 1 [Headphones     ]: bcm2835_headpho - bcm2835 Headphones\n"
                 "                      bcm2835 Headphones\n"
                 " 2 [sndrpihifiberry]: HifiberryDacp - snd_rpi_hifiberry_dacplus\n"
                 "                      snd_rpi_hifiberry_dacplus\n"
                 " 3 [USB            ]: USB-Audio - Scarlett 2i2 USB\n"
                 "                      Focusrite Scarlett 2i2 USB at usb-0000:01:00.0-1.2\n"
                 " 4 [Webcam         ]: USB-Audio - Webcam\n"
                 "                      Webcam\n"
                 "garbage\n [] :\n99999999999999999999 [x]: y\n");
    for (int card = 0; card < 4; card++) {
        char name[64];
        (void)snprintf(name, sizeof name, "card%d/pcm0p/sub0/status", card);
        put(name, "closed\n");
    }
    put("card3/usbid", "1235:8210\n");
    put("card4/usbid", "046d:0825\n");
    put("card4/pcm0c/sub0/status", "closed\n");
    put("card3/pcm0c/sub0/status", "closed\n");
    (void)snprintf(status, sizeof status, "state: RUNNING\nowner_pid   : %d\n", (int)getppid());
    put("card2/pcm0p/sub0/status", status);
    return 0;
}

static int remove_tree(void **state)
{
    (void)state;
    static const char *const files[] = {"cards",
                                        "card3/usbid",
                                        "card4/usbid",
                                        "card4/pcm0c/sub0/status",
                                        "card3/pcm0c/sub0/status",
                                        "card0/pcm0p/sub0/status",
                                        "card1/pcm0p/sub0/status",
                                        "card2/pcm0p/sub0/status",
                                        "card3/pcm0p/sub0/status"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[256];
        (void)snprintf(path, sizeof path, "%s/%s", root, files[i]);
        (void)unlink(path);
        for (char *slash; (slash = strrchr(path, '/')) && strlen(path) > strlen(root);) {
            *slash = '\0';
            (void)rmdir(path);
        }
    }
    return 0;
}

static void the_best_card_comes_first(void **state)
{
    (void)state;
    static const char *const order[] = {"hw:CARD=USB", "hw:CARD=sndrpihifiberry",
                                        "hw:CARD=Headphones", "hw:CARD=vc4hdmi0"};
    struct tb_card cards[TB_MAX_CARDS];
    size_t n = tb_cards_list(root, cards, TB_MAX_CARDS);
    assert_int_equal(n, 4); /* the webcam cannot play */
    for (size_t i = 0; i < n; i++)
        assert_string_equal(cards[i].pcm, order[i]);
    assert_string_equal(cards[0].text, "Scarlett 2i2 USB");
    assert_true(cards[0].capture);
    assert_false(cards[1].capture);
    assert_int_equal(tb_cards_list(root, cards, 2), 2);
    assert_int_equal(tb_cards_list("/nowhere", cards, TB_MAX_CARDS), 0);
}

static void the_holder_is_named(void **state)
{
    (void)state;
    char text[64], expected[32];
    tb_card_holder(root, 2, text, sizeof text);
    (void)snprintf(expected, sizeof expected, "process %d (", (int)getppid());
    assert_int_equal(strncmp(text, expected, strlen(expected)), 0);
    tb_card_holder(root, -1, text, sizeof text);
    assert_int_equal(strncmp(text, expected, strlen(expected)), 0);
    tb_card_holder(root, 3, text, sizeof text);
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_card_comes_first),
        cmocka_unit_test(the_holder_is_named),
    };
    return cmocka_run_group_tests(tests, make_tree, remove_tree);
}
