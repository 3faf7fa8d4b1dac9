/* SPDX-License-Identifier: Apache-2.0 */
/* Prints the points of the security curve that script/check-security gives to the estimator, one a line: level, kind of
 * key, dimension, log2 of the modulus and bound of TUniform. */
#include "optimizer/security.h"

#include <math.h>
#include <stdio.h>

static void print_point(security_level level, const char *key, unsigned dim, unsigned logq)
{
    printf("%d %s %u %u %u\n", (int)level, key, dim, logq, security_tuniform_bound(dim, logq, level));
}

/* The n in [from, to) whose noise, a power of two over sqrt 3, lies least above the curve. */
static unsigned tightest(security_level level, unsigned from, unsigned to)
{
    unsigned best = from;
    double least = INFINITY;
    for (unsigned n = from; n < to; n++) {
        const double above = security_tuniform_bound(n, 32, level) - security_log2_std(n, 32, level);
        if (above < least) least = above, best = n;
    }
    return best;
}

int main(void)
{
    const security_level levels[] = {SECURITY_128, SECURITY_132};
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        for (unsigned n = 512; n <= 1024; n += 128) print_point(levels[i], "LWE", n, 32);
        print_point(levels[i], "LWE", tightest(levels[i], 450, 800), 32);
        print_point(levels[i], "LWE", tightest(levels[i], 800, 1300), 32);
        /* the range of big dimensions in optimizer_space.c */
        for (unsigned kN = 512; kN <= 4096; kN += 256) print_point(levels[i], "GLWE", kN, 64);
    }
    return 0;
}
