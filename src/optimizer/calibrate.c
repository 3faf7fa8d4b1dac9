/* SPDX-License-Identifier: Apache-2.0 */
#include "optimizer/calibrate.h"

#include "tfhe/measure.h"
#include <math.h>

#define TERMS 3u /* fft, multiply, linear */

/* What a constant of 1 ns adds to a sample, as a fraction of it. */
static void shares(const cost_sample *s, double out[TERMS])
{
    const cost_counts c = cost_step_counts(&s->p);
    out[0] = 1e-9 * c.fft / s->seconds;
    out[1] = 1e-9 * c.multiply / s->seconds;
    out[2] = 1e-9 * c.linear / s->seconds;
}

/* a x = b for a symmetric a that is positive definite, without rows and columns outside the set `terms`, whose x is 0;
 * overwrites both. 0: a is singular. */
static int solve(double a[TERMS][TERMS], double b[TERMS], unsigned terms, double x[TERMS])
{
    for (size_t i = 0; i < TERMS; i++) {
        if ((terms >> i & 1) != 0) continue;
        for (size_t j = 0; j < TERMS; j++) a[i][j] = a[j][i] = 0;
        a[i][i] = 1, b[i] = 0;
    }
    for (size_t i = 0; i < TERMS; i++) {
        const double whole = a[i][i];
        for (size_t j = 0; j < i; j++) a[i][i] -= a[j][i] * a[j][i] * a[j][j];
        if (!(a[i][i] > 1e-12 * whole)) return 0;
        for (size_t k = i + 1; k < TERMS; k++) {
            for (size_t j = 0; j < i; j++) a[i][k] -= a[j][i] * a[j][k] * a[j][j];
            a[i][k] /= a[i][i]; /* a = L D L^T, L^T above the diagonal */
        }
        for (size_t j = 0; j < i; j++) b[i] -= a[j][i] * b[j];
    }
    for (size_t i = TERMS; i-- > 0;) {
        x[i] = b[i] / a[i][i];
        for (size_t j = i + 1; j < TERMS; j++) x[i] -= a[i][j] * x[j];
    }
    return 1;
}

/* The least sum of squared relative errors with the constants in `terms` alone; INFINITY: there is none of constants
 * that are not negative. */
static double fit_terms(const cost_sample *samples, size_t count, unsigned terms, double x[TERMS])
{
    double a[TERMS][TERMS] = {{0}}, b[TERMS] = {0}, f[TERMS], sum = 0;
    for (size_t s = 0; s < count; s++) {
        if (samples[s].p.pbs_group != 1) continue;
        shares(&samples[s], f);
        for (size_t i = 0; i < TERMS; i++) {
            b[i] += f[i];
            for (size_t j = 0; j < TERMS; j++) a[i][j] += f[i] * f[j];
        }
    }
    if (!solve(a, b, terms, x)) return INFINITY;
    for (size_t i = 0; i < TERMS; i++)
        if (!(x[i] >= 0)) return INFINITY;
    for (size_t s = 0; s < count; s++) {
        if (samples[s].p.pbs_group != 1) continue;
        shares(&samples[s], f);
        const double error = f[0] * x[0] + f[1] * x[1] + f[2] * x[2] - 1;
        sum += error * error;
    }
    return sum;
}

/* Mean of what the samples of g key bits leave, a count and 0 where there is none. */
static size_t fit_combine(const cost_sample *samples, size_t count, uint32_t g, cost_model *m)
{
    double sum = 0;
    size_t found = 0;
    m->combine[g] = 0;
    for (size_t s = 0; s < count; s++) {
        if (samples[s].p.pbs_group != g) continue;
        sum += 1e9 * (samples[s].seconds - cost_model_step(m, &samples[s].p)) / cost_step_counts(&samples[s].p).combine;
        found++;
    }
    if (found > 0) m->combine[g] = fmax(sum / (double)found, 0);
    return found;
}

annulus_status cost_model_fit(const cost_sample *samples, size_t count, cost_model *out, double *worst)
{
    double best = INFINITY, x[TERMS], error = 0;
    size_t singles = 0, fewest = count;
    cost_model m = *out;
    for (size_t s = 0; s < count; s++) singles += samples[s].p.pbs_group == 1;
    for (unsigned terms = 1; terms < 1u << TERMS; terms++) {
        const double sum = fit_terms(samples, count, terms, x);
        if (sum < best) best = sum, m.fft = x[0], m.multiply = x[1], m.linear = x[2];
    }
    for (uint32_t g = 2; g <= TFHE_MAX_GROUP; g++) {
        const size_t found = fit_combine(samples, count, g, &m);
        fewest = found < fewest ? found : fewest;
    }
    for (size_t s = 0; s < count; s++)
        error = fmax(error, fabs(cost_model_step(&m, &samples[s].p) / samples[s].seconds - 1));
    if (singles < TERMS || fewest == 0 || !isfinite(best) || !isfinite(error) || !(m.fft + m.multiply > 0))
        return fail(ANNULUS_ERR_INPUT, "the %zu measured steps do not determine what steps cost; try again", count);
    *out = m;
    *worst = error;
    return ANNULUS_OK;
}

/* Rings and gadgets across those that the search chooses. */
static const tfhe_params steps[] = {
    {.k = 1, .N = 1024, .pbs_l = 1, .pbs_lb = 1, .pbs_group = 1},
    {.k = 1, .N = 2048, .pbs_l = 1, .pbs_lb = 1, .pbs_group = 1},
    {.k = 1, .N = 2048, .pbs_l = 2, .pbs_lb = 2, .pbs_group = 1},
    {.k = 2, .N = 1024, .pbs_l = 2, .pbs_lb = 1, .pbs_group = 1},
    {.k = 3, .N = 512, .pbs_l = 1, .pbs_lb = 1, .pbs_group = 1},
    {.k = 1, .N = 4096, .pbs_l = 1, .pbs_lb = 1, .pbs_group = 1},
    {.k = 1, .N = 2048, .pbs_l = 1, .pbs_lb = 1, .pbs_group = 2},
    {.k = 3, .N = 512, .pbs_l = 1, .pbs_lb = 1, .pbs_group = 2},
    {.k = 1, .N = 2048, .pbs_l = 1, .pbs_lb = 1, .pbs_group = 3},
    {.k = 3, .N = 512, .pbs_l = 1, .pbs_lb = 1, .pbs_group = 3},
};
#define STEPS (sizeof steps / sizeof *steps)
#define STEP_BITS 240u /* n: the cost of a step does not depend on it */
static const tfhe_params keyswitch = {
    .n = 840, .k = 1, .N = 2048, .pbs_l = 1, .pbs_lb = 1, .pbs_bg = 20, .ks_l = 4, .ks_b = 3, .pbs_group = 1};

annulus_status cost_model_measure(const annulus_progress *progress, cost_model *out, double *worst)
{
    const char what[] = "measuring this processor";
    const size_t total = STEPS + 2;
    cost_sample samples[STEPS];
    cost_model m = {0};
    double seconds = 0, error = 0;
    for (size_t i = 0; i < STEPS; i++) {
        tfhe_params *p = &samples[i].p;
        *p = steps[i];
        p->n = STEP_BITS, p->pbs_bg = 20, p->ks_l = 2, p->ks_b = 4;
        TRY(progress_report(progress, what, i, total));
        TRY(measure_step(p, &samples[i].seconds));
    }
    TRY(progress_report(progress, what, STEPS, total));
    TRY(measure_keyswitch(&keyswitch, &seconds));
    m.keyswitch = 1e9 * seconds / ((double)tfhe_big_dim(&keyswitch) * keyswitch.ks_l * (keyswitch.n + 1));
    TRY(progress_report(progress, what, STEPS + 1, total));
    TRY(measure_multiply_add(&seconds));
    m.layer = 1e9 * seconds;
    TRY(cost_model_fit(samples, STEPS, &m, &error));
    TRY(progress_report(progress, what, total, total));
    *out = m;
    *worst = error;
    return ANNULUS_OK;
}
