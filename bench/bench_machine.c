/* SPDX-License-Identifier: Apache-2.0 */
/* bench_machine [--json FILE]: the ceilings of this machine: multiply-adds of each instruction set, reads from memory,
 * on one thread and on all; and what share of a large block the kernel gives huge pages. */
#include "base/parallel.h"
#include "bench.h"
#include "peak.h"
#include "smaps.h"
#include "table.h"

#define ROUNDS 9u
#define EACH 0.05
#define MEMORY ((size_t)256 << 20) /* a thread */

static const table_column columns[] = {
    {"what", "what", 38, TABLE_TEXT}, {"unit", "unit", 8, TABLE_TEXT}, {"one_thread", "one thread", 10, 1},
    {"all_threads", "all", 10, 1},    {"gain", "gain", 6, 2},
};

static void flops_row(const bench_table *t, cpu_level level, unsigned threads)
{
    double one[ROUNDS], all[ROUNDS];
    char what[64];
    for (size_t i = 0; i < ROUNDS; i++) {
        one[i] = 1e-9 * peak_flops(level, 1, CLOCK_MONOTONIC, EACH);
        all[i] = 1e-9 * peak_flops(level, threads, CLOCK_MONOTONIC, EACH);
    }
    const double a = bench_median(one, ROUNDS), b = bench_median(all, ROUNDS);
    (void)snprintf(what, sizeof what, "multiply-adds, %s%s", cpu_level_name(level),
                   level == cpu_level_get() ? " (kernels use it)" : "");
    table_row(t, what, "Gflop/s", a, b, b / a);
}

static void read_row(const bench_table *t, const char *what, size_t bytes, unsigned threads)
{
    const double a = 1e-9 * peak_read(bytes, 1, CLOCK_MONOTONIC, 0.4),
                 b = 1e-9 * peak_read(bytes, threads, CLOCK_MONOTONIC, 0.4);
    table_row(t, what, "GB/s", a, b, b / a);
}

static void huge_row(const bench_table *t)
{
    void *p;
    must(mem_create(MEMORY, 1, "memory", &p));
    const smaps_block b = smaps_of(p, MEMORY);
    mem_free(p);
    table_row(t, "huge pages, of a block of 256 MB", "%", b.all == 0 ? NAN : 100.0 * (double)b.huge / (double)b.all,
              NAN, NAN);
}

int main(int argc, char **argv)
{
    const char *path = table_path(argc, argv);
    const unsigned threads = parallel_threads(0);
    char name[192], title[256], date[TABLE_DATE];
    bench_table t;
    table_processor(name, sizeof name);
    table_date(date);
    (void)snprintf(title, sizeof title, "Machine: %s, %u threads, %s", name, threads, date);
    table_begin(&t, stdout, title, columns, sizeof columns / sizeof *columns);
    for (unsigned level = 0; level < CPU_LEVELS; level++)
        if (cpu_level_has((cpu_level)level)) flops_row(&t, (cpu_level)level, threads);
    read_row(&t, "reads, memory (256 MB a thread)", MEMORY, threads);
    huge_row(&t);
    table_end(&t, path);
    return 0;
}
