/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"
#include "data/dataset.h"
#include "testing.h"

#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

static char images[] = "annulus_idx_images_XXXXXX", labels[] = "annulus_idx_labels_XXXXXX";

static int setup(void **state)
{
    (void)state;
    const int a = mkstemp(images), b = mkstemp(labels);
    return a < 0 || b < 0 || close(a) != 0 || close(b) != 0 ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    return unlink(images) | unlink(labels);
}

static const uint8_t image_bytes[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 0, 127, 255, 1, 2, 3};
static const uint8_t matrix_bytes[] = {0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 2, 9, 8, 7, 6};
static const uint8_t colour_bytes[] = {0, 0, 8, 4, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6};
static const uint8_t label_bytes[] = {0, 0, 8, 1, 0, 0, 0, 2, 4, 0};

static void test_read(void **state)
{
    (void)state;
    assert_ok(file_write(images, image_bytes, sizeof image_bytes, 0600));
    assert_ok(file_write(labels, label_bytes, sizeof label_bytes, 0600));
    dataset *d = NULL;
    assert_ok(dataset_read_idx(images, labels, &d));
    assert_int_equal(d->count, 2);
    assert_int_equal(d->features, 3);
    assert_int_equal(d->channels, 1);
    assert_int_equal(d->height, 1);
    assert_int_equal(d->width, 3);
    const float x[] = {0.0f, 127.0f, 255.0f, 1.0f, 2.0f, 3.0f};
    assert_memory_equal(d->x, x, sizeof x);
    assert_int_equal(d->classes, 5);
    assert_string_equal(d->class_names[4], "4");
    assert_int_equal(d->label[0], 4);
    assert_int_equal(d->label[1], 0);
    dataset *s = NULL;
    assert_ok(dataset_slice(d, 1, 1, &s));
    assert_int_equal(s->width, 3);
    assert_null(s->feature_names);
    dataset_destroy(s);
    dataset_destroy(d);

    assert_ok(file_write(images, matrix_bytes, sizeof matrix_bytes, 0600));
    d = NULL;
    assert_ok(dataset_read_idx(images, NULL, &d));
    assert_int_equal(d->features, 2);
    assert_int_equal(d->height, 0);
    assert_null(d->label);
    assert_int_equal(d->classes, 0);
    dataset_destroy(d);

    assert_ok(file_write(images, colour_bytes, sizeof colour_bytes, 0600));
    d = NULL;
    assert_ok(dataset_read_idx(images, NULL, &d));
    assert_int_equal(d->count, 1);
    assert_int_equal(d->features, 6);
    assert_int_equal(d->channels, 3);
    assert_int_equal(d->height, 1);
    assert_int_equal(d->width, 2);
    assert_true(d->x[5] == 6.0f);
    dataset_destroy(d);
}

static void test_gzip(void **state)
{
    (void)state;
    gzFile g = gzopen(images, "wb");
    assert_non_null(g);
    assert_int_equal(gzwrite(g, image_bytes, sizeof image_bytes), (int)sizeof image_bytes);
    assert_int_equal(gzclose(g), Z_OK);
    dataset *d = NULL;
    assert_ok(dataset_read_idx(images, NULL, &d));
    assert_true(d->x[2] == 255.0f);
    dataset_destroy(d);
}

static void refused(const uint8_t *bytes, size_t len, const char *says)
{
    dataset *d = NULL;
    assert_ok(file_write(images, bytes, len, 0600));
    assert_refused(dataset_read_idx(images, NULL, &d), says);
    assert_null(d);
}

static void test_refusals(void **state)
{
    (void)state;
    for (size_t len = 0; len < sizeof image_bytes; len++) refused(image_bytes, len, images);
    uint8_t b[sizeof image_bytes + 1];
    memcpy(b, image_bytes, sizeof image_bytes);
    b[sizeof image_bytes] = 0;
    refused(b, sizeof b, "bytes follow the 6 values");
    b[2] = 0x0d;
    refused(b, sizeof image_bytes, "type 0x0d");
    b[2] = 8;
    b[0] = 1;
    refused(b, sizeof image_bytes, "not an IDX file");
    b[0] = 0;
    b[3] = 5;
    refused(b, sizeof image_bytes, "5 dimensions");
    b[3] = 3;
    b[7] = 0;
    refused(b, sizeof image_bytes, "dimension 0 is 0");
    memset(b + 4, 0xff, 12); /* the product overflows 64 bits */
    refused(b, sizeof image_bytes, "announces more than");
    b[4] = b[5] = b[8] = b[9] = b[10] = b[12] = b[13] = b[14] = 0;
    b[6] = b[7] = b[11] = b[15] = 0xff; /* 4 gigapixels announced, 6 bytes present */
    refused(b, sizeof image_bytes, "announces more than");
    b[6] = 1;
    refused(b, sizeof image_bytes, "the file ends after 6");
    refused(label_bytes, sizeof label_bytes, "exchanged");

    dataset *d = NULL;
    assert_ok(file_write(images, image_bytes, sizeof image_bytes, 0600));
    const uint8_t three[] = {0, 0, 8, 1, 0, 0, 0, 3, 1, 2, 3};
    assert_ok(file_write(labels, three, sizeof three, 0600));
    assert_refused(dataset_read_idx(images, labels, &d), "3 labels");
    assert_refused(dataset_read_idx("/nonexistent/x", NULL, &d), "cannot open");
    assert_null(d);
}

/* Images with a line each of a table. */
static void test_table(void **state)
{
    (void)state;
    static const char table[] = "wide,name,high\n1.5,a,-2\n3,b,4\n", longer[] = "y\n1\n2\n3\n";
    csv_options o = {.task = CSV_REGRESSION, .label = "high,wide"};
    dataset *d = NULL;
    assert_ok(file_write(images, image_bytes, sizeof image_bytes, 0600));
    assert_ok(file_write(labels, table, sizeof table - 1, 0600));
    assert_ok(dataset_read_idx_csv(images, labels, &o, &d));
    assert_true(d->count == 2 && d->features == 3 && d->width == 3 && d->targets == 2 && d->label == NULL);
    const float x[] = {0, 127, 255, 1, 2, 3}, y[] = {-2, 1.5f, 4, 3};
    assert_memory_equal(d->x, x, sizeof x);
    assert_memory_equal(d->y, y, sizeof y);
    assert_string_equal(d->target_names[1], "wide");
    dataset_destroy(d);
    d = NULL;
    o.label = "high,deep";
    assert_refused(dataset_read_idx_csv(images, labels, &o, &d), "no column is named \"deep\"");
    assert_refused(dataset_read_idx_csv(images, labels, &o, &d), labels);
    o = (csv_options){.task = CSV_MULTI_LABEL};
    assert_refused(dataset_read_idx_csv(images, labels, &o, &d), "line 2, column \"wide\": \"1.5\" is a label");
    o.task = CSV_REGRESSION;
    assert_ok(file_write(labels, longer, sizeof longer - 1, 0600));
    assert_refused(dataset_read_idx_csv(images, labels, &o, &d), "has 3 lines behind its header");
    assert_ok(file_write(labels, label_bytes, sizeof label_bytes, 0600));
    assert_refused(dataset_read_idx_csv(images, labels, &o, &d), labels);
    assert_null(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_gzip),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
