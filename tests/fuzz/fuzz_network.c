/* SPDX-License-Identifier: Apache-2.0 */
/* The text of a network. */
#include "fuzz.h"

#include "train/train_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static train_functions functions;
    train_options o;
    train_options_init(&o);
    if (train_network_text((const char *)data, size, "network", &functions, &o) == ANNULUS_OK) {
        fuzz_accepted++;
        REQUIRE(o.conv_count + o.hidden_count == o.layer_acts_count && o.layer_acts_count <= TRAIN_MAX_HIDDEN);
    }
    return 0;
}
