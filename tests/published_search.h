/* SPDX-License-Identifier: Apache-2.0 */
/* The library's search over the model and grid that the sets V1_4_PARAM_MESSAGE_m_CARRY_c_KS_PBS_GAUSSIAN_2M128 of
 * published_parameters.csv come from: Gaussian noise at 132 bits, ciphertexts of 64 bits throughout, no extension
 * factor, cost in operations (noise_formulas/secure_noise.rs of tfhe-rs; Concrete's optimizer). published_costs.csv:
 * what their documentation says that they cost, in millions, rounded. */
#ifndef TESTS_PUBLISHED_SEARCH_H
#define TESTS_PUBLISHED_SEARCH_H

#include "optimizer/optimizer_priv.h"
#include "published.h"

#define PUBLISHED_SETS 36u

/* The least variance of the curve, which goes over to a standard deviation of 4 integers (secure_noise.rs). */
static inline double published_gaussian(double dim)
{
    return dim < 450 ? INFINITY : exp2(4 - 128.0) + exp2(5.31469187675068 - 0.0497829131652661 * dim);
}

static inline double published_blind_rotate(const tfhe_params *p)
{
    if (p->pbs_lb != p->pbs_l) return INFINITY;
    const double kN = (double)tfhe_big_dim(p);
    return noise_blind_rotate_general(p->n, p->k, p->N, p->pbs_bg, p->pbs_l, published_gaussian(kN));
}

static inline double published_common(const tfhe_params *p)
{
    (void)p;
    return 0;
}

static inline double published_keyswitch(const tfhe_params *p)
{
    return noise_keyswitch_general((double)tfhe_big_dim(p), p->ks_b, p->ks_l, published_gaussian(p->n), 64, 64);
}

static inline void published_front_init(extension_front *f)
{
    *f = (extension_front){.count = 1, .at[0] = {.EF = 1, .products = 1}};
}

static inline void published_front_vary(const extension_front *f, const tfhe_params *p, double *variance)
{
    (void)f;
    variance[0] = noise_modulus_switch_centered(p->n, 2.0 * p->N, 64);
}

static inline double published_cost_step(const tfhe_params *p)
{
    const double k1 = p->k + 1, N = p->N, fft = N * log2(N) + N;
    return k1 * (p->pbs_l + 1) * fft + k1 * k1 * p->pbs_l * N;
}

static inline double published_cost_keyswitch(const tfhe_params *p)
{
    const double words = (double)tfhe_big_dim(p) * p->ks_l, n1 = p->n + 1;
    return words + words * n1 + (words - 1) * n1 + 1;
}

/* Their cost is of a look-up alone. */
static inline double published_cost_weight(const tfhe_params *p)
{
    (void)p;
    return 0;
}

static const search_model published_model = {
    .n = {450, 2047, 1},
    .k_last = 6,
    .group_last = 1,
    .N = {256, 131072},
    .kN = {256, 6 * 131072},
    .pbs = {.l_last = 64, .b_first = 1, .b_last = 64, .bits = 64},
    .ks = {.l_last = 64, .b_first = 1, .b_last = 64, .bits = 64},
    .front_init = published_front_init,
    .front_vary = published_front_vary,
    .blind_rotate = published_blind_rotate,
    .common = published_common,
    .keyswitch = published_keyswitch,
    .cost_keyswitch = published_cost_keyswitch,
    .cost_step = published_cost_step,
    .cost_weight = published_cost_weight,
    .near = 1,
};

/* Cost that the file states for a set, in millions; negative: none. */
static inline double published_cost(FILE *costs, unsigned message, unsigned carry)
{
    char line[64];
    unsigned m, c;
    double cost;
    rewind(costs);
    while (fgets(line, sizeof line, costs) != NULL)
        if (sscanf(line, "%u,%u,%lf", &m, &c, &cost) == 3 && m == message && c == carry) return cost;
    return -1;
}

/* 1 if the search finds exactly this set; the difference is printed to stderr otherwise. */
static inline int published_found(const row *r, double millions)
{
    const lookup_layer layer = {
        .half_window = exp2(-(double)r->bits - 2), .two_norm = r->norm, .cells = exp2(r->bits), .count = 1};
    const optimizer_request q = {.layers = &layer, .layers_count = 1, .log2_error = -128, .level = SECURITY_132};
    optimizer_result found;
    if (optimizer_search_model(&q, &published_model, &found) != ANNULUS_OK) {
        fprintf(stderr, "%s: %s\n", r->name, annulus_error_message());
        return 0;
    }
    const tfhe_params p = found.families.of[0];
    const double cost = found.seconds;
    if (p.n == r->n && p.k == r->k && p.N == r->N && p.pbs_l == r->pbs_l && p.pbs_bg == r->pbs_b && p.ks_l == r->ks_l &&
        p.ks_b == r->ks_b && fabs(cost / 1e6 - millions) <= 0.5)
        return 1;
    fprintf(stderr, "%s: n=%u k=%u N=%u pbs %u x 2^%u ks %u x 2^%u at %.3f million, which is listed with %.0f\n",
            r->name, p.n, p.k, p.N, p.pbs_l, p.pbs_bg, p.ks_l, p.ks_b, cost / 1e6, millions);
    return 0;
}

/* Counts the sets of the two files and those found exactly. */
static inline int published_count(const char *parameters, const char *costs, unsigned *sets, unsigned *found)
{
    FILE *f = fopen(parameters, "r"), *c = fopen(costs, "r");
    int whole = f != NULL && c != NULL;
    char line[512];
    *sets = *found = 0;
    while (whole && fgets(line, sizeof line, f) != NULL) {
        unsigned message, carry;
        int end = 0;
        row r;
        (void)sscanf(line, "V1_4_PARAM_MESSAGE_%u_CARRY_%u_KS_PBS_GAUSSIAN_2M128,%n", &message, &carry, &end);
        if (end == 0) continue;
        whole = row_parse(line, &r) == 17;
        ++*sets;
        *found += whole && published_found(&r, published_cost(c, message, carry));
    }
    if (f != NULL) (void)fclose(f);
    if (c != NULL) (void)fclose(c);
    return whole;
}
#endif
