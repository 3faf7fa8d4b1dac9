/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and noise from fixed seeds, a new one for each draw (linker option --wrap=random_seed). */
#ifndef TESTS_COUNTED_SEED_H
#define TESTS_COUNTED_SEED_H

#include "base/random.h"
#include <string.h>

static uint64_t drawn; /* a test sets it to draw anew */

annulus_status __wrap_random_seed(seed256 *out);
annulus_status __wrap_random_seed(seed256 *out)
{
    *out = (seed256){{0}};
    memcpy(out->b, &drawn, sizeof drawn);
    drawn++;
    return ANNULUS_OK;
}
#endif
