/* SPDX-License-Identifier: Apache-2.0 */
/* The sets that a search goes through: rings, dimensions and gadgets, each computed once. */
#include "base/memory.h"
#include "optimizer/optimizer_priv.h"

#include <math.h>

const search_model search_model_shipped = {
    .n = {450, 1300, 2},
    .k_last = 6,
    .group_last = TFHE_MAX_GROUP,
    .N = {256, 4096},
    .kN = {512, 4096},
    .pbs = {.l_last = 6, .b_first = 2, .b_last = 30, .bits = 52},
    .ks = {.l_last = 24, .b_first = 1, .b_last = 15, .bits = 32},
    .front_init = extension_front_init,
    .front_vary = extension_front_vary,
    .blind_rotate = noise_blind_rotate,
    .common = noise_common,
    .keyswitch = noise_keyswitch,
    .cost_keyswitch = cost_keyswitch,
    .cost_step = cost_step,
    .cost_weight = cost_weight,
    .near = 1.01,
    .pays = 0.98,
};

/* For each number of levels of masks and body the base of least noise; only those that lower the noise are kept, in the
 * order of their cost: it grows with the rows. The noise of a number of levels is convex in the base: a term grows with
 * it, the other falls. */
static size_t bootstrap_gadgets(const search_model *m, tfhe_params p, gadget *out)
{
    size_t count = 0;
    p.n = 1;
    for (p.pbs_l = 1; p.pbs_l <= m->pbs.l_last; p.pbs_l++)
        for (p.pbs_lb = p.pbs_l == 1 ? 1 : p.pbs_l - 1; p.pbs_lb <= p.pbs_l; p.pbs_lb++) {
            gadget g = {.l = p.pbs_l, .lb = p.pbs_lb, .variance = INFINITY};
            for (p.pbs_bg = m->pbs.b_first; p.pbs_bg * p.pbs_l <= m->pbs.bits && p.pbs_bg <= m->pbs.b_last;
                 p.pbs_bg++) {
                const double v = m->blind_rotate(&p);
                if (v > g.variance) break;
                if (v < g.variance) g.variance = v, g.b = p.pbs_bg;
            }
            if (!(g.variance < (count > 0 ? out[count - 1].variance : INFINITY))) continue;
            p.pbs_bg = g.b;
            g.common = m->common(&p);
            g.seconds = m->cost_step(&p);
            out[count++] = g;
        }
    return count;
}

static size_t keyswitch_gadgets(const search_model *m, tfhe_params p, gadget *out)
{
    size_t count = 0;
    for (p.ks_l = 1; p.ks_l <= m->ks.l_last; p.ks_l++) {
        gadget g = {.l = p.ks_l, .variance = INFINITY};
        for (p.ks_b = m->ks.b_first; p.ks_b * p.ks_l <= m->ks.bits && p.ks_b <= m->ks.b_last; p.ks_b++) {
            const double v = m->keyswitch(&p);
            if (v > g.variance) break;
            if (v < g.variance) g.variance = v, g.b = p.ks_b;
        }
        if (!(g.variance < (count > 0 ? out[count - 1].variance : INFINITY))) continue;
        p.ks_b = g.b;
        g.seconds = m->cost_keyswitch(&p);
        out[count++] = g;
    }
    return count;
}

static size_t dimensions(const search_model *m, security_level level, space_n *out)
{
    size_t count = 0;
    double least[TFHE_MAX_GROUP + 1] = {0, INFINITY, INFINITY, INFINITY};
    tfhe_params p = {.k = 1, .N = m->kN.first, .ks_l = 1, .ks_b = m->ks.b_first};
    for (p.n = m->n.first; p.n <= m->n.last; p.n += m->n.step) {
        space_n x = {.n = p.n, .lwe_noise = security_tuniform_bound(p.n, 32, level)};
        p.lwe_noise = x.lwe_noise;
        const double v = m->keyswitch(&p);
        for (uint32_t g = 1; g <= m->group_last; g++)
            if (p.n % g == 0 && v < least[g]) least[g] = v, x.groups |= 1u << g;
        if (x.groups != 0) out[count++] = x;
    }
    return count;
}

static size_t rings(const search_model *m, security_level level, space_ring *out)
{
    size_t count = 0;
    for (uint32_t k = 1; k <= m->k_last; k++)
        for (uint32_t N = m->N.first; N <= m->N.last; N *= 2) {
            if (k * N < m->kN.first || k * N > m->kN.last) continue;
            if (out != NULL)
                out[count].p = (tfhe_params){.k = k, .N = N, .glwe_noise = security_tuniform_bound(k * N, 64, level)};
            count++;
        }
    return count;
}

/* A ring's storage, one block: its cells, then variances, keyswitch gadgets and rotations. */
static size_t ring_bytes(const search_space *s)
{
    const search_model *m = s->model;
    return s->ns_count * (sizeof(space_cell) + s->fronts[0].count * sizeof(double) + m->ks.l_last * sizeof(gadget)) +
           (size_t)m->group_last * 2 * m->pbs.l_last * sizeof(gadget);
}

static void ring_place(const search_space *s, unsigned char *at, space_ring *r)
{
    const search_model *m = s->model;
    r->cells = (space_cell *)at;
    gadget *gadgets = (gadget *)(r->cells + s->ns_count);
    double *variances = (double *)(gadgets + s->ns_count * m->ks.l_last + (size_t)m->group_last * 2 * m->pbs.l_last);
    for (size_t i = 0; i < s->ns_count; i++, gadgets += m->ks.l_last, variances += s->fronts[0].count)
        r->cells[i] = (space_cell){.switches = gadgets, .variance = variances};
    for (uint32_t g = 1; g <= m->group_last; g++, gadgets += 2 * m->pbs.l_last) r->rotations[g] = gadgets;
}

annulus_status search_space_create(const search_model *model, security_level level, int keep, search_space **out)
{
    void *p, *storage = NULL;
    TRY(mem_create(1, sizeof(search_space), "parameter search", &p));
    search_space *s = p;
    s->model = model;
    s->keep = keep;
    model->front_init(&s->fronts[0]);
    s->fronts[1] = (extension_front){.count = 1, .at[0] = extension_expected(1, 0)};
    s->rings_count = rings(model, level, NULL);
    const size_t most = (model->n.last - model->n.first) / model->n.step + 1;
    annulus_status st = mem_create(most, sizeof *s->ns, "parameter search", &p);
    s->ns = p;
    if (st == ANNULUS_OK) {
        s->ns_count = dimensions(model, level, s->ns);
        st = mem_create(s->rings_count, sizeof *s->rings, "parameter search", &p);
        s->rings = p;
    }
    if (st == ANNULUS_OK) st = mem_create(keep ? s->rings_count : 1, ring_bytes(s), "parameter search", &storage);
    if (st != ANNULUS_OK) {
        search_space_destroy(s);
        return st;
    }
    s->storage = storage;
    (void)rings(model, level, s->rings);
    for (size_t r = 0; keep && r < s->rings_count; r++)
        ring_place(s, (unsigned char *)storage + r * ring_bytes(s), &s->rings[r]);
    *out = s;
    return ANNULUS_OK;
}

void search_space_destroy(search_space *s)
{
    if (s == NULL) return;
    mem_free(s->ns);
    mem_free(s->rings);
    mem_free(s->storage);
    mem_free(s);
}

space_ring *search_space_ring(search_space *s, size_t ring)
{
    space_ring *r = &s->rings[ring];
    if (!s->keep) {
        ring_place(s, s->storage, r);
        r->ready = 0;
    }
    if (r->ready) return r;
    tfhe_params p = r->p;
    for (p.pbs_group = 1; p.pbs_group <= s->model->group_last; p.pbs_group++)
        r->rotations_count[p.pbs_group] = bootstrap_gadgets(s->model, p, r->rotations[p.pbs_group]);
    r->weight = s->model->cost_weight(&p);
    r->fresh = noise_fresh(&p);
    r->ready = 1;
    return r;
}

const space_cell *search_space_cell(search_space *s, space_ring *r, size_t n)
{
    space_cell *c = &r->cells[n];
    if (c->ready) return c;
    tfhe_params p = r->p;
    p.n = s->ns[n].n;
    p.lwe_noise = s->ns[n].lwe_noise;
    p.pbs_group = 1;
    c->switches_count = keyswitch_gadgets(s->model, p, c->switches);
    s->model->front_vary(&s->fronts[0], &p, c->variance);
    for (p.pbs_group = 2; p.pbs_group <= s->model->group_last; p.pbs_group++)
        s->model->front_vary(&s->fronts[1], &p, &c->grouped[p.pbs_group]);
    c->ready = 1;
    return c;
}

point search_space_point(search_space *s, space_ring *r, size_t n, uint32_t g, size_t rotation,
                         search_objective minimize)
{
    const gadget *b = &r->rotations[g][rotation];
    point a = {.p = r->p, .ring = r, .cell = search_space_cell(s, r, n), .front = &s->fronts[g > 1]};
    a.p.n = s->ns[n].n;
    a.p.lwe_noise = s->ns[n].lwe_noise;
    a.p.pbs_group = g;
    a.p.pbs_l = b->l;
    a.p.pbs_lb = b->lb;
    a.p.pbs_bg = b->b;
    a.variance = g > 1 ? &a.cell->grouped[g] : a.cell->variance;
    a.rotate = (double)tfhe_steps(&a.p) * b->seconds;
    a.noise = a.p.n * b->variance;
    a.common = b->common;
    a.bytes = search_bsk_bytes(minimize, &a.p);
    return a;
}

double search_bsk_bytes(search_objective minimize, const tfhe_params *p)
{
    return (double)(minimize == MINIMIZE_MEMORY ? tfhe_bsk_memory_bytes(p) : tfhe_bsk_seeded_bytes(p));
}

double search_ksk_bytes(search_objective minimize, const tfhe_params *p)
{
    return (double)(minimize == MINIMIZE_MEMORY ? tfhe_ksk_memory_bytes(p) : tfhe_ksk_seeded_bytes(p));
}

double search_rotation_bytes(search_objective minimize, const tfhe_params *p, uint32_t EF)
{
    return minimize == MINIMIZE_MEMORY ? (double)EF * (p->k + 1) * p->N * sizeof(uint64_t) : 0;
}
