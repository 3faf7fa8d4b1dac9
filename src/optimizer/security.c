/* SPDX-License-Identifier: Apache-2.0 */
#include "optimizer/security.h"

#include <math.h>

#define LEAST_DIMENSION 450.0

/* Lines fitted to the lattice estimator (Concrete, tools/parameter-curves), binary secrets, any modulus. */
static void curve(security_level level, double *slope, double *bias)
{
    *slope = level == SECURITY_132 ? -0.024891456582633045 : -0.025696778711484593;
    *bias = level == SECURITY_132 ? 2.65734593837534 : 2.675931372549016;
}

double security_log2_std(double dim, unsigned logq, security_level level)
{
    if (dim < LEAST_DIMENSION) return INFINITY;
    double slope, bias;
    curve(level, &slope, &bias);
    return fmax(slope * dim + bias, 2.0 - (double)logq); /* never below a standard deviation of 4 integers */
}

/* log2 of the standard deviation of TUniform(B) in integers: sqrt((2^(2B+1)+1)/6). */
static double tuniform_log2_std(unsigned bound)
{
    return 0.5 * log2((ldexp(1.0, (int)(2 * bound + 1)) + 1.0) / 6.0);
}

unsigned security_tuniform_bound(double dim, unsigned logq, security_level level)
{
    const double want = security_log2_std(dim, logq, level) + (double)logq;
    unsigned bound = 0;
    while (tuniform_log2_std(bound) < want && bound < 62) bound++;
    return bound;
}

static annulus_status dimension_check(const char *what, double dim, unsigned bound, unsigned logq, security_level level)
{
    if (dim < LEAST_DIMENSION)
        return fail(ANNULUS_ERR_INPUT, "%s dimension %.0f is below %.0f: not secure; compile the circuit again", what,
                    dim, LEAST_DIMENSION);
    const unsigned want = security_tuniform_bound(dim, logq, level);
    if (bound >= want) return ANNULUS_OK;
    return fail(ANNULUS_ERR_INPUT,
                "%s dimension %.0f with noise TUniform(%u) is below %d-bit security, which needs TUniform(%u); compile "
                "the circuit again",
                what, dim, bound, (int)level, want);
}

annulus_status security_check(const tfhe_params *p, security_level level)
{
    TRY(dimension_check("LWE", p->n, p->lwe_noise, 32, level));
    return dimension_check("GLWE", (double)tfhe_big_dim(p), p->glwe_noise, 64, level);
}

annulus_status security_check_answers(const tfhe_answers *a, security_level level)
{
    if (a->bits == 0) return ANNULUS_OK;
    TRY(dimension_check("answers'", (double)a->k * a->N, a->noise, 32, level));
    return a->sent_k == 0 ? ANNULUS_OK
                          : dimension_check("sent answers'", (double)tfhe_answers_dim(a), a->sent_noise, 32, level);
}
