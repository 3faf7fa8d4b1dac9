/* SPDX-License-Identifier: Apache-2.0 */
/* Extension factor and price of a layer (tfhe/bootstrap.h): what they cost, what they err, and the cheapest that err
 * little enough. */
#ifndef OPTIMIZER_EXTENSION_H
#define OPTIMIZER_EXTENSION_H

#include "tfhe/params.h"

/* A factor and a price, and what they make expect of a mask element that is uniform on the torus. */
typedef struct extension {
    uint32_t EF, price;
    double products; /* external products, sorted rotation for coefficient 0; times n: of the whole rotation */
    double square;   /* squared rounding error of the modulus switch, in steps of 1/(2*EF*N) */
} extension;

/* Exact but for exponents of zero, which cost nothing: less than one in 2*N. EF and price as in lut. */
extension extension_expected(uint32_t EF, uint32_t price);

#define EXTENSION_MAX_FRONT 137u

/* The pairs to which no other is both as cheap and as exact, cheapest first. */
typedef struct extension_front {
    size_t count;
    extension at[EXTENSION_MAX_FRONT];
} extension_front;

void extension_front_init(extension_front *f);
/* variance (f->count): noise_extension of each, falling. */
void extension_front_vary(const extension_front *f, const tfhe_params *p, double *variance);
/* What a phase may err: its deviation at most `most` less border/(EF*N), by which steps take borders of cells nearer
 * (lut_border). Fractions of the torus, times the deviations that the window may hold. */
typedef struct extension_window {
    double most, border;
} extension_window;
/* Index of the first of `count` pairs with EF*N >= steps and variance <= room, which is of the whole window, less what
 * borders take; count: none. */
size_t extension_front_find(const extension_front *f, size_t count, const double *variance, uint32_t N,
                            const extension_window *window, double room, double steps);
#endif
