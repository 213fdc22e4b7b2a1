/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/eval/frechet.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DIM = TB_FRECHET_DIM, WINDOW = 30, STEP = 15 };
static const double FLOOR = 1e-6; /* of power: what is softer does not matter */

/* LAPACK in OpenBLAS: eigenvalues ascending, eigenvectors in the columns of a (Fortran's). */
extern void dsyev_(const char *job, const char *triangle, const int *n, double *a, const int *lda,
                   double *w, double *work, const int *lwork, int *info, size_t job_length,
                   size_t triangle_length);

static void add_window(struct tb_frechet_set *set, const struct tb_mel_frame *frames)
{
    double feature[DIM], loudest = 0;
    for (int b = 0; b < TB_MEL_BANDS; b++) {
        double sum = 0, squares = 0;
        for (int t = 0; t < WINDOW; t++) {
            const double x = log((double)frames[t].power[b] + FLOOR);
            sum += x;
            squares += x * x;
        }
        const double mean = sum / WINDOW, variance = squares / WINDOW - mean * mean;
        feature[b] = mean;
        feature[TB_MEL_BANDS + b] = sqrt(variance > 0 ? variance : 0);
    }
    for (int t = 0; t < WINDOW; t++)
        loudest += (double)frames[t].total / WINDOW;
    if (loudest < FLOOR)
        return;
    set->n++;
    for (int i = 0; i < DIM; i++) {
        set->sum[i] += feature[i];
        for (int j = 0; j <= i; j++)
            set->product[i][j] += feature[i] * feature[j];
    }
}

void tb_frechet_add(struct tb_frechet_set *set, const struct tb_mel_frame *frames, size_t n)
{
    for (size_t t = 0; t + WINDOW <= n; t += STEP)
        add_window(set, frames + t);
}

struct work {
    double a[DIM * DIM], b[DIM * DIM], c[DIM * DIM], values[DIM], buffer[64 * DIM];
};

static void covariance(const struct tb_frechet_set *set, double *c)
{
    const double n = (double)set->n;
    for (int i = 0; i < DIM; i++)
        for (int j = 0; j <= i; j++) {
            const double v = (set->product[i][j] - set->sum[i] * set->sum[j] / n) / (n - 1);
            c[i * DIM + j] = c[j * DIM + i] = v;
        }
}

/* Eigenvalues of the symmetric m, which becomes its eigenvectors, one a row. */
static bool eigen(struct work *w, double *m)
{
    const int n = DIM, size = 64 * DIM;
    int info = 0;
    dsyev_("V", "L", &n, m, &n, w->values, w->buffer, &size, &info, 1, 1);
    return info == 0;
}

/* m becomes its square root; spare [DIM][DIM]. */
static bool square_root(struct work *w, double *m, double *spare)
{
    if (!eigen(w, m))
        return false;
    for (int k = 0; k < DIM; k++)
        for (int i = 0; i < DIM; i++)
            spare[k * DIM + i] = m[k * DIM + i] * pow(fmax(w->values[k], 0), 0.25);
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, DIM, DIM, DIM, 1, spare, DIM, spare, DIM,
                0, m, DIM);
    return true;
}

/* tr (A^1/2 B A^1/2)^1/2, or NAN */
static double cross_trace(struct work *w)
{
    if (!square_root(w, w->a, w->c))
        return NAN;
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, DIM, DIM, DIM, 1, w->a, DIM, w->b, DIM,
                0, w->c, DIM);
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, DIM, DIM, DIM, 1, w->c, DIM, w->a, DIM,
                0, w->b, DIM);
    if (!eigen(w, w->b))
        return NAN;
    double sum = 0;
    for (int k = 0; k < DIM; k++)
        sum += sqrt(fmax(w->values[k], 0));
    return sum;
}

double tb_frechet_distance(const struct tb_frechet_set *a, const struct tb_frechet_set *b)
{
    struct work *w = a->n > 1 && b->n > 1 ? malloc(sizeof *w) : NULL;
    if (!w)
        return NAN;
    double apart = 0, traces = 0;
    covariance(a, w->a);
    covariance(b, w->b);
    for (int i = 0; i < DIM; i++) {
        const double d = a->sum[i] / (double)a->n - b->sum[i] / (double)b->n;
        apart += d * d;
        traces += w->a[i * DIM + i] + w->b[i * DIM + i];
    }
    const double distance = apart + traces - 2 * cross_trace(w);
    free(w);
    return distance > 0 || isnan(distance) ? distance : 0;
}
