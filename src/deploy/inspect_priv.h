/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEPLOY_INSPECT_PRIV_H
#define DEPLOY_INSPECT_PRIV_H

#include "circuit/circuit.h"
#include <jansson.h>

/* New reference, NULL without memory. */
json_t *inspect_circuit(const circuit *c);
/* Table for people of an object made in inspect.c; malloc'ed, NULL without memory. */
char *inspect_text(const json_t *j);
#endif
