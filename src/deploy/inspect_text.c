/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/inspect_priv.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void megabytes(FILE *f, const char *what, const json_t *j, const char *key)
{
    const double bytes = number(j, key);
    if (bytes < 1e5)
        fprintf(f, "  %-28s %8.1f kB\n", what, bytes / 1e3);
    else
        fprintf(f, "  %-28s %8.1f MB\n", what, bytes / 1e6);
}

/* Dimensions, and how many of their values are left. */
static void add_shape(const json_t *dims, long long left, char *out, size_t size)
{
    long long all = 1;
    for (size_t d = 0; d < json_array_size(dims); d++) {
        const long long n = (long long)json_integer_value(json_array_get(dims, d));
        const size_t len = strlen(out);
        (void)snprintf(out + len, size - len, d == 0 ? "%lld" : "x%lld", n);
        all *= n;
    }
    const size_t len = strlen(out);
    if (all != left) (void)snprintf(out + len, size - len, " (%lld)", left);
}

void inspect_shape(const json_t *l, const char *arrow, char *out, size_t size)
{
    out[0] = '\0';
    add_shape(json_object_get(l, "shape_in"), integer(l, "inputs"), out, size);
    const size_t len = strlen(out);
    (void)snprintf(out + len, size - len, "%s", arrow);
    add_shape(json_object_get(l, "shape_out"), integer(l, "outputs"), out, size);
}

static void layer_line(FILE *f, const json_t *l)
{
    char shape[96], range[48] = "wraps", asked[48], failure[48] = "-";
    const json_t *r = json_object_get(l, "range");
    const int native = json_is_true(json_object_get(l, "torus_native"));
    inspect_shape(l, " -> ", shape, sizeof shape);
    if (!native)
        (void)snprintf(range, sizeof range, "%lld..%lld", (long long)json_integer_value(json_array_get(r, 0)),
                       (long long)json_integer_value(json_array_get(r, 1)));
    if (json_object_get(l, "log2_error") == NULL)
        (void)snprintf(asked, sizeof asked, "s 2^%.2f", number(l, "noise_log2_std_asked"));
    else {
        (void)snprintf(asked, sizeof asked, "2^%.1f", number(l, "log2_error"));
        (void)snprintf(failure, sizeof failure, "2^%.1f", number(l, "log2_failure"));
    }
    fprintf(f, "%-10s %-31s %3lld/%-3lld %-16s", text(l, "name"), shape, integer(l, "accumulator_bits_proven"),
            integer(l, "accumulator_bits_measured"), range);
    if (json_object_get(l, "cells") == NULL)
        fprintf(f, " %-9s %12s %5lld %8s %9s %3s %8s", "(scores)", "", integer(l, "output_bits"), "-", "-", "-", "-");
    else {
        if (native)
            fprintf(f, " %-9s %4lld native  %5s", text(l, "activation"), integer(l, "cells"), "-");
        else
            fprintf(f, " %-9s %4lld%cx %-5lld %5.2f", text(l, "activation"), integer(l, "cells"),
                    json_is_true(json_object_get(l, "extended")) ? '+' : ' ', integer(l, "rounding_step"),
                    number(l, "bits"));
        fprintf(f, " %8lld %9lld %3lld %8.2f", integer(l, "look_ups"), integer(l, "rotations"),
                integer(l, "extension_factor"), number(l, "products_per_mask_element"));
    }
    fprintf(f, " %6lld  2^%-7.2f %-9s %-10s", integer(l, "family"), number(l, "noise_log2_std"), asked, failure);
    fprintf(f, " %8.4f %8.4f %5.1f%%\n", number(l, "seconds_one_core"), number(l, "seconds_all_cores"),
            100 * number(l, "share_all_cores"));
}

/* Sources, operation and size of a layer's linear part. */
static void linear_line(FILE *f, const json_t *l)
{
    char sources[64] = "", size[64];
    size_t i, len = 0;
    const json_t *s;
    json_array_foreach(json_object_get(l, "sources"), i, s) if (len < sizeof sources) len +=
        (size_t)snprintf(sources + len, sizeof sources - len, "%s%s", i == 0 ? "" : ", ", json_string_value(s));
    (void)snprintf(size, sizeof size, "%lld, %lld taps", integer(l, "matrices"), integer(l, "taps"));
    fprintf(f, "%-10s %-40s %-22s %-20s %8lld %10lld %12.0f %7lld\n", text(l, "name"), text(l, "operation"), sources,
            size, integer(l, "places"), integer(l, "weights"), number(l, "products"), integer(l, "tables"));
}

/* What its noise may be, and what it is made of. */
static void noise_line(FILE *f, const json_t *l)
{
    char window[32] = "-";
    if (json_object_get(l, "noise_log2_half_window") != NULL)
        (void)snprintf(window, sizeof window, "2^%.2f", number(l, "noise_log2_half_window"));
    fprintf(f, "%-10s %-12s %5.2f %10.1f %10.1f  %-9s 2^%-7.2f 2^%-7.2f %5.1f%%\n", text(l, "name"),
            text(l, "rounding"), number(l, "rounding_bits"), number(l, "two_norm"), number(l, "two_norm_inputs"),
            window, number(l, "noise_log2_std"), number(l, "noise_log2_std_allowed"), 100 * number(l, "noise_used"));
}

/* How likely sums are that calibration has not met. */
static void unseen_lines(FILE *f, const json_t *j)
{
    const json_t *layers = json_object_get(j, "layers");
    size_t shown = 0;
    for (size_t i = 0; i < json_array_size(layers); i++) {
        const json_t *l = json_array_get(layers, i);
        if (json_object_get(l, "out_of_range_probability") == NULL) continue;
        fprintf(f, shown++ == 0 ? "ranges      %s: " : "            %s: ", text(l, "name"));
        fprintf(f, "%.2g a sum, %.2g without the margin, %.2g a sample\n", number(l, "out_of_range_probability"),
                number(l, "out_of_measured_probability"), number(l, "sample_out_of_range_probability"));
    }
    if (shown > 0)
        fprintf(f, "  probability, at most, that sums of a sample like the %lld of calibration leave their range\n",
                integer(j, "calibration_samples"));
}

static void gadget(FILE *f, const char *what, long long l, long long b)
{
    if (l > 0) fprintf(f, "  %s l=%lld B=2^%lld", what, l, b);
}

static void family_line(FILE *f, const json_t *p, long long security)
{
    fprintf(f, "family %lld    n=%lld k=%lld N=%lld  bootstrap l=%lld/%lld Bg=2^%lld, key bits a step %lld",
            integer(p, "family"), integer(p, "n"), integer(p, "k"), integer(p, "N"), integer(p, "pbs_l"),
            integer(p, "pbs_l_body"), integer(p, "pbs_log2_Bg"), integer(p, "key_bits_a_step"));
    gadget(f, "keyswitch", integer(p, "ks_l"), integer(p, "ks_log2_B"));
    gadget(f, "keyswitch from the other family", integer(p, "switch_l"), integer(p, "switch_log2_B"));
    fprintf(f, "  noise TUniform %lld/%lld  security %lld bits\n", integer(p, "lwe_noise_tuniform"),
            integer(p, "glwe_noise_tuniform"), security);
}

/* Which layers are split, and by what. */
static void split_lines(FILE *f, const json_t *j)
{
    size_t i;
    const json_t *l, *m = json_object_get(j, "merge");
    if (json_is_null(m)) return;
    json_array_foreach(json_object_get(j, "layers"), i, l) if (integer(l, "split_low_bits") > 0) fprintf(
        f, "split       %s: low bits %lld, read by as many rotations of family 2; of family 1 one that reads %.0f\n",
        text(l, "name"), integer(l, "split_low_bits"), number(l, "bits") - number(l, "split_low_bits"));
    fprintf(f, "merge       l=%lld Bg=2^%lld, %.1f MB; families 1 and 2 have one big key\n", integer(m, "l"),
            integer(m, "log2_B"), number(m, "bytes") / 1e6);
}

/* How layers read several tables by a rotation. */
static void several_lines(FILE *f, const json_t *j)
{
    static const struct {
        const char *name, *words;
    } ways[] = {{"shifts", "which are one that is read at several places"},
                {"steps", "as sums of its steps: their noise is larger"},
                {"slots", "side by side: its modulus switch is coarser"},
                {"shifts in slots", "side by side, but for shifts of those: its modulus switch is coarser"}};
    const json_t *layers = json_object_get(j, "layers");
    for (size_t i = 0; i < json_array_size(layers); i++) {
        const json_t *l = json_array_get(layers, i);
        for (size_t k = 0; k < sizeof ways / sizeof *ways; k++)
            if (strcmp(text(l, "several_tables"), ways[k].name) == 0)
                fprintf(f, "several     %s: tables of one rotation, %s\n", text(l, "name"), ways[k].words);
    }
}

/* Layers whose functions change every so many units of their sums alone. */
static void shift_lines(FILE *f, const json_t *j)
{
    size_t i;
    const json_t *l;
    json_array_foreach(json_object_get(j, "layers"), i, l)
    {
        const long long grid = integer(l, "function_step"), step = integer(l, "rounding_step");
        char what[64];
        if (grid == 0) continue;
        (void)snprintf(what, sizeof what, (grid & (grid - 1)) == 0 ? "shift by %lld" : "steps of %lld",
                       (grid & (grid - 1)) == 0 ? (long long)__builtin_ctzll((unsigned long long)grid) : grid);
        fprintf(f, "function    %s: %s: changes every %lld units of the sums alone, so cells of %lld lose %s\n",
                text(l, "name"), what, grid, step, grid % step == 0 ? "nothing" : "something");
    }
}

/* What is asked of the layers that have an error probability; returns how many those are. */
static size_t asked_range(const json_t *j, double *least, double *most)
{
    size_t i, failing = 0;
    const json_t *l;
    *least = INFINITY, *most = -INFINITY;
    json_array_foreach(json_object_get(j, "layers"), i, l)
    {
        if (json_object_get(l, "log2_error") == NULL) continue;
        *least = fmin(*least, number(l, "log2_error")), *most = fmax(*most, number(l, "log2_error"));
        failing++;
    }
    return failing;
}

static void error_words(FILE *f, const json_t *j)
{
    double least, most;
    if (asked_range(j, &least, &most) == 0) {
        fprintf(f, "; noise of torus-native layers by its deviation");
        return;
    }
    fprintf(f, "; error probability asked for ");
    if (strcmp(text(j, "error_target"), "inference") == 0)
        fprintf(f, "2^%.1f per inference, so ", number(j, "log2_error"));
    fprintf(f, "2^%.1f", least);
    if (most > least) fprintf(f, " to 2^%.1f", most);
    fprintf(f, " per look-up, whole inference 2^%.1f", number(j, "log2_failure_inference"));
}

static void answers_line(FILE *f, const json_t *j)
{
    const json_t *a = json_object_get(j, "answers");
    if (json_is_null(a)) return;
    const json_t *sent = json_object_get(a, "sent"), *multiples = json_object_get(a, "multiples"), *m;
    size_t i;
    fprintf(f, "answers     packed: ");
    if (json_array_size(multiples) > 1) {
        json_array_foreach(multiples, i, m) fprintf(f, "%s%lld", i == 0 ? "" : ", ", (long long)json_integer_value(m));
        fprintf(f, " times each; ");
    }
    fprintf(f, "k=%lld N=%lld, keyswitch %lldx%lld from family %lld, TUniform(%lld); ", integer(a, "k"),
            integer(a, "N"), integer(a, "switch_l"), integer(a, "switch_log2_B"), integer(a, "family"),
            integer(a, "noise_tuniform"));
    if (!json_is_null(sent))
        fprintf(f, "sent with k=%lld, keyswitch of %lld bits, TUniform(%lld); ", integer(sent, "k"),
                integer(sent, "switch_l"), integer(sent, "noise_tuniform"));
    fprintf(f, "words of %lld bits, of bodies %lld, %.1f bytes a value\n", integer(a, "word_bits"),
            integer(a, "body_bits"), number(a, "bytes_a_value"));
}

static void circuit_lines(FILE *f, const json_t *j)
{
    size_t i;
    const json_t *l, *p, *b = json_object_get(j, "bytes");
    fprintf(f, "circuit %.16s  %s, %lld inputs, %lld outputs, %lld look-ups in %lld rotations\n", text(j, "digest"),
            text(j, "task"), integer(j, "inputs"), integer(j, "outputs"), integer(j, "look_ups"),
            integer(j, "rotations"));
    fprintf(f, "ranges %s", text(j, "ranges"));
    if (integer(j, "calibration_samples") > 0)
        fprintf(f, " (%lld calibration samples)", integer(j, "calibration_samples"));
    error_words(f, j);
    const json_t *removed = json_object_get(j, "passes");
    fprintf(f, "; %s%s\n",
            json_is_true(json_object_get(j, "shared_output")) ? "results may be shared" : "keep results private",
            strcmp(text(j, "task"), "top-1") == 0 ? "; answers are the label alone" : "");
    fprintf(f,
            "removed %lld constant neurons, %lld that nothing reads, %lld equal to others, %lld layers; tables equal "
            "to others %lld; rotations shared %lld\n\n",
            integer(removed, "constant_neurons"), integer(removed, "unread_neurons"), integer(removed, "equal_neurons"),
            integer(removed, "layers"), integer(removed, "equal_tables"), integer(removed, "shared_rotations"));
    fprintf(f, "%-10s %-31s %-7s %-16s %-9s %-12s %5s %8s %9s %3s %8s %6s  %-9s %-9s %-10s %8s %8s %6s\n", "layer",
            "shape", "bits*", "range", "function", "cells x step", "bits", "look-ups", "rotations", "EF", "products",
            "family", "noise", "asked", "failure", "seconds", "all", "share");
    json_array_foreach(json_object_get(j, "layers"), i, l) layer_line(f, l);
    fprintf(f, "* accumulator bits, proven/measured; EF and expected external products a mask element; family of its "
               "keys; noise of one look-up, "
               "fraction of the torus, failure asked for at most and predicted; seconds on one core and on all, share "
               "of the latter\n");
    int extended = 0;
    json_array_foreach(json_object_get(j, "layers"), i, l) extended |= json_is_true(json_object_get(l, "extended"));
    if (extended)
        fprintf(f, "  +: extended, sums on the function's plateaus lie beyond the table and are read right from its "
                   "other end\n");
    if (integer(j, "torus_native") > 0)
        fprintf(f, "  native: torus-native, sums go round by design and are not rounded; s: asked for is a standard "
                   "deviation of the noise at most, no failure\n");
    fprintf(f, "\n%-10s %-40s %-22s %-20s %8s %10s %12s %7s\n", "layer", "operation", "takes the values of", "matrices",
            "places", "weights", "products", "tables");
    json_array_foreach(json_object_get(j, "layers"), i, l) linear_line(f, l);
    fprintf(f, "\n%-10s %-12s %5s %10s %10s  %-9s %-9s %-9s %6s\n", "layer", "rounding", "bits", "two-norm",
            "of inputs", "window", "noise", "allowed", "used");
    json_array_foreach(json_object_get(j, "layers"), i, l) noise_line(f, l);
    fprintf(f, "  bits that are left of the sums; largest two-norm of a sum's weights on looked up values and on "
               "inputs; half a cell, or half a step of the scores; deviation of the noise, predicted, at most by what "
               "was asked for, and the one over the other\n\n");
    json_array_foreach(json_object_get(j, "families"), i, p) family_line(f, p, integer(j, "security_bits"));
    unseen_lines(f, j);
    shift_lines(f, j);
    several_lines(f, j);
    split_lines(f, j);
    answers_line(f, j);
    fprintf(f, "predicted   %.4f s a sample on one core, %.4f s on all %lld (%s)\n", number(j, "seconds_one_core"),
            number(j, "seconds_all_cores"), integer(j, "cores"),
            strcmp(text(j, "cost_model"), "host") == 0 ? "costs of this host" : "shipped costs");
    megabytes(f, "evaluation key, file", b, "evaluation_key_file");
    megabytes(f, "bootstrapping key, memory", b, "bootstrapping_key_memory");
    megabytes(f, "keyswitching key, memory", b, "keyswitching_key_memory");
    megabytes(f, "encrypted input, a sample", b, "encrypted_input");
    megabytes(f, "encrypted output, a sample", b, "encrypted_output");
    const json_t *m = json_object_get(j, "memory");
    megabytes(f, "run of a sample, memory", m, "peak");
    megabytes(f, "  tables, packed weights", m, "tables");
    megabytes(f, "  ciphertexts", m, "values");
    megabytes(f, "  work on them", m, "work");
}

char *inspect_text(const json_t *j)
{
    char *out = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&out, &len);
    if (f == NULL) return NULL;
    if (json_object_get(j, "layers") != NULL)
        circuit_lines(f, j);
    else
        fprintf(f, "%s, %lld bytes\n  circuit %s\n  key     %s\n", text(j, "kind"), integer(j, "bytes"),
                text(j, "circuit"), text(j, "key"));
    if (fclose(f) == 0) return out;
    free(out);
    return NULL;
}
