/* SPDX-License-Identifier: Apache-2.0 */
/* onnx_apply MODEL SAMPLES: reads a model and 32-bit floats, one sample after another, and prints what the network
 * gives for each, or why the model is refused. */
#include "base/file.h"
#include "onnx/onnx_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int apply_all(const network *n, const uint8_t *bytes, size_t len)
{
    const size_t outputs = n->layers[n->layers_count - 1].out;
    float *x = malloc(n->inputs * sizeof *x);
    double *y = malloc(outputs * sizeof *y);
    int failed = x == NULL || y == NULL;
    for (size_t at = 0; !failed && at + n->inputs * sizeof *x <= len; at += n->inputs * sizeof *x) {
        memcpy(x, bytes + at, n->inputs * sizeof *x);
        failed = network_apply(n, x, y) != ANNULUS_OK;
        for (size_t o = 0; !failed && o < outputs; o++) printf("%.17g%c", y[o], o + 1 == outputs ? '\n' : ' ');
    }
    free(x), free(y);
    return failed;
}

int main(int argc, char **argv)
{
    network *n = NULL;
    uint8_t *bytes = NULL;
    size_t len = 0;
    if (argc != 3) return 2;
    annulus_status st = onnx_model_read(argv[1], &n);
    if (st == ANNULUS_OK) st = file_read(argv[2], (size_t)1 << 30, &bytes, &len);
    if (st != ANNULUS_OK) {
        puts(annulus_error_message());
        return 1;
    }
    const int failed = apply_all(n, bytes, len);
    free(bytes);
    network_destroy(n);
    return failed;
}
