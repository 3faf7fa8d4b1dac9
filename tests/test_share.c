/* SPDX-License-Identifier: Apache-2.0 */
#include "random_networks.h"
#include "share_fixture.h"

#include "circuit/audit.h"
#include "circuit/mix.h"
#include "circuit/share.h"

#include <math.h>

#define SAMPLES 8u

static circuit *lowered(const network *n, const float *x, unsigned rounding, double log2_error, unsigned ways)
{
    circuit *c = NULL;
    lower_options o;
    lower_options_init(&o);
    o.ranges_measured = 0, o.log2_error = log2_error, o.families_most = 1, o.rounding_bits = rounding;
    o.share_ways = ways, o.tables_whole = ways == 0;
    assert_ok(network_lower(n, x, 40, &o, &c));
    return c;
}

#define MIXED (1u << SHARE_MIXED)
#define SLOTS (1u << SHARE_SLOTS)
#define BOTH (1u << SHARE_BOTH)

/* The first layers share rotations by slots, whatever that costs; those of opposite sums do not as they are lowered. */
static circuit *slotted(const network *n, const float *x)
{
    const unsigned char ways[CIRCUIT_MAX_LAYERS] = {SHARE_SLOTS};
    size_t saved, equal;
    circuit *c = lowered(n, x, 0, -1, 0);
    assert_ok(circuit_share_rotations(c, ways, &saved));
    c->passes.rotations = (uint32_t)saved;
    assert_ok(circuit_share_tables(c, &equal));
    assert_ok(circuit_choose_parameters(c, MINIMIZE_SECONDS, 1, 0, 0, NULL));
    assert_ok(circuit_digest(c));
    return c;
}

/* Clear, simulated and encrypted values are those of the network, with toy keys of this ring, whose noise no look-up
 * can notice (below 2^-60 each). */
static void same_runs(const network *n, circuit *c, const float *x, uint32_t N)
{
    toy_parameters_of(c, N);
    int32_t *q = quantize_all(c, x, SAMPLES);
    double clear[SAMPLES * OUTPUTS], other[SAMPLES * OUTPUTS], want[OUTPUTS], got[OUTPUTS];
    const seed256 noise = {{1}};
    exec_stats stats = {0};
    assert_ok(exec_clear(c, q, SAMPLES, 1, clear, NULL));
    for (size_t i = 0; i < SAMPLES; i++) {
        assert_ok(network_apply(n, x + i * INPUTS, want));
        exec_values(c, clear + i * OUTPUTS, got);
        for (size_t k = 0; k < OUTPUTS; k++) assert_true(fabs(want[k] - got[k]) < 1e-9);
    }
    assert_ok(exec_simulate(c, q, SAMPLES, &noise, 1, other, &stats));
    for (size_t i = 0; i < SAMPLES * OUTPUTS; i++) assert_true(rint(other[i]) == clear[i]);
    toy_encrypted(c, q, SAMPLES, other);
    for (size_t i = 0; i < SAMPLES * OUTPUTS; i++) assert_true(rint(other[i]) == clear[i]);
    free(q);
}

/* Half of the rotations of the first two layers are saved, by either way, and all values are those of the network. */
static void test_runs(void **state)
{
    (void)state;
    for (int kind = 0; kind < KINDS; kind++)
        for (uint64_t seed = 1; seed <= (kind == OPPOSITE ? 3 : 6); seed++) {
            const int slots = seed > 3;
            uint64_t random = 100 * (uint64_t)kind + seed;
            network *n = network_of(&random, kind);
            float *x = random_inputs(&random, 40, INPUTS);
            circuit *c = graph_reread(slots ? slotted(n, x) : lowered(n, x, 0, -1, MIXED));
            const circuit_layer *l = &c->layers[0];
            const size_t branches = kind == THREE ? 3 : 2;
            assert_int_equal(c->passes.rotations, (branches - 1) * NEURONS);
            assert_int_equal(c->layers_count, 3);
            assert_int_equal(l->out, NEURONS);
            assert_int_equal(l->offsets, branches);
            assert_int_equal(l->slot_bits, !slots ? 0 : branches == 3 ? 2 : 1);
            assert_int_equal(circuit_rotations_before(c, 3), 2 * NEURONS);
            assert_int_equal(circuit_look_ups(c), (branches + 1) * NEURONS);
            same_runs(n, c, x, seed % 3 == 2 ? 256 : 1024); /* the former extended */
            free(x);
            circuit_destroy(c);
            network_destroy(n);
        }
}

/* A padded convolution of CHANNELS channels, whose sums relu and the identity take, and scores. The first windows have
 * three taps of five, in which the channels are opposite: the sums of the second channel there are those of the first,
 * and rotate none the less, as its other windows need its weights and the first channel needs the windows. */
static network *border_network(uint64_t *seed)
{
    enum { CHANNELS = 2, TAPS = 5, SUMS = CHANNELS * INPUTS };
    static const int32_t W[CHANNELS * TAPS] = {1, 2, 1, -1, -2, -2, -1, -1, 1, 2};
    const gather_windows windows = {.channels = 1,
                                    .size = {1, INPUTS},
                                    .kernel = {1, TAPS},
                                    .stride = {1, 1},
                                    .dilation = {1, 1},
                                    .pad = {0, 2, 0, 2}};
    network *n = NULL;
    assert_ok(network_create(INPUTS, 3, &n));
    n->input = (quantizer){.scale = 0.5, .bits = 2};
    for (size_t i = 0; i < 2; i++) {
        dense_layer *d = &n->layers[i];
        circuit_linear l = {0};
        assert_ok(gather_convolution(&windows, W, CHANNELS, 1, &l));
        assert_ok(gathered_layer_create(INPUTS, SUMS, &l, d));
        d->act = i == 0 ? ACTIVATION_RELU : ACTIVATION_IDENTITY;
        d->out_q = (quantizer){.scale = 0.25, .bits = 6, .is_signed = i > 0};
        for (size_t o = 0; o < SUMS; o++) d->channel[o] = (uint32_t)(o / INPUTS), d->w_scale[o] = 0.5;
        d->sources[0] = 0, d->sources_count = 1;
    }
    dense_layer *last = &n->layers[2];
    assert_ok(dense_layer_create(2 * SUMS, OUTPUTS, last));
    fill_dense(seed, last, 2);
    last->sources[0] = 1, last->sources[1] = 2, last->sources_count = 2;
    assert_ok(network_set_labels(n, NULL, OUTPUTS));
    assert_ok(network_check(n));
    return n;
}

/* A neuron that has the opposite sums of another one, and rotates for itself, looks up its own table. */
static void test_opposite_and_needed(void **state)
{
    (void)state;
    for (int slots = 0; slots < 2; slots++) {
        uint64_t seed = 3;
        network *n = border_network(&seed);
        float *x = random_inputs(&seed, 40, INPUTS);
        circuit *c = graph_reread(slots ? slotted(n, x) : lowered(n, x, 0, -1, MIXED));
        assert_int_equal(c->layers_count, 2);
        assert_int_equal(c->layers[0].out, 2 * INPUTS);
        assert_int_equal(c->layers[0].slot_bits > 0, slots);
        assert_int_equal(c->layers[0].offsets, 3); /* of the first neuron, of it again, and the other one's opposite */
        same_runs(n, c, x, 1024);
        free(x);
        circuit_destroy(c);
        network_destroy(n);
    }
}

/* Two-norms of what a search is asked bound the variance of every sum for any share that coefficients have in common,
 * and are the largest at both ends. */
static void check_norms(const circuit *c, mixes *m)
{
    lookup_layer asked[CIRCUIT_MAX_LAYERS];
    assert_ok(circuit_lookup_layers(c, asked));
    for (size_t i = 1; i < c->layers_count; i++) {
        const circuit_layer *l = &c->layers[i];
        mix_share *spread = calloc(l->in, sizeof *spread);
        uint32_t *touched = calloc(l->in, sizeof *touched);
        linear_view *view;
        assert_ok(linear_view_create(&l->linear, l->in, l->out, &view));
        for (int q = 0; q <= 4; q++) {
            const double share = q / 8.0, bound = asked[i].two_norm * asked[i].two_norm + share * asked[i].common;
            double most = 0;
            for (size_t k = 0; k < c->layers_count; k++) m->common[k] = share;
            for (size_t o = 0; o < l->out; o++) {
                const uint32_t *input;
                const int64_t *weight;
                double sum = 0;
                const size_t count = linear_view_row(view, o, &input, &weight);
                const size_t listed = mixes_spread(c, m, i, input, weight, count, spread, touched);
                for (size_t k = 0; k < count; k++) sum += (double)weight[k] * spread[input[k]].weight;
                for (size_t k = 0; k < listed; k++) spread[touched[k]] = (mix_share){.listed = 0};
                most = fmax(most, sum);
            }
            assert_true(most <= bound * (1 + 1e-12));
            if (q % 4 == 0) assert_true(most >= bound * (1 - 1e-12));
        }
        linear_view_destroy(view);
        free(spread), free(touched);
    }
}

/* Three tables of which two are shifts of each other take two slots, and all values are those of the network; values
 * are different coefficients, of which each has a noise of its own besides what they have in common. */
static void test_shifts_in_slots(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        uint64_t random = seed;
        network *n = network_of(&random, PAIRED);
        float *x = random_inputs(&random, 40, INPUTS);
        circuit *c = graph_reread(lowered(n, x, 0, -1, BOTH));
        const circuit_layer *l = &c->layers[0];
        mixes m;
        assert_int_equal(l->out, NEURONS);
        assert_int_equal(l->offsets, 3);
        assert_int_equal(l->slot_bits, 1);
        assert_int_equal(circuit_rotations_before(c, 3), 2 * NEURONS);
        assert_int_equal(circuit_look_ups(c), 4 * NEURONS);
        assert_ok(mixes_create(c, &m));
        for (size_t k = 0; k < NEURONS * 9; k++) {
            assert_true(m.of[0]->gram[k] == (k % 9 % 4 == 0));
            assert_true(k % 9 % 4 == 0 ? m.of[0]->near[k] == 1 : fabs(m.of[0]->near[k]) <= 1);
        }
        check_norms(c, &m);
        mixes_clear(&m);
        char *text = printed(c);
        assert_non_null(strstr(text, ", 3 of them side by side in 2 slots, shifts of each other in one\n"));
        free(text);
        int32_t *entry = &c->layers[0].table[l->cells]; /* of the second table: no shift of the first any more */
        *entry += 1;
        refused_as(c, "layer layer 1 has 3 tables in 2^1 slots");
        *entry -= 1;
        same_runs(n, c, x, seed % 2 == 0 ? 256 : 1024); /* the former extended */
        free(x);
        circuit_destroy(c);
        network_destroy(n);
    }
}

/* Shifted tables are one that is rotated, read at several places, and so may be those of a ramp and of its opposite, or
 * of two clamps; of others the steps are rotated, and errors add up by the jumps in common. */
static void test_mixes(void **state)
{
    (void)state;
    for (int kind = 0; kind < KINDS; kind++) {
        size_t shifted = 0;
        uint64_t seed = 7;
        network *n = network_of(&seed, kind);
        float *x = random_inputs(&seed, 40, INPUTS);
        circuit *c = lowered(n, x, 0, -1, MIXED);
        const circuit_layer *l = &c->layers[0];
        mixes m;
        assert_ok(mixes_create(c, &m));
        assert_null(m.of[1]);
        for (size_t o = 0; o < l->out; o++) {
            const int steps = m.of[0]->rotated[o] == MIX_STEP;
            if (kind == SHIFTED || kind == THREE) assert_int_equal(steps, kind == THREE);
            shifted += !steps;
            for (size_t a = 0; a < l->offsets; a++)
                for (size_t b = 0; b < l->offsets; b++) {
                    const int32_t *s = circuit_value_table(l, o * l->offsets + a);
                    const int32_t *t = circuit_value_table(l, o * l->offsets + b);
                    const size_t at = (o * l->offsets + a) * l->offsets + b;
                    double want = 0, near = 0;
                    for (size_t k = 1; k < l->cells; k++) want += (double)(s[k] - s[k - 1]) * (t[k] - t[k - 1]);
                    for (size_t k = 1; k < l->cells; k++)
                        for (size_t j = 1; j < l->cells; j++)
                            near += (double)(s[k] - s[k - 1]) * (t[j] - t[j - 1]) *
                                    (1 - 2 * fabs((double)k - (double)j) / l->cells);
                    if (!steps) want = a == b;
                    assert_true(m.of[0]->gram[at] == want);
                    if (steps) assert_true(fabs(m.of[0]->near[at] - near) < 1e-9 * (1 + fabs(near)));
                    if (!steps) assert_true(a == b ? m.of[0]->near[at] == 1 : fabs(m.of[0]->near[at]) <= 1);
                }
        }
        assert_true(kind == THREE || shifted > 0);
        check_norms(c, &m);
        mixes_clear(&m);
        free(x);
        circuit_destroy(c);
        network_destroy(n);
    }
}

/* ---- equal look-ups ---- */

/* Two layers of relu alike, of whose neurons the second has the weights of the first, and a bias that no table tells.
 */
static network *equal_network(uint64_t *seed)
{
    network *n = network_of(seed, IDENTITY);
    for (size_t i = 0; i < 2; i++) {
        dense_layer *d = &n->layers[i];
        d->act = ACTIVATION_RELU, d->out_q.is_signed = 0;
        memcpy(d->W + d->in, d->W, d->in * sizeof *d->W);
        d->bias[1] += 1e-6;
    }
    return n;
}

/* They are one layer without that neuron, whatever the rounding, and what takes both takes one value twice. */
static void test_equal_look_ups(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        uint64_t random = seed;
        network *n = equal_network(&random);
        float *x = random_inputs(&random, 40, INPUTS);
        circuit *c = graph_reread(lowered(n, x, 0, -1, 0));
        assert_int_equal(c->passes.rotations, NEURONS + 1);
        assert_int_equal(c->layers_count, 3);
        assert_int_equal(c->layers[0].out, NEURONS - 1);
        same_runs(n, c, x, 512);
        circuit_destroy(c);
        free(x);
        network_destroy(n);
    }
}

/* Waves of one value, too, whose phases are equal to the bit or nearly so. */
static void test_equal_waves(void **state)
{
    (void)state;
    uint64_t seed = 7;
    network *n = equal_network(&seed);
    for (size_t i = 0; i < 2; i++) {
        dense_layer *d = &n->layers[i];
        d->act = ACTIVATION_SINE, d->out_q.is_signed = 1;
        for (size_t o = 0; o < d->out; o++) d->w_scale[o] = 1 / 16.0;
    }
    float *x = random_inputs(&seed, 40, INPUTS);
    circuit *c = graph_reread(lowered(n, x, 0, -1, 0));
    assert_int_equal(c->passes.rotations, NEURONS + 1);
    assert_int_equal(c->layers_count, 3);
    assert_true(c->layers[0].unit != 0 && c->layers[0].out == NEURONS - 1 && c->layers[0].tables == 1);
    circuit_destroy(c);
    free(x);
    network_destroy(n);
}

/* Exactly rounded ones, too: the sums that take them are tested, and have the noise that is predicted. */
static void test_equal_noise(void **state)
{
    (void)state;
    uint64_t seed = 5;
    const seed256 noise = {{4}};
    network *n = equal_network(&seed);
    dense_layer *both = &n->layers[2];
    for (size_t k = 0; k < both->in * both->out; k++) both->W[k] = 1 + (int32_t)(k / both->in);
    float *x = random_inputs(&seed, 40, INPUTS);
    circuit *c = NULL;
    lower_options o;
    lower_options_init(&o);
    o.method = ROUNDING_EXACT, o.rounding_bits = 3, o.log2_error = -10, o.ranges_measured = 0, o.share_ways = 0;
    assert_ok(network_lower(n, x, 40, &o, &c));
    size_t table = 0;
    while (c->layers[table].low_bits == 0) table++;
    assert_true(table > 0 && c->layers[table].low_bits == table);
    assert_int_equal(c->layers[table].out, NEURONS - 1);
    roles r;
    roles_create(&r, c);
    int32_t *q = quantize_all(c, x, 6);
    double out[3][6 * OUTPUTS];
    audit_model model;
    audit *a = NULL;
    audit_model_init(c, &model);
    assert_ok(audit_create(c, &model, r.eval, r.secret, q, 6, &noise, 0, NULL, out[0], out[1], out[2], &a));
    assert_false(a->rejected);
    assert_true(a->encrypted.layers[table + 1].sum.count > 0);
    audit_destroy(a);
    roles_destroy(&r);
    free(q), free(x);
    circuit_destroy(c);
    network_destroy(n);
}

/* ---- noise ---- */

/* As audit says, of both runs: false alarm 1e-6 each. Every sum of layer 2 takes the sum of the values of each neuron,
 * whose errors are independent where tables are side by side and not where they are mixed. A model of values without
 * noise is rejected. */
static void noise_of(int kind, unsigned ways)
{
    uint64_t seed = 11 + (uint64_t)kind;
    const seed256 noise = {{4}};
    const size_t most = 6;
    network *n = network_of(&seed, kind);
    dense_layer *both = &n->layers[n->layers_count - 2];
    const size_t branches = both->in / NEURONS;
    for (size_t o = 0; o < both->out; o++)
        for (size_t k = 0; k < both->in; k++) both->W[o * both->in + k] = both->W[o * both->in + k % NEURONS];
    float *x = random_inputs(&seed, 40, INPUTS);
    circuit *c = lowered(n, x, 5, log2(0.05), ways);
    const circuit_layer *l = &c->layers[0];
    const tfhe_params *p = &c->choice.families.of[0], slotted = tfhe_slotted(p, l->slot_bits);
    assert_int_equal(l->offsets, branches);
    assert_int_equal(l->slot_bits > 0, ways != MIXED);
    assert_int_equal(circuit_shifts_slots(l), ways == BOTH);
    assert_true(circuit_switch_noise(c, 0) == noise_keyswitch(p) + noise_modulus_switch(&slotted, l->EF, l->price));
    roles r;
    roles_create(&r, c);
    int32_t *q = quantize_all(c, x, most);
    double out[3][6 * OUTPUTS];
    for (int wrong = 0; wrong < 2; wrong++) {
        audit_model model;
        audit *a = NULL;
        audit_model_init(c, &model);
        const size_t samples = wrong ? most / 2 : most;
        if (wrong) model.look_up[0] /= 64;
        assert_ok(audit_create(c, &model, r.eval, r.secret, q, samples, &noise, 0, NULL, out[0], out[1], out[2], &a));
        assert_int_equal(a->rejected, wrong);
        assert_true(a->encrypted.layers[1].sum.count >= samples * 3);
        audit_destroy(a);
    }
    roles_destroy(&r);
    free(q), free(x);
    circuit_destroy(c);
    network_destroy(n);
}

static void test_noise(void **state)
{
    (void)state;
    for (int kind = 0; kind < KINDS; kind++) noise_of(kind, MIXED);
    noise_of(IDENTITY, SLOTS);
    noise_of(OPPOSITE, SLOTS);
    noise_of(THREE, SLOTS);
    noise_of(PAIRED, BOTH);
}

/* The way is that of the fewest seconds: slots where the noise of sums of steps would ask for more levels, of ramps
 * that are no whole cells apart, and sums of steps where slots would ask for a larger ring. */
static void test_choice(void **state)
{
    (void)state;
    const struct {
        int kind;
        int32_t most; /* weight on the values */
        unsigned rounding, chosen;
    } tries[] = {{IDENTITY, 7, 4, 1}, {THREE, 1, 3, 1}, {SHIFTED, 7, 4, 2}, {SHIFTED, 7, 3, 2}};
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        const unsigned ways[] = {0, MIXED, SLOTS, LOWER_SHARE_ANY};
        double seconds[4];
        uint64_t seed = 3;
        network *n = network_of(&seed, tries[i].kind);
        fill_dense(&seed, &n->layers[n->layers_count - 2], tries[i].most);
        n->layers[n->layers_count - 2].weight_bits = 8;
        float *x = random_inputs(&seed, 40, INPUTS);
        for (size_t k = 0; k < 4; k++) {
            circuit *c = lowered(n, x, tries[i].rounding, -40, ways[k]);
            seconds[k] = c->choice.seconds;
            if (k == 3) assert_int_equal(c->layers[0].slot_bits > 0, tries[i].chosen == 2);
            circuit_destroy(c);
        }
        for (size_t k = 0; k < 3; k++) assert_true(k == tries[i].chosen || seconds[k] > seconds[3]);
        assert_true(seconds[3] == seconds[tries[i].chosen]);
        free(x);
        network_destroy(n);
    }
}

static void test_files(void **state)
{
    (void)state;
    uint64_t seed = 5;
    network *n = network_of(&seed, THREE);
    float *x = random_inputs(&seed, 40, INPUTS);
    circuit *c = lowered(n, x, 0, -1, MIXED);
    circuit_layer *l = &c->layers[0];
    const uint32_t last = l->table_of[circuit_values(l) - 1];
    l->table_of[circuit_values(l) - 1] = (uint32_t)l->tables;
    refused_as(c, "neuron 5 of layer layer 1 has table");
    l->table_of[circuit_values(l) - 1] = last;
    l->cells--;
    refused_as(c, "layer layer 1 has 3 offsets");
    l->cells++;
    l->offsets = 0;
    refused_as(c, "layer layer 1 has 0 offsets");
    l->offsets = 3;
    char *text = printed(c);
    assert_non_null(strstr(text, "layer 1 = look-up(layer 1)  # several, "));
    assert_non_null(strstr(text, ", 3 values each\n"));
    free(text);
    free(x);
    circuit_destroy(c);
    network_destroy(n);
}

static void test_slot_files(void **state)
{
    (void)state;
    uint64_t seed = 5;
    network *n = network_of(&seed, THREE);
    float *x = random_inputs(&seed, 40, INPUTS);
    circuit *c = slotted(n, x);
    circuit_layer *l = &c->layers[0];
    assert_int_equal(l->slot_bits, 2);
    const uint32_t last = l->table_of[l->out - 1];
    l->table_of[l->out - 1] = (uint32_t)l->tables;
    refused_as(c, "neuron 5 of layer layer 1 has table");
    l->table_of[l->out - 1] = last;
    l->slot_bits = 1;
    refused_as(c, "layer layer 1 has 3 tables in 2^1 slots");
    l->slot_bits = TFHE_MAX_SLOT_BITS + 1;
    refused_as(c, "layer layer 1 has 3 tables in 2^5 slots");
    l->slot_bits = 2;
    c->layers[1].slot_bits = 1;
    refused_as(c, "layer layer 4 has 1 tables in 2^1 slots");
    c->layers[1].slot_bits = 0;
    tfhe_params *p = &c->choice.families.of[0];
    *p = (tfhe_params){.n = 1000, .k = 6, .N = 256, .pbs_l = 1, .pbs_lb = 1, .pbs_bg = 15, .pbs_group = 1};
    p->ks_l = 4, p->ks_b = 4, p->lwe_noise = 30, p->glwe_noise = 62;
    l->EF = 1, l->price = 0;
    l->slot_bits = TFHE_MAX_SLOT_BITS;
    assert_true(l->cells <= 256 && l->cells << l->slot_bits > 256);
    refused_as(c, "the rotation of layer layer 1 has too few steps for its cells");
    l->slot_bits = 2;
    char *text = printed(c);
    assert_non_null(strstr(text, ", 3 of them side by side in 4 slots\n"));
    free(text);
    free(x);
    circuit_destroy(c);
    network_destroy(n);
}

/* Whether one table is the other further on, by trying all places. */
static int is_shift(const int32_t *base, const int32_t *t, uint32_t cells)
{
    const int32_t mid2 = base[0] + base[cells - 1], own = t[0] + t[cells - 1];
    for (uint32_t by = 0; by < 2 * cells; by++) {
        int same = 1;
        for (uint32_t c = 0; c < cells; c++) {
            const uint32_t at = (c + by) % (2 * cells);
            const int32_t there = at < cells ? 2 * base[at] - mid2 : mid2 - 2 * base[at - cells];
            same &= there == 2 * t[c] - own;
        }
        if (same) return 1;
    }
    return 0;
}

/* Tables of few values, which repeat themselves, and shifts of them. */
static void test_shifts_found(void **state)
{
    (void)state;
    enum { CELLS = 16, TABLES = 4 };
    const circuit_layer l = {.cells = CELLS, .offsets = TABLES};
    uint64_t seed = 9;
    size_t shifts = 0;
    for (size_t k = 0; k < 3000; k++) {
        int32_t list[TABLES * CELLS];
        uint32_t base[CIRCUIT_MAX_OFFSETS], want[TABLES], count = 0;
        const uint32_t period = 1 + (uint32_t)(test_random(&seed) % CELLS),
                       values = 2 + (uint32_t)(test_random(&seed) % 2);
        for (uint32_t c = 0; c < CELLS; c++)
            list[c] = c < period ? (int32_t)(test_random(&seed) % values) : list[c - period];
        for (uint32_t j = 1; j < TABLES; j++) {
            const uint32_t by = (uint32_t)(test_random(&seed) % (2 * CELLS));
            for (uint32_t c = 0; c < CELLS; c++) {
                const uint32_t at = (c + by) % (2 * CELLS);
                list[j * CELLS + c] = at < CELLS ? list[at] : list[0] + list[CELLS - 1] - list[at - CELLS];
            }
            if (j == 2) list[j * CELLS + test_random(&seed) % CELLS]++;
        }
        for (uint32_t j = 0; j < TABLES; j++) {
            uint32_t s = 0;
            while (s < count && !is_shift(list + want[s] * CELLS, list + j * CELLS, CELLS)) s++;
            if (s == count)
                want[count++] = j;
            else
                shifts++;
        }
        assert_int_equal(mix_slots(&l, list, base), count);
        assert_memory_equal(base, want, count * sizeof *want);
    }
    assert_true(shifts > 3000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_runs),
                                       cmocka_unit_test(test_shifts_in_slots),
                                       cmocka_unit_test(test_opposite_and_needed),
                                       cmocka_unit_test(test_mixes),
                                       cmocka_unit_test(test_equal_look_ups),
                                       cmocka_unit_test(test_equal_noise),
                                       cmocka_unit_test(test_equal_waves),
                                       cmocka_unit_test(test_noise),
                                       cmocka_unit_test(test_choice),
                                       cmocka_unit_test(test_files),
                                       cmocka_unit_test(test_slot_files),
                                       cmocka_unit_test(test_shifts_found)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
