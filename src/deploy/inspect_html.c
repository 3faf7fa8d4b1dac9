/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/inspect_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>Annulus "
    "circuit</title>\n<style>\n"
    ":root{color-scheme:light "
    "dark;--page:#fff;--text:#1c2024;--soft:#5a636d;--rule:#d5dae0;--box:#f2f5f8;--bar:#1f5fa8;"
    "--classic:#dce9f8;--native:#f9e3d3;--scores:#dff1e1}\n"
    "@media(prefers-color-scheme:dark){:root{--page:#14171a;--text:#e6e9ec;--soft:#9aa4af;--rule:#3a424a;--box:#1e2328;"
    "--bar:#6ba6ea;--classic:#1d3450;--native:#50331f;--scores:#1f4026}}\n"
    "body{margin:0 auto;max-width:72rem;padding:1rem;background:var(--page);color:var(--text);"
    "font:16px/1.45 system-ui,sans-serif}\n"
    "h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}p{max-width:46rem}\n"
    ".wide{overflow-x:auto}table{border-collapse:collapse;font-size:.85rem;font-variant-numeric:tabular-nums}\n"
    "th,td{padding:.25rem .6rem;border-bottom:1px solid var(--rule);text-align:right;white-space:nowrap}\n"
    "th{color:var(--soft);font-weight:600}th:first-child,td.words{text-align:left}\n"
    ".bars{display:grid;grid-template-columns:minmax(4rem,max-content) 1fr max-content;gap:.3rem .7rem;"
    "align-items:center;font-size:.9rem}.bars>*{overflow-wrap:anywhere}\n"
    ".track{background:var(--box);height:1rem}.track>i{display:block;height:100%;background:var(--bar)}\n"
    "svg{max-width:100%;height:auto}svg text{font:12px system-ui,sans-serif;fill:var(--text)}"
    "svg .name{font-weight:700;font-size:13px}\n"
    "rect{stroke:var(--soft);fill:var(--box)}rect.classic{fill:var(--classic)}rect.native{fill:var(--native)}"
    "rect.scores{fill:var(--scores)}.edge{fill:none;stroke:var(--soft);stroke-width:1.5;marker-end:url(#tip)}"
    ".tip{fill:var(--soft)}\n"
    "</style>\n</head>\n<body>\n";

/* U+FFFE and U+FFFF, no characters of XML, become U+FFFD. */
void inspect_escape(FILE *f, const char *s)
{
    static const struct {
        char c;
        const char *entity;
    } marks[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}};
    for (; *s != '\0'; s++) {
        const char *entity = NULL;
        for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
            if (marks[i].c == *s) entity = marks[i].entity;
        if (entity != NULL)
            fputs(entity, f);
        else if (strncmp(s, "\xef\xbf\xbe", 3) == 0 || strncmp(s, "\xef\xbf\xbf", 3) == 0) {
            fputs("\xef\xbf\xbd", f);
            s += 2;
        } else
            fputc(*s, f);
    }
}

static void cell(FILE *f, const char *words)
{
    fprintf(f, "<td class=\"words\">");
    inspect_escape(f, words);
    fprintf(f, "</td>");
}

/* 2^x of a field, "-" where there is none. */
static void power(FILE *f, const json_t *l, const char *key)
{
    if (json_object_get(l, key) == NULL)
        fprintf(f, "<td>-</td>");
    else
        fprintf(f, "<td>2^%.1f</td>", number(l, key));
}

static void layer_row(FILE *f, const json_t *l)
{
    const int scores = json_object_get(l, "cells") == NULL, native = json_is_true(json_object_get(l, "torus_native"));
    char shape[96];
    fprintf(f, "<tr>");
    cell(f, text(l, "name"));
    cell(f, text(l, "operation"));
    cell(f, scores ? "(scores)" : text(l, "activation"));
    inspect_shape(l, " &#8594; ", shape, sizeof shape);
    fprintf(f, "<td>%s</td><td>%lld / %lld</td>", shape, integer(l, "accumulator_bits_proven"),
            integer(l, "accumulator_bits_measured"));
    if (json_object_get(l, "out_of_range_probability") == NULL)
        fprintf(f, "<td>-</td>");
    else
        fprintf(f, "<td>%.2g</td>", number(l, "out_of_range_probability"));
    cell(f, text(l, "rounding"));
    fprintf(f, "<td>%.2f</td>", number(l, "rounding_bits"));
    if (scores)
        fprintf(f, "<td>-</td><td>-</td><td>-</td><td>-</td><td>-</td>");
    else
        fprintf(f, "<td>%lld</td><td>%lld</td><td>%lld &#215; %lld%s</td><td>%lld</td><td>%lld</td>",
                integer(l, "look_ups"), integer(l, "rotations"), integer(l, "tables"), integer(l, "cells"),
                json_is_true(json_object_get(l, "extended")) ? "+" : "", integer(l, "extension_factor"),
                integer(l, "family"));
    fprintf(f, "<td>%.1f</td><td>%.1f</td>", number(l, "two_norm"), number(l, "two_norm_inputs"));
    power(f, l, "noise_log2_std");
    power(f, l, "noise_log2_std_allowed");
    fprintf(f, "<td>%.0f %%</td>", 100 * number(l, "noise_used"));
    power(f, l, native ? "none" : "log2_failure");
    fprintf(f, "<td>%.4f</td><td>%.4f</td><td>%.1f %%</td></tr>\n", number(l, "seconds_one_core"),
            number(l, "seconds_all_cores"), 100 * number(l, "share_all_cores"));
}

static void layers_table(FILE *f, const json_t *layers)
{
    static const char *const columns[] = {"layer",        "operation", "function",  "shape",    "bits",
                                          "out of range", "rounding",  "bits left", "look-ups", "rotations",
                                          "tables",       "EF",        "family",    "norm",     "of inputs",
                                          "noise",        "allowed",   "used",      "failure",  "seconds, one core",
                                          "all cores",    "share"};
    size_t i;
    const json_t *l;
    fprintf(f, "<h2>Layers</h2>\n<div class=\"wide\"><table>\n<tr>");
    for (i = 0; i < sizeof columns / sizeof *columns; i++) fprintf(f, "<th>%s</th>", columns[i]);
    fprintf(f, "</tr>\n");
    json_array_foreach(layers, i, l) layer_row(f, l);
    fprintf(
        f,
        "</table></div>\n<p>Bits of the sums: proven / measured. Out of range: probability, at most, that a sum of a "
        "sample like those of calibration leaves its range. Tables: distinct ones times their cells; +: "
        "extended, sums on plateaus lie "
        "beyond and are read right. Norm: the "
        "largest two-norm of a sum's weights, on looked up values and on inputs. Noise: standard deviation of the "
        "phase that is looked up, a fraction of the torus, predicted, allowed, and the one over the other. "
        "Failure: predicted, of one look-up.</p>\n");
}

static void bars(FILE *f, const json_t *layers)
{
    size_t i;
    const json_t *l;
    fprintf(f, "<h2>Where the time goes</h2>\n<div class=\"bars\">\n");
    json_array_foreach(layers, i, l)
    {
        const double share = 100 * number(l, "share_all_cores");
        fprintf(f, "<span>");
        inspect_escape(f, text(l, "name"));
        fprintf(f, "</span><div class=\"track\"><i style=\"width:%.2f%%\"></i></div><span>%.4f s, %.1f %%</span>\n",
                share, number(l, "seconds_all_cores"), share);
    }
    fprintf(f, "</div>\n");
}

static void families_table(FILE *f, const json_t *families)
{
    static const char *const fields[] = {"family",
                                         "n",
                                         "k",
                                         "N",
                                         "pbs_l",
                                         "pbs_l_body",
                                         "pbs_log2_Bg",
                                         "key_bits_a_step",
                                         "ks_l",
                                         "ks_log2_B",
                                         "switch_l",
                                         "switch_log2_B",
                                         "lwe_noise_tuniform",
                                         "glwe_noise_tuniform"};
    size_t i, k;
    const json_t *p;
    fprintf(f, "<h2>Parameters</h2>\n<div class=\"wide\"><table>\n<tr>");
    for (k = 0; k < sizeof fields / sizeof *fields; k++) fprintf(f, "<th>%s</th>", fields[k]);
    fprintf(f, "</tr>\n");
    json_array_foreach(families, i, p)
    {
        fprintf(f, "<tr>");
        for (k = 0; k < sizeof fields / sizeof *fields; k++) fprintf(f, "<td>%lld</td>", integer(p, fields[k]));
        fprintf(f, "</tr>\n");
    }
    fprintf(f, "</table></div>\n");
}

static void bytes_rows(FILE *f, const json_t *j, const char *const (*names)[2], size_t count)
{
    for (size_t k = 0; k < count; k++)
        fprintf(f, "<tr><td class=\"words\">%s</td><td>%.2f MB</td></tr>\n", names[k][1], number(j, names[k][0]) / 1e6);
}

static void sizes_table(FILE *f, const json_t *j)
{
    static const char *const bytes[][2] = {{"evaluation_key_file", "evaluation key, file"},
                                           {"bootstrapping_key_memory", "bootstrapping key, memory"},
                                           {"keyswitching_key_memory", "keyswitching key, memory"},
                                           {"encrypted_input", "encrypted input, a sample"},
                                           {"encrypted_output", "encrypted output, a sample"}};
    static const char *const memory[][2] = {
        {"circuit", "run of a sample: circuit"},      {"keys", "keys, as sent and expanded"},
        {"tables", "look-up tables, packed weights"}, {"samples", "input and answer"},
        {"values", "ciphertexts between layers"},     {"work", "work on them"},
        {"peak", "at most at once, with the process"}};
    fprintf(f, "<h2>Keys and memory</h2>\n<div class=\"wide\"><table>\n<tr><th>what</th><th>size</th></tr>\n");
    bytes_rows(f, json_object_get(j, "bytes"), bytes, sizeof bytes / sizeof *bytes);
    bytes_rows(f, json_object_get(j, "memory"), memory, sizeof memory / sizeof *memory);
    fprintf(f, "</table></div>\n");
}

static void summary(FILE *f, const json_t *j)
{
    fprintf(
        f,
        "<h1>Annulus circuit %.16s</h1>\n<p>%s, %lld inputs, %lld outputs: %lld look-ups in %lld rotations. "
        "Predicted %.4f s a sample on one core, %.4f s on all %lld, by %s costs. Keys of %.1f MB as sent; a run takes "
        "at most %.1f MB of memory. Security %lld bits; ranges %s; ",
        text(j, "digest"), text(j, "task"), integer(j, "inputs"), integer(j, "outputs"), integer(j, "look_ups"),
        integer(j, "rotations"), number(j, "seconds_one_core"), number(j, "seconds_all_cores"), integer(j, "cores"),
        strcmp(text(j, "cost_model"), "host") == 0 ? "measured" : "shipped",
        number(json_object_get(j, "bytes"), "evaluation_key_file") / 1e6,
        number(json_object_get(j, "memory"), "peak") / 1e6, integer(j, "security_bits"), text(j, "ranges"));
    if (integer(j, "calibration_samples") > 0)
        fprintf(f, "%lld calibration samples; ", integer(j, "calibration_samples"));
    if (integer(j, "torus_native") > 0) fprintf(f, "%lld torus-native layers; ", integer(j, "torus_native"));
    if (strcmp(text(j, "task"), "top-1") == 0) fprintf(f, "answers are the label alone; ");
    fprintf(f, "failure of an inference at most 2^%.1f; %s.</p>\n", number(j, "log2_failure_inference"),
            json_is_true(json_object_get(j, "shared_output")) ? "results may be shared" : "keep results private");
}

char *inspect_html(const json_t *j)
{
    const json_t *layers = json_object_get(j, "layers");
    char *out = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&out, &len);
    if (f == NULL) return NULL;
    fputs(head, f);
    summary(f, j);
    bars(f, layers);
    fprintf(f, "<h2>Graph</h2>\n");
    inspect_graph(f, j);
    layers_table(f, layers);
    families_table(f, json_object_get(j, "families"));
    sizes_table(f, j);
    fprintf(f, "</body>\n</html>\n");
    if (fclose(f) == 0) return out;
    free(out);
    return NULL;
}
