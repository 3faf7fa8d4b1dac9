/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_TARGET CORPUS COUNT: runs every file of the corpus and then COUNT mutations of them, the same ones every time.
 * Files whose name begins with "ok" must be taken by the parser. An input that ends the program stays behind as
 * TARGET.input in the current folder. For compilers without libFuzzer, and for ctest. */
#include "fuzz.h"

#include "testing.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define SEEDS_MAX 64
#define INPUT_MAX ((size_t)1 << 17)

typedef struct seed {
    uint8_t *p;
    size_t len;
} seed;

typedef struct driver {
    seed seeds[SEEDS_MAX];
    size_t count;
    uint64_t random;
    uint8_t input[INPUT_MAX];
    size_t len;
    int record; /* descriptor of TARGET.input */
} driver;

static size_t below(driver *d, size_t n)
{
    return n == 0 ? 0 : (size_t)(test_random(&d->random) % n);
}

static void run(driver *d)
{
    REQUIRE(ftruncate(d->record, 0) == 0);
    REQUIRE(pwrite(d->record, d->input, d->len, 0) == (ssize_t)d->len);
    uint8_t *exact = malloc(d->len == 0 ? 1 : d->len); /* so that a sanitizer sees the end */
    REQUIRE(exact != NULL);
    memcpy(exact, d->input, d->len);
    (void)LLVMFuzzerTestOneInput(exact, d->len);
    free(exact);
}

static void seed_load(const char *folder, const char *name, seed *out)
{
    char path[4096];
    REQUIRE((size_t)snprintf(path, sizeof path, "%s/%s", folder, name) < sizeof path);
    FILE *f = fopen(path, "rb");
    REQUIRE(f != NULL);
    out->p = malloc(INPUT_MAX);
    REQUIRE(out->p != NULL);
    out->len = fread(out->p, 1, INPUT_MAX, f);
    (void)fclose(f);
}

/* Values at which counts, signs and sizes turn. */
static uint64_t interesting(driver *d)
{
    static const uint64_t values[] = {0,
                                      1,
                                      2,
                                      3,
                                      7,
                                      8,
                                      127,
                                      128,
                                      255,
                                      256,
                                      4095,
                                      4096,
                                      65535,
                                      65536,
                                      1u << 20,
                                      0x7fffffff,
                                      0x80000000,
                                      0xffffffff,
                                      1ull << 32,
                                      1ull << 40,
                                      1ull << 61,
                                      1ull << 62,
                                      INT64_MAX,
                                      1ull << 63,
                                      UINT64_MAX,
                                      0x7ff0ull << 48,
                                      0x7ff8ull << 48};
    const size_t n = sizeof values / sizeof *values, i = below(d, n + 2);
    return i < n ? values[i] : test_random(&d->random);
}

/* Makes room for n bytes at `at`, or takes them out. */
static void grow(driver *d, size_t at, size_t n)
{
    n = n < INPUT_MAX - d->len ? n : INPUT_MAX - d->len;
    memmove(d->input + at + n, d->input + at, d->len - at);
    d->len += n;
}

static void shrink(driver *d, size_t at, size_t n)
{
    n = n < d->len - at ? n : d->len - at;
    memmove(d->input + at, d->input + at + n, d->len - at - n);
    d->len -= n;
}

/* Copies a piece of another seed over what is here. */
static void copy_over(driver *d, size_t at)
{
    const seed *other = &d->seeds[below(d, d->count)];
    const size_t from = below(d, other->len), left = other->len - from, room = d->len - at;
    size_t n = 1 + below(d, 64);
    n = n < left ? n : left;
    n = n < room ? n : room;
    memcpy(d->input + at, other->p + from, n);
}

static void mutate_once(driver *d)
{
    const size_t at = below(d, d->len), room = d->len - at;
    const size_t width = (size_t)1 << below(d, 4); /* 1, 2, 4, 8 */
    uint64_t value = interesting(d);
    switch (below(d, 9)) {
    case 0:
    case 1:
        if (room > 0) d->input[at] ^= (uint8_t)(1u << below(d, 8));
        break;
    case 2:
        if (room > 0) d->input[at] = (uint8_t)value;
        break;
    case 3: /* little-endian, as in our files */
        memcpy(d->input + at, &value, width < room ? width : room);
        break;
    case 4: /* big-endian, as in IDX */
        value = __builtin_bswap64(value) >> (64 - 8 * width);
        memcpy(d->input + at, &value, width < room ? width : room);
        break;
    case 5:
        shrink(d, at, 1 + below(d, 16));
        break;
    case 6: {
        const size_t before = d->len;
        grow(d, at, 1 + below(d, 16));
        for (size_t i = at; i < at + (d->len - before); i++) d->input[i] = (uint8_t)test_random(&d->random);
        break;
    }
    case 7:
        copy_over(d, at);
        break;
    default:
        if (below(d, 4) == 0) d->len = at; /* cut off */
        break;
    }
}

static void mutate(driver *d, size_t index)
{
    const seed *s = &d->seeds[index % d->count];
    memcpy(d->input, s->p, s->len);
    d->len = s->len;
    for (size_t n = 1 + below(d, 4); n > 0; n--) mutate_once(d);
}

static int corpus_run(driver *d, const char *folder)
{
    struct dirent **names;
    int refused = 0;
    const int n = scandir(folder, &names, NULL, alphasort);
    REQUIRE(n >= 0);
    for (int i = 0; i < n; i++) {
        const char *name = names[i]->d_name;
        if (name[0] != '.') {
            REQUIRE(d->count < SEEDS_MAX);
            seed *s = &d->seeds[d->count++];
            seed_load(folder, name, s);
            memcpy(d->input, s->p, s->len);
            d->len = s->len;
            const unsigned long before = fuzz_accepted;
            run(d);
            if (strncmp(name, "ok", 2) == 0 && fuzz_accepted == before) {
                fprintf(stderr, "%s/%s: refused: %s\n", folder, name, annulus_error_message());
                refused++;
            }
        }
        free(names[i]);
    }
    free(names);
    return refused;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s CORPUS COUNT\n", argv[0]);
        return 2;
    }
    static driver d;
    char path[4096];
    const char *slash = strrchr(argv[0], '/');
    const size_t count = strtoul(argv[2], NULL, 10);
    REQUIRE((size_t)snprintf(path, sizeof path, "%s.input", slash == NULL ? argv[0] : slash + 1) < sizeof path);
    d.record = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    REQUIRE(d.record >= 0);
    d.random = 1;
    const int refused = corpus_run(&d, argv[1]);
    REQUIRE(d.count > 0);
    const unsigned long whole = fuzz_accepted;
    for (size_t i = 0; i < count; i++) {
        mutate(&d, i);
        run(&d);
    }
    printf("%zu inputs of the corpus (%lu taken), %zu mutations (%lu taken)\n", d.count, whole, count,
           fuzz_accepted - whole);
    for (size_t i = 0; i < d.count; i++) free(d.seeds[i].p);
    (void)close(d.record);
    (void)unlink(path);
    return refused == 0 && (count == 0 || fuzz_accepted > whole) ? 0 : 1;
}
