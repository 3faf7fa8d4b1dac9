/* SPDX-License-Identifier: Apache-2.0 */
/* A file of the costs of a host. */
#include "fuzz.h"

#include "deploy/host_costs.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const host_key key = {.processor = "unknown", .kernels = "ref ref", .version = "0"};
    cost_model m = cost_model_shipped;
    if (host_costs_read(fuzz_file(0, data, size), &key, &m) == ANNULUS_OK) {
        fuzz_accepted++;
        REQUIRE(cost_model_check(&m));
    } else {
        REQUIRE(memcmp(&m, &cost_model_shipped, sizeof m) == 0);
    }
    return 0;
}
