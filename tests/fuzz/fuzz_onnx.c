/* SPDX-License-Identifier: Apache-2.0 */
/* An ONNX file. What is read is a network that runs, that can be written and read again, and that lowers or says why
 * not. */
#include "fuzz.h"

#include "base/memory.h"
#include "nn/lower.h"
#include "onnx/onnx_model.h"
#include <stdlib.h>

#define SAMPLES 32u

static void lower(const network *n, const float *x)
{
    circuit *c = NULL;
    lower_options o;
    lower_options_init(&o);
    o.families_most = 1; /* the longer search is not the files' */
    o.log2_error = -5;
    for (int measured = 0; measured < 2; measured++) {
        o.ranges_measured = measured;
        if (network_lower(n, x, SAMPLES, &o, &c) == ANNULUS_OK) {
            circuit_destroy(c);
            c = NULL;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    network *n = NULL, *again = NULL;
    uint8_t *bytes = NULL;
    size_t len = 0;
    if (onnx_model_decode(data, size, "fuzz", &n) != ANNULUS_OK) return 0;
    fuzz_accepted++;
    const size_t outputs = n->layers[n->layers_count - 1].out;
    float *x = calloc(SAMPLES * n->inputs, sizeof *x);
    double *y = calloc(outputs, sizeof *y);
    REQUIRE(x != NULL && y != NULL);
    for (size_t i = 0; i < SAMPLES * n->inputs; i++) x[i] = (float)(i * 37 % 101) / 25;
    if (network_apply(n, x, y) != ANNULUS_OK) abort();
    if (onnx_model_encode(n, &bytes, &len) == ANNULUS_OK) {
        if (onnx_model_decode(bytes, len, "again", &again) != ANNULUS_OK) {
            require_failed(annulus_error_message(), __FILE__, __LINE__);
        }
        REQUIRE(again->inputs == n->inputs && again->layers_count == n->layers_count);
    }
    if (fuzz_accepted % 32 == 1) lower(n, x); /* a search for parameters each: not every time */
    mem_free(bytes);
    network_destroy(again);
    network_destroy(n);
    free(x), free(y);
    return 0;
}
