/* SPDX-License-Identifier: Apache-2.0 */
/* Trained networks through files and toy encryption. */
#ifndef TESTS_TRAIN_ENCRYPTED_H
#define TESTS_TRAIN_ENCRYPTED_H

#include "random_networks.h"
#include "train_fixture.h"

#include "nn/plain.h"
#include "onnx/onnx_model.h"

/* From a file, in layers as training has them; side: of pictures, 0: a table. */
static inline network *read_back(const network *n, size_t side)
{
    network *file = NULL, *plain = NULL;
    uint8_t *bytes = NULL;
    size_t len = 0;
    assert_ok(onnx_model_encode(n, &bytes, &len));
    assert_ok(onnx_model_decode(bytes, len, "model", &file));
    assert_ok(network_plain(file, (const size_t[]){side > 0, side, side}, &plain));
    mem_free(bytes);
    network_destroy(file);
    return plain;
}

/* A network of two scores for rings() answers alike as it is, and from a file as a clear circuit, simulated, and
 * encrypted with toy keys. */
static inline void runs_as_trained(const network *n, const dataset *d)
{
    circuit *c = NULL;
    lower_options l;
    const seed256 noise = {{1}};
    exec_stats stats = {0};
    double clear[2 * GRAPH_SAMPLES], other[2 * GRAPH_SAMPLES], want[2], got[2];
    network *back = read_back(n, 0);
    lower_options_init(&l);
    l.ranges_measured = 0, l.log2_error = -1, l.families_most = 1, l.rounding_bits = 0;
    assert_ok(network_lower(back, d->x, d->count, &l, &c));
    toy_parameters(c);
    int32_t *q = quantize_all(c, d->x, GRAPH_SAMPLES);
    assert_ok(exec_clear(c, q, GRAPH_SAMPLES, 1, clear, NULL));
    for (size_t i = 0; i < GRAPH_SAMPLES; i++) {
        assert_ok(network_apply(n, d->x + 3 * i, want));
        exec_values(c, clear + 2 * i, got);
        for (size_t k = 0; k < 2; k++) assert_true(fabs(want[k] - got[k]) < 1e-6 * (1 + fabs(want[k])));
    }
    assert_ok(exec_simulate(c, q, GRAPH_SAMPLES, &noise, 1, other, &stats));
    assert_true(stats.samples_erred == 0);
    for (size_t i = 0; i < 2 * GRAPH_SAMPLES; i++) assert_true(rint(other[i]) == clear[i]);
    toy_encrypted(c, q, GRAPH_SAMPLES, other);
    for (size_t i = 0; i < 2 * GRAPH_SAMPLES; i++) assert_true(rint(other[i]) == clear[i]);
    free(q);
    circuit_destroy(c);
    network_destroy(back);
}
#endif
