/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/alsa_cards.h"

#include <ctype.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* Everything here reads /proc/asound rather than libasound, so that it also works where the cards
 * are held by others, and can be tested without a card. */

int tb_card_rank(const char *id, const char *text, bool usb)
{
    static const struct {
        const char *part;
        int rank;
    } known[] = {
        {"HDMI", 1},       {"vc4", 1},   {"Loopback", 0},   {"Dummy", 0},
        {"Headphones", 2}, {"bcm28", 2}, {"PC-Speaker", 0},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcasestr(id, known[i].part) || strcasestr(text, known[i].part))
            return known[i].rank;
    return usb ? 4 : 3;
}

static bool exists(const char *root, int card, const char *rest)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/card%d/%s", root, card, rest);
    glob_t found;
    bool any = glob(path, GLOB_NOSORT, NULL, &found) == 0 && found.gl_pathc > 0;
    globfree(&found);
    return any;
}

/* Lines of /proc/asound/cards: " 1 [Device         ]: USB-Audio - Scarlett 2i2 USB" */
static bool read_card(const char *line, struct tb_card *card)
{
    memset(card, 0, sizeof *card);
    char *end;
    long index = strtol(line, &end, 10);
    const char *open = strchr(end, '['), *close = open ? strstr(open, "]: ") : NULL;
    if (end == line || index < 0 || index >= TB_MAX_CARDS || !close)
        return false;
    const char *text = strstr(close, " - ");
    text = text ? text + 3 : close + 3;
    int id_length = (int)(close - open - 1);
    while (id_length > 0 && isspace((unsigned char)open[id_length]))
        id_length--;
    card->index = (int)index;
    (void)snprintf(card->id, sizeof card->id, "%.*s", id_length, open + 1);
    (void)snprintf(card->text, sizeof card->text, "%.*s", (int)strcspn(text, "\n"), text);
    (void)snprintf(card->pcm, sizeof card->pcm, "hw:CARD=%s", card->id);
    return card->id[0] != '\0';
}

static int better(const void *a, const void *b)
{
    const struct tb_card *x = a, *y = b;
    return x->rank != y->rank ? y->rank - x->rank : x->index - y->index;
}

size_t tb_cards_list(const char *root, struct tb_card *cards, size_t max)
{
    char line[512];
    (void)snprintf(line, sizeof line, "%s/cards", root);
    FILE *file = fopen(line, "re");
    size_t n = 0;
    while (file && n < max && fgets(line, sizeof line, file)) {
        struct tb_card *card = &cards[n];
        if (!read_card(line, card) || !exists(root, card->index, "pcm*p"))
            continue;
        card->rank = tb_card_rank(card->id, card->text, exists(root, card->index, "usbid"));
        card->capture = exists(root, card->index, "pcm*c");
        n++;
    }
    if (file)
        (void)fclose(file);
    qsort(cards, n, sizeof *cards, better);
    return n;
}

static long owner_in(const char *path)
{
    char line[256];
    long pid = 0;
    FILE *file = fopen(path, "re");
    while (file && pid == 0 && fgets(line, sizeof line, file)) {
        const char *colon = strchr(line, ':');
        if (colon && strncmp(line, "owner_pid", 9) == 0)
            pid = strtol(colon + 1, NULL, 10);
    }
    if (file)
        (void)fclose(file);
    return pid;
}

static void name_process(long pid, char *text, size_t size)
{
    char path[64], comm[32] = "";
    (void)snprintf(path, sizeof path, "/proc/%ld/comm", pid);
    FILE *file = fopen(path, "re");
    if (file) {
        if (!fgets(comm, sizeof comm, file))
            comm[0] = '\0';
        (void)fclose(file);
    }
    comm[strcspn(comm, "\n")] = '\0';
    (void)snprintf(text, size, "process %ld (%s)", pid, comm[0] ? comm : "unknown");
}

void tb_card_holder(const char *root, int index, char *text, size_t size)
{
    char path[512];
    text[0] = '\0';
    if (index >= 0)
        (void)snprintf(path, sizeof path, "%s/card%d/pcm*p/sub*/status", root, index);
    else
        (void)snprintf(path, sizeof path, "%s/card*/pcm*p/sub*/status", root);
    glob_t found;
    if (glob(path, 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++) {
            long pid = owner_in(found.gl_pathv[i]);
            if (pid > 0 && pid != (long)getpid()) {
                name_process(pid, text, size);
                break;
            }
        }
    globfree(&found);
}
