/* SPDX-License-Identifier: Apache-2.0 */
/* bench_peers PROGRAM BITS TWO_NORM: keyswitch and bootstrap of the peer (bench/peers, asked through pipes) against
 * ours at the same precision, failure probability 2^-128 and two-norm, ours in batches, each on one core, in turns;
 * prints the ratio of the medians. Ours are whole or split look-ups (tfhe/split.h), which the model says is faster. */
#include "split_lookups.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST_ROUNDS 31u
#define BUDGET 25.0 /* seconds, both sides together */
#define MOST 1.5    /* seconds of one round of ours */

typedef struct peer {
    pid_t id;
    FILE *ask, *answer;
} peer;

static void peer_start(const char *program, peer *p)
{
    int to[2], from[2];
    if (pipe(to) != 0 || pipe(from) != 0 || (p->id = fork()) < 0) exit(1);
    if (p->id == 0) {
        (void)dup2(to[0], 0), (void)dup2(from[1], 1);
        (void)close(to[1]), (void)close(from[0]);
        (void)setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1", 1); /* keys in huge pages, as ours are */
        (void)execl(program, program, (char *)NULL);
        perror(program);
        _exit(1);
    }
    (void)close(to[0]), (void)close(from[1]);
    p->ask = fdopen(to[1], "w");
    p->answer = fdopen(from[0], "r");
    if (p->ask == NULL || p->answer == NULL) exit(1);
}

/* Median of some look-ups of the peer, in seconds. */
static double peer_seconds(const peer *p, unsigned bits, unsigned rounds)
{
    double milliseconds;
    if (fprintf(p->ask, "%u %u\n", bits, rounds) < 0 || fflush(p->ask) != 0 ||
        fscanf(p->answer, "%lf", &milliseconds) != 1) {
        fprintf(stderr, "bench: the peer gave no answer\n");
        exit(1);
    }
    return 1e-3 * milliseconds;
}

static void peer_stop(peer *p)
{
    (void)fclose(p->ask);
    (void)fclose(p->answer);
    (void)waitpid(p->id, NULL, 0);
}

int main(int argc, char **argv)
{
    if (argc != 4) return 2;
    const unsigned bits = (unsigned)strtoul(argv[2], NULL, 10);
    faster_lookups ours;
    peer theirs;
    double a[MOST_ROUNDS], b[MOST_ROUNDS];
    (void)signal(SIGPIPE, SIG_IGN);
    peer_start(argv[1], &theirs);
    (void)peer_seconds(&theirs, bits, 1); /* makes its keys */
    faster_create(bits, strtod(argv[3], NULL), -128, KEYSWITCH_GROUP, &ours);
    faster_print(&ours, "ours");
    const double one = faster_seconds(&ours, 1, 1);
    const size_t most = (size_t)(MOST / one), count = most < 1 ? 1 : least(most, KEYSWITCH_GROUP);
    const double start = bench_seconds();
    size_t rounds = 0;
    while (rounds < MOST_ROUNDS && (rounds < 3 || bench_seconds() - start < BUDGET)) {
        a[rounds] = faster_seconds(&ours, count, 1) / (double)count;
        b[rounds++] = peer_seconds(&theirs, bits, 1);
    }
    const double us = bench_median(a, rounds), them = bench_median(b, rounds);
    fprintf(stderr, "%u bits: ours %.2f ms in batches of %zu, the peer %.2f ms (medians of %zu)\n", bits, 1e3 * us,
            count, 1e3 * them, rounds);
    printf("%.3f\n", them / us);
    (void)faster_check(&ours, count);
    faster_destroy(&ours);
    peer_stop(&theirs);
    return 0;
}
