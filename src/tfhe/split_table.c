/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "tfhe/split.h"

#include <math.h>

#define MOST_ENTRY (UINT32_C(1) << 24)

/* D(high; i,c) in units of unit/2^s, s = low_bits: exact integers. entries: those of one high part. waves (2^s - 1):
 * level i, shift c at 2^i - 1 + c. Returns the sum of the entries, the middle in those units. */
static int64_t waves_of(uint32_t low_bits, const uint32_t *entries, int64_t *waves)
{
    int64_t rest[1u << SPLIT_MAX_LOW]; /* what is left of them, functions of m mod 2^(i+1) */
    for (size_t r = 0; r < (size_t)1 << low_bits; r++) rest[r] = (int64_t)entries[r] << low_bits;
    for (uint32_t i = low_bits; i-- > 0;) {
        const size_t half = (size_t)1 << i;
        int64_t odd[1u << (SPLIT_MAX_LOW - 1)] = {0};
        for (size_t r = 0; r < half; r++) {
            odd[r] = (rest[r] - rest[r + half]) / 2;
            rest[r] = (rest[r] + rest[r + half]) / 2;
        }
        waves[half - 1] = i == 0 ? odd[0] : (odd[0] + odd[half - 1]) / 2;
        for (size_t r = 1; r < half; r++) waves[half - 1 + half - r] = (odd[r - 1] - odd[r]) / 2;
    }
    return rest[0];
}

/* Balanced digits of x, most significant first, of base 2^bits; 0 if they do not suffice. */
static int digits_of(int64_t x, uint32_t bits, int32_t *digits)
{
    const int64_t half = INT64_C(1) << (bits - 1);
    for (size_t j = SPLIT_DIGITS; j-- > 0;) {
        const int64_t d = ((x + half) & (2 * half - 1)) - half;
        digits[j] = (int32_t)d;
        x = (x - d) / (2 * half);
    }
    return x == 0;
}

/* log2 of the smallest base whose digits do for all waves. */
static uint32_t base_of(uint32_t low_bits, const uint32_t *entries, uint32_t cells)
{
    int32_t digits[SPLIT_DIGITS];
    int64_t waves[1u << SPLIT_MAX_LOW];
    uint32_t bits = 1;
    for (uint32_t at = 0; at < cells; at += 1u << low_bits) {
        (void)waves_of(low_bits, entries + at, waves);
        for (size_t w = 0; w + 1 < (size_t)1 << low_bits; w++)
            while (!digits_of(waves[w], bits, digits)) bits++;
    }
    return bits;
}

/* Shifts of level i lie N/2^i apart on one accumulator, the digits of each side by side. */
static split_amplified amplified_of(uint32_t low_bits, const int32_t *weights)
{
    split_amplified out = {0};
    for (uint32_t i = 0; i < low_bits; i++) {
        const uint32_t shifts = UINT32_C(1) << i;
        double sum[1u << (SPLIT_MAX_LOW - 1)] = {0}, together = 0, squares = 0;
        for (uint32_t c = 0; c < shifts; c++)
            for (uint32_t j = 0; j < SPLIT_DIGITS; j++, weights++)
                sum[c] += *weights, squares += (double)*weights * *weights;
        for (uint32_t c = 0; c < shifts; c++)
            for (uint32_t d = 0; d < shifts; d++)
                together += sum[c] * sum[d] * (1 - 2.0 * (c > d ? c - d : d - c) / shifts);
        out.squares += squares, out.common += together - squares;
    }
    return out;
}

split_amplified split_amplified_both(split_amplified a, split_amplified b)
{
    const double x = a.squares + a.common / 2, y = b.squares + b.common / 2;
    const double squares = a.squares > b.squares ? a.squares : b.squares;
    return (split_amplified){.squares = squares, .common = 2 * ((x > y ? x : y) - squares)};
}

/* Digits of one high part's waves, at weights (split_waves); *middle: in the units of waves_of. */
static split_amplified weights_of(uint32_t low_bits, uint32_t bits, const uint32_t *entries, int32_t *weights,
                                  int64_t *middle)
{
    int64_t waves[1u << SPLIT_MAX_LOW];
    *middle = waves_of(low_bits, entries, waves);
    for (size_t w = 0; w + 1 < (size_t)1 << low_bits; w++) (void)digits_of(waves[w], bits, weights + w * SPLIT_DIGITS);
    return amplified_of(low_bits, weights);
}

void split_amplifies(uint32_t low_bits, const uint32_t *entries, uint32_t cells, split_amplified *out)
{
    int32_t weights[SPLIT_DIGITS << SPLIT_MAX_LOW];
    int64_t middle;
    const uint32_t bits = base_of(low_bits, entries, cells);
    for (uint32_t h = 0; h < cells >> low_bits; h++)
        out[h] = weights_of(low_bits, bits, entries + (h << low_bits), weights, &middle);
}

int64_t split_read(uint32_t low_bits, const uint32_t *entries, const uint32_t *low)
{
    int64_t waves[1u << SPLIT_MAX_LOW], sum = waves_of(low_bits, entries, waves);
    for (uint32_t i = 0; i < low_bits; i++) {
        const uint32_t half = 1u << i;
        for (uint32_t c = 0; c < half; c++)
            sum += ((low[i] + c) & (2 * half - 1)) < half ? waves[half - 1 + c] : -waves[half - 1 + c];
    }
    return sum;
}

/* A square wave at the scales of the slots. */
static annulus_status low_create(split_table *t, uint64_t share, uint32_t i)
{
    uint64_t slot[SPLIT_SLOTS];
    for (size_t j = 0; j < SPLIT_DIGITS; j++) slot[j] = share << (t->bits * (SPLIT_DIGITS - 1 - j));
    slot[SPLIT_DIGITS] = (UINT64_C(1) << 62) / t->cells << i; /* 2^i/(4 cells) */
    return lut_create_slots(t->high.N, 1, slot, 1, SPLIT_SLOT_BITS, &t->low[i]);
}

static annulus_status check(uint32_t low_bits, const uint32_t *entries, uint32_t cells)
{
    if (low_bits < 1 || low_bits > SPLIT_MAX_LOW || cells < 2u << low_bits || (cells & (cells - 1)) != 0)
        return fail(ANNULUS_ERR_INPUT,
                    "a split table of %u cells and %u low bits: cells must be a power of two, more than 2 to the low "
                    "bits, which are 1 to %u",
                    cells, low_bits, SPLIT_MAX_LOW);
    for (uint32_t c = 0; c < cells; c++)
        if (entries[c] > MOST_ENTRY)
            return fail(ANNULUS_ERR_INPUT, "entry %u of a split table is %u: at most %u", c, entries[c], MOST_ENTRY);
    return ANNULUS_OK;
}

static annulus_status fill(split_table *t, const uint32_t *entries, uint64_t share, uint64_t base)
{
    const size_t high = t->cells >> t->low_bits;
    void *p;
    TRY(mem_create(high * split_waves(t->low_bits), sizeof *t->weights, "split table", &p));
    t->weights = p;
    TRY(mem_create(high, sizeof *t->middle, "split table", &p));
    t->middle = p;
    t->bits = base_of(t->low_bits, entries, t->cells);
    for (size_t h = 0; h < high; h++) {
        int64_t middle;
        const split_amplified one = weights_of(t->low_bits, t->bits, entries + (h << t->low_bits),
                                               t->weights + h * split_waves(t->low_bits), &middle);
        t->amplified = split_amplified_both(t->amplified, one);
        t->middle[h] = base + share * (uint64_t)middle;
    }
    annulus_status st = ANNULUS_OK;
    for (uint32_t i = 0; st == ANNULUS_OK && i < t->low_bits; i++) st = low_create(t, share, i);
    return st;
}

annulus_status split_table_create(uint32_t N, uint32_t EF, uint32_t price, uint32_t low_bits, const uint32_t *entries,
                                  uint32_t cells, uint64_t unit, uint64_t base, split_table **out)
{
    void *p;
    lut *high;
    const uint64_t none = 0;
    TRY(check(low_bits, entries, cells));
    TRY(lut_create_padded(N, EF, &none, 1, 0, &high)); /* its checks of N, EF and price */
    annulus_status st = lut_set_price(high, price);
    lut_destroy(high);
    TRY(st);
    if ((uint64_t)EF * N < cells >> low_bits)
        return fail(ANNULUS_ERR_INPUT, "%u high parts of a split table need EF*N of at least as many, got %llu",
                    cells >> low_bits, (unsigned long long)EF * N);
    TRY(mem_create(1, sizeof(split_table), "split table", &p));
    split_table *t = p;
    *t = (split_table){.cells = cells, .low_bits = low_bits, .high = {.EF = EF, .price = price, .N = N}};
    st = fill(t, entries, unit >> low_bits, base);
    if (st == ANNULUS_OK)
        *out = t;
    else
        split_table_destroy(t);
    return st;
}

void split_table_destroy(split_table *t)
{
    if (t == NULL) return;
    for (size_t i = 0; i < SPLIT_MAX_LOW; i++) lut_destroy(t->low[i]);
    mem_free(t->weights);
    mem_free(t->middle);
    mem_free(t);
}

size_t split_table_memory(uint32_t N, uint32_t cells, uint32_t low_bits)
{
    const size_t high = cells >> low_bits;
    return sizeof(split_table) + mem_bytes(high * split_waves(low_bits) * sizeof(int32_t)) + high * sizeof(uint64_t) +
           low_bits * mem_bytes(ROUND_UP(sizeof(lut)) + N * sizeof(uint64_t));
}

/* |D| <= (2^entry_bits - 1)/2 of 2^low_bits units, `most`; the digits of the base that does, each at most half of it.
 *
 * What the n shifts of a level have in common is a norm of the sums of their digits: |S|^2 = sum S_c S_d (1 -
 * 2|c-d|/n), at most `wide`/n, the largest eigenvalue, times the squares of S. So it is at most 9 wide half^2; and by
 * its triangle inequality at most that of the two lower digits and of the first one, D less these over base^2, where
 * |D| is at most `most`: its square is the mean square of a function of entries. */
split_amplified split_amplified_most(uint32_t low_bits, uint32_t entry_bits)
{
    const int64_t most = ((INT64_C(1) << entry_bits) - 1) << (low_bits - 1);
    int32_t digits[SPLIT_DIGITS];
    uint32_t bits = 1;
    while (!digits_of(most, bits, digits) || !digits_of(-most, bits, digits)) bits++;
    const double half = exp2(bits - 1.0), base = 2 * half;
    double together = 0;
    for (uint32_t i = 0; i < low_bits; i++) {
        const double wide = 2 / (1 - cos(M_PI / (1u << i)));
        const double first = ((double)most + half * (base + 1) * sqrt(wide)) / (base * base);
        together += fmin(9 * wide * half * half, pow(first + 2 * half * sqrt(wide), 2));
    }
    const double squares = (double)split_waves(low_bits) * half * half;
    return (split_amplified){.squares = squares, .common = together - squares};
}
