/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"
#include "comma_locale.h"
#include "data/dataset.h"

#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

static char path[] = "annulus_csv_XXXXXX";

static int setup(void **state)
{
    (void)state;
    const int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
    (void)state;
    return unlink(path);
}

static annulus_status parse_bytes(const char *text, size_t len, const csv_options *o, dataset **d)
{
    assert_ok(file_write(path, text, len, 0600));
    return dataset_read_csv(path, o, d);
}

static annulus_status parse(const char *text, const csv_options *o, dataset **d)
{
    return parse_bytes(text, strlen(text), o, d);
}

static const csv_options classify = {.task = CSV_CLASSIFICATION};

static void test_classification(void **state)
{
    (void)state;
    dataset *d = NULL;
    assert_ok(parse("\xef\xbb\xbf"
                    "a,\"b, c\",kind\r\n1,-2.5e-1,pear\r\n+3,.5,apple\r\n\r\n 4 ,1e2,pear",
                    &classify, &d));
    assert_int_equal(d->count, 3);
    assert_int_equal(d->features, 2);
    const float x[] = {1.0f, -0.25f, 3.0f, 0.5f, 4.0f, 100.0f};
    assert_memory_equal(d->x, x, sizeof x);
    assert_string_equal(d->feature_names[0], "a");
    assert_string_equal(d->feature_names[1], "b, c");
    assert_int_equal(d->classes, 2);
    assert_string_equal(d->class_names[0], "apple");
    assert_string_equal(d->class_names[1], "pear");
    const int32_t label[] = {1, 0, 1};
    assert_memory_equal(d->label, label, sizeof label);
    assert_null(d->y);
    assert_int_equal(d->height, 0);

    dataset *s = NULL;
    assert_ok(dataset_slice(d, 1, 2, &s));
    dataset_destroy(d); /* the slice owns copies */
    assert_int_equal(s->count, 2);
    assert_memory_equal(s->x, x + 2, 4 * sizeof *x);
    assert_memory_equal(s->label, label + 1, 2 * sizeof *label);
    assert_string_equal(s->class_names[1], "pear");
    dataset *bad = NULL;
    assert_refused(dataset_slice(s, 1, 2, &bad), "the set has 2");
    assert_refused(dataset_slice(s, 0, 0, &bad), "at least one");
    assert_refused(dataset_slice(s, SIZE_MAX, 2, &bad), "the set has 2");
    assert_null(bad);
    dataset_destroy(s);
    dataset_destroy(NULL);
}

/* A byte order mark in front of a quotation mark, of a sample in place of the header, and alone. */
static void test_byte_order_mark(void **state)
{
    (void)state;
    dataset *d = NULL;
    assert_ok(parse("\xef\xbb\xbf\"a\",\"y\"\r\n\"1\",\"p\"\r\n\"2\",\"q\"\r\n", &classify, &d));
    assert_true(d->count == 2 && d->x[1] == 2);
    assert_string_equal(d->feature_names[0], "a");
    dataset_destroy(d);
    assert_refused(parse("\xef\xbb\xbf"
                         "5,3,p\n4,3,q\n",
                         &classify, &d),
                   "line 1: \"5\" to \"p\" look like a sample");
    assert_refused(parse("\xef\xbb\xbf", &classify, &d), "the file is empty");
}

/* Lines end by CR, LF or both, also where a read of 64 KiB ends between them. */
static void test_line_ends(void **state)
{
    (void)state;
    static const char *const ends[] = {"\r", "\n", "\r\n"};
    dataset *d = NULL;
    char *text = malloc((size_t)1 << 17);
    assert_non_null(text);
    for (size_t e = 0; e < 3; e++) {
        size_t len = (size_t)sprintf(text, "a,y%s1,p%s", ends[e], ends[e]);
        (void)sprintf(text + len, "2,\"q%s\"%s%sx,p%s", ends[e], ends[e], ends[e], ends[e]);
        assert_refused(parse(text, &classify, &d), "line 6, column \"a\": \"x\" is not a finite number");
        for (size_t pad = 0; pad < 8; pad++) {
            len = (size_t)sprintf(text, "a%.*s,y%s", (int)pad, "aaaaaaaa", ends[e]);
            for (size_t i = 0; i < 16000; i++) len += (size_t)sprintf(text + len, "1,%c%s", "pq"[i % 2], ends[e]);
            (void)sprintf(text + len, "x,p%s", ends[e]);
            assert_refused(parse(text, &classify, &d), "line 16002, column \"a");
        }
    }
    assert_null(d);
    free(text);
}

static void test_numbers_as_names(void **state)
{
    (void)state;
    dataset *d = NULL;
    assert_ok(parse("401.5,402,1e3,y\n3,2,1,p\n4,4,4,q\n", &classify, &d));
    assert_int_equal(d->count, 2);
    assert_string_equal(d->feature_names[2], "1e3");
    dataset_destroy(d);
    assert_ok(parse("2,1,kind,y\n3,2,1,p\n4,4,4,q\n", &classify, &d)); /* two that are names */
    assert_int_equal(d->count, 2);
    dataset_destroy(d);
}

static void test_class_order(void **state)
{
    (void)state;
    dataset *d = NULL;
    assert_ok(parse("y,a\n10,0\n9,0\n-1,0\n", &(csv_options){.task = CSV_CLASSIFICATION, .label = "y"}, &d));
    assert_string_equal(d->class_names[0], "-1"); /* by number: bytewise 10 would come before 9 */
    assert_string_equal(d->class_names[1], "9");
    assert_string_equal(d->class_names[2], "10");
    assert_int_equal(d->label[0], 2);
    assert_string_equal(d->feature_names[0], "a");
    dataset_destroy(d);

    d = NULL;
    assert_ok(parse("a,y\n0,10\n0,9\n0,B\n0,a\n", &classify, &d));
    const char *const bytewise[] = {"10", "9", "B", "a"};
    for (size_t i = 0; i < 4; i++) assert_string_equal(d->class_names[i], bytewise[i]);
    dataset_destroy(d);

    const char *const fixed[] = {"no", "yes", "perhaps"};
    const csv_options o = {.task = CSV_CLASSIFICATION, .class_names = fixed, .class_names_count = 3};
    d = NULL;
    assert_ok(parse("a,y\n0,yes\n0,yes\n", &o, &d));
    assert_int_equal(d->classes, 3);
    assert_string_equal(d->class_names[2], "perhaps");
    assert_int_equal(d->label[1], 1);
    dataset_destroy(d);
    d = NULL;
    assert_refused(parse("a,y\n0,yes\n0,maybe\n", &o, &d),
                   "line 3, column \"y\": \"maybe\" is not one of the known classes: no, yes, perhaps");
    assert_null(d);
    assert_ok(parse("a,y\n0,2\n0,yes\n", &o, &d)); /* a number in place of a name */
    assert_int_equal(d->label[0], 2);
    dataset_destroy(d);
    d = NULL;
    assert_refused(parse("a,y\n0,3\n", &o, &d), "\"3\" is not one of the known classes");
    const char *const numbers[] = {"-1", "9", "else"}; /* where names are numbers, others stand for nothing */
    const csv_options p = {.task = CSV_CLASSIFICATION, .class_names = numbers, .class_names_count = 3};
    assert_refused(parse("a,y\n0,0\n", &p, &d), "\"0\" is not one of the known classes: -1, 9, else");
    assert_null(d);
}

static void test_other_tasks(void **state)
{
    (void)state;
    dataset *d = NULL;
    assert_ok(parse("a,price,b\n1,2.5,3\n4,5,6\n", &(csv_options){.task = CSV_REGRESSION, .label = "price"}, &d));
    assert_int_equal(d->features, 2);
    assert_int_equal(d->targets, 1);
    assert_int_equal(d->classes, 0);
    assert_null(d->label);
    const float y[] = {2.5f, 5.0f}, x[] = {1.0f, 3.0f, 4.0f, 6.0f};
    assert_memory_equal(d->y, y, sizeof y);
    assert_memory_equal(d->x, x, sizeof x);
    assert_string_equal(d->target_names[0], "price");
    assert_string_equal(d->feature_names[1], "b");
    dataset *s = NULL;
    assert_ok(dataset_slice(d, 1, 1, &s));
    assert_true(s->y[0] == 5.0f);
    assert_string_equal(s->target_names[0], "price");
    dataset_destroy(s);
    dataset_destroy(d);

    d = NULL;
    assert_ok(parse("a,b\n1,2\n", &(csv_options){.task = CSV_UNLABELED, .label = "none"}, &d));
    assert_int_equal(d->features, 2);
    assert_null(d->label);
    assert_null(d->y);
    dataset_destroy(d);
}

/* Of as many columns as a circuit takes, a table has no labels, whatever the task; one more is the label. */
static void test_unlabeled_columns(void **state)
{
    (void)state;
    static const csv_task tasks[] = {CSV_CLASSIFICATION, CSV_REGRESSION, CSV_MULTI_LABEL};
    static const char *const names[] = {"3", "6"};
    for (size_t t = 0; t < 3; t++) {
        csv_options o = {.task = tasks[t], .class_names = names, .class_names_count = 2, .unlabeled_columns = 3};
        dataset *d = NULL;
        assert_ok(parse("a,b,c\n1,2,3\n4,5,6\n", &o, &d));
        const float x[] = {1, 2, 3, 4, 5, 6};
        assert_int_equal(d->features, 3);
        assert_memory_equal(d->x, x, sizeof x);
        assert_string_equal(d->feature_names[2], "c");
        assert_true(d->label == NULL && d->y == NULL && d->classes == 0 && d->targets == 0);
        dataset_destroy(d);
    }
    csv_options o = {.task = CSV_CLASSIFICATION, .class_names = names, .class_names_count = 2, .unlabeled_columns = 2};
    dataset *d = NULL;
    assert_ok(parse("a,b,c\n1,2,3\n4,5,6\n", &o, &d));
    assert_int_equal(d->features, 2);
    assert_int_equal(d->label[1], 1);
    dataset_destroy(d);
    o.unlabeled_columns = 3, o.label = "c";
    d = NULL;
    assert_ok(parse("a,b,c\n1,2,3\n", &o, &d)); /* a label that is named is one */
    assert_int_equal(d->features, 2);
    dataset_destroy(d);
}

static void test_labels(void **state)
{
    (void)state;
    static const char *const names[] = {"q", "p"};
    dataset *d = NULL, *s = NULL;
    const csv_options named = {.task = CSV_MULTI_LABEL, .label = "q,p"},
                      known = {.task = CSV_MULTI_LABEL, .class_names = names, .class_names_count = 2};
    static const char text[] = "p,a,q,b\n1,2,0,3\n0,4,1.0,5\n";
    for (size_t round = 0; round < 2; round++) {
        assert_ok(parse(text, round == 0 ? &named : &known, &d));
        assert_true(d->features == 2 && d->targets == 2 && d->count == 2 && d->binary && d->label == NULL);
        const float y[] = {0, 1, 1, 0}, x[] = {2, 3, 4, 5};
        assert_memory_equal(d->y, y, sizeof y);
        assert_memory_equal(d->x, x, sizeof x);
        assert_true(strcmp(d->target_names[0], "q") == 0 && strcmp(d->feature_names[1], "b") == 0);
        assert_ok(dataset_slice(d, 1, 1, &s));
        assert_true(s->binary && s->y[0] == 1 && s->y[1] == 0);
        dataset_destroy(s);
        assert_ok(dataset_choose(d, (const size_t[]){1, 1}, 2, &s));
        assert_true(s->count == 2 && s->y[0] == 1 && s->y[3] == 0 && s->x[0] == 4 && s->x[3] == 5);
        dataset_destroy(s);
        dataset_destroy(d);
        d = NULL;
    }
    assert_refused(parse("p,a,q\n1,2,0.5\n", &named, &d), "line 2, column \"q\": \"0.5\" is a label");
    assert_refused(parse("p,a\n1,2\n", &named, &d), "no column is named \"q\"");
    assert_refused(parse("p,q\n1,0\n", &named, &d), "no features are left");
    assert_refused(parse(text, &(csv_options){.task = CSV_MULTI_LABEL, .label = "p,p"}, &d), "given twice");
    assert_refused(parse(text, &(csv_options){.task = CSV_MULTI_LABEL}, &d), "name the columns");
    assert_null(d);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"", "empty"},
        {"a,y\n", "no samples"},
        {"a,y\n1,p\n2,p\n", "only the class \"p\""},
        {"a,a\n1,p\n", "two columns are named \"a\""},
        {"a,,y\n1,2,p\n", "column 2 has no name"},
        {"5.1,3.5,1.4,setosa\n4.9,3.0,1.4,setosa\n", "line 1: \"5.1\" to \"setosa\" look like a sample"},
        {"0,0,1\n1,2,0\n", "put a line of column names before it"},
        {"y\n1\n", "no features"},
        {"age,y\n1,p\nnan,q\n", "line 3, column \"age\": \"nan\" is not a finite number"},
        {"age,y\n1,p\n-inf,q\n", "\"-inf\" is not a finite"},
        {"age,y\n1e999,p\n", "\"1e999\" is not a finite"},
        {"age,y\n1e39,p\n", "\"1e39\" is beyond"},
        {"age,y\n0x10,p\n", "\"0x10\" is not"},
        {"age,y\n1.5x,p\n", "\"1.5x\" is not"},
        {"age,y\n\"1,5\",p\n", "\"1,5\" is not"},
        {"age,y\n1 2,p\n", "\"1 2\" is not"},
        {"age,y\n,p\n", "line 2, column \"age\": \"\" is empty"},
        {"age,y\n1,\n", "column \"y\": \"\" is not a class name"},
        {"a,b,y\n1,2,p\n1,2\n", "line 3 has 2 cells, the header has 3"},
        {"a,b,y\n1,2,p\n\n\n1,2,q,4\n", "line 5 has more cells than the 3"},
        {"a,y\n1,\"p\n", "ends inside a quoted cell"},
        {"a,y\n1,\"p\"q\n", "quotation mark"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        dataset *d = NULL;
        assert_refused(parse(bad[i].text, &classify, &d), bad[i].says);
        assert_refused(parse(bad[i].text, &classify, &d), path);
        assert_null(d);
    }
    dataset *d = NULL;
    assert_refused(parse("a,b\n1,2\n", &(csv_options){.task = CSV_CLASSIFICATION, .label = "y"}, &d),
                   "no column is named \"y\"");
    assert_refused(parse_bytes("a,y\n1\0,p\n", 9, &classify, &d), "not a finite number");
    assert_refused(dataset_read_csv("/nonexistent/a.csv", &classify, &d), "/nonexistent/a.csv: cannot open");
    assert_refused(dataset_read_csv("/", &classify, &d), "/: cannot read");
    assert_null(d);
}

static void test_limits(void **state)
{
    (void)state;
    dataset *d = NULL;
    const size_t n = 70000;
    char *text = malloc(n * 8);
    assert_non_null(text);
    size_t len = 0;
    for (size_t i = 0; i < n; i++) len += (size_t)sprintf(text + len, "c%zu,", i);
    len += (size_t)sprintf(text + len, "y\n");
    assert_refused(parse_bytes(text, len, &classify, &d), "more than 65536 columns");

    len = (size_t)sprintf(text, "a,y\n");
    for (size_t i = 0; i < 1001; i++) len += (size_t)sprintf(text + len, "1,%zu\n", i);
    assert_refused(parse_bytes(text, len, &classify, &d), "line 1002, column \"y\": \"1000\" is one class too many");

    len = (size_t)sprintf(text, "a,y\n1,\"");
    memset(text + len, '\n', 300000);
    assert_refused(parse_bytes(text, len + 300000, &classify, &d), "is a quotation mark open");
    assert_null(d);
    free(text);
}

/* A gzip file reads as its content; cut anywhere it is refused. */
static void test_gzip(void **state)
{
    (void)state;
    static const char text[] = "a,b,y\n1,2,p\n3,4,q\n5,6,p\n";
    gzFile g = gzopen(path, "wb9");
    assert_non_null(g);
    assert_int_equal(gzwrite(g, text, sizeof text - 1), (int)sizeof text - 1);
    assert_int_equal(gzclose(g), Z_OK);
    dataset *d = NULL;
    assert_ok(dataset_read_csv(path, &classify, &d));
    assert_int_equal(d->count, 3);
    assert_true(d->x[5] == 6.0f);
    dataset_destroy(d);

    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    char bytes[256];
    const size_t len = fread(bytes, 1, sizeof bytes, f);
    (void)fclose(f);
    for (size_t cut = 0; cut < len; cut++) {
        d = NULL;
        assert_int_not_equal(parse_bytes(bytes, cut, &classify, &d), ANNULUS_OK);
        assert_null(d);
    }
    bytes[len - 6] ^= 1; /* the checksum */
    assert_refused(parse_bytes(bytes, len, &classify, &d), "damaged");
}

static void test_locale_is_ignored(void **state)
{
    (void)state;
    dataset *d = NULL;
    comma_locale_begin();
    assert_ok(parse("a,y\n1.5,p\n2.5,q\n", &classify, &d));
    assert_true(d->x[1] == 2.5f);
    dataset_destroy(d);
    d = NULL;
    assert_refused(parse("a,y\n\"1,5\",p\n", &classify, &d), "is not a finite number");
    assert_true(strtod("1,5", NULL) == 1.5); /* the caller's locale is what it was */
    comma_locale_end();
}

/* Seeded damage: anything may be refused, nothing may crash (run under the sanitizers). */
static void test_damage(void **state)
{
    (void)state;
    static const char good[] = "a,\"b\",y\n1,2,p\n3e5,-4,\"q\"\n5.5,6,p\n";
    static const char bytes[] = "\"\",\n\r\0ex9-";
    uint64_t seed = 1;
    for (int round = 0; round < 2000; round++) {
        char text[sizeof good];
        memcpy(text, good, sizeof good);
        for (int k = 0; k < 3; k++)
            text[test_random(&seed) % (sizeof good - 1)] = bytes[test_random(&seed) % (sizeof bytes - 1)];
        dataset *d = NULL;
        if (parse_bytes(text, test_random(&seed) % sizeof good, &classify, &d) != ANNULUS_OK) {
            assert_null(d);
            continue;
        }
        for (size_t i = 0; i < d->count; i++) assert_true((size_t)d->label[i] < d->classes);
        dataset_destroy(d);
    }
}

/* Several targets, by name, in their order; the columns of a model; tables without features. */
static void test_targets(void **state)
{
    (void)state;
    static const char *const names[] = {"y", "z"}, text[] = "z,a,y\n1,2,3\n4,5,6\n";
    dataset *d = NULL;
    csv_options o = {.task = CSV_REGRESSION, .label = "y,z"};
    const float features[] = {2, 5}, targets[] = {3, 1, 6, 4};
    for (int known = 0; known < 2; known++) {
        assert_ok(parse(text, &o, &d));
        assert_true(d->features == 1 && d->targets == 2 && !d->binary && d->label == NULL);
        assert_memory_equal(d->x, features, sizeof features);
        assert_memory_equal(d->y, targets, sizeof targets);
        assert_string_equal(d->target_names[0], "y");
        assert_string_equal(d->target_names[1], "z");
        dataset_destroy(d);
        o = (csv_options){.task = CSV_REGRESSION, .class_names = names, .class_names_count = 2};
    }
    o.label = "z,y"; /* the known ones come in their order */
    assert_ok(parse(text, &o, &d));
    assert_memory_equal(d->y, targets, sizeof targets);
    assert_string_equal(d->target_names[0], "y");
    dataset_destroy(d);
    o.label = "z,a";
    assert_refused(parse(text, &o, &d),
                   "the labels of the circuit are y, z, not z,a: name these columns, in any order");
    o.label = "y";
    assert_refused(parse(text, &o, &d), "the labels of the circuit are y, z, not y");
    static const char *const numbers[] = {"0", "1"};
    o = (csv_options){.task = CSV_REGRESSION, .label = "z,y", .class_names = numbers, .class_names_count = 2};
    assert_ok(parse(text, &o, &d)); /* numbers are no names */
    assert_true(d->y[0] == 1 && d->y[1] == 3);
    dataset_destroy(d);
    o = (csv_options){.task = CSV_REGRESSION, .class_names = numbers, .class_names_count = 1};
    assert_ok(parse(text, &o, &d));
    assert_true(d->targets == 1 && strcmp(d->target_names[0], "y") == 0);
    dataset_destroy(d);
    o.class_names = names + 1; /* of one target as of several */
    assert_ok(parse(text, &o, &d));
    assert_true(d->targets == 1 && d->y[1] == 4 && strcmp(d->target_names[0], "z") == 0);
    dataset_destroy(d);
    o.label = "a";
    assert_refused(parse(text, &o, &d), "the label of the circuit is z, not a");
    o.label = NULL;
    assert_refused(parse("x,a\n1,2\n", &o, &d), "no column is named \"z\", which is to be a label");
    o = (csv_options){.task = CSV_REGRESSION, .label = "b,c"}; /* a name with a comma is one column */
    assert_ok(parse("a,\"b,c\"\n1,2\n", &o, &d));
    assert_true(d->targets == 1 && d->y[0] == 2);
    dataset_destroy(d);
    o = (csv_options){.task = CSV_REGRESSION, .label = "y,x"};
    assert_refused(parse(text, &o, &d),
                   "no column is named \"x\", which is to be a label: the columns are \"z\" to \"y\"");
    o.label = "a,y,z";
    assert_refused(parse(text, &o, &d), "no features are left");
    o = (csv_options){.task = CSV_CLASSIFICATION};
    assert_refused(parse("a;b;y\n1;2;x\n", &o, &d), "commas must stand between columns");
    o = (csv_options){.task = CSV_REGRESSION, .targets_only = 1};
    assert_ok(parse(text, &o, &d));
    assert_true(d->features == 0 && d->x == NULL && d->targets == 3 && d->count == 2 && d->y[5] == 6);
    dataset_destroy(d);
    o = (csv_options){.task = CSV_MULTI_LABEL, .label = "wet", .targets_only = 1}; /* the name of a file is left out */
    assert_ok(parse("file,wet\na.png,1\nb.png,0\n", &o, &d));
    assert_true(d->features == 0 && d->targets == 1 && d->binary && d->y[0] == 1 && d->y[1] == 0);
    assert_string_equal(d->target_names[0], "wet");
    dataset_destroy(d);
    assert_refused(parse("file,wet\na.png,2\n", &o, &d), "line 2, column \"wet\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classification),
        cmocka_unit_test(test_byte_order_mark),
        cmocka_unit_test(test_line_ends),
        cmocka_unit_test(test_numbers_as_names),
        cmocka_unit_test(test_class_order),
        cmocka_unit_test(test_other_tasks),
        cmocka_unit_test(test_unlabeled_columns),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_gzip),
        cmocka_unit_test(test_locale_is_ignored),
        cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
