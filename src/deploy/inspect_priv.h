/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEPLOY_INSPECT_PRIV_H
#define DEPLOY_INSPECT_PRIV_H

#include "circuit/circuit.h"
#include <jansson.h>

/* New reference, NULL without memory. */
json_t *inspect_circuit(const circuit *c);
/* Table for people of an object made in inspect.c; malloc'ed, NULL without memory. */
char *inspect_text(const json_t *j);
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
