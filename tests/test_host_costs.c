/* SPDX-License-Identifier: Apache-2.0 */
#include "testing.h"

#include "annulus/annulus.h"
#include "deploy/host_costs.h"
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/annulus-costs-XXXXXX";
static char file[HOST_PATH_BYTES];
static const cost_model some = {.fft = 0.25,
                                .multiply = 0.125,
                                .linear = 0,
                                .wide = 0.0078125,
                                .combine = {0, 0, 0.5, 0.75},
                                .read = 0.0625,
                                .read_all = 0.1875,
                                .keyswitch = 0.03125,
                                .keyswitch_read = 0.375,
                                .layer = 123.456,
                                .input = 1.5,
                                .output = 2.5,
                                .expand = 3.5,
                                .crowd = 1.25};
/* SHA-256 of "A \"B\" C\nref ref\n1.2.3" begins with these digits. */
#define NAME "host-15686645b7b20825.json"
static const host_key here = {.processor = "A \"B\" C", .kernels = "ref ref", .version = "1.2.3"};

static int setup(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL || setenv("XDG_CACHE_HOME", folder, 1) != 0) return 1;
    return host_costs_path(&here, 1, file) != ANNULUS_OK;
}

static int teardown(void **state)
{
    (void)state;
    char inner[64];
    (void)snprintf(inner, sizeof inner, "%s/annulus", folder);
    (void)unlink(file);
    return rmdir(inner) != 0 || rmdir(folder) != 0; /* nothing else was left there */
}

static void write_text(const char *text)
{
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0 && fclose(f) == 0);
}

static void write_some(const host_key *key)
{
    json_t *j = host_costs_json(key, &some, 0.01);
    assert_non_null(j);
    assert_ok(host_costs_write(file, j));
    json_decref(j);
}

static void test_round_trip(void **state)
{
    (void)state;
    cost_model got = cost_model_shipped;
    write_some(&here);
    assert_ok(host_costs_read(file, &here, &got));
    assert_memory_equal(&got, &some, sizeof got);
    write_some(&here); /* over the old one */
    assert_ok(host_costs_read(file, &here, &got));
}

static void refuse(const char *text, const char *why)
{
    cost_model got = cost_model_shipped;
    write_text(text);
    assert_refused(host_costs_read(file, &here, &got), why);
    assert_non_null(strstr(annulus_error_message(), file));
    assert_memory_equal(&got, &cost_model_shipped, sizeof got);
}

/* The good text with `from` replaced by `to`. */
static void refuse_changed(const char *from, const char *to, const char *why)
{
    char text[2048];
    json_t *j = host_costs_json(&here, &some, 0.01);
    char *good = json_dumps(j, JSON_REAL_PRECISION(6));
    json_decref(j);
    assert_non_null(good);
    const char *at = strstr(good, from);
    assert_non_null(at);
    (void)snprintf(text, sizeof text, "%.*s%s%s", (int)(at - good), good, to, at + strlen(from));
    free(good);
    refuse(text, why);
}

static void test_costs_refused(void **state)
{
    (void)state;
    static const char *const costs[][2] = {{"fft", "0.25"},          {"multiply", "0.125"},
                                           {"linear", "0.0"},        {"wide", "0.0078125"},
                                           {"combine_2", "0.5"},     {"combine_3", "0.75"},
                                           {"read", "0.0625"},       {"read_all", "0.1875"},
                                           {"keyswitch", "0.03125"}, {"keyswitch_read", "0.375"},
                                           {"layer", "123.456"},     {"input", "1.5"},
                                           {"output", "2.5"},        {"expand", "3.5"}};
    static const char *const values[][2] = {
        {"-0.5", "out of range"}, {"1.1e6", "out of range"}, {"1e308", "out of range"}, {"1e999", "damaged"},
        {"NaN", "damaged"},       {"\"1\"", "no cost"},      {"null", "no cost"},       {"", "damaged"}};
    for (size_t i = 0; i < sizeof costs / sizeof *costs; i++) {
        char from[64], to[64];
        (void)snprintf(from, sizeof from, "\"%s\": %s", costs[i][0], costs[i][1]);
        for (size_t k = 0; k < sizeof values / sizeof *values; k++) {
            (void)snprintf(to, sizeof to, "\"%s\": %s", costs[i][0], values[k][0]);
            refuse_changed(from, to, values[k][1]);
        }
        (void)snprintf(to, sizeof to, "\"x%s\": 1", costs[i][0]);
        refuse_changed(from, to, costs[i][0]);
    }
    refuse_changed("\"layer\": 123.456", "\"layer\": 0", "out of range");
    refuse_changed("nanoseconds", "seconds", "no cost");
    refuse_changed("all_cores_factor", "factor", "no all_cores_factor");
    refuse_changed("\"all_cores_factor\": 1.25", "\"all_cores_factor\": 0.75", "out of range");
    refuse_changed("\"all_cores_factor\": 1.25", "\"all_cores_factor\": 1e308", "out of range");
}

/* Costs that other work beside made are said to be. */
static void test_text(void **state)
{
    (void)state;
    cost_model m = some;
    for (int busy = 0; busy <= 1; busy++) {
        m.crowd = busy ? 4 : 2;
        char *text = host_costs_text(&here, &m, 0.01, "/a/file");
        assert_non_null(text);
        assert_non_null(strstr(text, "written to /a/file\n"));
        assert_int_equal(strstr(text, "other work ran beside") != NULL, busy);
        free(text);
    }
    char *text = host_costs_text(&here, &some, 0.15, "/a/file");
    assert_non_null(strstr(text, "15.0 % of every step measured: other work ran beside"));
    free(text);
}

static void test_files_refused(void **state)
{
    (void)state;
    cost_model got = cost_model_shipped;
    refuse_changed("annulus-costs-3", "annulus-costs-2", "not a file of costs");
    refuse_changed("A \\\"B\\\" C", "A B C", "another processor");
    refuse_changed("ref ref", "avx2 avx2", "another processor");
    refuse_changed("1.2.3", "1.2.4", "another processor");
    refuse_changed("\"version\": \"1.2.3\"", "\"version\": 1", "another processor");
    refuse_changed("\"schema\"", "\"version\": \"1.2.3\", \"schema\"", "damaged"); /* twice */
    refuse("", "damaged");
    refuse("[]", "not a file of costs");
    refuse("{\"schema\": \"annulus-costs-3\"", "damaged");
    assert_int_equal(truncate(file, 1 << 20), 0);
    assert_refused(host_costs_read(file, &here, &got), "at most");
    assert_int_equal(unlink(file), 0);
    assert_int_equal(host_costs_read(file, &here, &got), ANNULUS_ERR_IO);
}

static void test_path(void **state)
{
    (void)state;
    char path[HOST_PATH_BYTES], longest[2 * HOST_PATH_BYTES];
    struct stat info;
    assert_ok(host_costs_path(&here, 0, path));
    assert_int_equal(strncmp(path, folder, strlen(folder)), 0);
    assert_string_equal(path + strlen(folder), "/annulus/" NAME);
    *strrchr(path, '/') = '\0';
    assert_true(stat(path, &info) == 0 && (info.st_mode & 0777) == 0700);

    assert_int_equal(setenv("HOME", "/dev/null/nowhere", 1), 0);
    assert_int_equal(setenv("XDG_CACHE_HOME", "relative", 1), 0);
    assert_ok(host_costs_path(&here, 0, path));
    assert_string_equal(path, "/dev/null/nowhere/.cache/annulus/" NAME);
    assert_refused(host_costs_path(&here, 1, path), "/dev/null/nowhere/.cache: cannot make");
    assert_int_equal(unsetenv("XDG_CACHE_HOME"), 0);
    assert_ok(host_costs_path(&here, 0, path));
    assert_int_equal(unsetenv("HOME"), 0);
    assert_refused(host_costs_path(&here, 0, path), "XDG_CACHE_HOME");
    memset(longest, '/', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(setenv("XDG_CACHE_HOME", longest, 1), 0);
    assert_refused(host_costs_path(&here, 0, path), "too long");
    assert_int_equal(setenv("XDG_CACHE_HOME", folder, 1), 0);
}

/* What cannot be written is refused with its place, before anything is measured. */
static void test_unwritable(void **state)
{
    (void)state;
    char path[HOST_PATH_BYTES], parent[HOST_PATH_BYTES];
    assert_ok(host_costs_path(&here, 1, path));
    assert_int_equal(mkdir(path, 0700), 0);
    assert_refused(host_costs_path(&here, 1, parent), NAME ": cannot write: it exists and is no regular file");
    assert_int_equal(rmdir(path), 0);
    (void)snprintf(parent, sizeof parent, "%.*s", (int)(strrchr(path, '/') - path), path);
    assert_int_equal(rmdir(parent), 0);
    FILE *f = fopen(parent, "w");
    assert_non_null(f);
    assert_int_equal(fclose(f), 0);
    assert_refused(host_costs_path(&here, 1, path), NAME ": cannot write there");
    assert_ok(host_costs_path(&here, 0, path));
    assert_int_equal(unlink(parent), 0);
    assert_int_equal(mkdir(parent, 0700), 0);
}

static void processor_of(const char *cpuinfo, const char *want)
{
    char got[32];
    FILE *f = tmpfile();
    assert_non_null(f);
    assert_true(fputs(cpuinfo, f) >= 0);
    rewind(f);
    host_processor(f, got, sizeof got);
    assert_int_equal(fclose(f), 0);
    assert_string_equal(got, want);
}

static void test_processors(void **state)
{
    (void)state;
    processor_of("processor\t: 0\nmodel\t\t: 17\nmodel name\t: A CPU @ 2\xc2\xb5\n\nmodel name\t: B\n", "A CPU @ 2??");
    processor_of("processor\t: 0\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU part\t: 0xd0c\n",
                 "implementer 0x41 part 0xd0c");
    processor_of("model name\t: ARMv7\nCPU part\t: 0xd03\n", "ARMv7 part 0xd03");
    processor_of("model name : a name of more than the thirty-one characters\nCPU part : 1\n",
                 "a name of more than the thirty-");
    processor_of("processor\t: 0\nmodel namely: C\n", "unknown");
    processor_of("", "unknown");
}

/* Machines of one home, and kernels of one machine, have files of their own. */
static void test_side_by_side(void **state)
{
    (void)state;
    host_key others[3] = {here, here, here};
    char paths[3][HOST_PATH_BYTES];
    cost_model got;
    others[0].processor[0] = 'B', others[1].kernels[0] = 'R', others[2].version[0] = '2';
    write_some(&here);
    for (size_t i = 0; i < 3; i++) {
        cost_model other = some;
        other.fft += (double)(i + 1);
        assert_ok(host_costs_path(&others[i], 1, paths[i]));
        json_t *j = host_costs_json(&others[i], &other, 0.01);
        assert_ok(host_costs_write(paths[i], j));
        json_decref(j);
    }
    assert_ok(host_costs_read(file, &here, &got));
    assert_memory_equal(&got, &some, sizeof got);
    for (size_t i = 0; i < 3; i++) {
        assert_ok(host_costs_read(paths[i], &others[i], &got));
        assert_true(got.fft == some.fft + (double)(i + 1));
        assert_int_equal(unlink(paths[i]), 0);
    }
}

/* What a process does: it finds no good file, says so, and takes a new one from then on. */
static void test_process(void **state)
{
    (void)state;
    host_key key;
    const char *ignored = NULL;
    char own[HOST_PATH_BYTES];
    host_key_init(&key);
    assert_ok(host_costs_path(&key, 1, own));
    (void)unlink(file);
    memcpy(file, own, sizeof file); /* the process has this one */
    assert_true(strlen(key.processor) > 0 && strlen(key.kernels) > 0);
    assert_string_equal(key.version, annulus_version());
    write_some(&here); /* of another processor */
    assert_int_equal(annulus_costs_measured(&ignored), 0);
    assert_non_null(ignored);
    assert_non_null(strstr(ignored, "another processor"));
    assert_ptr_equal(cost_model_current(), &cost_model_shipped);
    assert_refused(host_costs_adopt(file, &key), "another processor");
    assert_int_equal(annulus_costs_measured(NULL), 0);

    write_some(&key);
    host_costs_load(); /* once a process */
    assert_int_equal(annulus_costs_measured(&ignored), 0);
    assert_ok(host_costs_adopt(file, &key));
    assert_int_equal(annulus_costs_measured(&ignored), 1);
    assert_null(ignored);
    assert_memory_equal(cost_model_current(), &some, sizeof some);
    cost_model_use(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),    cmocka_unit_test(test_costs_refused), cmocka_unit_test(test_text),
        cmocka_unit_test(test_files_refused), cmocka_unit_test(test_path),          cmocka_unit_test(test_unwritable),
        cmocka_unit_test(test_processors),    cmocka_unit_test(test_side_by_side),  cmocka_unit_test(test_process)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
