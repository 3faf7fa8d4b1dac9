/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEPLOY_AUDIT_REPORT_H
#define DEPLOY_AUDIT_REPORT_H

#include "circuit/audit.h"
#include <jansson.h>

/* Answers that differ from the clear run's, in the class or any label, -1 for regression, and the first such sample, or
 * -1; simulated, encrypted. */
typedef struct audit_answers {
    long long simulated, encrypted, first_simulated, first_encrypted;
} audit_answers;

/* New reference, NULL without memory. */
json_t *audit_json(const circuit *c, const audit *a, const audit_answers *answers);
/* Table for people of that object; malloc'ed, NULL without memory. */
char *audit_text(const json_t *j);
#endif
