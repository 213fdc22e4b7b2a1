/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/data/build_priv.h"

#include <math.h>
#include <string.h>

/* report.html: one page without anything from elsewhere. */

static void escaped(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '<' || *text == '>' || *text == '&' || *text == '"')
            (void)fprintf(out, "&#%d;", *text);
        else
            (void)fputc(*text, out);
    }
}

struct chart {
    const char *title, *unit;
    const double *seconds;
    int first, last; /* bins shown */
    double start, step;
    int mark; /* a number below every so many bins */
};

static void draw(FILE *out, const struct chart *c)
{
    enum { WIDTH = 900, HEIGHT = 160, FOOT = 24 };
    double most = 1e-9;
    for (int i = c->first; i <= c->last; i++)
        most = fmax(most, c->seconds[i]);
    const double wide = (double)WIDTH / (c->last - c->first + 1);
    (void)fprintf(out, "<h2>%s</h2>\n<svg viewBox=\"0 0 %d %d\" role=\"img\">\n", c->title, WIDTH,
                  HEIGHT + FOOT);
    for (int i = c->first; i <= c->last; i++) {
        const double x = (i - c->first) * wide, high = HEIGHT * c->seconds[i] / most;
        const double value = c->start + i * c->step;
        (void)fprintf(out,
                      "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"><title>%g %s: "
                      "%.1f s</title></rect>\n",
                      x, HEIGHT - high, wide - 1, high, value, c->unit, c->seconds[i]);
        if (i % c->mark == 0)
            (void)fprintf(out, "<text x=\"%.1f\" y=\"%d\">%g</text>\n", x, HEIGHT + FOOT - 8,
                          value);
    }
    (void)fprintf(out, "</svg>\n<p>%s; tallest bar: %.1f s</p>\n", c->unit, most);
}

static void limits(const double *seconds, int n, int *first, int *last)
{
    *first = 0;
    *last = n - 1;
    while (*first < n - 1 && seconds[*first] <= 0)
        ++*first;
    while (*last > *first && seconds[*last] <= 0)
        --*last;
}

static void list_files(FILE *out, const struct tb_build *b)
{
    size_t refused = 0;
    for (size_t i = 0; i < b->n_sources; i++)
        refused += !b->sources[i].kept;
    (void)fprintf(out, "<h2>Refused: %zu of %zu files</h2>\n<table>\n", refused, b->n_sources);
    for (size_t i = 0; i < b->n_sources; i++) {
        const struct tb_data_source *s = &b->sources[i];
        if (s->kept)
            continue;
        (void)fputs("<tr><td>", out);
        escaped(out, s->name);
        (void)fputs("</td><td>", out);
        escaped(out, s->judgement.text);
        (void)fputs("</td></tr>\n", out);
    }
    (void)fputs("</table>\n", out);
}

enum tb_status tb_build_page(const struct tb_build *b, struct tb_error *err)
{
    const struct tb_data_stats *s = &b->stats;
    FILE *out = tb_build_open(b, "report.html", err);
    if (!out)
        return err->status;
    (void)fputs("<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Data set</title>"
                "<style>body{font:15px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 "
                "1rem}svg{width:100%}rect{fill:#27748f}text{font-size:11px}td{padding:0 1rem 0 0;"
                "vertical-align:top}h1,h2{font-weight:600}</style>\n<h1>",
                out);
    escaped(out, b->options->name);
    (void)fprintf(out, "</h1>\n<p>%.1f minutes of sound in %zu clips of 4 s",
                  (s->seconds[0] + s->seconds[1] + s->seconds[2]) / 60,
                  b->n_clips[0] + b->n_clips[1] + b->n_clips[2]);
    for (int i = 0; i < TB_N_SPLITS; i++)
        (void)fprintf(out, "%s %.1f min %s", i ? "," : ":", s->seconds[i] / 60, tb_split_names[i]);
    (void)fprintf(out, "; dealt by %s. Pitch %.0f to %.0f Hz, loudness %.1f to %.1f dB.</p>\n<p>",
                  b->split_pieces ? "piece, since there are few files" : "file", s->pitch_low_hz,
                  s->pitch_high_hz, s->loudness_low_db, s->loudness_high_db);
    escaped(out, b->options->credit);
    (void)fputs(*b->options->licence ? " (" : "", out);
    escaped(out, b->options->licence);
    (void)fputs(*b->options->licence ? ")</p>\n" : "</p>\n", out);
    struct chart chart = {"Pitch", "MIDI key", s->keys, 0, 0, 0, 1, 12};
    limits(s->keys, 128, &chart.first, &chart.last);
    draw(out, &chart);
    chart = (struct chart){"Loudness", "dB", s->loudness, 0, 0, -80, 2, 5};
    limits(s->loudness, TB_DATA_LOUDNESS_BINS, &chart.first, &chart.last);
    draw(out, &chart);
    list_files(out, b);
    (void)fputs("</html>\n", out);
    return tb_build_close(out, "report.html", err);
}
