/* SPDX-License-Identifier: Apache-2.0 */
/* bench_header COMMIT: what a JSON file of script/bench begins with: where its figures come from. */
#include "base/cpu.h"
#include "base/parallel.h"
#include "math/fft.h"
#include "table.h"

int main(int argc, char **argv)
{
    char processor[192], date[TABLE_DATE];
    if (argc != 2) return 2;
    table_processor(processor, sizeof processor);
    table_date(date);
    json_t *header =
        json_pack("{s:s, s:s, s:b, s:i, s:i, s:s, s:s}", "processor", processor, "kernels", fft_kernels_name(), "vnni",
                  cpu_has_vnni(cpu_level_get()), "cache_bytes", (int)cpu_cache_bytes(), "threads",
                  (int)parallel_threads(0), "date", date, "commit", argv[1]);
    if (header == NULL || json_dumpf(header, stdout, JSON_INDENT(2)) != 0) return 1;
    json_decref(header);
    return 0;
}
