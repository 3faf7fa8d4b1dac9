/* SPDX-License-Identifier: Apache-2.0 */
#include "optimizer/extension.h"

#include "optimizer/optimizer.h"
#include <math.h>
#include <stdlib.h>

/* Parts that an exponent congruent to m modulo EF moves: EF/2^v for its valuation v, capped. */
static double moved(uint32_t EF, uint32_t m)
{
    return EF >> __builtin_ctz(m | EF);
}

/* Over one period, 0 to EF steps: exponent m is chosen between its borders to all others, where
 * price moved(m)/EF + (x - m)^2 is least. The ends move fewest parts, so that no exponent beyond them matters. */
extension extension_expected(uint32_t EF, uint32_t price)
{
    extension e = {.EF = EF, .price = price};
    const double part = price / 16.0 / EF; /* of one part moved, squared steps */
    for (uint32_t m = 0; m <= EF; m++) {
        double from = 0, to = EF;
        for (uint32_t j = 0; j <= EF; j++) {
            if (j == m) continue;
            const double away = (double)j - m;
            const double border = m + away / 2 + part * (moved(EF, j) - moved(EF, m)) / (2 * away);
            if (j < m)
                from = fmax(from, border);
            else
                to = fmin(to, border);
        }
        if (from >= to) continue;
        e.products += moved(EF, m) * (to - from) / EF;
        e.square += (pow(to - m, 3) - pow(from - m, 3)) / (3.0 * EF);
    }
    return e;
}

/* Where EF >= 4, no odd exponent is chosen from a price of 8/5 on, so that EF/2 does as well: at best it stands between
 * exponents of valuation 1 and 2, and has room there while 1 + price (1/2 + 1/4)/2 > price. */
static uint32_t last_price(uint32_t EF)
{
    return EF == 1 ? 0 : EF == 2 ? TFHE_MAX_PRICE : 25;
}

static int cheaper_first(const void *a, const void *b)
{
    const double x = ((const extension *)a)->products, y = ((const extension *)b)->products;
    return (x > y) - (x < y);
}

void extension_front_init(extension_front *f)
{
    extension all[EXTENSION_MAX_FRONT];
    size_t count = 0;
    for (uint32_t EF = 1; EF <= TFHE_MAX_EF; EF *= 2)
        for (uint32_t price = 0; price <= last_price(EF); price++) all[count++] = extension_expected(EF, price);
    qsort(all, count, sizeof *all, cheaper_first);
    double least = INFINITY; /* squared error in steps of EF = 1 */
    f->count = 0;
    for (size_t i = 0; i < count; i++) {
        const double square = all[i].square / ((double)all[i].EF * all[i].EF);
        if (square >= least) continue;
        least = square;
        f->at[f->count++] = all[i];
    }
}

void extension_front_vary(const extension_front *f, const tfhe_params *p, double *variance)
{
    for (size_t i = 0; i < f->count; i++) variance[i] = noise_extension(p, &f->at[i]);
}

/* Variance that borders take of the window, by so many steps of half the torus. */
static double border_variance(const extension_window *w, double steps)
{
    const double nearer = w->border / steps;
    return nearer * (2 * w->most - nearer);
}

size_t extension_front_find(const extension_front *f, size_t count, const double *variance, uint32_t N,
                            const extension_window *window, double room, double steps)
{
    size_t low = 0, high = count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (variance[middle] <= room)
            high = middle;
        else
            low = middle + 1;
    }
    for (; high < count; high++) {
        const double has = (double)f->at[high].EF * N;
        if (has >= steps && (window->border <= 0 || variance[high] <= room - border_variance(window, has))) break;
    }
    return high;
}
