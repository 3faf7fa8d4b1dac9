/* SPDX-License-Identifier: Apache-2.0 */
#include "testing.h"

#include "optimizer/optimizer_split.h"
#include "search_fixture.h"
#include "tfhe/split.h"
#include <math.h>

static const split_request requests[] = {{6, 6, 9, -128, SECURITY_128}, {8, 8, 17, -128, SECURITY_128},
                                         {8, 8, 16, -40, SECURITY_128}, {5, 8, 1, -20, SECURITY_128},
                                         {10, 4, 4, -40, SECURITY_128}, {7, 7, 16, -40, SECURITY_132}};
#define REQUESTS (sizeof requests / sizeof *requests)

/* Failure of one look-up by the formulas alone: of each level's phase and of the high one. */
static double failure_of(const split_request *q, const split_choice *c)
{
    const double cells = exp2(q->bits);
    const double merged = noise_merge(&c->high, c->merge_l, c->merge_bg, 1u << (q->bits - c->low_bits));
    const split_amplified amplified = split_amplified_most(c->low_bits, q->entry_bits);
    const double sums = q->two_norm * q->two_norm * noise_split(&c->low, &c->high, &amplified, merged);
    double p = exp2(noise_failure_log2(noise_keyswitch(&c->high) + noise_modulus_switch(&c->high, c->EF, c->price) +
                                           sums + c->low_bits * noise_blind_rotate(&c->low),
                                       exp2(c->low_bits) / cells / 4));
    for (uint32_t i = 0; i < c->low_bits; i++)
        p += exp2(noise_failure_log2(
            noise_keyswitch(&c->low) + noise_low_switch(&c->low) + sums * pow(cells / exp2(i), 2), exp2(-2.0 - i)));
    return log2(p);
}

static int secure(const tfhe_params *p, security_level level)
{
    return p->lwe_noise == security_tuniform_bound(p->n, 32, level) &&
           p->glwe_noise == security_tuniform_bound((double)tfhe_big_dim(p), 64, level);
}

static void test_bounds(void **state)
{
    (void)state;
    for (size_t i = 0; i < REQUESTS; i++) {
        const split_request *q = &requests[i];
        split_choice c;
        assert_ok(optimizer_split(q, &c));
        assert_ok(tfhe_params_check(&c.low));
        assert_ok(tfhe_params_check(&c.high));
        assert_true(secure(&c.low, q->level) && secure(&c.high, q->level));
        assert_true(c.low.k == c.high.k && c.low.N == c.high.N);
        assert_true(c.EF == 1 || c.high.pbs_group == 1);
        assert_true(c.log2_failure <= q->log2_error);
        assert_true(fabs(failure_of(q, &c) - c.log2_failure) < 1e-6);
        assert_true(fabs(split_seconds(q->bits, &c) - c.seconds) < 1e-9 * c.seconds);
        split_table *t; /* of any entries of so many bits the amplification counted on */
        uint32_t entries[1024];
        for (uint32_t m = 0; m < 1u << q->bits; m++) entries[m] = (m % 3 == 1 ? 1u << q->entry_bits : 1u) - 1;
        assert_ok(
            split_table_create(c.high.N, c.EF, c.price, c.low_bits, entries, 1u << q->bits, UINT64_C(1) << 40, 0, &t));
        const double merged = noise_merge(&c.high, c.merge_l, c.merge_bg, 1u << (q->bits - c.low_bits));
        assert_true(noise_split(&c.low, &c.high, &t->amplified, merged) <= c.output_std * c.output_std * (1 + 1e-9));
        split_table_destroy(t);
    }
}

/* What is one step cheaper in one place breaks the bound or is not one: fewer levels of either keyswitch at any base,
 * the next smaller n of either family, and the next cheaper extension. */
static void test_cheaper_fails(void **state)
{
    (void)state;
    for (size_t i = 0; i < REQUESTS; i++) {
        const split_request *q = &requests[i];
        split_choice c;
        assert_ok(optimizer_split(q, &c));
        for (int side = 0; side < 2; side++) {
            split_choice less = c;
            tfhe_params *p = side == 0 ? &less.low : &less.high;
            p->ks_l--;
            for (p->ks_b = 1; p->ks_l > 0 && p->ks_b * p->ks_l <= 32 && p->ks_b <= 15; p->ks_b++)
                assert_true(failure_of(q, &less) > q->log2_error - log2(c.low_bits + 1.0));
            less = c;
            p->n -= 40 / p->pbs_group * p->pbs_group; /* a step of TUniform is 39 to 40 in n */
            p->lwe_noise = security_tuniform_bound(p->n, 32, q->level);
            if (p->n >= 450) assert_true(failure_of(q, &less) > q->log2_error - log2(c.low_bits + 1.0));
        }
        extension_front f;
        extension_front_init(&f);
        for (size_t e = 0; c.high.pbs_group == 1 && e < f.count; e++) {
            if (f.at[e].products >= extension_expected(c.EF, c.price).products) break;
            split_choice less = c;
            less.EF = f.at[e].EF, less.price = f.at[e].price;
            assert_true(failure_of(q, &less) > q->log2_error - log2(c.low_bits + 1.0));
        }
    }
}

/* Where they pay: against a whole look-up at the same request. */
static void test_saves(void **state)
{
    (void)state;
    const double most[] = {0.8, 0.4, 0.5};
    for (size_t i = 0; i < 3; i++) {
        const double cells = exp2(requests[i].bits);
        const lookup_layer layer = {.name = "look-up",
                                    .half_window = 1 / (4 * cells),
                                    .two_norm = requests[i].two_norm,
                                    .cells = cells,
                                    .count = 1};
        const optimizer_request whole = {
            .layers = &layer, .layers_count = 1, .log2_error = requests[i].log2_error, .level = SECURITY_128};
        optimizer_result r;
        split_choice c;
        assert_ok(optimizer_search(&whole, &r));
        assert_ok(optimizer_split(&requests[i], &c));
        assert_true(c.seconds < most[i] * r.seconds);
    }
}

/* Layers that take each other's values: 8 bits that may be split by up to two, 3 bits that may not, scores. */
static void layers_of(lookup_layer l[3], uint32_t most)
{
    const uint32_t entries[256] = {1, 2, 3, 5, 8}; /* small differences */
    l[0] = (lookup_layer){.name = "wide", .half_window = 1 / 1024.0, .fresh_two_norm = 12, .cells = 256, .count = 40};
    l[1] = (lookup_layer){.name = "narrow", .half_window = 1 / 32.0, .two_norm = 20, .cells = 8, .count = 20};
    l[2] = (lookup_layer){.name = "scores", .half_window = 1 / 256.0, .two_norm = 15, .count = 10, .is_output = 1};
    l[0].split_most = most;
    for (uint32_t s = 1; s <= SPLIT_MAX_LOW; s++) {
        split_amplified of[128];
        split_amplifies(s, entries, 256, of);
        l[0].amplified[s - 1] = of[0];
    }
}

/* One ring, every bound held by the formulas alone, fewer seconds than whole look-ups; not with one family, nor where
 * the key is minimized. */
static void test_layers(void **state)
{
    (void)state;
    lookup_layer l[3];
    optimizer_result whole, split, again;
    for (int global = 0; global < 2; global++) {
        optimizer_request q = {.layers = l,
                               .layers_count = 3,
                               .target = global ? ERROR_GLOBAL : ERROR_PER_LOOKUP,
                               .log2_error = global ? -34 : -40,
                               .level = SECURITY_128,
                               .families_most = 2};
        layers_of(l, 0);
        assert_ok(optimizer_search(&q, &whole));
        layers_of(l, 2);
        assert_ok(optimizer_search(&q, &split));
        const tfhe_families *f = &split.families;
        assert_ok(tfhe_families_check(f));
        assert_true(f->merge.l > 0 && secure(&f->of[0], q.level) && secure(&f->of[1], q.level));
        assert_true(split.seconds < 0.98 * whole.seconds &&
                    split.key_bytes > (double)merge_seeded_bytes(&f->of[0], f->merge.l));
        assert_true(split.layers[0].split == 1 || split.layers[0].split == 2);
        assert_true(split.layers[1].split == 0 && split.layers[2].split == 0);
        for (size_t i = 0; i < 3; i++) {
            assert_int_equal(split.layers[i].family, TFHE_HIGH);
            assert_true(split.layers[i].log2_failure <= (global ? split.log2_error : q.log2_error));
        }
        assert_true(!global || split.log2_global_failure <= -34);
        const uint32_t s = split.layers[0].split;
        const double merged = noise_merge(&f->of[0], f->merge.l, f->merge.bg, 256u >> s);
        const double out = noise_split(&f->of[1], &f->of[0], &l[0].amplified[s - 1], merged);
        assert_true(fabs(split.layers[0].output_std / sqrt(out) - 1) < 1e-12);
        assert_true(fabs(split.layers[2].phase_std / sqrt(225 * out) - 1) < 1e-12);
        const double sums = 144 * noise_fresh(&f->of[0]);
        double p =
            exp2(noise_failure_log2(sums + noise_keyswitch(&f->of[0]) + s * noise_blind_rotate(&f->of[1]) +
                                        noise_modulus_switch(&f->of[0], split.layers[0].EF, split.layers[0].price),
                                    exp2(s) / 1024));
        for (uint32_t i = 0; i < s; i++)
            p += exp2(noise_failure_log2(noise_keyswitch(&f->of[1]) + noise_low_switch(&f->of[1]) +
                                             sums * pow(256 / exp2(i), 2),
                                         exp2(-2.0 - i)));
        assert_true(fabs(log2(p) - split.layers[0].log2_failure) < 1e-6);
        if (global) { /* a bound 1 % larger is too much */
            optimizer_request more = q;
            more.target = ERROR_PER_LOOKUP, more.log2_error = split.log2_error + log2(1.01);
            assert_true(split.log2_error > lookup_from_global_log2(-34, 70) + log2(1.01));
            assert_ok(optimizer_search(&more, &again));
            assert_true(again.families.merge.l > 0 && again.log2_global_failure > -34);
        }
        q.families_most = 1;
        assert_ok(optimizer_search(&q, &again));
        assert_int_equal(again.families.merge.l, 0);
        q.families_most = 2, q.minimize = MINIMIZE_KEY;
        assert_ok(optimizer_search(&q, &again));
        assert_int_equal(again.families.merge.l, 0);
    }
}

/* ---- all sets of a small model, one by one ---------------------------------------------------------------------- */

#define SMALL_LAYERS 4u
#define SMALL_LEVELS 4u
#define SMALL_FAMILIES 96u /* of a ring */

/* Few rings, few n, few levels; split look-ups whatever they save. */
static search_model small_model(void)
{
    search_model m = search_model_shipped;
    m.n.first = 500, m.n.last = 1040, m.n.step = 180;
    m.k_last = 2, m.group_last = 2, m.kN.first = 1024;
    m.pbs.l_last = 2, m.ks.l_last = SMALL_LEVELS;
    m.near = 1, m.pays = INFINITY;
    return m;
}

static void small_layers(uint64_t *seed, lookup_layer *l)
{
    for (size_t i = 0; i < SMALL_LAYERS; i++) {
        const uint32_t bits = 2 + (uint32_t)(test_random(seed) % 5), norm = 1 + (uint32_t)(test_random(seed) % 12);
        l[i] = (lookup_layer){.name = "layer",
                              .half_window = exp2(-2.0 - bits),
                              .two_norm = i == 0 ? 0 : norm,
                              .common = i == 0 ? 0 : norm * norm * (i % 2 == 1 ? 1.5 : -0.5),
                              .fresh_two_norm = i == 0 ? norm : 0,
                              .cells = exp2(bits),
                              .count = 1 + test_random(seed) % 100,
                              .weights = (double)(test_random(seed) % 10000)};
        if (test_random(seed) % 2 == 0) l[i].log2_error = -3 - (double)(test_random(seed) % 30);
        if (test_random(seed) % 4 == 0) l[i].output_std = exp2(-9 - (double)(test_random(seed) % 5));
        const uint32_t most = (uint32_t)(test_random(seed) % bits);
        l[i].split_most = most < SPLIT_MAX_LOW ? most : SPLIT_MAX_LOW;
        if (most == 0) l[i].slot_bits = (uint32_t)(test_random(seed) % 3);
        if (most == 0 && i == 1) l[i].cells *= 0.75, l[i].half_window /= 0.75; /* borders beside steps */
        for (uint32_t s = 1; s <= l[i].split_most; s++) {
            const double squares = split_amplified_most(s, 3).squares;
            l[i].amplified[s - 1] = (split_amplified){squares, squares * (s % 2 == 1 ? 0.8 : -0.5)};
        }
    }
    l[SMALL_LAYERS - 1].is_output = 1;
    l[SMALL_LAYERS - 1].output_std = 0, l[SMALL_LAYERS - 1].split_most = 0;
}

typedef struct small_family { /* with its keyswitch */
    tfhe_params p;
    double rotation, keyswitch, low_switch; /* variances */
    double step, switching;                 /* seconds of a rotation that moves all, of a keyswitch */
} small_family;

static extension_front fronts[2];

/* The keyswitch of l levels with least noise. */
static small_family small_family_of(tfhe_params p, uint32_t l)
{
    small_family f = {.rotation = noise_blind_rotate(&p), .keyswitch = INFINITY};
    p.ks_l = l;
    for (p.ks_b = 1; p.ks_b <= 15 && p.ks_b * l <= 32; p.ks_b++)
        if (noise_keyswitch(&p) < f.keyswitch) f.keyswitch = noise_keyswitch(&p), f.p = p;
    f.low_switch = noise_low_switch(&f.p);
    f.step = (double)tfhe_steps(&f.p) * cost_step(&f.p);
    f.switching = cost_keyswitch(&f.p);
    return f;
}

/* Of a ring, for every n and numbers of levels the base of least noise. */
static size_t small_families(const search_model *m, tfhe_params p, small_family *out)
{
    size_t count = 0;
    p.glwe_noise = security_tuniform_bound((double)tfhe_big_dim(&p), 64, SECURITY_128);
    for (p.n = m->n.first; p.n <= m->n.last; p.n += m->n.step)
        for (p.pbs_group = 1; p.pbs_group <= m->group_last; p.pbs_group++)
            for (p.pbs_l = 1; p.pbs_l <= m->pbs.l_last; p.pbs_l++)
                for (p.pbs_lb = p.pbs_l == 1 ? 1 : p.pbs_l - 1; p.pbs_lb <= p.pbs_l; p.pbs_lb++) {
                    p.lwe_noise = security_tuniform_bound(p.n, 32, SECURITY_128);
                    const tfhe_params best = quietest_base(m, p);
                    for (uint32_t l = 1; l <= SMALL_LEVELS; l++) {
                        assert_true(count < SMALL_FAMILIES);
                        out[count++] = small_family_of(best, l);
                    }
                }
    return count;
}

/* A request whose look-ups have so many bits left, where they may, in a ring. */
typedef struct small_split {
    const optimizer_request *q;
    uint32_t low_bits[SMALL_LAYERS];
    double kappa[SMALL_LAYERS]; /* of each rotation */
    split_amplified amplified;
    double merged[6], choose[6][SMALL_LAYERS], weight, fresh;
} small_split;

/* 0: no look-up is split. */
static int small_split_of(const optimizer_request *q, const tfhe_params *ring, uint32_t bits, small_split *out)
{
    uint32_t least = UINT32_MAX;
    *out = (small_split){.q = q, .weight = cost_weight(ring), .fresh = noise_fresh(ring)};
    for (size_t i = 0; i < q->layers_count; i++) {
        const lookup_layer *l = &q->layers[i];
        const uint32_t all = (uint32_t)ilogb(l->cells), wanted = all > bits ? all - bits : 0;
        const uint32_t s = wanted < l->split_most ? wanted : l->split_most;
        out->low_bits[i] = s;
        out->kappa[i] = noise_kappa((l->log2_error < 0 ? l->log2_error : q->log2_error) - log2(s + 1.0));
        if (s == 0) continue;
        out->amplified = split_amplified_both(out->amplified, l->amplified[s - 1]);
        if ((uint32_t)l->cells >> s < least) least = (uint32_t)l->cells >> s;
    }
    for (uint32_t m = 1; m <= 6 && least < UINT32_MAX; m++) {
        const tfhe_families f = {.count = 2, .of = {*ring, *ring}, .merge = {m, 1}};
        out->merged[m - 1] = INFINITY;
        for (uint32_t bg = 1; bg * m <= 52 && bg <= 30; bg++)
            out->merged[m - 1] = fmin(out->merged[m - 1], noise_merge(ring, m, bg, least));
        for (size_t i = 0; i < q->layers_count; i++)
            if (out->low_bits[i] > 0)
                out->choose[m - 1][i] = split_choose_seconds(&f, q->layers[i].cells, out->low_bits[i]);
    }
    return least < UINT32_MAX;
}

/* Seconds of a layer's look-ups but for making the tables, INFINITY if a bound is not kept; values: variance of what it
 * takes. */
static double small_layer(const small_split *x, size_t i, const small_family *high, const small_family *low,
                          double values)
{
    const lookup_layer *l = &x->q->layers[i];
    const uint32_t s = x->low_bits[i];
    const double sums = l->two_norm * l->two_norm * values +
                        noise_common(&high->p) * fmax(0, l->common) * high->rotation +
                        l->fresh_two_norm * l->fresh_two_norm * x->fresh;
    const double bound = pow(split_last_window(l->half_window, l->cells, s) / x->kappa[i], 2);
    if (l->is_output) return sums <= bound ? 0 : INFINITY;
    if (l->output_std > 0 && (s > 0 ? values : high->rotation) > l->output_std * l->output_std) return INFINITY;
    for (uint32_t j = 0; j < s; j++) {
        const double scale = ldexp(l->cells, -(int)j);
        if (low->keyswitch + low->low_switch + scale * scale * sums > pow(l->half_window * scale / x->kappa[i], 2))
            return INFINITY;
    }
    const extension_front *front = &fronts[high->p.pbs_group > 1];
    const double last = sums + high->keyswitch + s * low->rotation;
    if (last > bound) return INFINITY;
    for (size_t e = 0; e < front->count; e++) {
        const tfhe_params slotted = tfhe_slotted(&high->p, l->slot_bits);
        if (ldexp(front->at[e].EF * slotted.N, (int)s) < 2 * l->cells) continue;
        const double nearer = lut_border((uint32_t)l->cells) / (2.0 * front->at[e].EF * slotted.N * l->half_window);
        if (last + noise_extension(&slotted, &front->at[e]) > pow(1 - nearer, 2) * bound) continue;
        return (double)l->count *
               (s * (low->switching + low->step) + high->switching + high->step * front->at[e].products);
    }
    return INFINITY;
}

static double small_seconds(const small_split *x, const small_family *high, const small_family *low)
{
    const double rotations = high->rotation + split_amplification(&x->amplified, noise_common(&low->p)) * low->rotation;
    double seconds = 0;
    size_t m = 0;
    while (m < 5 && x->merged[m] > rotations / 16) m++;
    for (size_t i = 0; i < x->q->layers_count && isfinite(seconds); i++) {
        const lookup_layer *l = &x->q->layers[i];
        seconds += small_layer(x, i, high, low, rotations + x->merged[m]);
        seconds += l->weights * x->weight + (double)l->count * x->choose[m][i];
    }
    return seconds;
}

static double small_fastest(const search_model *m, const optimizer_request *q)
{
    double best = INFINITY;
    small_family all[SMALL_FAMILIES];
    tfhe_params ring = {0};
    for (ring.k = 1; ring.k <= m->k_last; ring.k++)
        for (ring.N = m->kN.first / ring.k; ring.k * ring.N <= m->kN.last && ring.N <= m->N.last; ring.N *= 2) {
            const size_t count = small_families(m, ring, all);
            for (uint32_t bits = 1; bits < 6; bits++) {
                small_split x;
                if (!small_split_of(q, &all[0].p, bits, &x)) continue;
                for (size_t c = 0; c < count * count; c++)
                    best = fmin(best, small_seconds(&x, &all[c / count], &all[c % count]));
            }
        }
    return best;
}

/* The search takes no longer than the fastest of all, if it looks for any set or for what is hardly slower alone;
 * without split look-ups there is one family. */
static void test_exact(void **state)
{
    (void)state;
    search_model m = small_model();
    const layer_link links[SMALL_LAYERS] = {{0}};
    extension_front_init(&fronts[0]);
    fronts[1] = (extension_front){.count = 1, .at[0] = extension_expected(1, 0)};
    uint64_t seed = 11;
    size_t split = 0, tight = 0;
    for (size_t r = 0; r < 40; r++) {
        lookup_layer layers[SMALL_LAYERS];
        small_layers(&seed, layers);
        optimizer_request q = {.layers = layers,
                               .layers_count = SMALL_LAYERS,
                               .log2_error = -20,
                               .level = SECURITY_128,
                               .families_most = 2,
                               .links = links};
        optimizer_result found = {0}, one;
        const double least = small_fastest(&m, &q);
        const annulus_status st = optimizer_search_model(&q, &m, &found);
        assert_int_equal(st == ANNULUS_OK && found.families.merge.l > 0, isfinite(least));
        if (isinf(least)) continue;
        assert_true(fabs(found.seconds / least - 1) < 1e-12);
        split++;
        q.families_most = 1;
        if (optimizer_search_model(&q, &m, &one) != ANNULUS_OK) continue;
        q.families_most = 2, m.pays = least / one.seconds * (1 + 1e-9);
        assert_ok(optimizer_search_model(&q, &m, &found));
        assert_true(found.families.merge.l > 0 && fabs(found.seconds / least - 1) < 1e-12);
        m.pays = INFINITY;
        tight++;
    }
    print_message("%zu of 40 requests have split look-ups\n", split);
    assert_true(split >= 20 && tight >= 20);
}

/* The bound of a global probability is the largest, to 1 %: one 1 % larger breaks it, in the fastest set there. */
static void test_global_bound(void **state)
{
    (void)state;
    search_model m = small_model();
    const layer_link links[SMALL_LAYERS] = {{0}};
    uint64_t seed = 12;
    size_t solved = 0, above = 0;
    for (size_t r = 0; r < 30; r++) {
        lookup_layer layers[SMALL_LAYERS];
        double shared = 0;
        small_layers(&seed, layers);
        for (size_t i = 0; i < SMALL_LAYERS; i++) {
            if (layers[i].log2_error < 0) layers[i].log2_error -= 20; /* leaves something */
            shared += layers[i].log2_error < 0 ? 0 : (double)layers[i].count;
        }
        optimizer_request q = {.layers = layers,
                               .layers_count = SMALL_LAYERS,
                               .target = ERROR_GLOBAL,
                               .log2_error = -14,
                               .level = SECURITY_128,
                               .families_most = 2,
                               .links = links};
        optimizer_result found = {0}, p;
        if (shared == 0 || optimizer_search_model(&q, &m, &found) != ANNULUS_OK || found.families.merge.l == 0)
            continue;
        const double bound = found.log2_error;
        optimizer_predict(&q, &found.families, found.layers, &p);
        assert_true(p.log2_global_failure <= -14 && bound <= -14);
        for (size_t i = 0; i < SMALL_LAYERS; i++)
            assert_true(layers[i].log2_error < 0 || p.layers[i].log2_failure <= bound + 1e-9);
        solved++;
        above += bound > lookup_from_global_log2(-14, shared) + log2(1.01);
        q.target = ERROR_PER_LOOKUP, q.log2_error = bound;
        assert_ok(optimizer_search_model(&q, &m, &found));
        assert_true(fabs(found.seconds / p.seconds - 1) < 1e-9);
        if (bound + log2(1.01) >= -14) continue;
        q.log2_error = bound + log2(1.01);
        assert_ok(optimizer_search_model(&q, &m, &found));
        optimizer_predict(&q, &found.families, found.layers, &p);
        assert_true(p.log2_global_failure > -14);
    }
    print_message("%zu of 30 requests have split look-ups, %zu a bound above the one of any set\n", solved, above);
    assert_true(solved >= 15 && above >= 8);
}

static void test_refused(void **state)
{
    (void)state;
    split_choice c;
    const split_request wrong[] = {{1, 4, 1, -40, SECURITY_128}, {17, 4, 1, -40, SECURITY_128},
                                   {8, 0, 1, -40, SECURITY_128}, {8, 17, 1, -40, SECURITY_128},
                                   {8, 8, 1, 0, SECURITY_128},   {8, 8, 1, -513, SECURITY_128},
                                   {8, 8, -1, -40, SECURITY_128}};
    const char *const says[] = {"2 to 16", "2 to 16", "1 to 16", "1 to 16", "probability", "probability", "two-norm"};
    for (size_t i = 0; i < 7; i++) assert_refused(optimizer_split(&wrong[i], &c), says[i]);
    const split_request hard = {16, 16, 1e6, -128, SECURITY_128};
    assert_int_equal(optimizer_split(&hard, &c), ANNULUS_ERR_INFEASIBLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bounds), cmocka_unit_test(test_cheaper_fails),
                                       cmocka_unit_test(test_saves),  cmocka_unit_test(test_layers),
                                       cmocka_unit_test(test_exact),  cmocka_unit_test(test_global_bound),
                                       cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
