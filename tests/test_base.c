/* SPDX-License-Identifier: Apache-2.0 */
#include "testing.h"

#include "base/bytes.h"
#include "base/cpu.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "base/progress.h"
#include "base/random.h"
#include "smaps.h"
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_messages(void **state)
{
    (void)state;
    assert_int_equal(fail(ANNULUS_ERR_INPUT, "line %d", 7), ANNULUS_ERR_INPUT);
    assert_int_equal(fail_prefix(ANNULUS_ERR_IO, "%s.csv", "a"), ANNULUS_ERR_IO);
    assert_string_equal(annulus_error_message(), "a.csv: line 7");
    char longer[2000];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_int_equal(fail(ANNULUS_ERR_INPUT, "%s", longer), ANNULUS_ERR_INPUT);
    assert_int_equal(fail_prefix(ANNULUS_ERR_INPUT, "%s", longer), ANNULUS_ERR_INPUT);
    assert_int_equal(strlen(annulus_error_message()), 1023);
    assert_int_equal(fail(ANNULUS_ERR_INPUT, "cell \"%s\"", "a\nb\x1b[31m\x7f\xc3\xa9"), ANNULUS_ERR_INPUT);
    assert_int_equal(fail_prefix(ANNULUS_ERR_INPUT, "%s", "x\ty"), ANNULUS_ERR_INPUT);
    assert_string_equal(annulus_error_message(), "x?y: cell \"a?b?[31m?\xc3\xa9\"");
    assert_int_equal(fail(ANNULUS_ERR_INPUT, "%s",
                          "\xc2\x9b"
                          "31m\xc2\xa0\xc2"),
                     ANNULUS_ERR_INPUT);
    assert_string_equal(annulus_error_message(), "??31m\xc2\xa0\xc2");
    assert_string_equal(annulus_status_name(ANNULUS_ERR_INFEASIBLE), "infeasible");
}

/* The limit on addresses is put back before anything is allocated. */
static void test_memory_available(void **state)
{
    (void)state;
    struct rlimit limit;
    const size_t all = mem_available();
    assert_true(all > 1 << 20);
    assert_int_equal(getrlimit(RLIMIT_AS, &limit), 0);
    const struct rlimit less = {.rlim_cur = 1 << 20, .rlim_max = limit.rlim_max};
    const int set = setrlimit(RLIMIT_AS, &less);
    const size_t limited = mem_available();
    const int back = setrlimit(RLIMIT_AS, &limit);
    assert_true(set == 0 && back == 0 && limited == 1 << 20);
}

static void test_memory(void **state)
{
    (void)state;
    void *p = &p;
    assert_int_equal(mem_create(SIZE_MAX / 2, 16, "a thing", &p), ANNULUS_ERR_MEMORY);
    assert_null(p);
    assert_refused(mem_create(SIZE_MAX / 8, 1, "a thing", &p), "a thing");
    for (size_t bytes = 0; bytes < 5u << 20; bytes = bytes * 3 + 1) {
        assert_ok(mem_create(bytes, 1, "bytes", &p));
        assert_int_equal((uintptr_t)p % MEM_ALIGN, 0);
        for (size_t i = 0; i < bytes; i++) assert_int_equal(((unsigned char *)p)[i], 0);
        mem_wipe_free(p, bytes);
    }
    scratch s;
    assert_ok(scratch_create(256, &s));
    unsigned char *a = scratch_take(&s, 1), *b = scratch_take(&s, 65);
    assert_int_equal(b - a, 64);
    assert_int_equal(s.used, 192);
    s.used = 0;
    assert_ptr_equal(scratch_take(&s, 256), a);
    scratch_destroy(&s);
    assert_null(s.base);
}

/* Whoever uses one of several fetches nothing that another writes. */
static void test_scratch_apart(void **state)
{
    (void)state;
    static const size_t sizes[] = {256, 444672, 256, 5u << 20, 444672};
    enum { COUNT = sizeof sizes / sizeof *sizes };
    scratch s[COUNT];
    for (size_t i = 0; i < COUNT; i++) assert_ok(scratch_create_apart(sizes[i], &s[i]));
    for (size_t i = 0; i < COUNT; i++)
        for (size_t j = 0; j < COUNT; j++)
            if ((uintptr_t)s[j].base > (uintptr_t)s[i].base)
                assert_true((uintptr_t)s[j].base - (uintptr_t)s[i].base >= sizes[i] + SCRATCH_APART);
    for (size_t i = 0; i < COUNT; i++) scratch_destroy(&s[i]);
}

/* Blocks of keys' sizes ask for huge pages; skipped where the kernel has none or does not say. */
static void test_huge_pages(void **state)
{
    (void)state;
    const size_t bytes = (size_t)8 << 20;
    void *p;
    assert_ok(mem_create(bytes, 1, "keys", &p));
    const smaps_block b = smaps_of(p, bytes);
    const int supported = madvise(p, bytes, MADV_HUGEPAGE) == 0 && b.has_flags;
    mem_free(p);
    if (!supported) {
        print_message("no huge pages here, or no flags in /proc/self/smaps\n");
        skip();
    }
    assert_true(b.huge_wanted);
    assert_true(b.all >= bytes); /* written: in memory */
}

static void test_bytes(void **state)
{
    (void)state;
    writer w;
    writer_init(&w, 1);
    const uint64_t words[2] = {1, UINT64_MAX};
    write_u8(&w, 200), write_u32(&w, 0xdeadbeef), write_u64(&w, 5), write_i64(&w, -5), write_f64(&w, 0.5);
    write_string(&w, "hello"), write_u64(&w, 2), write_u64s(&w, words, 2);
    assert_ok(w.status);
    const uint8_t head[] = {200, 0xef, 0xbe, 0xad, 0xde, 5, 0, 0, 0, 0, 0, 0, 0};
    assert_memory_equal(w.p, head, sizeof head); /* little-endian */

    for (size_t len = 0; len <= w.len; len++) {
        reader r = {.p = w.p, .len = len, .name = "f"};
        uint8_t a;
        uint32_t b;
        uint64_t c, two[2];
        int64_t d;
        double e;
        char *text = NULL;
        size_t n;
        annulus_status st = read_u8(&r, &a);
        if (st == ANNULUS_OK) st = read_u32(&r, &b);
        if (st == ANNULUS_OK) st = read_u64(&r, &c);
        if (st == ANNULUS_OK) st = read_i64(&r, &d);
        if (st == ANNULUS_OK) st = read_f64(&r, &e);
        if (st == ANNULUS_OK) st = read_string(&r, &text);
        if (st == ANNULUS_OK) st = read_count(&r, 8, &n);
        if (st == ANNULUS_OK) st = read_u64s(&r, two, n);
        if (st == ANNULUS_OK) st = read_end(&r);
        assert_int_equal(st == ANNULUS_OK, len == w.len);
        if (st == ANNULUS_OK) {
            assert_true(a == 200 && b == 0xdeadbeef && c == 5 && d == -5 && e == 0.5 && n == 2 && two[1] == UINT64_MAX);
            assert_string_equal(text, "hello");
        }
        mem_free(text);
    }
    writer_clear(&w);

    const double bad[] = {NAN, INFINITY};
    reader r = {.p = (const uint8_t *)bad, .len = 16, .name = "numbers"};
    double out = 1;
    assert_refused(read_f64(&r, &out), "numbers: byte 8: a number is not finite");
    assert_true(out == 1);
    assert_refused(read_f64(&r, &out), "not finite");
    const uint64_t huge = UINT64_MAX;
    r = (reader){.p = (const uint8_t *)&huge, .len = 8, .name = "count"};
    size_t n;
    assert_refused(read_count(&r, 8, &n), "more than the file holds");
    r = (reader){.p = (const uint8_t *)"\3\0\0\0a\0b", .len = 7, .name = "text"};
    char *text = NULL;
    assert_refused(read_string(&r, &text), "NUL");
    assert_null(text);
    assert_refused(read_end(&(reader){.p = r.p, .len = 3, .pos = 1, .name = "end"}), "2 bytes too many");
}

static void test_plain_text(void **state)
{
    (void)state;
    static const char *const good[] = {"",
                                       "plain",
                                       "gr\xc3\xb6\xc3\x9f",
                                       "\xc2\xa0~",
                                       "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xef\xbf\xbf",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf"};
    static const char *const cut[] = {
        "gr\xf6\xdf",           "\x80", "\xbfx", "\xc2", "\xc2x", "\xc3\xc3", "\xe2\x82", "\xf0\x90\x80",
        "\xf8\x88\x80\x80\x80", "\xfe", "\xff"};
    static const char *const longer[] = {"\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf"};
    static const char *const none[] = {"\xed\xa0\x80", "\xed\xbf\xbf", "\xf4\x90\x80\x80",
                                       "\xf7\xbf\xbf\xbf"}; /* surrogates; beyond 0x10ffff */
    for (size_t i = 0; i < 11; i++) assert_true(text_is_plain(good[i]) && !text_is_plain(cut[i]));
    static const char *const control[] = {"\x1b[2J", "a\tb", "\x7f", "\xc2\x9b"};
    for (size_t i = 0; i < 4; i++)
        assert_false(text_is_plain(longer[i]) || text_is_plain(none[i]) || text_is_plain(control[i]));
}

/* A process that is killed while it writes leaves nothing where there are files without names, as on most file systems.
 */
static void test_killed_write(void **state)
{
    (void)state;
    char folder[] = "annulus-test-XXXXXX", path[64], bytes[4096] = {0};
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/key", folder);
    const int unnamed = open(folder, O_TMPFILE | O_WRONLY, 0600);
    const pid_t child = fork();
    if (child == 0) {
        const struct rlimit half = {sizeof bytes / 2, sizeof bytes / 2}, none = {0, 0};
        (void)signal(SIGXFSZ, SIG_DFL);
        if (setrlimit(RLIMIT_FSIZE, &half) != 0 || setrlimit(RLIMIT_CORE, &none) != 0) _exit(3);
        _exit(file_write(path, bytes, sizeof bytes, 0600) == ANNULUS_OK ? 0 : 1);
    }
    int how;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGXFSZ);
    if (unnamed < 0) skip();
    (void)close(unnamed);
    assert_int_equal(rmdir(folder), 0);
}

static void test_file(void **state)
{
    (void)state;
    char folder[] = "annulus-test-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/key", folder);
    assert_ok(file_write(path, "first", 5, 0600));
    assert_ok(file_write(path, "secret", 6, 0600));
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    const mode_t kept = umask(077); /* what the user takes away stays away */
    assert_ok(file_write(path, "public", 6, 0644));
    (void)umask(kept);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_ok(file_write(path, "secret", 6, 0600));
    uint8_t head[4] = {0};
    size_t got = 0;
    uint64_t size = 0;
    assert_ok(file_head(path, head, 4, &got, &size));
    assert_int_equal(got, 4);
    assert_int_equal(size, 6);
    assert_memory_equal(head, "secr", 4);
    assert_refused(file_head(folder, head, 4, &got, &size), "not a regular file");
    uint8_t *bytes = NULL;
    size_t len;
    assert_ok(file_read(path, 6, &bytes, &len));
    assert_int_equal(len, 6);
    assert_memory_equal(bytes, "secret", 6);
    mem_free(bytes);
    bytes = NULL;
    assert_refused(file_read(path, 5, &bytes, &len), "at most 5");
    assert_refused(file_read(folder, 5, &bytes, &len), "not a regular file");
    assert_refused(file_read("no/such/file", 5, &bytes, &len), "no/such/file: cannot open");
    assert_null(bytes);
    assert_refused(file_write("no/such/folder/file", "x", 1, 0644), "cannot write");
    assert_refused(file_write("/dev/null", "x", 1, 0644), "/dev/null: cannot write: it exists and is no regular file");
    assert_int_equal(stat("/dev/null", &info), 0);
    assert_true(S_ISCHR(info.st_mode));
    assert_int_equal(mkdir("annulus-test-dir", 0700) == 0 || access("annulus-test-dir", F_OK) == 0, 1);
    assert_refused(file_write("annulus-test-dir", "x", 1, 0644), "annulus-test-dir: cannot write");
    assert_int_equal(rmdir("annulus-test-dir"), 0); /* still there, and no temporary beside the other file: */
    char link[80];
    (void)snprintf(link, sizeof link, "%s.link", path);
    assert_int_equal(symlink("key", link), 0);
    assert_ok(file_write(link, "through", 7, 0600));
    assert_int_equal(lstat(link, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_ok(file_read(path, 7, &bytes, &len));
    assert_memory_equal(bytes, "through", 7);
    mem_free(bytes);
    assert_int_equal(unlink(path), 0);
    assert_refused(file_write(link, "alone", 5, 0600),
                   "cannot write: a link to a file that is not there; name that file");
    assert_int_equal(lstat(link, &info), 0);
    assert_true(S_ISLNK(info.st_mode) && access(path, F_OK) != 0);
    assert_int_equal(unlink(link), 0);
    assert_int_equal(rmdir(folder), 0);
}

/* Frozen bytes: every seeded key and ciphertext depends on this expansion. */
static void test_stream_known_answer(void **state)
{
    (void)state;
    seed256 seed;
    for (size_t i = 0; i < 32; i++) seed.b[i] = (uint8_t)i;
    stream *s;
    uint8_t got[16], rest[40];
    /* openssl enc -aes-128-ctr over zeros, key and counter by sha256sum */
    const uint8_t want[16] = {0x6e, 0xe8, 0x8a, 0x3d, 0x40, 0x2a, 0x76, 0x9c,
                              0x5b, 0x72, 0x1d, 0xce, 0x7a, 0xe6, 0x3d, 0xbf};
    assert_ok(stream_create(&seed, RANDOM_MASK, 5, &s));
    assert_ok(stream_bytes(s, got, 16));
    assert_memory_equal(got, want, 16);
    /* the same bytes in any portions, across blocks */
    uint8_t *whole = malloc(20000), *pieces = malloc(20000);
    assert_ok(stream_restart(s, &seed, RANDOM_MASK, 5));
    assert_ok(stream_bytes(s, whole, 20000));
    assert_ok(stream_restart(s, &seed, RANDOM_MASK, 5));
    for (size_t at = 0, n = 1; at < 20000; at += n, n = n * 2 + 1) {
        n = n < 20000 - at ? n : 20000 - at;
        assert_ok(stream_bytes(s, pieces + at, n));
    }
    assert_memory_equal(whole, pieces, 20000);
    assert_ok(stream_restart(s, &seed, RANDOM_NOISE, 5));
    assert_ok(stream_bytes(s, rest, 40));
    assert_memory_not_equal(whole, rest, 40);
    assert_ok(stream_restart(s, &seed, RANDOM_MASK, 6));
    assert_ok(stream_bytes(s, rest, 40));
    assert_memory_not_equal(whole, rest, 40);
    free(whole), free(pieces);
    stream_destroy(s);
}

/* TUniform(3): 15 inner values with probability 1/16, both ends 1/32. Chi-square with 16 degrees of freedom: 55 is
 * passed by chance with probability 4e-6; the seed is fixed. Normal: mean within 6 standard errors (2e-9). */
static void test_distributions(void **state)
{
    (void)state;
    const seed256 seed = {{9}};
    const size_t n = 1 << 16;
    stream *s;
    uint64_t *x = malloc(n * 8);
    double *z = malloc(n * 8);
    assert_ok(stream_create(&seed, RANDOM_NOISE, 0, &s));
    assert_ok(stream_tuniform(s, 3, x, n));
    double count[17] = {0}, chi = 0;
    for (size_t i = 0; i < n; i++) {
        const int64_t v = (int64_t)x[i];
        assert_true(v >= -8 && v <= 8);
        count[v + 8]++;
    }
    for (size_t i = 0; i < 17; i++) {
        const double want = (double)n / (i == 0 || i == 16 ? 32 : 16);
        chi += (count[i] - want) * (count[i] - want) / want;
    }
    assert_true(chi < 55);
    assert_ok(stream_normal_vartime(s, z, n));
    double mean = 0, square = 0;
    for (size_t i = 0; i < n; i++) mean += z[i] / (double)n, square += z[i] * z[i] / (double)n;
    assert_true(fabs(mean) < 6 / sqrt((double)n));
    assert_true(fabs(square - 1) < 6 * sqrt(2.0 / (double)n));
    assert_ok(stream_bits(s, x, 1000));
    for (size_t i = 0; i < 1000; i++) assert_true(x[i] <= 1);
    free(x), free(z);
    stream_destroy(s);
    uint8_t a[32] = {0}, b[32] = {0};
    assert_ok(random_os(a, 32));
    assert_ok(random_os(b, 32));
    assert_memory_not_equal(a, b, 32);
}

static annulus_status mark(void *context, size_t i, unsigned worker)
{
    (void)worker;
    ((int *)context)[i]++;
    return i == 40 || i == 70 ? fail(ANNULUS_ERR_INPUT, "item %zu", i) : ANNULUS_OK;
}

static annulus_status sum(void *context, size_t i, unsigned worker)
{
    ((size_t *)context)[worker] += i;
    return ANNULUS_OK;
}

static void test_parallel(void **state)
{
    (void)state;
    size_t sums[4] = {0};
    assert_ok(parallel_for(1000, 4, sum, sums));
    assert_int_equal(sums[0] + sums[1] + sums[2] + sums[3], 999 * 500);
    assert_ok(parallel_for(0, 4, sum, sums));
    int done[100] = {0};
    assert_int_equal(parallel_for(100, 1, mark, done), ANNULUS_ERR_INPUT);
    assert_string_equal(annulus_error_message(), "item 40");
    for (size_t i = 0; i < 100; i++) assert_int_equal(done[i], i <= 40);
    int other[100] = {0};
    assert_int_equal(parallel_for(100, 3, mark, other), ANNULUS_ERR_INPUT);
    assert_true(strstr(annulus_error_message(), "item ") != NULL);
    assert_in_range(parallel_threads(0), 1, 4096);
}

static void cache_file(const char *folder, unsigned index, const char *name, const char *text)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/index%u", folder, index);
    assert_true(mkdir(path, 0700) == 0 || access(path, F_OK) == 0);
    (void)snprintf(path, sizeof path, "%s/index%u/%s", folder, index, name);
    assert_ok(file_write(path, text, strlen(text), 0600));
}

static void cache_clear(const char *folder)
{
    static const char *const names[] = {"level", "type", "size"};
    char path[128];
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned j = 0; j < 3; j++) {
            (void)snprintf(path, sizeof path, "%s/index%u/%s", folder, i, names[j]);
            (void)unlink(path);
        }
        (void)snprintf(path, sizeof path, "%s/index%u", folder, i);
        (void)rmdir(path);
    }
    assert_int_equal(rmdir(folder), 0);
}

/* The second level for data, in the form of the kernel's folder; what says nothing, or what cannot be, is none. */
static void test_cache(void **state)
{
    (void)state;
    static const struct {
        const char *size;
        size_t bytes;
    } sizes[] = {{"512K\n", 512u << 10},
                 {"2M\n", 2u << 20},
                 {"1048576", 1u << 20},
                 {"63K", 0},
                 {"65M", 0},
                 {"K", 0},
                 {"", 0},
                 {"99999999999999999999K", 0}};
    assert_in_range(cpu_cache_bytes(), 64u << 10, 64u << 20);
    char folder[] = "annulus-test-XXXXXX";
    assert_non_null(mkdtemp(folder));
    assert_int_equal(cpu_cache_read(folder), 0);
    for (unsigned i = 0; i < 3; i++) {
        cache_file(folder, i, "level", i == 0 ? "1\n" : "2\n");
        cache_file(folder, i, "type", i == 1 ? "Instruction\n" : i == 0 ? "Data\n" : "Unified\n");
        cache_file(folder, i, "size", "128K\n");
    }
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        cache_file(folder, 2, "size", sizes[i].size);
        assert_int_equal(cpu_cache_read(folder), sizes[i].bytes);
    }
    cache_clear(folder);
    const size_t own = cpu_cache_bytes();
    assert_int_equal(setenv("ANNULUS_CACHE", "262144", 1), 0);
    assert_int_equal(cpu_cache_bytes(), 262144);
    assert_int_equal(setenv("ANNULUS_CACHE", "1", 1), 0);
    assert_int_equal(cpu_cache_bytes(), own);
    assert_int_equal(unsetenv("ANNULUS_CACHE"), 0);
}

#define ROUNDS 300u

typedef struct relay {
    unsigned members;
    size_t turn[5], wrong; /* turn: of each member */
} relay;

/* In every round each member moves its own counter on, and then looks at all of them. */
static void relay_run(void *context, const parallel_member *me)
{
    relay *r = context;
    if (me->member == 0) r->members = me->members;
    for (size_t round = 1; round <= ROUNDS; round++) {
        r->turn[me->member]++;
        parallel_wait(me);
        size_t behind = 0;
        for (unsigned m = 0; m < me->members; m++) behind += r->turn[m] != round;
        if (round % 100 == 0 && me->member == 0) (void)usleep(2000); /* longer than the others spin */
        parallel_wait(me);
        if (me->member == round % me->members) r->wrong += behind;
        parallel_wait(me);
    }
}

/* Inside a worker of parallel_for OpenMP gives no more threads than it allows there: one unless told otherwise. */
static annulus_status relay_nested(void *context, size_t i, unsigned worker)
{
    (void)worker;
    parallel_team(3, relay_run, (relay *)context + i);
    return ANNULUS_OK;
}

static void test_team(void **state)
{
    (void)state;
    relay r[6] = {0};
    for (unsigned members = 5; members >= 1; members--) parallel_team(members, relay_run, &r[members]);
    for (unsigned members = 1; members <= 5; members++) {
        assert_in_range(r[members].members, 1, parallel_threads(members));
        for (unsigned m = 0; m < 5; m++) assert_int_equal(r[members].turn[m], m < r[members].members ? ROUNDS : 0);
        assert_int_equal(r[members].wrong, 0);
    }
    memset(r, 0, sizeof r);
    assert_ok(parallel_for(4, 2, relay_nested, r));
    for (size_t i = 0; i < 4; i++) {
        assert_in_range(r[i].members, 1, 3);
        assert_true(r[i].turn[0] == ROUNDS && r[i].wrong == 0);
    }
    relay alone = {0};
    relay_run(&alone, &parallel_alone);
    assert_true(alone.members == 1 && alone.turn[0] == ROUNDS);
}

static int stop_at_three(void *context, const char *what, size_t done, size_t total)
{
    (void)what, (void)total;
    *(size_t *)context = done;
    return done == 3;
}

static void test_progress(void **state)
{
    (void)state;
    size_t last = 0;
    const annulus_progress p = {.report = stop_at_three, .context = &last};
    assert_ok(progress_report(NULL, "keys", 1, 5));
    assert_ok(progress_report(&p, "keys", 2, 5));
    assert_int_equal(last, 2);
    assert_int_equal(progress_report(&p, "keys", 3, 5), ANNULUS_ERR_CANCELLED);
    assert_refused(progress_report(&p, "keys", 3, 5), "stopped on request during keys");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_scratch_apart),
        cmocka_unit_test(test_memory_available),
        cmocka_unit_test(test_huge_pages),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_plain_text),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_killed_write),
        cmocka_unit_test(test_stream_known_answer),
        cmocka_unit_test(test_distributions),
        cmocka_unit_test(test_team), /* first: OpenMP of LLVM 14 leaks where a
                                        team outgrows those before */
        cmocka_unit_test(test_parallel),
        cmocka_unit_test(test_cache),
        cmocka_unit_test(test_progress),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
