/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/analysis_priv.h"

#include <math.h>
#include <string.h>

/* Normalised square differences (McLeod and Wyvill, "A smarter way to find pitch", 2005). A window
 * of 25 ms answers for pitches from 100 Hz, so that they come fast; where it finds nothing good,
 * one of 50 ms answers. A peak misses 1 by what of the sound is not periodic; the period is the
 * first peak that misses it by not much more than the best does. A fixed share of the best peak, as
 * in the paper, missed the octave in 2.9 % of violin frames.
 *
 * Which octave it is, the curve of the sound with its high notes raised by 6 dB an octave says:
 * where odd harmonics are weak, those are the upper ones, and it leaves rumble out. That sound is
 * noisier, so whether there is a pitch at all, and how high it is, the plain one says. High notes
 * have no weak fundamentals but breath below them, so shorter periods may miss more, but for those
 * above 1600 Hz, which are rare. What noise does to a peak by chance goes with its square root.
 *
 * Octaves last: a note that has held its own is only left where another is clearly better, and
 * hardly at all while it dies away, when strings beside it ring on. A new attack may be any note.
 * In 126 recorded phrases the octave jumps and comes back within 160 ms 65 times, 127 before.
 * Octave errors over all single notes went from 0.88 to 0.54 %, or 0.49 % where the name is right.
 *
 * A note that follows another without a gap is in all of these windows late: half of one is still
 * the old note, which makes a curve without a good peak, or with one where both have a common
 * period. So the held pitch is also asked of every new period on its own: where one is not like the
 * period before it, a leap may be under way. A window of 19 ms then decides by itself, when it is
 * sure, until the old note has left the long windows; steps too small to break the period it
 * decides where the others find nothing, or less clearly something else.
 */
static const float CHANCE = 0.45f, WORSE = 0.95f; /* what a peak may miss */
static const float LITTLE = 0.003f; /* at USUAL: what interpolation does to high peaks */
static const float EMPHASIS = 0.95f;
static const float USUAL = 30; /* samples: periods below it may miss more, above it less, */
static const float STEEP = 2.5f, LEAST = 0.4f; /* with this power of their ratio, from LEAST, */
static const float RARE = 10, RARELY = 0.07f;  /* and below RARE samples RARELY times that */
static const unsigned HELD = 48;               /* frames, after which it hardly is: */
static const float HELD_MISS = 0.12f;          /* it may miss this much, */
static const float HELD_SHORTER = 0.03f;       /* and a shorter one this share of the usual */
static const float FALLEN_DB = 3.5f,
                   FALLEN = 5;          /* below its loudest, all this many times stronger */
static const float ATTACK_DB = 10;      /* above its quietest, a new note */
static const float VOICED = 0.92f;      /* least peak of a pitched sound */
static const float VOICED_ONSET = 0.8f; /* while silence is still in the window */
static const unsigned ONSET = 10;       /* frames */
static const float ONSET_LEVEL = 0.05f; /* of the peak: where a sound in the window begins */
static const float ONSET_PERIODS = 2.1f;
static const float ONSET_STRICT = 0.02f, ONSET_WORSE = 3;
static const float SHORTEST = 7.8f;    /* samples: 2050 Hz */
static const float SAME = 0.06f;       /* octaves: the same note */
static const unsigned REMEMBERED = 12; /* frames that the last pitch counts */
static const float BREAK = 0.6f; /* likeness of a period to the one before, below which it breaks */
static const unsigned LEAP = 300; /* samples: two periods of 107 Hz */
static const float LEAP_PERIODS = 2.05f;
static const float LEAP_SURE = 0.96f;
static const float CLEAN = 0.99f;       /* of one note, whole */
static const float LEAP_TOP = 0.99f;    /* of a peak: what few periods make of it is no octave */
static const unsigned LEAP_FRAMES = 14; /* until the long window is the new note's */
static const unsigned LEAP_BEGINS = 6;  /* frames in which nobody else finds another note */
static const float STEP = 0.45f;        /* octaves: no octave, and no fifth */
static const float STEP_CLEAR = 0.025f; /* octaves that windows must be apart to differ */
enum { SHORTEST_BREAK = 32, MOST_PEAKS = TB_PITCH_LAGS / 2 };

void tb_pitch_reset(struct tb_pitch *p)
{
    p->last_period = 0;
    p->age = 0;
    p->held = 0;
    p->loud = 0;
    p->leap = p->since_leap = 0;
    p->loudest_db = p->quietest_db = -120;
}

/* curve[0..lags] of the last n samples, less `emphasis` of the one before each; returns the mean
 * power. */
static float correlate(struct tb_pitch *p, const float *newest, unsigned n, unsigned lags,
                       float emphasis, float *curve)
{
    float mean = 0, energy = 0;
    const float *x = newest - n;
    for (unsigned i = 0; i < n; i++)
        mean += x[i];
    mean *= (1 - emphasis) / (float)n;
    for (unsigned i = 0; i < n; i++) {
        p->x[i] = x[i] - emphasis * x[(int)i - 1] - mean;
        p->reversed[n - 1 - i] = p->x[i];
        energy += p->x[i] * p->x[i];
    }
    memset(p->x + n, 0, (TB_PITCH_LAGS + TB_PITCH_SLACK) * sizeof *p->x);
    p->kernels->fir(curve, p->x + n - 1, lags + 1, p->reversed, n);
    float both = 2 * energy;
    for (unsigned t = 0; t <= lags; t++) {
        curve[t] = both > 1e-12f ? 2 * curve[t] / both : 0;
        both -= p->x[t] * p->x[t] + p->x[n - 1 - t] * p->x[n - 1 - t];
    }
    return energy / (float)n;
}

struct peak {
    float lag, height;
};

/* The curve between its samples, step / 8 after t. */
static float between(const struct tb_pitch *p, const float *curve, unsigned t, int step)
{
    const unsigned base = step < 0 ? t - 1 : t;
    const float *row = p->sinc[step < 0 ? step + TB_PITCH_STEPS : step];
    float sum = 0;
    for (int k = 0; k < TB_PITCH_SINC; k++) {
        const int at = (int)base + k - TB_PITCH_SINC / 2 + 1;
        sum += row[k] * curve[at < 0 ? -at : at];
    }
    return sum;
}

/* A maximum on a grid of 1 / 8 sample, then a parabola: high harmonics make it narrow, and what the
 * samples miss of it would look like a wrong period. */
static struct peak refine(const struct tb_pitch *p, const float *curve, unsigned t)
{
    float height[TB_PITCH_STEPS + 3];
    int best = 1;
    for (int i = 0; i < TB_PITCH_STEPS + 3; i++) {
        height[i] = between(p, curve, t, i - TB_PITCH_STEPS / 2 - 1);
        if (i > 0 && i < TB_PITCH_STEPS + 2 && height[i] > height[best])
            best = i;
    }
    const float a = height[best - 1], b = height[best], c = height[best + 1];
    const float bend = a - 2 * b + c;
    float shift = bend < -1e-9f ? 0.5f * (a - c) / bend : 0;
    shift = shift < -1 ? -1 : shift > 1 ? 1 : shift;
    const int whole = best - TB_PITCH_STEPS / 2 - 1;
    const float step = (float)whole + shift;
    return (struct peak){(float)t + step / TB_PITCH_STEPS, b - 0.25f * (a - c) * shift};
}

/* Every local maximum behind the slope from lag 0; returns their number. (One a positive stretch,
 * as the paper has it, loses the period where breath or rumble lifts the whole curve.) */
static unsigned find_peaks(const struct tb_pitch *p, unsigned lags, struct peak *peaks,
                           unsigned most)
{
    const float *nsdf = p->nsdf;
    unsigned n = 0, t = 1;
    while (t < lags && (nsdf[t] > nsdf[t + 1] || nsdf[t] > 0.7f))
        t++;
    for (; t < lags && n < most; t++)
        if (nsdf[t] > 0.3f && nsdf[t] >= nsdf[t - 1] && nsdf[t] > nsdf[t + 1] &&
            (float)t >= SHORTEST - 0.5f)
            peaks[n++] = refine(p, nsdf, t);
    return n;
}

static float octaves(float a, float b)
{
    return fabsf(log2f(a / b));
}

/* The first peak that misses 1 by no more than `worse` times what the best misses, and a little. */
static struct peak first_good(const struct peak *peaks, unsigned n, float little, float worse)
{
    float highest = 0;
    for (unsigned i = 0; i < n; i++)
        highest = peaks[i].height > highest ? peaks[i].height : highest;
    const float missing = little + (highest < 1 ? worse * (1 - highest) : 0);
    for (unsigned i = 0; i < n; i++)
        if (1 - peaks[i].height <= missing)
            return peaks[i];
    return (struct peak){0, 0};
}

/* How much more than the best peak one may miss that lies at `lag`; known: the last pitch is among
 * them. */
static float may_miss(const struct tb_pitch *p, bool known, float best, float lag)
{
    const float missing = best < 1 ? 1 - best : 0;
    float most = WORSE * missing + CHANCE * sqrtf(missing);
    most *= fmaxf(LEAST, powf(USUAL / lag, STEEP)) * (lag < RARE ? RARELY : 1);
    if (!known)
        return most;
    const bool held = p->held > HELD;
    const float stay = p->level_db < p->loudest_db - FALLEN_DB ? FALLEN : 1;
    if (octaves(lag, p->last_period) < SAME) {
        most *= stay;
        return held && most < HELD_MISS ? HELD_MISS : most;
    }
    return lag < p->last_period ? most * (held ? HELD_SHORTER : 1) / stay : most;
}

/* What any peak may miss: the shorter a period, the narrower its peaks. */
static float little(float lag)
{
    const float times = USUAL / lag;
    return LITTLE * (times > 1 ? times * sqrtf(times) : 1);
}

/* The first of the peaks that is good enough; the last period counts where it is among them, unless
 * it is 0. */
static struct peak choose(const struct tb_pitch *p, const struct peak *peaks, unsigned n,
                          float last_period)
{
    float best = 0;
    bool known = false;
    for (unsigned i = 0; i < n; i++) {
        best = peaks[i].height > best ? peaks[i].height : best;
        known = known || (last_period > 0 && octaves(peaks[i].lag, last_period) < SAME);
    }
    for (unsigned i = 0; i < n; i++)
        if (best - peaks[i].height <=
            fmaxf(little(peaks[i].lag), may_miss(p, known, best, peaks[i].lag)))
            return peaks[i];
    return (struct peak){0, 0};
}

/* Where the sound is between its attack and its end. */
static void follow_level(struct tb_pitch *p, float power)
{
    p->level_db = power > 1e-12f ? 10 * log10f(power) : -120;
    const bool attack = p->level_db > p->quietest_db + ATTACK_DB;
    if (attack)
        p->held = 0;
    if (attack || p->loud == 0 || p->level_db > p->loudest_db)
        p->loudest_db = p->quietest_db = p->level_db;
    if (p->level_db < p->quietest_db)
        p->quietest_db = p->level_db;
}

/* A short period is measured over as many of them as the window holds. */
static float measure_long(const struct tb_pitch *p, unsigned lags, float period)
{
    const float *nsdf = p->nsdf;
    for (unsigned n = 2; n <= 64; n *= 2) {
        const float times = (float)n;
        if (period * times + 2 >= (float)lags)
            break;
        const unsigned guess = (unsigned)(period * times + 0.5f);
        unsigned best = guess;
        for (unsigned t = guess > 2 ? guess - 2 : 1; t <= guess + 2 && t + 1 < lags; t++)
            best = nsdf[t] > nsdf[best] ? t : best;
        if (nsdf[best] <= nsdf[best - 1] || nsdf[best] <= nsdf[best + 1] || nsdf[best] < 0.5f)
            break;
        const float longer = refine(p, nsdf, best).lag / times;
        if (octaves(longer, period) > 0.03f)
            break;
        period = longer;
    }
    return period;
}

/* Where to look for a period. */
struct window {
    unsigned n, n_sharp; /* samples of the sound, and of the emphasised one */
    unsigned lags;
    float top;         /* that peaks of the emphasised sound reach at most */
    float last_period; /* 0: of no account */
};

static struct peak search_in(struct tb_pitch *p, const float *newest, const struct window *w)
{
    struct peak peaks[MOST_PEAKS], sharp[MOST_PEAKS];
    const float power = correlate(p, newest, w->n, w->lags + TB_PITCH_SINC, 0, p->nsdf);
    if (w->n == TB_PITCH_SHORT)
        follow_level(p, power);
    const unsigned n_peaks = find_peaks(p, w->lags, peaks, MOST_PEAKS);
    (void)correlate(p, newest, w->n_sharp, w->lags + TB_PITCH_SINC, EMPHASIS, p->sharp);
    for (unsigned i = 0; i < n_peaks; i++) {
        const float height = refine(p, p->sharp, (unsigned)(peaks[i].lag + 0.5f)).height;
        sharp[i] = (struct peak){peaks[i].lag, height < w->top ? height : w->top};
    }
    struct peak found = choose(p, sharp, n_peaks, w->last_period);
    for (unsigned i = 0; i < n_peaks; i++)
        if (peaks[i].lag == found.lag)
            found.height = peaks[i].height;
    if (found.height > 0)
        found.lag = measure_long(p, w->lags, found.lag);
    return found;
}

static struct peak search(struct tb_pitch *p, const float *newest, unsigned n, unsigned lags)
{
    /* an onset is over in 25 ms; then the long window has less noise */
    const struct window w = {.n = n,
                             .n_sharp = p->loud > 0 ? TB_PITCH_LONG : n,
                             .lags = lags,
                             .top = 1,
                             .last_period = p->last_period};
    return search_in(p, newest, &w);
}

/* Samples since the sound in the short window began. */
static unsigned since_onset(const float *newest)
{
    const float *x = newest - TB_PITCH_SHORT;
    float peak = 0;
    for (unsigned i = 0; i < TB_PITCH_SHORT; i++)
        peak = fabsf(x[i]) > peak ? fabsf(x[i]) : peak;
    unsigned i = 0;
    while (i < TB_PITCH_SHORT && fabsf(x[i]) <= ONSET_LEVEL * peak)
        i++;
    return TB_PITCH_SHORT - i;
}

/* A note that has just begun, without the silence before it: a pitch after a good two periods, not
 * after three. */
static struct peak search_onset(struct tb_pitch *p, const float *newest)
{
    const unsigned n = since_onset(newest), lags = (unsigned)((float)n / ONSET_PERIODS);
    struct peak peaks[MOST_PEAKS];
    if (n > TB_PITCH_SHORT - TB_ANALYSIS_HOP / 2 || lags < TB_PITCH_SINC)
        return (struct peak){0, 0};
    (void)correlate(p, newest, n, lags + TB_PITCH_SINC, 0, p->nsdf);
    struct peak found =
        first_good(peaks, find_peaks(p, lags, peaks, MOST_PEAKS), ONSET_STRICT, ONSET_WORSE);
    if (found.height > 0)
        found.lag = measure_long(p, lags, found.lag);
    return found;
}

/* Whether a stretch of the newest frame, as long as the last period, is unlike the one before. */
static bool breaks(const struct tb_pitch *p, const float *newest)
{
    const unsigned period = (unsigned)p->last_period;
    const float part = p->last_period - (float)period;
    const unsigned n = period > SHORTEST_BREAK ? period : SHORTEST_BREAK;
    float product[TB_PITCH_LAGS + TB_ANALYSIS_HOP], energy[TB_PITCH_LAGS + TB_ANALYSIS_HOP];
    float products = 0, energies = 1e-12f;
    const float *x = newest - TB_ANALYSIS_HOP - n;
    for (unsigned i = 0; i < n + TB_ANALYSIS_HOP; i++) {
        const float *before = x + i - period;
        const float like = before[0] + part * (before[-1] - before[0]);
        products += product[i] = x[i] * like;
        energies += energy[i] = x[i] * x[i] + like * like;
        if (i >= n) {
            products -= product[i - n];
            energies -= energy[i - n];
        }
        if (i + 1 >= n && 2 * products < BREAK * energies)
            return true;
    }
    return false;
}

/* What the last 19 ms say where a note follows another, otherwise what was found. */
static struct peak follow_leap(struct tb_pitch *p, const float *newest, struct peak found)
{
    if (p->last_period <= 0 || p->loud < ONSET)
        return found;
    if (breaks(p, newest)) {
        p->since_leap = p->leap > 0 ? p->since_leap + 1 : 0;
        p->leap = LEAP_FRAMES;
    } else if (p->leap > 0) {
        p->leap--;
        p->since_leap++;
    }
    if (p->leap == 0 && found.height > CLEAN)
        return found;
    const unsigned lags = (unsigned)((float)LEAP / LEAP_PERIODS);
    const struct peak last = search_in(
        p, newest, &(struct window){.n = LEAP, .n_sharp = LEAP, .lags = lags, .top = LEAP_TOP});
    const bool sure = last.height >= LEAP_SURE;
    if (sure && p->leap > 0)
        return last;
    if (sure && octaves(last.lag, p->last_period) < STEP &&
        (found.height < VOICED ||
         (last.height >= found.height && octaves(last.lag, found.lag) > STEP_CLEAR)))
        return last;
    const bool other = found.height > 0 && octaves(found.lag, p->last_period) > SAME;
    return p->leap > 0 && p->since_leap < LEAP_BEGINS && other ? (struct peak){0, 0} : found;
}

void tb_pitch_frame(struct tb_pitch *p, const float *newest, float gate_db,
                    struct tb_analysis_frame *frame)
{
    enum { SHORT_LAGS = TB_ANALYSIS_RATE_HZ / 100, LONG_LAGS = 330 };
    struct peak found = search(p, newest, TB_PITCH_SHORT, SHORT_LAGS);
    const bool loud = p->level_db > gate_db;
    if (loud && (found.height < 0.9f || found.lag > 0.9f * SHORT_LAGS)) {
        const struct peak second = search(p, newest, TB_PITCH_LONG, LONG_LAGS);
        if (second.height > found.height || second.lag > 0.9f * SHORT_LAGS)
            found = second;
    }
    if (loud && p->loud < ONSET && p->last_period == 0 && found.height < VOICED_ONSET) {
        const struct peak early = search_onset(p, newest);
        if (early.height >= VOICED)
            found = early;
    }
    if (loud)
        found = follow_leap(p, newest, found);
    frame->level_db = p->level_db;
    frame->confidence = loud ? (found.height < 1 ? found.height : 1) : 0;
    p->loud = loud ? p->loud + 1 : 0;
    frame->voiced = loud && found.height >= (p->loud <= ONSET ? VOICED_ONSET : VOICED);
    frame->f0_hz = frame->voiced ? (float)TB_ANALYSIS_RATE_HZ / found.lag : 0;
    const bool same = p->last_period > 0 && octaves(found.lag, p->last_period) < SAME;
    if (frame->voiced)
        p->held = same ? p->held + 1 : 0;
    if (frame->voiced) {
        p->last_period = found.lag;
        p->age = 0;
    } else if (++p->age > REMEMBERED) {
        p->last_period = 0;
    }
}
