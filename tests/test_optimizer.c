/* SPDX-License-Identifier: Apache-2.0 */
#include "testing.h"

#include "search_fixture.h"
#include <stdlib.h>

static void meets(const optimizer_request *q, const optimizer_result *r)
{
    assert_ok(tfhe_params_check(&r->families.of[0]));
    assert_ok(security_check(&r->families.of[0], q->level));
    for (size_t i = 0; i < q->layers_count; i++) {
        assert_true(r->layers[i].log2_failure < 0);
        if (q->target == ERROR_PER_LOOKUP) assert_true(r->layers[i].log2_failure <= q->log2_error + 1e-6);
        if (q->layers[i].is_output) continue;
        assert_true(r->layers[i].EF * r->families.of[0].N >> q->layers[i].slot_bits >= 2 * q->layers[i].cells);
        assert_true(r->layers[i].EF == 1 || r->families.of[0].pbs_group == 1);
    }
}

/* A larger tolerance never costs more, and more bits never cost less. */
static void test_monotone(void **state)
{
    (void)state;
    double before_bits = 0;
    for (unsigned bits = 2; bits <= 8; bits += 3) {
        double before = INFINITY;
        for (size_t e = 0; e < 4; e++) {
            const lookup_layer layer = hidden(bits, 16, 10);
            const optimizer_request q = {.layers = &layer,
                                         .layers_count = 1,
                                         .log2_error = (double[]){-128, -40, log2(0.01), log2(0.1)}[e],
                                         .level = SECURITY_128};
            optimizer_result r;
            assert_ok(optimizer_search(&q, &r));
            meets(&q, &r);
            assert_true(r.seconds <= before);
            before = r.seconds;
        }
        assert_true(before > before_bits);
        before_bits = before;
    }
}

/* No set of a random sample of the space is both valid and cheaper. */
static void test_beats_random_sets(void **state)
{
    (void)state;
    lookup_layer layers[] = {hidden(5, 12, 64),
                             hidden(3, 8, 32),
                             {.name = "scores", .half_window = 1.0 / 128, .two_norm = 20, .count = 10, .is_output = 1}};
    layers[1].cells = 13, layers[1].half_window = 1 / 52.0; /* borders beside steps */
    layers[0].weights = 300 * 64, layers[1].weights = 64 * 32, layers[2].weights = 32 * 10;
    const optimizer_request q = {.layers = layers, .layers_count = 3, .log2_error = -20, .level = SECURITY_128};
    optimizer_result r, other;
    assert_ok(optimizer_search(&q, &r));
    meets(&q, &r);
    uint64_t seed = 9;
    for (size_t i = 0; i < 20000; i++) {
        tfhe_params p = {.n = 450 + 2 * (uint32_t)(test_random(&seed) % 300),
                         .k = 1 + (uint32_t)(test_random(&seed) % 4)};
        p.N = 512u << test_random(&seed) % 3;
        if (p.k * p.N > 4096 || p.k * p.N < 512) continue;
        p.pbs_l = 1 + (uint32_t)(test_random(&seed) % 2);
        p.pbs_lb = 1 + (uint32_t)(test_random(&seed) % p.pbs_l);
        p.pbs_bg = p.pbs_l == 1 ? 14 + (uint32_t)(test_random(&seed) % 11) : 8 + (uint32_t)(test_random(&seed) % 10);
        p.ks_l = 2 + (uint32_t)(test_random(&seed) % 6);
        p.ks_b = 2 + (uint32_t)(test_random(&seed) % 3);
        p.lwe_noise = security_tuniform_bound(p.n, 32, SECURITY_128);
        p.glwe_noise = security_tuniform_bound(p.k * p.N, 64, SECURITY_128);
        const uint32_t EF[3] = {1u << test_random(&seed) % 3, 1u << test_random(&seed) % 3, 0};
        p.pbs_group = EF[0] * EF[1] > 1 ? 1 : 1 + (uint32_t)(test_random(&seed) % 3);
        if (p.n % p.pbs_group != 0) p.pbs_group = 2;
        const uint32_t price[3] = {EF[0] == 1 ? 0 : test_random(&seed) % 32, EF[1] == 1 ? 0 : test_random(&seed) % 32,
                                   0};
        const layer_choice chosen[3] = {{.EF = EF[0], .price = price[0]}, {.EF = EF[1], .price = price[1]}};
        optimizer_predict(&q, &(tfhe_families){.count = 1, .of[0] = p}, chosen, &other);
        int valid = EF[0] * p.N >= 64 && EF[1] * p.N >= 26;
        for (size_t l = 0; l < 3; l++) valid &= other.layers[l].log2_failure <= q.log2_error;
        if (valid) assert_true(other.seconds >= r.seconds * 0.99); /* near-ties */
    }
}

/* The cheapest set of this ring and g at price 0 for one layer: gadgets of least noise for each level, every n. */
static double best_unpriced(const lookup_layer *layer, double log2_error, uint32_t k, uint32_t N, uint32_t g)
{
    const double most = layer->half_window / noise_kappa(log2_error);
    double best = INFINITY;
    tfhe_params p = {.k = k, .N = N, .glwe_noise = security_tuniform_bound(k * N, 64, SECURITY_128), .pbs_group = g};
    double rotated[4] = {INFINITY, INFINITY, INFINITY, INFINITY}; /* (levels) a key bit */
    p.n = 1;
    for (p.pbs_l = p.pbs_lb = 1; p.pbs_l <= 3; p.pbs_lb = ++p.pbs_l)
        for (p.pbs_bg = 2; p.pbs_bg * p.pbs_l <= 52 && p.pbs_bg <= 30; p.pbs_bg++)
            rotated[p.pbs_l] = fmin(rotated[p.pbs_l], noise_blind_rotate(&p));
    const uint32_t EF_most = g == 1 ? TFHE_MAX_EF : 1;
    for (p.n = 450; p.n <= 1300; p.n += g == 3 ? 6 : 2) {
        const tfhe_params slotted = tfhe_slotted(&p, layer->slot_bits);
        double switched[TFHE_MAX_EF + 1], seconds[4][TFHE_MAX_EF + 1]; /* by EF: variance; (levels): of a rotation */
        for (uint32_t EF = 1; EF <= EF_most; EF *= 2) {
            switched[EF] = noise_modulus_switch(&slotted, EF, 0);
            for (p.pbs_l = p.pbs_lb = 1; p.pbs_l <= 3; p.pbs_lb = ++p.pbs_l)
                seconds[p.pbs_l][EF] = cost_blind_rotate(&p, EF, 0);
        }
        p.lwe_noise = security_tuniform_bound(p.n, 32, SECURITY_128);
        for (p.ks_l = 1; p.ks_l <= 24; p.ks_l++) {
            double v = INFINITY;
            for (p.ks_b = 1; p.ks_b * p.ks_l <= 32 && p.ks_b <= 15; p.ks_b++) v = fmin(v, noise_keyswitch(&p));
            for (uint32_t l = 1; l <= 3; l++)
                for (uint32_t EF = 1; EF <= EF_most; EF *= 2) {
                    const double w = v + layer->two_norm * layer->two_norm * p.n * rotated[l];
                    if (EF * slotted.N >= 2 * layer->cells && w + switched[EF] <= most * most)
                        best = fmin(best, cost_keyswitch(&p) + seconds[l][EF]);
                }
        }
    }
    return best;
}

/* A price fills the room that powers of two leave. */
static void test_price(void **state)
{
    (void)state;
    const lookup_layer layer = hidden(8, 1, 1);
    const optimizer_request q = {.layers = &layer, .layers_count = 1, .log2_error = -40, .level = SECURITY_128};
    optimizer_result r;
    assert_ok(optimizer_search(&q, &r));
    meets(&q, &r);
    assert_true(r.layers[0].price > 0 && r.layers[0].log2_failure <= -40);
    const double unpriced = fmin(best_unpriced(&layer, -40, 1, 2048, 1),
                                 fmin(best_unpriced(&layer, -40, 2, 1024, 1), best_unpriced(&layer, -40, 1, 4096, 1)));
    assert_true(isfinite(unpriced) && r.seconds < 0.7 * unpriced);
}

/* Steps of several key bits, where every look-up is of EF = 1: cheaper than all of one bit, the best of all g, and for
 * each g the best of a search through the rings that matter. */
static void test_groups(void **state)
{
    (void)state;
    static const uint32_t rings[][2] = {{1, 1024}, {2, 512}, {3, 512}, {2, 1024}, {1, 2048}, {6, 256}};
    const lookup_layer layers[] = {hidden(4, 1, 3), hidden(4, 5, 2), hidden(8, 1, 2)};
    for (size_t i = 0; i < 2; i++) {
        optimizer_request q = {
            .layers = &layers[i], .layers_count = 1, .log2_error = i == 0 ? -40 : -128, .level = SECURITY_128};
        optimizer_result best, of[TFHE_MAX_GROUP + 1];
        assert_ok(optimizer_search(&q, &best));
        meets(&q, &best);
        assert_true(best.families.of[0].pbs_group > 1);
        for (q.group = 1; q.group <= TFHE_MAX_GROUP; q.group++) {
            double slow = INFINITY;
            assert_ok(optimizer_search(&q, &of[q.group]));
            meets(&q, &of[q.group]);
            assert_int_equal(of[q.group].families.of[0].pbs_group, q.group);
            for (size_t k = 0; k < sizeof rings / sizeof *rings; k++)
                slow = fmin(slow, best_unpriced(&layers[i], q.log2_error, rings[k][0], rings[k][1], q.group));
            slow *= (double)layers[i].count;
            assert_true(of[q.group].seconds <= slow * (1 + 1e-9) &&
                        of[q.group].seconds > slow * 0.97); /* body levels */
        }
        assert_true(best.seconds == fmin(of[2].seconds, of[3].seconds) && best.seconds < 0.9 * of[1].seconds);
    }
    const optimizer_request mixed = {.layers = layers, .layers_count = 3, .log2_error = -40, .level = SECURITY_128};
    optimizer_result r;
    assert_ok(optimizer_search(&mixed, &r));
    meets(&mixed, &r);
    assert_true(r.layers[2].EF > 1 && r.families.of[0].pbs_group == 1);
}

/* Tables side by side: the best of a search through the rings that matter, whose phases fail as the coarser switch
 * says; dearer than one table, and cheaper than one of half the window, where the noise of sums would count twice, too.
 */
static void test_slots(void **state)
{
    (void)state;
    static const uint32_t rings[][2] = {{1, 1024}, {2, 512}, {3, 512}, {2, 1024}, {1, 2048}, {4, 512}};
    for (uint32_t slot_bits = 1; slot_bits <= 2; slot_bits++) {
        lookup_layer layer = hidden(4, 9, 1);
        const optimizer_request q = {.layers = &layer, .layers_count = 1, .log2_error = -40, .level = SECURITY_128};
        optimizer_result one, slots, half;
        assert_ok(optimizer_search(&q, &one));
        layer.slot_bits = slot_bits;
        assert_ok(optimizer_search(&q, &slots));
        meets(&q, &slots);
        const layer_choice *c = &slots.layers[0];
        const tfhe_params *p = &slots.families.of[0], slotted = tfhe_slotted(p, slot_bits);
        const double phase =
            81 * noise_blind_rotate(p) + noise_keyswitch(p) + noise_modulus_switch(&slotted, c->EF, c->price);
        assert_true(fabs(c->log2_failure - noise_failure_log2(phase, layer.half_window)) < 1e-9);
        assert_true(c->output_std == sqrt(noise_blind_rotate(p)));
        double slow = INFINITY;
        for (uint32_t g = 1; g <= TFHE_MAX_GROUP; g++)
            for (size_t k = 0; k < sizeof rings / sizeof *rings; k++)
                slow = fmin(slow, best_unpriced(&layer, -40, rings[k][0], rings[k][1], g));
        assert_true(slots.seconds <= slow * (1 + 1e-9) && slots.seconds > slow * 0.9); /* body levels, prices */
        layer = hidden(4 + slot_bits, 9, 1);
        assert_ok(optimizer_search(&q, &half));
        assert_true(one.seconds < slots.seconds && slots.seconds < half.seconds);
    }
}

/* Linear layers count: the seconds are those of the look-ups and of every weight, and where weights decide the ring is
 * the smallest that is good enough. */
static void test_weights(void **state)
{
    (void)state;
    lookup_layer layers[] = {hidden(5, 8, 4),
                             {.name = "scores", .half_window = 1.0 / 128, .two_norm = 4, .count = 3, .is_output = 1}};
    const optimizer_request q = {.layers = layers, .layers_count = 2, .log2_error = -40, .level = SECURITY_128};
    optimizer_result bare, heavy, again;
    assert_ok(optimizer_search(&q, &bare));
    layers[0].weights = 0x1p30, layers[1].weights = 1000;
    assert_ok(optimizer_search(&q, &heavy));
    meets(&q, &heavy);
    const tfhe_params *p = &heavy.families.of[0];
    const double linear = (layers[0].weights + layers[1].weights) * cost_weight(p);
    const double look_ups = 4 * (cost_keyswitch(p) + cost_blind_rotate(p, heavy.layers[0].EF, heavy.layers[0].price));
    assert_true(fabs(heavy.seconds / (linear + look_ups) - 1) < 1e-12);
    assert_true(fabs(heavy.layers[1].seconds / (1000 * cost_weight(p)) - 1) < 1e-12);
    assert_true(tfhe_big_dim(p) < tfhe_big_dim(&bare.families.of[0]) && look_ups > bare.seconds);
    optimizer_predict(&q, &bare.families, bare.layers, &again);
    assert_true(heavy.seconds < again.seconds);
}

/* A model of the caller's replaces the shipped one until it is given back. */
static void test_models(void **state)
{
    (void)state;
    const lookup_layer layer = hidden(4, 5, 2);
    const optimizer_request q = {.layers = &layer, .layers_count = 1, .log2_error = -40, .level = SECURITY_128};
    optimizer_result before, dear, after;
    assert_ok(optimizer_search(&q, &before));
    assert_true(before.families.of[0].pbs_group > 1);
    cost_model m = cost_model_shipped;
    m.combine[2] = m.combine[3] = 10; /* several key bits a step never pay */
    m.layer *= 3;
    cost_model_use(&m);
    m.layer = 1e9; /* copied */
    assert_true(cost_model_current()->layer == 3 * cost_model_shipped.layer);
    assert_true(fabs(cost_weight(&before.families.of[0]) / (3e-9 * cost_model_shipped.layer) /
                         (double)(tfhe_big_dim(&before.families.of[0]) + 1) -
                     1) < 1e-12);
    assert_ok(optimizer_search(&q, &dear));
    assert_int_equal(dear.families.of[0].pbs_group, 1);
    cost_model_use(NULL);
    assert_ptr_equal(cost_model_current(), &cost_model_shipped);
    assert_ok(optimizer_search(&q, &after));
    assert_true(tfhe_params_equal(&before.families.of[0], &after.families.of[0]) && before.seconds == after.seconds);

    assert_true(cost_model_check(&cost_model_shipped));
    for (size_t i = 0; i < sizeof m / sizeof(double); i++) {
        if (&m.fft + i == &m.combine[0] || &m.fft + i == &m.combine[1]) continue;
        for (size_t bad = 0; bad < 3; bad++) {
            m = cost_model_shipped;
            ((double *)&m)[i] = (double[]){-1e-3, NAN, INFINITY}[bad];
            assert_false(cost_model_check(&m));
        }
    }
    m = cost_model_shipped, m.layer = 0;
    assert_false(cost_model_check(&m));
    m = cost_model_shipped, m.keyswitch = 0;
    assert_false(cost_model_check(&m));
    m = cost_model_shipped, m.fft = m.multiply = 0;
    assert_false(cost_model_check(&m));
    m = cost_model_shipped, m.linear = m.combine[2] = 0;
    assert_true(cost_model_check(&m));
}

static void test_global(void **state)
{
    (void)state;
    const lookup_layer layers[] = {hidden(4, 10, 100), hidden(3, 10, 50)};
    optimizer_request q = {
        .layers = layers, .layers_count = 2, .target = ERROR_GLOBAL, .log2_error = log2(0.01), .level = SECURITY_128};
    optimizer_result r;
    assert_ok(optimizer_search(&q, &r));
    meets(&q, &r);
    assert_true(r.log2_global_failure <= q.log2_error);
    const double p0 = exp2(r.layers[0].log2_failure), p1 = exp2(r.layers[1].log2_failure);
    const double exact = 1 - pow(1 - p0, 100) * pow(1 - p1, 50);
    assert_true(fabs(exp2(r.log2_global_failure) / exact - 1) < 1e-6);
}

/* Without near-ties. */
static void search_exactly(const optimizer_request *q, optimizer_result *out)
{
    optimizer_result r;
    search_model model = search_model_shipped;
    model.near = 1;
    assert_ok(optimizer_search_model(q, &model, &r));
    optimizer_predict(q, &r.families, r.layers, out);
    assert_true(fabs(out->seconds / r.seconds - 1) < 1e-12);
    out->log2_error = r.log2_error;
}

/* The bound is the largest: in steps of 1 % to begin with, then coarsely, every larger one breaks the global one. */
static void test_global_bound(void **state)
{
    (void)state;
    const lookup_layer layers[] = {hidden(4, 10, 100), hidden(3, 10, 50)};
    for (size_t e = 0; e < 2; e++) {
        const double asked = e == 0 ? log2(0.01) : -40;
        optimizer_request q = {
            .layers = layers, .layers_count = 2, .target = ERROR_GLOBAL, .log2_error = asked, .level = SECURITY_128};
        optimizer_result solved, r;
        search_exactly(&q, &solved);
        assert_true(solved.log2_global_failure <= asked);
        assert_ok(optimizer_search(&q, &r));
        meets(&q, &r);
        assert_true(r.log2_error == solved.log2_error && r.log2_global_failure <= asked);
        assert_true(r.seconds <= 1.01 * solved.seconds && r.key_bytes <= solved.key_bytes);
        assert_true(solved.log2_error >= lookup_from_global_log2(asked, 150) - 1e-6 && solved.log2_error <= asked);
        q.target = ERROR_PER_LOOKUP;
        q.log2_error = solved.log2_error;
        search_exactly(&q, &r);
        assert_true(tfhe_params_equal(&r.families.of[0], &solved.families.of[0]) && r.seconds == solved.seconds);
        for (double more = log2(1.01); solved.log2_error + more < asked; more += more < 0.3 ? log2(1.01) : 0.5) {
            q.log2_error = solved.log2_error + more;
            search_exactly(&q, &r);
            assert_true(r.log2_global_failure > asked);
        }
    }
}

static void test_lookups_and_global(void **state)
{
    (void)state;
    assert_true(fabs(exp2(global_from_lookup_log2(log2(0.01), 60)) - (1 - pow(0.99, 60))) < 1e-12);
    assert_true(fabs(global_from_lookup_log2(-400, 1024) + 390) < 1e-9);
    for (double p = -300; p < 0; p += 7.3)
        assert_true(fabs(lookup_from_global_log2(global_from_lookup_log2(p, 20), 20) - p) < 1e-6 || p > -3);
}

/* A layer's own bound holds for it alone. */
static void test_own_bound(void **state)
{
    (void)state;
    lookup_layer layers[] = {hidden(3, 10, 100), hidden(4, 10, 50)};
    optimizer_request q = {.layers = layers, .layers_count = 2, .log2_error = -7, .level = SECURITY_128};
    optimizer_result loose, own, strict;
    assert_ok(optimizer_search(&q, &loose));
    layers[0].log2_error = -100;
    assert_ok(optimizer_search(&q, &own));
    assert_true(own.layers[0].log2_failure <= -100 && own.layers[1].log2_failure <= -7);
    assert_true(own.layers[1].log2_failure > -100 && own.log2_error == -7);
    q.log2_error = -100;
    assert_ok(optimizer_search(&q, &strict));
    assert_true(loose.seconds < own.seconds && own.seconds < strict.seconds);
    q.target = ERROR_GLOBAL, q.log2_error = -20;
    assert_ok(optimizer_search(&q, &own));
    assert_true(own.layers[0].log2_failure <= -100 && own.layers[1].log2_failure <= own.log2_error);
    assert_true(own.log2_global_failure <= -20);
    layers[0].log2_error = layers[1].log2_error = -40; /* nothing is left to choose, or nothing is left */
    assert_ok(optimizer_search(&q, &own));
    assert_true(own.layers[0].log2_failure <= -40 && own.log2_global_failure <= -20);
    q.log2_error = -35;
    assert_refused(optimizer_search(&q, &own), "by themselves exceed 2^-35.0");
    layers[1].log2_error = 0.5;
    assert_refused(optimizer_search(&q, &own), "error probability 2^0.5 of hidden");
}

/* The least cost in operations of a set that keeps the deviation, the input with `two_norm`: every n, ring and number
 * of levels, g = 1, the base of least noise. */
static double best_deviation(const lookup_layer *layer)
{
    double best = INFINITY;
    tfhe_params p = {.pbs_group = 1};
    for (p.k = 1; p.k <= 6; p.k++)
        for (p.N = 256; p.N <= 1024; p.N *= 2) {
            if (p.k * p.N < 512 || p.k * p.N > 4096) continue;
            double rotated[4] = {INFINITY, INFINITY, INFINITY, INFINITY}; /* (levels) a key bit */
            p.glwe_noise = security_tuniform_bound(p.k * p.N, 64, SECURITY_128);
            p.n = 1;
            for (p.pbs_l = p.pbs_lb = 1; p.pbs_l <= 3; p.pbs_lb = ++p.pbs_l)
                for (p.pbs_bg = 2; p.pbs_bg * p.pbs_l <= 52 && p.pbs_bg <= 30; p.pbs_bg++)
                    rotated[p.pbs_l] = fmin(rotated[p.pbs_l], noise_blind_rotate(&p));
            for (p.n = 450; p.n <= 800; p.n += 2) {
                p.lwe_noise = security_tuniform_bound(p.n, 32, SECURITY_128);
                for (p.ks_l = 1; p.ks_l <= 8; p.ks_l++) {
                    double v = INFINITY;
                    for (p.ks_b = 1; p.ks_b * p.ks_l <= 32 && p.ks_b <= 15; p.ks_b++) v = fmin(v, noise_keyswitch(&p));
                    for (p.pbs_l = p.pbs_lb = 1; p.pbs_l <= 3; p.pbs_lb = ++p.pbs_l)
                        for (uint32_t EF = 1; EF <= 4; EF *= 2) {
                            const double own = p.n * rotated[p.pbs_l];
                            const double w =
                                v + layer->two_norm * layer->two_norm * own + noise_modulus_switch(&p, EF, 0);
                            if (w > layer->phase_std * layer->phase_std) continue;
                            if (layer->output_std > 0 && own > layer->output_std * layer->output_std) continue;
                            best = fmin(best, cost_keyswitch(&p) + cost_blind_rotate(&p, EF, 0));
                        }
                }
            }
        }
    return best;
}

/* The bounds of torus-native networks: a deviation of the phase of 2^-5 or 2^-4 of the torus at two-norms of 2^3, 2^5
 * and 2^6. A study by operation counts finds n = 596, 648, 620 and 547, 553, 592 with rings of 6 x 256 and 5 x 256; the
 * model of seconds n = 564, 642, 602 and 526, 526, 564, with 3 x 512, 4 x 512 and 6 x 256. */
static void test_deviations(void **state)
{
    (void)state;
    static const double studied[2][3] = {{596, 648, 620}, {547, 553, 592}};
    for (int bound = -5; bound <= -4; bound++)
        for (int norm = 3; norm <= 6; norm += norm == 3 ? 2 : 1) {
            lookup_layer layer = {.name = "triangle",
                                  .half_window = 0x1p-6,
                                  .two_norm = exp2(norm),
                                  .count = 1,
                                  .phase_std = exp2(bound)};
            optimizer_request q = {
                .layers = &layer, .layers_count = 1, .log2_error = -40, .level = SECURITY_128, .group = 1};
            optimizer_result r, amplitude;
            search_exactly(&q, &r);
            const tfhe_params *p = &r.families.of[0];
            print_message("2^%d, 2^%d: n=%u %ux%u (%u,%u) ks (%u,%u) EF=%u: %.3g ms, deviation 2^%.2f\n", bound, norm,
                          p->n, p->k, p->N, p->pbs_l, p->pbs_bg, p->ks_l, p->ks_b, r.layers[0].EF, 1e3 * r.seconds,
                          log2(r.layers[0].phase_std));
            assert_true(p->N <= 512 && fabs((double)p->n - studied[bound + 5][norm == 3 ? 0 : norm - 4]) <= 40);
            assert_true(r.layers[0].phase_std <= layer.phase_std && r.log2_global_failure == -INFINITY);
            const double slow = best_deviation(&layer);
            assert_true(r.seconds <= slow * (1 + 1e-9) && r.seconds > 0.9 * slow); /* prices, body levels */
            q.group = 0;
            assert_ok(optimizer_search(&q, &r));
            assert_true(r.seconds <= 1.01 * slow && r.layers[0].phase_std <= layer.phase_std);

            layer.output_std = 0x1p-18; /* amplitude */
            q.group = 1;
            search_exactly(&q, &amplitude);
            assert_true(amplitude.layers[0].output_std <= 0x1p-18 && amplitude.layers[0].phase_std <= layer.phase_std);
            const double slower = best_deviation(&layer);
            assert_true(amplitude.seconds <= slower * (1 + 1e-9) && amplitude.seconds > 0.9 * slower);
        }
}

/* Deviations beside probabilities: each layer keeps its own kind of bound, and those with one of the phase take no part
 * in a global probability. */
static void test_deviations_beside(void **state)
{
    (void)state;
    lookup_layer layers[] = {hidden(4, 10, 100), hidden(3, 10, 5000)};
    optimizer_request q = {
        .layers = layers, .layers_count = 2, .target = ERROR_GLOBAL, .log2_error = -20, .level = SECURITY_128};
    optimizer_result r, alone;
    layers[1].phase_std = 0x1p-5, layers[1].cells = 0;
    assert_ok(optimizer_search(&q, &r));
    assert_true(r.log2_global_failure <= -20 && r.layers[1].phase_std <= 0x1p-5);
    const double p0 = exp2(r.layers[0].log2_failure);
    assert_true(fabs(r.log2_global_failure - log2(-expm1(100 * log1p(-p0)))) < 1e-6);
    assert_true(fabs(r.layers[1].log2_failure -
                     noise_failure_log2(pow(r.layers[1].phase_std, 2), layers[1].half_window)) < 1e-9);
    layers[1].phase_std = 0, layers[1].output_std = 0x1p-20; /* beside the probability */
    assert_ok(optimizer_search(&q, &r));
    assert_true(r.log2_global_failure <= -20 && r.layers[1].output_std <= 0x1p-20);
    layers[1].output_std = 0;
    assert_ok(optimizer_search(&q, &alone));
    assert_true(alone.layers[1].output_std > 0x1p-20 && alone.seconds < r.seconds);

    static const double bad[] = {-0.1, 1, NAN};
    for (size_t i = 0; i < 3; i++) {
        layers[1].phase_std = bad[i];
        assert_refused(optimizer_search(&q, &r), "of hidden: must be in (0, 1)");
    }
    layers[1].phase_std = 0.01, layers[1].log2_error = -3;
    assert_refused(optimizer_search(&q, &r), "both an error probability and a deviation");
    layers[1] = (lookup_layer){.name = "scores", .half_window = 0.01, .count = 1, .is_output = 1, .output_std = 0.01};
    assert_refused(optimizer_search(&q, &r), "scores has a deviation of bootstraps but is decrypted");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_monotone),
                                       cmocka_unit_test(test_beats_random_sets),
                                       cmocka_unit_test(test_price),
                                       cmocka_unit_test(test_groups),
                                       cmocka_unit_test(test_slots),
                                       cmocka_unit_test(test_weights),
                                       cmocka_unit_test(test_models),
                                       cmocka_unit_test(test_global),
                                       cmocka_unit_test(test_global_bound),
                                       cmocka_unit_test(test_lookups_and_global),
                                       cmocka_unit_test(test_own_bound),
                                       cmocka_unit_test(test_deviations),
                                       cmocka_unit_test(test_deviations_beside)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
