/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of published_parameters.csv and the failure probability recomputed by our formulas. */
#ifndef TESTS_PUBLISHED_H
#define TESTS_PUBLISHED_H

#include "optimizer/noise.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct row {
    char name[128], order[16], small[64], glwe[64], ms[16];
    unsigned n, k, N, pbs_b, pbs_l, ks_b, ks_l, bits, ks_q;
    double norm, published, r_sigma; /* r_sigma: of the drift technique, 0 for others */
} row;

static inline double variance_of(const char *noise, unsigned logq)
{
    if (strncmp(noise, "t_uniform:", 10) == 0) return noise_tuniform((unsigned)lrint(atof(noise + 10)), logq);
    const double std = atof(noise + strlen("gaussian_from_std_dev:"));
    return std * std;
}

/* Sets of an accelerator with exact transforms: they state the probability that they were chosen for, not their own. */
static inline int row_is_target(const row *r)
{
    return strstr(r->name, "_HPU_") != NULL;
}

/* The drift technique (ePrint 2024/1718) adds the encryption of 0 after which the error e of the modulus switch,
 * |e| + r_sigma s, is within half a cell, where s^2 is the variance left by the key: the sets have chosen the r_sigma
 * that a phase of the centered variance, half of the body's rounding included, reaches. */
static inline double row_modulus_switch(const row *r)
{
    const double w = 2.0 * r->N;
    if (strcmp(r->ms, "std") == 0) return noise_modulus_switch_standard(r->n, w, r->ks_q);
    return noise_modulus_switch_centered(r->n, w, r->ks_q) + (strcmp(r->ms, "drift") == 0 ? 1 / (24 * w * w) : 0);
}

static inline double recomputed(const row *r)
{
    const double v_ks =
        noise_keyswitch_general((double)r->k * r->N, r->ks_b, r->ks_l, variance_of(r->small, r->ks_q), 64, r->ks_q);
    const double v_fft = row_is_target(r) ? noise_transform_general(r->n, r->k, r->N, r->pbs_b, r->pbs_l) : 0;
    const double v_br =
        noise_blind_rotate_general(r->n, r->k, r->N, r->pbs_b, r->pbs_l, variance_of(r->glwe, 64)) - v_fft;
    return noise_failure_log2(r->norm * r->norm * v_br + v_ks + row_modulus_switch(r), exp2(-(double)r->bits - 2));
}

/* Documented, or of the drift technique that of its r_sigma: one set documents another (test_published.c). */
static inline double row_expected(const row *r)
{
    return r->r_sigma > 0 ? noise_failure_log2(1, r->r_sigma) : r->published;
}

/* Fields that were understood: 17 of a good line. */
static inline int row_parse(const char *line, row *r)
{
    return sscanf(line, "%127[^,],%15[^,],%u,%u,%u,%u,%u,%u,%u,%u,%lf,%63[^,],%63[^,],%u,%15[^,],%lf,%lf", r->name,
                  r->order, &r->n, &r->k, &r->N, &r->pbs_b, &r->pbs_l, &r->ks_b, &r->ks_l, &r->bits, &r->norm, r->small,
                  r->glwe, &r->ks_q, r->ms, &r->published, &r->r_sigma);
}
#endif
