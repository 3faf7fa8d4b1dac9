/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEPLOY_INSPECT_PRIV_H
#define DEPLOY_INSPECT_PRIV_H

#include "circuit/circuit.h"
#include <jansson.h>
#include <stdio.h>

/* New reference, NULL without memory. */
json_t *inspect_circuit(const circuit *c);
/* Table for people of an object made in inspect.c; malloc'ed, NULL without memory. */
char *inspect_text(const json_t *j);
/* The same as a page of HTML that needs no other file and is well-formed XML too, names escaped; malloc'ed, NULL
 * without memory. */
char *inspect_html(const json_t *j);
/* Its picture of the graph: SVG, without colours of its own (classes of inspect_html.c). */
void inspect_graph(FILE *f, const json_t *j);
/* Text between tags or in quotes: markup escaped, control characters replaced. */
void inspect_escape(FILE *f, const char *s);

/* "6x14x14 -> 16x5x5 (390)" of a layer, 10 of whose values nothing reads; arrow: in between. */
void inspect_shape(const json_t *l, const char *arrow, char *out, size_t size);

/* Fields of such an object: 0 and "" where it has none. */
static inline double number(const json_t *j, const char *key)
{
    return json_number_value(json_object_get(j, key));
}
static inline long long integer(const json_t *j, const char *key)
{
    return (long long)json_integer_value(json_object_get(j, key));
}
static inline const char *text(const json_t *j, const char *key)
{
    const char *s = json_string_value(json_object_get(j, key));
    return s == NULL ? "" : s;
}
#endif
