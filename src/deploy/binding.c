/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "deploy/deploy_priv.h"

#include <string.h>

void binding_write(writer *w, const binding *b)
{
    write_bytes(w, b->circuit, sizeof b->circuit);
    write_bytes(w, b->key, sizeof b->key);
}

annulus_status binding_read(reader *r, binding *out)
{
    TRY(read_bytes(r, out->circuit, sizeof out->circuit));
    return read_bytes(r, out->key, sizeof out->key);
}

annulus_status binding_check_circuit(const binding *b, const circuit *c, const char *what)
{
    if (memcmp(b->circuit, c->digest, sizeof b->circuit) == 0) return ANNULUS_OK;
    return fail(ANNULUS_ERR_INPUT,
                "%s belongs to another circuit (%02x%02x%02x%02x, not %02x%02x%02x%02x): use the files made with this "
                "circuit, or make keys for it with annulus keygen",
                what, b->circuit[0], b->circuit[1], b->circuit[2], b->circuit[3], c->digest[0], c->digest[1],
                c->digest[2], c->digest[3]);
}

annulus_status binding_check_key(const binding *a, const char *what_a, const binding *b, const char *what_b)
{
    if (memcmp(a->key, b->key, sizeof a->key) == 0) return ANNULUS_OK;
    return fail(ANNULUS_ERR_INPUT, "%s and %s come from different keys: use files of one annulus keygen", what_a,
                what_b);
}

annulus_status object_create(size_t size, void **out)
{
    return mem_create(1, size, "object", out);
}
