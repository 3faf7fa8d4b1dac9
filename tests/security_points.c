/* SPDX-License-Identifier: Apache-2.0 */
/* Prints the points of the security curve that script/check-security gives to the estimator, one a line: level, kind of
 * key, dimension, log2 of the modulus and bound of TUniform. */
#include "optimizer/security.h"

#include <stdio.h>

static void print_point(security_level level, const char *key, unsigned dim, unsigned logq)
{
    printf("%d %s %u %u %u\n", (int)level, key, dim, logq, security_tuniform_bound(dim, logq, level));
}

int main(void)
{
    const security_level levels[] = {SECURITY_128, SECURITY_132};
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        for (unsigned n = 512; n <= 1024; n += 128) print_point(levels[i], "LWE", n, 32);
        for (unsigned kN = 1536; kN <= 2560; kN += 512) print_point(levels[i], "GLWE", kN, 64);
    }
    return 0;
}
