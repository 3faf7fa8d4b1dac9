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
    double norm, published;
} row;

static inline double variance_of(const char *noise, unsigned logq)
{
    if (strncmp(noise, "t_uniform:", 10) == 0) return noise_tuniform((unsigned)lrint(atof(noise + 10)), logq);
    const double std = atof(noise + strlen("gaussian_from_std_dev:"));
    return std * std;
}

static inline double recomputed(const row *r)
{
    const double v_ks =
        noise_keyswitch_general((double)r->k * r->N, r->ks_b, r->ks_l, variance_of(r->small, r->ks_q), 64, r->ks_q);
    const double v_br = noise_blind_rotate_general(r->n, r->k, r->N, r->pbs_b, r->pbs_l, variance_of(r->glwe, 64));
    const double v_ms = strcmp(r->ms, "std") == 0 ? noise_modulus_switch_standard(r->n, 2.0 * r->N, r->ks_q)
                                                  : noise_modulus_switch_centered(r->n, 2.0 * r->N, r->ks_q);
    return noise_failure_log2(r->norm * r->norm * v_br + v_ks + v_ms, exp2(-(double)r->bits - 2));
}

/* Fields that were understood: 16 of a good line. */
static inline int row_parse(const char *line, row *r)
{
    return sscanf(line, "%127[^,],%15[^,],%u,%u,%u,%u,%u,%u,%u,%u,%lf,%63[^,],%63[^,],%u,%15[^,],%lf", r->name,
                  r->order, &r->n, &r->k, &r->N, &r->pbs_b, &r->pbs_l, &r->ks_b, &r->ks_l, &r->bits, &r->norm, r->small,
                  r->glwe, &r->ks_q, r->ms, &r->published);
}

/* The table carries neither the tail bound of the drift technique nor the probability of the accelerator's sets. */
static inline int row_one_sided(const row *r)
{
    return strcmp(r->ms, "drift") == 0 || strstr(r->name, "_HPU_") != NULL;
}
#endif
