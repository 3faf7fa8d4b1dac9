/* SPDX-License-Identifier: Apache-2.0 */
#include "data/dataset_priv.h"

#include "base/memory.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>

struct gz_input {
    gzFile file;
};

annulus_status gz_input_create(const char *path, gz_input **out)
{
    void *p;
    TRY(mem_create(1, sizeof(gz_input), "an input file", &p));
    gz_input *g = p;
    errno = 0;
    g->file = gzopen(path, "rb");
    if (g->file == NULL) {
        const int e = errno;
        mem_free(g);
        if (e == 0) return fail(ANNULUS_ERR_MEMORY, "no memory to open it");
        return fail(ANNULUS_ERR_IO, "cannot open: %s", strerror(e));
    }
    (void)gzbuffer(g->file, 1u << 17); /* only speed: the default stays when memory is short */
    *out = g;
    return ANNULUS_OK;
}

annulus_status gz_input_read(gz_input *g, void *out, size_t n, size_t *got)
{
    REQUIRE(n <= (size_t)1 << 30);
    errno = 0;
    const int r = gzread(g->file, out, (unsigned)n);
    const int saved = errno;
    int code = Z_OK;
    const char *text = gzerror(g->file, &code);
    if (r < 0 && code == Z_ERRNO) return fail(ANNULUS_ERR_IO, "cannot read: %s", strerror(saved));
    if (r < 0 || code < 0) return fail(ANNULUS_ERR_INPUT, "the gzip data are damaged or end too early (%s)", text);
    *got = (size_t)r;
    return ANNULUS_OK;
}

annulus_status gz_input_close(gz_input *g)
{
    if (g == NULL) return ANNULUS_OK;
    const int r = gzclose_r(g->file);
    mem_free(g);
    if (r == Z_BUF_ERROR) return fail(ANNULUS_ERR_INPUT, "the gzip data end too early: the file is truncated");
    if (r != Z_OK) return fail(ANNULUS_ERR_IO, "cannot close after reading");
    return ANNULUS_OK;
}

void gz_input_destroy(gz_input *g)
{
    if (g == NULL) return;
    (void)gzclose_r(g->file);
    mem_free(g);
}
