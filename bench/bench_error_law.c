/* SPDX-License-Identifier: Apache-2.0 */
/* bench_error_law [--json FILE] [--keys COUNT] [BITS...]: the index errors of look-ups, encrypted and simulated,
 * against the Gaussian law (tests/error_law.h), for precisions of 2 to 8 bits, five p_errors and three families of
 * rings, each at the cheapest set that the search finds there. Every set has look-ups under COUNT keys, unless given 20
 * up to 5 bits and 6 above; a key more adds to the same ones, as everything is drawn from fixed seeds. Progress and
 * details on stderr; on stdout a table of error rates, and last how many of the distributions lie outside: those of
 * which a rate, of d = 0, -1, +1 or |d| >= 2, is not in the exact 99.9 % interval of its prediction. */
#include "binomial.h"
#include "error_law.h"

#include "bench.h"
#include "table.h"

#define CONFIDENCE 0.999
#define RATES 5u
#define FIRST_BITS 2u
#define LAST_BITS 8u
#define ROWS ((LAST_BITS + 1 - FIRST_BITS) * LAW_FAMILIES)

static const double p_error[RATES] = {0.3, 0.1, 0.03, 0.01, 0.001};
static const char *const families[LAW_FAMILIES] = {"k=1", "k=2", "k>2"};
/* Look-ups under each key and keys, fewer of those that take long, and how many look-ups at a time. */
static const struct {
    size_t look_ups, batch, keys;
} effort[LAST_BITS + 1] = {[2] = {1000, 50, 20}, [3] = {1000, 50, 20}, [4] = {1000, 50, 20}, [5] = {1000, 50, 20},
                           [6] = {500, 50, 6},   [7] = {250, 25, 6},   [8] = {100, 10, 6}};

static const table_column columns[] = {
    {"bits", "bits", 4, 0},
    {"p_error", "p_error", 7, 3},
    {"parameters", "n/g, k x N, l x log2 Bg, keyswitch, EF (price)", 46, TABLE_TEXT},
    {"bootstrap_share", "share", 5, 3},
    {"look_ups", "of", 5, 0},
    {"expected_wrong", "law", 7, 1},
    {"low", "low", 5, 0},
    {"high", "high", 5, 0},
    {"encrypted_wrong", "enc", 5, 0},
    {"simulated_wrong", "sim", 5, 0},
    {"expected_next", "law+1", 7, 1},
    {"encrypted_below", "enc-1", 5, 0},
    {"encrypted_above", "enc+1", 5, 0},
    {"simulated_below", "sim-1", 5, 0},
    {"simulated_above", "sim+1", 5, 0},
    {"expected_further", "law>1", 7, 2},
    {"encrypted_further", "enc>1", 5, 0},
    {"simulated_further", "sim>1", 5, 0},
    {"seen_percent", "sees %", 6, 1},
    {"false_alarm", "alarm", 7, 5},
    {"encrypted_outside", "out", 3, 0},
    {"simulated_outside", "out", 3, 0},
};

typedef struct result {
    int repeats; /* the set is the one before, and its run is shared */
    law_set set;
    size_t look_ups;
    law_counts encrypted, simulated;
    double alarm;        /* of one distribution */
    unsigned outside[2]; /* rates, encrypted and simulated */
} result;

typedef struct row {
    unsigned bits;
    law_family family;
    result at[RATES];
} row;

typedef struct totals {
    size_t sets, grouped, extended, distributions, outside, look_ups;
    double alarm;                        /* distributions outside by chance, expected, at most */
    double wrong[2], expected, variance; /* look-ups */
} totals;

static void judge(result *r)
{
    const law_counts *seen[2] = {&r->encrypted, &r->simulated};
    const law_rates rates = law_predict(&r->set);
    r->alarm = r->outside[0] = r->outside[1] = 0;
    for (size_t d = 0; d < LAW_KINDS; d++) {
        const binomial_interval in = binomial_interval_of((double)r->look_ups, rates.q[d], rates.c[d], CONFIDENCE);
        r->alarm += in.alarm;
        for (size_t i = 0; i < 2; i++) {
            const double x = (double)seen[i]->of[d];
            r->outside[i] += x < in.low || x > in.high;
        }
    }
}

static void report(const bench_table *t, const result *r, double p)
{
    const tfhe_params *params = law_params(&r->set);
    const layer_choice *c = &r->set.r.layers[0];
    const law_rates rates = law_predict(&r->set);
    const double n = (double)r->look_ups;
    const binomial_interval right = binomial_interval_of(n, rates.q[LAW_RIGHT], rates.c[LAW_RIGHT], CONFIDENCE);
    const binomial_interval wrong = {n - right.high, n - right.low, right.alarm};
    const size_t *e = r->encrypted.of, *s = r->simulated.of;
    char set[64], text[96];
    bench_params_text(params, set);
    (void)snprintf(text, sizeof text, "%s, %u (%u)", set, c->EF, c->price);
    const double share = LAW_NORM * LAW_NORM * noise_blind_rotate(params) / (c->phase_std * c->phase_std);
    table_row(t, (double)r->set.bits, p, text, share, n, n * rates.c[LAW_RIGHT], wrong.low, wrong.high,
              n - (double)e[LAW_RIGHT], n - (double)s[LAW_RIGHT], n * rates.q[LAW_ABOVE], (double)e[LAW_BELOW],
              (double)e[LAW_ABOVE], (double)s[LAW_BELOW], (double)s[LAW_ABOVE], n * rates.q[LAW_FURTHER],
              (double)e[LAW_FURTHER], (double)s[LAW_FURTHER],
              100 * (binomial_seen(n, rates.c[LAW_RIGHT], &wrong, 0.9) / rates.c[LAW_RIGHT] - 1), r->alarm,
              (double)r->outside[0], (double)r->outside[1]);
}

static int same(const law_set *a, const law_set *b)
{
    return tfhe_params_equal(law_params(a), law_params(b)) && a->r.layers[0].EF == b->r.layers[0].EF &&
           a->r.layers[0].price == b->r.layers[0].price;
}

static uint64_t seed_of(const row *w, size_t e)
{
    return ((uint64_t)w->bits * LAW_FAMILIES + w->family) * RATES + e;
}

static void add_key(row *w, size_t e, uint64_t key)
{
    result *r = &w->at[e];
    const size_t count = effort[w->bits].look_ups;
    must(law_encrypted(&r->set, seed_of(w, e) << 32 | key, count, effort[w->bits].batch, 0, &r->encrypted));
    r->look_ups += count;
    if (r->encrypted.strange == 0) return;
    fprintf(stderr, "bench: %zu outputs are not the entry of the cell that was hit\n", r->encrypted.strange);
    exit(1);
}

static void simulate(row *w, size_t e)
{
    result *r = &w->at[e];
    r->simulated = (law_counts){.strange = 0};
    must(law_simulated(&r->set, seed_of(w, e), r->look_ups, &r->simulated));
    if (r->simulated.strange == 0) return;
    fprintf(stderr, "bench: %zu simulated answers are not the entry of the cell that was hit\n", r->simulated.strange);
    exit(1);
}

static void add(totals *t, const result *r)
{
    const law_rates rates = law_predict(&r->set);
    const double n = (double)r->look_ups;
    t->sets++;
    t->grouped += law_params(&r->set)->pbs_group > 1;
    t->extended += r->set.r.layers[0].EF > 1;
    t->distributions += 2;
    for (size_t i = 0; i < 2; i++) t->outside += r->outside[i] > 0 ? 1 : 0;
    t->look_ups += r->look_ups;
    t->alarm += 2 * r->alarm;
    t->wrong[0] += n - (double)r->encrypted.of[LAW_RIGHT];
    t->wrong[1] += n - (double)r->simulated.of[LAW_RIGHT];
    t->expected += n * rates.c[LAW_RIGHT];
    t->variance += n * rates.c[LAW_RIGHT] * rates.q[LAW_RIGHT];
}

/* Error rates in percent, predicted, encrypted, simulated; a star where a distribution is outside. */
static void print_row(const row *w)
{
    const result *r = &w->at[0];
    printf("%4u  %s  %8zu", w->bits, families[w->family], r->look_ups);
    for (size_t e = 0; e < RATES; e++) {
        r = w->at[e].repeats ? r : &w->at[e];
        const double n = 0.01 * (double)r->look_ups;
        const law_rates rates = law_predict(&r->set);
        const double wrong[2] = {(double)(r->look_ups - r->encrypted.of[LAW_RIGHT]) / n,
                                 (double)(r->look_ups - r->simulated.of[LAW_RIGHT]) / n};
        printf("  %6.3g", 100 * rates.c[LAW_RIGHT]);
        for (size_t i = 0; i < 2; i++) printf(" %5.3g%s", wrong[i], r->outside[i] > 0 ? "*" : " ");
    }
    printf("\n");
}

/* The sets of a row; the same set again where the search has no cheaper one for a higher p_error. */
static void row_init(row *w, unsigned bits, law_family f)
{
    *w = (row){.bits = bits, .family = f};
    for (size_t e = 0; e < RATES; e++) {
        law_set *s = &w->at[e].set;
        if (!law_search(f, bits, log2(p_error[e]), s) || !law_tells(s)) {
            fprintf(stderr, "bench: %u bits at %g, %s: no set, or one whose entries do not stand apart\n", bits,
                    p_error[e], families[f]);
            exit(1);
        }
        w->at[e].repeats = e > 0 && same(s, &w->at[e - 1].set);
    }
}

/* P(X > x), X Poisson: bounds that of a sum of independent events of this mean, if x >= mean (Hoeffding 1956). */
static double poisson_above(double mean, double x)
{
    double sum = 0;
    for (double i = x + 1; i < x + 200; i++) sum += exp(i * log(mean) - mean - lgamma(i + 1));
    return sum;
}

/* Simulates as many look-ups as were encrypted, judges both, and writes details to stderr and to `path`. */
static totals conclude(row *rows, size_t count, const char *path)
{
    totals all = {0};
    bench_table t;
    table_begin(&t, stderr, "Index errors", columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < count; i++)
        for (size_t e = 0; e < RATES; e++) {
            result *r = &rows[i].at[e];
            if (r->repeats) continue;
            simulate(&rows[i], e);
            judge(r);
            report(&t, r, p_error[e]);
            add(&all, r);
        }
    table_end(&t, path);
    return all;
}

static void print(const row *rows, size_t count, const totals *all)
{
    printf("Wrong look-ups, %%: law, encrypted, simulated\n%-20s", "bits  ring  look-ups");
    for (size_t e = 0; e < RATES; e++) printf("    p_error %-10g", p_error[e]);
    printf("\n");
    for (size_t i = 0; i < count; i++) print_row(&rows[i]);
    printf("%zu sets, %zu of several key bits a step, %zu with EF > 1; %zu look-ups each way\n", all->sets,
           all->grouped, all->extended, all->look_ups);
    printf("wrong: %.0f encrypted, %.0f simulated, %.1f expected +- %.1f\n", all->wrong[0], all->wrong[1],
           all->expected, sqrt(all->variance));
    printf("%zu outside of %zu distributions, by chance at most %.2f; more than 4 with probability below %.1e\n",
           all->outside, all->distributions, all->alarm, poisson_above(all->alarm, 4));
}

static unsigned long keys_of(unsigned bits, unsigned long given)
{
    return given > 0 ? given : effort[bits].keys;
}

int main(int argc, char **argv)
{
    static row rows[ROWS];
    const char *path = NULL;
    unsigned long given = 0, most = 0; /* keys: 0: not given; of all precisions */
    int wanted[LAST_BITS + 1] = {0}, any = 0;
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i];
        if (strcmp(a, "--json") == 0 && i + 1 < argc)
            path = argv[++i];
        else if (strcmp(a, "--keys") == 0 && i + 1 < argc && (given = strtoul(argv[i + 1], NULL, 10)) > 0)
            i++;
        else if (a[0] >= '0' + (int)FIRST_BITS && a[0] <= '0' + (int)LAST_BITS && a[1] == '\0')
            wanted[a[0] - '0'] = any = 1;
        else
            return 2;
    }
    size_t count = 0;
    for (unsigned bits = FIRST_BITS; bits <= LAST_BITS; bits++)
        for (law_family f = 0; f < LAW_FAMILIES && (!any || wanted[bits]); f++) {
            row_init(&rows[count++], bits, f);
            most = keys_of(bits, given) > most ? keys_of(bits, given) : most;
        }
    for (unsigned long key = 0; key < most; key++)
        for (size_t i = 0; i < count; i++) {
            const unsigned long keys = keys_of(rows[i].bits, given);
            if (key >= keys) continue;
            for (size_t e = 0; e < RATES; e++)
                if (!rows[i].at[e].repeats) add_key(&rows[i], e, key);
            fprintf(stderr, "key %lu of %lu: %u bits, %s\n", key + 1, keys, rows[i].bits, families[rows[i].family]);
        }
    const totals all = conclude(rows, count, path);
    print(rows, count, &all);
    return 0;
}
