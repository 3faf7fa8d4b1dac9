/* SPDX-License-Identifier: Apache-2.0 */
/* An audit as one JSON object; the table for people is written from it, so that both always agree. */
#include "deploy/audit_report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *noise_json(const audit_noise *n)
{
    if (n->count == 0) return json_pack("{s:i}", "values", 0);
    return json_pack("{s:I, s:f, s:f, s:f}", "values", (json_int_t)n->count, "std", n->measured, "std_predicted",
                     n->predicted, "p_value", exp(n->log_p));
}

static json_t *errors_json(const audit_errors *e)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:f, s:f}", "look_ups", (json_int_t)e->look_ups, "errors",
                     (json_int_t)e->errors, "tested", (json_int_t)e->count, "tested_errors", (json_int_t)e->counted,
                     "tested_errors_predicted", e->predicted, "p_value", exp(e->log_p));
}

static json_t *run_json(const circuit *c, const audit_run *r, size_t layer)
{
    const audit_layer *l = &r->layers[layer];
    json_t *j = json_object();
    (void)json_object_set_new(j, "sums", noise_json(&l->sum));
    if (c->layers[layer].unit == 0)
        (void)json_object_set_new(j, "ranges",
                                  json_pack("{s:I, s:I, s:I}", "out_of_range", (json_int_t)l->out_of_range, "saturated",
                                            (json_int_t)l->saturated, "wrapped", (json_int_t)l->wrapped));
    const int output = c->layers[layer].cells == 0;
    if (output && c->choice.families.answers.bits == 0) return j;
    (void)json_object_set_new(j, "phases", noise_json(&l->phase));
    if (!output && !circuit_is_wave(&c->layers[layer]))
        (void)json_object_set_new(j, "indices", errors_json(&l->errors));
    return j;
}

static json_t *divergence_json(const circuit *c, const audit_divergence *d)
{
    if (!d->found) return json_null();
    return json_pack("{s:I, s:s, s:I, s:I, s:f, s:I, s:I}", "sample", (json_int_t)d->sample, "layer",
                     c->layers[d->layer].name, "output", (json_int_t)d->neuron, "expected_accumulator",
                     (json_int_t)d->expected, "found_accumulator", d->got, "expected_cell",
                     (json_int_t)d->expected_cell, "found_cell", (json_int_t)d->cell);
}

static json_t *extreme_json(const circuit *c, const audit_extreme *e)
{
    if (!e->found) return json_null();
    return json_pack("{s:I, s:s, s:I, s:f, s:f, s:f}", "sample", (json_int_t)e->sample, "layer",
                     c->layers[e->layer].name, "output", (json_int_t)e->neuron, "noise", e->noise, "std_predicted",
                     e->deviation, "deviations", fmin(e->ratio, 1e9));
}

static void rejection_add(json_t *list, const circuit *c, size_t layer, const char *run, const char *test,
                          double measured, double expected, double log_p)
{
    (void)json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:f, s:f, s:f}", "layer", c->layers[layer].name, "run",
                                                run, "test", test, "measured", measured, "expected", expected,
                                                "p_value", exp(log_p)));
}

/* The tests that reject. */
static json_t *rejections_json(const circuit *c, const audit *a)
{
    json_t *list = json_array();
    for (size_t i = 0; i < 2 * c->layers_count; i++) {
        const audit_layer *l = (i % 2 == 0 ? a->simulated : a->encrypted).layers + i / 2;
        const char *run = i % 2 == 0 ? "simulated" : "encrypted";
        if (l->sum.log_p < a->log_alarm)
            rejection_add(list, c, i / 2, run, "sums", l->sum.measured, l->sum.predicted, l->sum.log_p);
        if (l->phase.log_p < a->log_alarm)
            rejection_add(list, c, i / 2, run, "phases", l->phase.measured, l->phase.predicted, l->phase.log_p);
        if (l->errors.log_p < a->log_alarm)
            rejection_add(list, c, i / 2, run, "indices", (double)l->errors.counted, l->errors.predicted,
                          l->errors.log_p);
    }
    return list;
}

static json_t *first_json(long long sample)
{
    return sample < 0 ? json_null() : json_integer(sample);
}

static json_t *layers_json(const circuit *c, const audit *a)
{
    json_t *layers = json_array();
    for (size_t i = 0; i < c->layers_count; i++) {
        json_t *l = json_object();
        (void)json_object_set_new(l, "name", json_string(c->layers[i].name));
        (void)json_object_set_new(l, "neurons", json_integer((json_int_t)c->layers[i].out));
        (void)json_object_set_new(l, "torus_native", json_boolean(circuit_is_wave(&c->layers[i])));
        (void)json_object_set_new(l, "simulated", run_json(c, &a->simulated, i));
        (void)json_object_set_new(l, "encrypted", run_json(c, &a->encrypted, i));
        (void)json_array_append_new(layers, l);
    }
    return layers;
}

json_t *audit_json(const circuit *c, const audit *a, const audit_answers *answers)
{
    json_t *j = json_object();
    (void)json_object_set_new(j, "schema", json_string("annulus-audit-1"));
    (void)json_object_set_new(j, "samples", json_integer((json_int_t)a->samples));
    (void)json_object_set_new(j, "layers", layers_json(c, a));
    (void)json_object_set_new(j, "first_divergence_simulated", divergence_json(c, &a->simulated.first));
    (void)json_object_set_new(j, "first_divergence_encrypted", divergence_json(c, &a->encrypted.first));
    (void)json_object_set_new(j, "largest_noise_simulated", extreme_json(c, &a->simulated.largest));
    (void)json_object_set_new(j, "largest_noise_encrypted", extreme_json(c, &a->encrypted.largest));
    (void)json_object_set_new(j, "first_beyond_noise_simulated", extreme_json(c, &a->simulated.beyond));
    (void)json_object_set_new(j, "first_beyond_noise_encrypted", extreme_json(c, &a->encrypted.beyond));
    (void)json_object_set_new(j, "deviations_allowed", json_real(a->most_ratio));
    if (answers->simulated >= 0) {
        (void)json_object_set_new(j, "mismatches_simulated", json_integer(answers->simulated));
        (void)json_object_set_new(j, "mismatches_encrypted", json_integer(answers->encrypted));
        (void)json_object_set_new(j, "first_mismatch_simulated", first_json(answers->first_simulated));
        (void)json_object_set_new(j, "first_mismatch_encrypted", first_json(answers->first_encrypted));
    }
    (void)json_object_set_new(j, "tests", json_integer((json_int_t)a->tests));
    (void)json_object_set_new(j, "false_alarm", json_real(AUDIT_FALSE_ALARM));
    (void)json_object_set_new(j, "tolerance_bits", json_real(AUDIT_TOLERANCE));
    (void)json_object_set_new(j, "p_value_bound", json_real(exp(a->log_alarm)));
    (void)json_object_set_new(j, "rejections", rejections_json(c, a));
    (void)json_object_set_new(j, "accepted", json_boolean(!a->rejected));
    return j;
}

static double number(const json_t *j, const char *key)
{
    return json_number_value(json_object_get(j, key));
}

static long long integer(const json_t *j, const char *key)
{
    return (long long)json_integer_value(json_object_get(j, key));
}

static const char *name(const json_t *j, const char *key)
{
    const char *s = json_string_value(json_object_get(j, key));
    return s == NULL ? "" : s;
}

/* Deviation measured and predicted, as powers of two, and the p-value. */
static void noise_columns(FILE *f, const json_t *n)
{
    if (integer(n, "values") == 0)
        fprintf(f, "  %8s %8s %8s", "-", "-", "-");
    else
        fprintf(f, "  %8.2f %8.2f %8.2g", log2(number(n, "std")), log2(number(n, "std_predicted")),
                number(n, "p_value"));
}

static void run_line(FILE *f, const char *layer, const char *kind, const json_t *r)
{
    const json_t *e = json_object_get(r, "indices");
    fprintf(f, "%-10.10s %-9s", layer, kind);
    noise_columns(f, json_object_get(r, "sums"));
    noise_columns(f, json_object_get(r, "phases"));
    if (e != NULL)
        fprintf(f, "  %8lld %7lld %9.3g %8.2g", integer(e, "tested"), integer(e, "tested_errors"),
                number(e, "tested_errors_predicted"), number(e, "p_value"));
    fputc('\n', f);
}

static void divergence_line(FILE *f, const char *kind, const json_t *d)
{
    if (json_is_null(d))
        fprintf(f, "%s: every look-up read the cell of its clear accumulator\n", kind);
    else
        fprintf(f,
                "%s: first diverges in %s, output %lld, sample %lld: accumulator %lld (cell %lld) was read as %.1f "
                "(cell %lld)\n",
                kind, name(d, "layer"), integer(d, "output"), integer(d, "sample"), integer(d, "expected_accumulator"),
                integer(d, "expected_cell"), number(d, "found_accumulator"), integer(d, "found_cell"));
}

static void extreme_part(FILE *f, const json_t *e)
{
    fprintf(f, "%s, output %lld, sample %lld: noise of 2^%.2f, %.2f deviations", name(e, "layer"), integer(e, "output"),
            integer(e, "sample"), log2(fabs(number(e, "noise"))), number(e, "deviations"));
}

/* Of waves and outputs, which have no cell that would be the right one. */
static void noise_line(FILE *f, const char *kind, int waves, const json_t *largest, const json_t *beyond,
                       double allowed)
{
    fprintf(f, "%s: largest noise of %s in ", kind, waves ? "waves and output values" : "output values");
    extreme_part(f, largest);
    if (json_is_null(beyond))
        fprintf(f, " of %.2f allowed\n", allowed);
    else {
        fprintf(f, "\n%s: first diverges beyond the %.2f deviations that noise allows in ", kind, allowed);
        extreme_part(f, beyond);
        fputc('\n', f);
    }
}

static void mismatch_part(FILE *f, const json_t *j, const char *count, const char *first, const char *kind)
{
    fprintf(f, "%lld %s", integer(j, count), kind);
    if (integer(j, count) > 0) fprintf(f, " (first: sample %lld)", integer(j, first));
}

static void rejection_lines(FILE *f, const json_t *j)
{
    size_t i;
    const json_t *r;
    json_array_foreach(json_object_get(j, "rejections"), i, r)
    {
        const double measured = number(r, "measured"), expected = number(r, "expected");
        fprintf(f, "rejected by %s, %s: ", name(r, "layer"), name(r, "run"));
        if (strcmp(name(r, "test"), "indices") == 0)
            fprintf(f, "%.0f look-ups of another cell, %.3g expected", measured, expected);
        else
            fprintf(f, "%s deviate by 2^%.2f, 2^%.2f expected", name(r, "test"), log2(measured), log2(expected));
        fprintf(f, ", p %.2g\n", number(r, "p_value"));
    }
}

/* Of a layer's run, if there is any. Returns how many. */
static long long range_line(FILE *f, const json_t *l, const char *kind, long long samples)
{
    const json_t *r = json_object_get(json_object_get(l, kind), "ranges");
    const long long out = integer(r, "out_of_range"), wrapped = integer(r, "wrapped");
    if (out + wrapped > 0)
        fprintf(f, "%s, %s: %lld of %lld sums out of range, %lld saturated, %lld wrapped\n", name(l, "name"), kind, out,
                samples * integer(l, "neurons"), integer(r, "saturated"), wrapped);
    return out + wrapped;
}

static void range_lines(FILE *f, const json_t *j)
{
    size_t i, ranges = 0;
    long long beyond = 0;
    const json_t *l;
    json_array_foreach(json_object_get(j, "layers"), i, l)
    {
        beyond += range_line(f, l, "simulated", integer(j, "samples"));
        beyond += range_line(f, l, "encrypted", integer(j, "samples"));
        ranges += json_object_get(json_object_get(l, "encrypted"), "ranges") != NULL;
    }
    if (ranges > 0 && beyond == 0) fprintf(f, "every sum was in its range\n");
}

/* Layers that an accepted model says nothing of. */
static void untested_lines(FILE *f, const json_t *j)
{
    size_t i;
    const json_t *l;
    json_array_foreach(json_object_get(j, "layers"), i, l)
    {
        if (integer(json_object_get(json_object_get(l, "encrypted"), "sums"), "values") > 0) continue;
        fprintf(f, "%s is not tested: each of its sums has no noise, or takes values of neurons that share masks\n",
                name(l, "name"));
    }
}

static void report_lines(FILE *f, const json_t *j)
{
    size_t i, native = 0, padded = 0;
    const json_t *l;
    fprintf(f, "%-10s %-9s  %-26s  %-26s  %s\n", "", "", "sums, log2 deviation", "phases read, log2 deviation",
            "look-ups of another cell");
    fprintf(f, "%-10s %-9s  %8s %8s %8s  %8s %8s %8s  %8s %7s %9s %8s\n", "layer", "run", "measured", "model", "p",
            "measured", "model", "p", "tested", "found", "predicted", "p");
    json_array_foreach(json_object_get(j, "layers"), i, l)
    {
        run_line(f, name(l, "name"), "simulated", json_object_get(l, "simulated"));
        run_line(f, "", "encrypted", json_object_get(l, "encrypted"));
        native += json_is_true(json_object_get(l, "torus_native")) != 0;
        padded += json_object_get(json_object_get(l, "encrypted"), "indices") != NULL;
    }
    fprintf(f,
            "\n%lld samples; deviations are fractions of the torus; p: bound on the probability of a difference as "
            "large, %.1f bit of the deviation allowed\n",
            integer(j, "samples"), number(j, "tolerance_bits"));
    range_lines(f, j);
    if (native == 0 || padded > 0) {
        divergence_line(f, "simulated", json_object_get(j, "first_divergence_simulated"));
        divergence_line(f, "encrypted", json_object_get(j, "first_divergence_encrypted"));
    }
    noise_line(f, "simulated", native > 0, json_object_get(j, "largest_noise_simulated"),
               json_object_get(j, "first_beyond_noise_simulated"), number(j, "deviations_allowed"));
    noise_line(f, "encrypted", native > 0, json_object_get(j, "largest_noise_encrypted"),
               json_object_get(j, "first_beyond_noise_encrypted"), number(j, "deviations_allowed"));
    if (json_object_get(j, "mismatches_encrypted") != NULL) {
        fprintf(f, "answers other than the clear ones: ");
        mismatch_part(f, j, "mismatches_simulated", "first_mismatch_simulated", "simulated");
        fprintf(f, ", ");
        mismatch_part(f, j, "mismatches_encrypted", "first_mismatch_encrypted", "encrypted");
        fputc('\n', f);
    }
    if (integer(j, "tests") == 0) {
        fprintf(f, "no neuron has noise of its own: nothing to test\n");
        return;
    }
    rejection_lines(f, j);
    untested_lines(f, j);
    fprintf(f, "the noise model is %s (a p below %.1e rejects it; false alarm %.0e of all %lld tests)\n",
            json_is_true(json_object_get(j, "accepted")) ? "accepted" : "REJECTED", number(j, "p_value_bound"),
            number(j, "false_alarm"), integer(j, "tests"));
}

char *audit_text(const json_t *j)
{
    char *out = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&out, &len);
    if (f == NULL) return NULL;
    report_lines(f, j);
    if (fclose(f) == 0) return out;
    free(out);
    return NULL;
}
