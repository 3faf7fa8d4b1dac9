/* SPDX-License-Identifier: Apache-2.0 */
/* Common divisors and multiples. */
#ifndef BASE_DIVISOR_H
#define BASE_DIVISOR_H

#include <stddef.h>
#include <stdint.h>

static inline int64_t common_divisor(int64_t a, int64_t b) /* 0: of the other alone */
{
    for (int64_t rest; b != 0; b = rest) {
        rest = a % b;
        a = b;
    }
    return a;
}
static inline size_t common_multiple(size_t a, size_t b) /* of numbers above 0 */
{
    return a / (size_t)common_divisor((int64_t)a, (int64_t)b) * b;
}
#endif
