/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the readers of src/data: the plain-or-gzip input, growing arrays and small lists of strings. */
#ifndef DATA_DATASET_PRIV_H
#define DATA_DATASET_PRIV_H

#include "data/dataset.h"

/* No data set takes more memory than this, whatever its header claims. */
#define DATASET_BYTES_MAX ((size_t)4 << 30)

typedef struct gz_input gz_input;
annulus_status gz_input_create(const char *path, gz_input **out) __attribute__((warn_unused_result));
/* Up to n <= 2^30 bytes; *got < n only at the end of the data. */
annulus_status gz_input_read(gz_input *g, void *out, size_t n, size_t *got) __attribute__((warn_unused_result));
/* Also finds a gzip stream that ends too early; g is gone in any case. NULL is allowed. */
annulus_status gz_input_close(gz_input *g) __attribute__((warn_unused_result));
void gz_input_destroy(gz_input *g);

/* An array that doubles: *p holds *capacity items of `size` bytes; makes room for `need` items. */
annulus_status array_reserve(void **p, size_t *capacity, size_t need, size_t size, const char *what)
    __attribute__((warn_unused_result));

annulus_status string_copy(const char *s, size_t len, char **out) __attribute__((warn_unused_result));
/* Copy of a list; NULL gives NULL. */
annulus_status strings_copy(char *const *s, size_t count, char **out[]) __attribute__((warn_unused_result));
void strings_destroy(char **s, size_t count);
#endif
