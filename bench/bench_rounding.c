/* SPDX-License-Identifier: Apache-2.0 */
/* bench_rounding BITS WIDTH...: a layer whose sums of looked up values have BITS bits, at 2^-40, without rounding and,
 * to each WIDTH, with approximate and with exact rounding: milliseconds a neuron of encrypted inferences on one thread,
 * sums included, medians of interleaved rounds; and as predicted. A table on stdout, parameters on stderr. */
#include "bench.h"
#include "circuit/latency.h"
#include "nn_fixture.h"
#include "roles.h"

#include <string.h>

#define NEURONS 8u
#define FEATURES 8u
#define ROUNDS 5u
#define VARIANTS 16u

typedef struct variant {
    char name[32];
    circuit *c;
    roles keys;
    size_t first, last; /* layers of the sums in question */
    double begin, seconds[ROUNDS];
    size_t round;
    double predicted;
} variant;

/* Layer 2 has sums of 2^bits values, of inputs in [0, 7], whatever the samples. */
static network *summing_network(unsigned bits)
{
    static const size_t widths[] = {FEATURES, NEURONS, NEURONS, 2};
    uint64_t seed = 1;
    network *n = random_network(&seed, widths, 3, ACTIVATION_RELU, 3);
    dense_layer *d = &n->layers[1];
    const int32_t all = (1 << bits) / 7;
    d->weight_bits = 10;
    for (size_t o = 0; o < NEURONS; o++)
        for (size_t i = 0; i < NEURONS; i++) {
            const int32_t size = all / (int32_t)NEURONS + ((int32_t)i < all % (int32_t)NEURONS);
            d->W[o * NEURONS + i] = (i + o) % 2 == 0 ? size : -size;
        }
    for (size_t o = 0; o < NEURONS; o++) d->w_scale[o] = 3 / (double)all;
    must(network_check(n));
    return n;
}

static void variant_create(const network *n, const float *x, unsigned bits, rounding_method method, variant *v)
{
    const layer_rounding own[] = {{"layer 1", 4, ROUNDING_APPROXIMATE}, {"layer 2", bits, method}};
    lower_options o;
    lower_options_init(&o);
    o.layer_roundings = own, o.layer_roundings_count = 2, o.ranges_measured = 0;
    (void)snprintf(v->name, sizeof v->name, bits == 0 ? "none" : "%u bits, %s", bits,
                   method == ROUNDING_EXACT ? "exact" : "approximate");
    must(network_lower(n, x, 64, &o, &v->c));
    double seconds[CIRCUIT_MAX_LAYERS];
    (void)circuit_seconds(v->c, 1, seconds);
    v->first = v->c->layers_count;
    for (size_t i = 0; i < v->c->layers_count; i++) {
        const circuit_layer *l = &v->c->layers[i];
        const tfhe_params *p = &v->c->choice.families.of[l->family];
        if (strncmp(l->name, "layer 2", 7) != 0) continue;
        v->first = i < v->first ? i : v->first, v->last = i;
        v->predicted += 1e3 * seconds[i] / NEURONS;
        fprintf(stderr, "%s, %s: n=%u k=%u N=%u l=%u/%u g=%u EF=%u cells=%u\n", v->name, l->name, p->n, p->k, p->N,
                p->pbs_l, p->pbs_lb, p->pbs_group, l->EF, l->cells);
    }
    roles_create(&v->keys, v->c);
}

/* After layer `next` - 1. */
static annulus_status note(void *context, size_t next, const exec_ciphertexts *live, size_t count)
{
    variant *v = context;
    (void)live, (void)count;
    if (next == v->first) v->begin = bench_cpu_seconds();
    if (next == v->last + 1) v->seconds[v->round] = bench_cpu_seconds() - v->begin;
    return ANNULUS_OK;
}

static void variant_run(variant *v, const int32_t *q)
{
    const exec_tap tap = {.values = note, .context = v};
    uint64_t *message = room(FEATURES, 8), *body = room(FEATURES, 8);
    uint64_t *out = room(circuit_last(v->c)->out * lwe_words(circuit_outputs(v->c)), 8);
    seed256 seed;
    must(random_seed(&seed));
    exec_encode(v->c, q, message);
    must(packed_encrypt_seeded(v->keys.secret->of[v->c->layers[0].family], &seed, message, FEATURES, body));
    const exec_inputs in = {.mask_seed = &seed, .body = body};
    must(exec_encrypted(v->keys.plan, v->keys.eval, v->keys.memory, &in, 1, out, 1, &tap, NULL));
    free(message), free(body), free(out);
}

int main(int argc, char **argv)
{
    variant v[VARIANTS] = {0};
    size_t count = 1;
    if (argc < 2 || 2 * argc - 3 > (int)VARIANTS) return 2;
    network *n = summing_network((unsigned)strtoul(argv[1], NULL, 10));
    uint64_t seed = 2;
    float *x = random_inputs(&seed, 64, FEATURES);
    variant_create(n, x, 0, ROUNDING_APPROXIMATE, &v[0]);
    for (int a = 2; a < argc; a++) {
        const unsigned width = (unsigned)strtoul(argv[a], NULL, 10);
        variant_create(n, x, width, ROUNDING_APPROXIMATE, &v[count++]);
        variant_create(n, x, width, ROUNDING_EXACT, &v[count++]);
    }
    int32_t *q = quantize_all(v[0].c, x, 1);
    for (size_t r = 0; r < ROUNDS; r++)
        for (size_t i = 0; i < count; i++) v[i].round = r, variant_run(&v[i], q);
    printf("%-22s %10s %10s %10s\n", "rounding", "measured", "predicted", "of none");
    const double none = bench_median(v[0].seconds, ROUNDS);
    for (size_t i = 0; i < count; i++) {
        const double median = i == 0 ? none : bench_median(v[i].seconds, ROUNDS);
        printf("%-22s %7.2f ms %7.2f ms %10.4f\n", v[i].name, 1e3 * median / NEURONS, v[i].predicted, median / none);
        roles_destroy(&v[i].keys);
        circuit_destroy(v[i].c);
    }
    free(q), free(x);
    network_destroy(n);
    return 0;
}
