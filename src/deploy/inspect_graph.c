/* SPDX-License-Identifier: Apache-2.0 */
/* The graph of a circuit, from top to bottom: a box a layer, an edge for each source; edges that pass by other layers
 * run beside them, each in a lane that no edge of the same rows has. */
#include "deploy/inspect_priv.h"

#include <string.h>

#define BOX_LEFT 12
#define BOX_WIDTH 420
#define BOX_HEIGHT 58
#define ROW 88 /* from box to box */
#define TOP 12
#define LANE 16

typedef struct graph {
    FILE *f;
    const json_t *circuit, *layers;
    size_t count;                     /* of layers */
    size_t until[CIRCUIT_MAX_LAYERS]; /* of each lane, the row at which its last edge ends */
    size_t lanes;
} graph;

static int top_of(size_t row)
{
    return TOP + (int)row * ROW;
}

static long long values_of(const graph *g, size_t row)
{
    return row == 0 ? integer(g->circuit, "inputs") : integer(json_array_get(g->layers, row - 1), "outputs");
}

/* The first lane that is free from row `from` on; the caller sorts edges by where they begin. */
static size_t lane_of(graph *g, size_t from, size_t to)
{
    size_t lane = 0;
    while (lane < g->lanes && g->until[lane] > from) lane++;
    if (lane == CIRCUIT_MAX_LAYERS) lane--; /* more edges than lanes: they share the last */
    if (lane == g->lanes) g->lanes++;
    g->until[lane] = to;
    return lane;
}

static void edge(graph *g, size_t from, size_t to)
{
    const int middle = BOX_LEFT + BOX_WIDTH / 2, right = BOX_LEFT + BOX_WIDTH;
    const int start = top_of(from) + BOX_HEIGHT, end = top_of(to);
    if (to == from + 1) {
        fprintf(g->f, "<path class=\"edge\" d=\"M%d %dV%d\"/>\n", middle, start, end - 2);
        fprintf(g->f, "<text x=\"%d\" y=\"%d\">%lld values</text>\n", middle + 10, (start + end) / 2 + 4,
                values_of(g, from));
        return;
    }
    const int lane = right + LANE * (1 + (int)lane_of(g, from, to));
    fprintf(g->f, "<path class=\"edge\" d=\"M%d %dH%dV%dH%d\"/>\n", right, start - BOX_HEIGHT / 4, lane,
            end + BOX_HEIGHT / 4, right + 2);
}

/* Rows are the numbers of sources: 0 the input, then the layers. */
static int takes(const graph *g, size_t to, size_t from)
{
    size_t k;
    const json_t *s;
    json_array_foreach(json_object_get(json_array_get(g->layers, to - 1), "source_numbers"), k,
                       s) if ((size_t)json_integer_value(s) == from) return 1;
    return 0;
}

static void edges(graph *g)
{
    for (size_t from = 0; from < g->count; from++)
        for (size_t to = from + 1; to <= g->count; to++)
            if (takes(g, to, from)) edge(g, from, to);
}

static void box(const graph *g, size_t row, const char *class, const char *name)
{
    fprintf(g->f, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"8\"/>\n", class, BOX_LEFT,
            top_of(row), BOX_WIDTH, BOX_HEIGHT);
    fprintf(g->f, "<text class=\"name\" x=\"%d\" y=\"%d\">", BOX_LEFT + 10, top_of(row) + 17);
    inspect_escape(g->f, name);
    fprintf(g->f, "</text>\n");
}

/* Opens a line of a box's text, the second or third. */
static void line(const graph *g, size_t row, int number)
{
    fprintf(g->f, "<text x=\"%d\" y=\"%d\">", BOX_LEFT + 10, top_of(row) + 17 * number);
}

static void layer_box(const graph *g, size_t row)
{
    const json_t *l = json_array_get(g->layers, row - 1);
    const int native = json_is_true(json_object_get(l, "torus_native")), scores = json_object_get(l, "cells") == NULL;
    char shape[96];
    box(g, row, scores ? "scores" : native ? "native" : "classic", text(l, "name"));
    line(g, row, 2);
    inspect_escape(g->f, text(l, "operation"));
    inspect_shape(l, " to ", shape, sizeof shape);
    fprintf(g->f, ", %s</text>\n", shape);
    line(g, row, 3);
    if (scores)
        fprintf(g->f, "scores, %.3g s", number(l, "seconds_all_cores"));
    else {
        inspect_escape(g->f, text(l, "activation"));
        fprintf(g->f, ", %lld cells%s, %.3g s", integer(l, "cells"), native ? ", torus-native" : "",
                number(l, "seconds_all_cores"));
    }
    fprintf(g->f, "</text>\n");
}

void inspect_graph(FILE *f, const json_t *j)
{
    graph g = {.f = f, .circuit = j, .layers = json_object_get(j, "layers")};
    g.count = json_array_size(g.layers);
    for (size_t from = 0; from < g.count; from++) /* how wide it gets */
        for (size_t to = from + 2; to <= g.count; to++)
            if (takes(&g, to, from)) (void)lane_of(&g, from, to);
    const int width = BOX_LEFT * 2 + BOX_WIDTH + LANE * (int)g.lanes;
    g.lanes = 0;
    memset(g.until, 0, sizeof g.until);
    fprintf(f,
            "<svg viewBox=\"0 0 %d %d\" width=\"%d\" role=\"img\" aria-label=\"graph of the layers\">\n"
            "<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" "
            "orient=\"auto\"><path class=\"tip\" d=\"M0 0L8 4L0 8z\"/></marker></defs>\n",
            width, top_of(g.count) + BOX_HEIGHT + TOP, width);
    edges(&g);
    box(&g, 0, "input", "input");
    line(&g, 0, 2);
    fprintf(f, "%lld values, encrypted</text>\n", integer(j, "inputs"));
    for (size_t row = 1; row <= g.count; row++) layer_box(&g, row);
    fprintf(f, "</svg>\n");
}
