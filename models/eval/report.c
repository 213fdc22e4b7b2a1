/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/eval/report.h"

#include "models/eval/png.h"
#include "models/train/fft.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the numbers */
#define VALUE(NAME, EXPRESSION)                                                                    \
    static double NAME(const struct tb_eval_result *r)                                             \
    {                                                                                              \
        return EXPRESSION;                                                                         \
    }
VALUE(loss, r->loss)
VALUE(loss_levelled, r->loss_levelled)
VALUE(loss_over_noise, r->loss_over_noise)
VALUE(frechet, r->frechet)
VALUE(envelope_db, r->envelope_db)
VALUE(cents, r->follow.cents_median)
VALUE(cents_there, r->reference.cents_median)
VALUE(cents_mean, r->follow.cents_mean)
VALUE(cents_mean_there, r->reference.cents_mean)
VALUE(off, 100 * r->follow.off)
VALUE(off_there, 100 * r->reference.off)
VALUE(heard, 100 * r->follow.heard)
VALUE(heard_there, 100 * r->reference.heard)
VALUE(loudness, r->follow.loudness_db)
VALUE(loudness_there, r->reference.loudness_db)
VALUE(correlation, r->follow.correlation)
VALUE(correlation_there, r->reference.correlation)
VALUE(clicks, r->clicks_a_minute)
VALUE(clicks_there, r->reference_clicks_a_minute)
VALUE(click, r->clicks.largest)
VALUE(click_there, r->reference_clicks.largest)
VALUE(bright, r->brightness)
VALUE(bright_there, r->reference_brightness)
VALUE(silence, r->probe.silence_db)
VALUE(rise, r->probe.correlation)
VALUE(rise_bright, r->probe.brightness)
VALUE(rise_clicks, (double)r->probe.clicks.n)
VALUE(time_us, r->us_per_frame)
VALUE(time_of_8_us, r->us_per_frame_of_8)
VALUE(share, 100 * r->share)
#undef VALUE

const struct tb_eval_row tb_eval_rows[] = {
    {"loss", "spectral loss", "", "multi-scale, as in training", 3, loss, NULL},
    {"loss_levelled", "spectral loss at equal level", "",
     "each clip brought to the power of its reference first", 3, loss_levelled, NULL},
    {"loss_over_noise", "spectral loss over noise", "",
     "the same noise at -60 dB under both, as train --floor has it", 3, loss_over_noise, NULL},
    {"frechet", "Frechet distance", "", "of log-mel statistics over .48 s", 2, frechet, NULL},
    {"envelope_db", "spectral envelope", "dB", "RMS over 40 mel bands, level apart", 2, envelope_db,
     NULL},
    {"pitch_cents", "pitch error", "cents", "median", 1, cents, cents_there},
    {"pitch_cents_mean", "pitch error, mean", "cents", "up to 1200 each", 1, cents_mean,
     cents_mean_there},
    {"pitch_off", "off pitch", "%", "frames more than 50 cents away", 1, off, off_there},
    {"pitch_heard", "with a pitch", "%", "of the frames that ask for one", 1, heard, heard_there},
    {"loudness_db", "loudness error", "dB", "mean of frames that are not silent", 2, loudness,
     loudness_there},
    {"loudness_correlation", "loudness follows", "", "correlation of asked for and heard", 3,
     correlation, correlation_there},
    {"clicks_a_minute", "clicks", "a minute",
     "samples whose second difference stands out twelvefold", 1, clicks, clicks_there},
    {"click_largest", "largest click", "", "ratio to its neighbourhood", 1, click, click_there},
    {"brightness", "brighter when louder", "octaves/10 dB", "centroid over power, all frames", 3,
     bright, bright_there},
    {"silence_db", "drone in silence", "dB", "loudest level at the loudness floor, of full scale",
     1, silence, NULL},
    {"rise_correlation", "loudness follows a rise", "", "the worst of three pitches", 3, rise,
     NULL},
    {"rise_brightness", "brighter in a rise", "octaves/10 dB", "mean of three pitches", 3,
     rise_bright, NULL},
    {"rise_clicks", "clicks in a rise", "", "of three", 0, rise_clicks, NULL},
    {"us_per_frame", "decoder", "us a frame", "one voice alone", 2, time_us, NULL},
    {"us_per_frame_of_8", "decoder, of 8", "us a frame", "one voice of eight together", 2,
     time_of_8_us, NULL},
    {"share", "share of a core", "%", "one voice of eight in real time, 48 kHz", 3, share, NULL},
    {.key = NULL},
};

/* ---- the page */
static void put_text(FILE *out, const char *text)
{
    for (; *text; text++) {
        const char *safe = *text == '<'   ? "&lt;"
                           : *text == '&' ? "&amp;"
                           : *text == '"' ? "&quot;"
                                          : NULL;
        if (safe)
            (void)fputs(safe, out);
        else
            (void)putc(*text, out);
    }
}

static void put_number(FILE *out, double value, int digits)
{
    (void)fputs("<td class=n>", out);
    if (isfinite(value))
        (void)fprintf(out, "%.*f", digits, value);
    else
        (void)fputs("&ndash;", out);
}

static void put_facts(FILE *out, const struct tb_eval_page *p)
{
    static const char *const families[] = {"HpN", "Wavetable", "DDX7", "FM envelopes"};
    const struct tb_model_meta *m = &p->file->meta;
    (void)fputs("<h1>", out);
    put_text(out, m->name);
    (void)fputs("</h1><p>", out);
    put_text(out, p->model);
    (void)fprintf(out, ": %s, width %d, %llu parameters", families[m->family], m->width,
                  (unsigned long long)p->file->n_params);
    if (m->training[0]) {
        (void)fputs("<br>", out);
        put_text(out, m->training);
    }
    if (m->credit[0] || m->licence[0]) {
        (void)fputs("<br>", out);
        put_text(out, m->credit);
        (void)fputs(" ", out);
        put_text(out, m->licence);
    }
    (void)fprintf(out, "<p>Against ");
    put_text(out, p->against);
    (void)fprintf(out, ": %zu clips, %.1f minutes", p->result->n_clips, p->result->minutes);
}

void tb_report_begin(FILE *out, const struct tb_eval_page *page)
{
    (void)fputs(
        "<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta name=viewport content=\"width=device-width\"><title>timbred eval</title><style>"
        "body{font:15px/1.45 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;"
        "color:#1d1f21;background:#fbfaf8}table{border-collapse:collapse}td,th{padding:.2rem "
        ".7rem;text-align:left;border-bottom:1px solid #ddd}.n{text-align:right;"
        "font-variant-numeric:tabular-nums}small{color:#666}.pair{display:grid;"
        "grid-template-columns:1fr 1fr;gap:1rem}img{width:100%;image-rendering:pixelated;"
        "background:#000}figure{margin:0}audio{width:100%}@media(prefers-color-scheme:dark){body{"
        "background:#16181a;color:#e4e2de}td,th{border-color:#333}small{color:#999}}</style>\n",
        out);
    put_facts(out, page);
    (void)fputs("<table><tr><th>number<th class=n>model<th class=n>reference<th>", out);
    for (const struct tb_eval_row *row = tb_eval_rows; row->key; row++) {
        (void)fprintf(out, "<tr><td>%s", row->name);
        put_number(out, row->value(page->result), row->digits);
        put_number(out, row->reference ? row->reference(page->result) : (double)NAN, row->digits);
        (void)fprintf(out, "<td>%s <small>%s</small>\n", row->unit, row->help);
    }
    (void)fputs("</table>\n", out);
}

/* Dark blue to red to near white; equal steps look equal. */
static void make_palette(uint8_t palette[256][3])
{
    for (int i = 0; i < 256; i++) {
        const double t = i / 255.0;
        const double rgb[3] = {fmin(1, 1.6 * t), t * t,
                               0.25 + 0.5 * sin(3.1 * t) * (1 - t) + fmax(0, 3 * (t - 0.75))};
        for (int c = 0; c < 3; c++)
            palette[i][c] = (uint8_t)(255 * fmin(1, fmax(0, rgb[c] * (i == 0 ? 0 : 1))));
    }
}

enum { FFT = 1024, BINS = FFT / 2, HEIGHT = BINS / 2, MOST_WIDTH = 800 };

/* Rows of two bins from the top down, 80 dB. */
static void draw_column(const tb_complex *spectrum, uint8_t *pixels, uint32_t width, uint32_t x)
{
    for (int y = 0; y < HEIGHT; y++) {
        double power = 1e-20;
        for (int k = 2 * y; k < 2 * y + 2; k++) {
            const double re = (double)tb_re(spectrum[k]), im = (double)tb_im(spectrum[k]);
            power = fmax(power, re * re + im * im);
        }
        const double db = 10 * log10(power) - 20 * log10(FFT / 4.0);
        const double shade = 255 * (db + 80) / 80;
        pixels[(size_t)(HEIGHT - 1 - y) * width + x] = (uint8_t)fmin(255, fmax(0, shade));
    }
}

static void *spectrogram(const float *x, size_t n, size_t *size)
{
    const struct tb_fft *fft = tb_fft_get(FFT);
    const uint32_t columns = n < FFT ? 0 : (uint32_t)((n - FFT) / 128 + 1);
    const uint32_t width = columns < MOST_WIDTH ? columns : MOST_WIDTH;
    uint8_t palette[256][3];
    uint8_t *pixels = width ? calloc(HEIGHT, width) : NULL;
    if (!fft || !pixels) {
        free(pixels);
        return NULL;
    }
    for (uint32_t c = 0; c < width; c++) {
        float frame[FFT];
        tb_complex spectrum[BINS + 1];
        for (size_t i = 0; i < FFT; i++)
            frame[i] = x[c * 128U + i] *
                       (float)(0.5 - 0.5 * cos(6.28318530717958647692 * (double)i / FFT));
        tb_fft_forward(fft, frame, spectrum);
        draw_column(spectrum, pixels, width, c);
    }
    make_palette(palette);
    void *png = tb_png(pixels, width, HEIGHT, (const uint8_t(*)[3])palette, size);
    free(pixels);
    return png;
}

/* <img> and <audio> of a sound; steals nothing. */
static bool put_sound(FILE *out, const char *caption, const float *x, size_t n)
{
    size_t png_size = 0, wav_size = 0;
    void *png = spectrogram(x, n, &png_size), *wav = tb_wav16(x, n, TB_MEL_RATE_HZ, &wav_size);
    char *picture = png ? tb_base64(png, png_size) : NULL;
    char *sound = wav ? tb_base64(wav, wav_size) : NULL;
    const bool good = picture && sound;
    if (good)
        (void)fprintf(out,
                      "<figure><figcaption>%s</figcaption><img alt=\"spectrogram, 0 to 8 kHz\" "
                      "src=\"data:image/png;base64,%s\"><audio controls preload=none "
                      "src=\"data:audio/wav;base64,%s\"></audio></figure>\n",
                      caption, picture, sound);
    free(picture);
    free(sound);
    free(png);
    free(wav);
    return good;
}

bool tb_report_clip(FILE *out, const char *title, const float *reference, const float *ours,
                    size_t n)
{
    (void)fputs("<h2>", out);
    put_text(out, title);
    (void)fputs("</h2><div class=pair>", out);
    const bool good = put_sound(out, "reference", reference, n) && put_sound(out, "model", ours, n);
    (void)fputs("</div>\n", out);
    return good;
}

void tb_report_end(FILE *out)
{
    (void)fputs("<p><small>Spectrograms: 0 to 8 kHz, 80 dB.</small></html>\n", out);
}
