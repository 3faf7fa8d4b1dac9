/* SPDX-License-Identifier: Apache-2.0 */
/* Two bytes: length of the labels (65535: none), little-endian; labels; images. */
#include "fuzz.h"

#include "data/dataset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    dataset *d = NULL;
    if (size < 2) return 0;
    const size_t want = data[0] | (size_t)data[1] << 8, rest = size - 2;
    const int labeled = want != 65535;
    const size_t labels = !labeled ? 0 : want < rest ? want : rest;
    const char *label_path = labeled ? fuzz_file(1, data + 2, labels) : NULL;
    if (dataset_read_idx(fuzz_file(0, data + 2 + labels, rest - labels), label_path, &d) != ANNULUS_OK) return 0;
    fuzz_accepted++;
    REQUIRE(d->count > 0 && d->features > 0);
    for (size_t i = 0; i < d->count * d->features; i++) REQUIRE(d->x[i] >= 0 && d->x[i] <= 255);
    for (size_t i = 0; d->label != NULL && i < d->count; i++) REQUIRE((size_t)d->label[i] < d->classes);
    dataset_destroy(d);
    return 0;
}
