/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "deploy/audit_report.h"
#include "deploy/deploy_priv.h"

#include <string.h>

/* What an audit of some samples needs and makes. */
typedef struct audit_job {
    const circuit *c;
    const dataset *d;
    annulus_client_key *client;
    annulus_evaluation_key *key;
    int32_t *q;                            /* (count, features) */
    double *clear, *simulated, *encrypted; /* (count, outputs) */
    audit *a;
} audit_job;

static annulus_status job_run(audit_job *j, const annulus_circuit *c, uint64_t seed, unsigned threads,
                              const annulus_progress *progress)
{
    const size_t count = j->d->count, outputs = circuit_last(j->c)->out;
    seed256 s = {{0}};
    audit_model model;
    void *p;
    memcpy(s.b, &seed, sizeof seed);
    TRY(mem_create(count * j->c->input.features, sizeof(int32_t), "samples", &p));
    j->q = p;
    TRY(mem_create(3 * count * outputs, sizeof(double), "values", &p));
    j->clear = p, j->simulated = j->clear + count * outputs, j->encrypted = j->simulated + count * outputs;
    TRY(samples_quantize(j->c, j->d, threads, j->q));
    TRY(annulus_keygen(c, threads, progress, &j->client, &j->key));
    audit_model_init(j->c, &model);
    return audit_create(j->c, &model, j->key->expanded, j->client->secret, j->q, count, &s, threads, progress, j->clear,
                        j->simulated, j->encrypted, &j->a);
}

/* Of a sample: its class, or any of its labels. */
static int differs(const circuit *c, const double *values, const double *clear)
{
    const size_t outputs = circuit_last(c)->out;
    if (circuit_classifies(c)) return annulus_argmax(values, outputs) != annulus_argmax(clear, outputs);
    for (size_t o = 0; o < outputs; o++)
        if ((values[o] > 0) != (clear[o] > 0)) return 1;
    return 0;
}

/* acc (count, outputs): answers other than those to the clear accumulators; *first of them, or -1. */
static long long mismatches(const audit_job *j, double *acc, long long *first)
{
    const size_t outputs = circuit_last(j->c)->out;
    long long differ = 0;
    *first = -1;
    for (size_t i = 0; i < j->d->count; i++) {
        double *v = acc + i * outputs;
        exec_values(j->c, v, v);
        if (!differs(j->c, v, j->clear + i * outputs)) continue;
        if (differ++ == 0) *first = (long long)i;
    }
    return differ;
}

static audit_answers answers_of(audit_job *j)
{
    audit_answers a = {-1, -1, -1, -1};
    if (j->c->task == CIRCUIT_REGRESSION) return a;
    (void)mismatches(j, j->clear, &a.simulated); /* makes values of them */
    a.simulated = mismatches(j, j->simulated, &a.first_simulated);
    a.encrypted = mismatches(j, j->encrypted, &a.first_encrypted);
    return a;
}

static annulus_status describe(audit_job *j, int json, char **out)
{
    const audit_answers answers = answers_of(j);
    json_t *report = audit_json(j->c, j->a, &answers);
    char *text = NULL;
    if (report != NULL)
        text = json ? json_dumps(report, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(8))
                    : audit_text(report);
    json_decref(report);
    if (text == NULL) return fail(ANNULUS_ERR_MEMORY, "no memory for the report");
    *out = text;
    return ANNULUS_OK;
}

annulus_status annulus_audit(const annulus_circuit *c, const annulus_dataset *d, uint64_t seed, unsigned threads,
                             const annulus_progress *progress, int json, int *accepted, char **report)
{
    audit_job j = {.c = c->c, .d = d->d};
    TRY(samples_check(c->c, d->d));
    annulus_status st = job_run(&j, c, seed, threads, progress);
    if (st == ANNULUS_OK) st = describe(&j, json, report);
    if (st == ANNULUS_OK) *accepted = !j.a->rejected;
    annulus_client_key_destroy(j.client);
    annulus_evaluation_key_destroy(j.key);
    audit_destroy(j.a);
    mem_free(j.q);
    mem_free(j.clear);
    return st;
}
