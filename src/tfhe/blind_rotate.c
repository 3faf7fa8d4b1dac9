/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "tfhe/bootstrap_priv.h"
#include "tfhe/lwe.h"

#include <string.h>

/* Parts t, t - a, t - 2a, ... (modulo EF) are a cycle of a step by X^a: each takes in the next one, the last the first.
 * An exponent of 2-adic valuation v (at most log2 EF) makes 2^v cycles of EF/2^v parts. In units of 2^v it is u or -u
 * with 2u < length: cycles of one u visit the same parts side by side, in one direction or the other. */
typedef struct phase {
    unsigned v, most;
    uint32_t length;             /* of a cycle */
    uint32_t u;                  /* of the exponents of this phase; 0 for any */
    size_t cycles;               /* that a needed coefficient can still see */
    uint32_t first[TFHE_MAX_EF]; /* (cycles) the part below 2^v of each */
} phase;

/* A key row and the ciphertexts of the batch that it moves: count*cycles*length parts, those of a cycle in its order.
 */
typedef struct step {
    size_t i, count, parts;
    int forward; /* direction of the first */
    const rotation *moved[ROTATION_MOST];
} step;

/* Parts whose digits have been taken, to be multiplied together. */
typedef struct pending {
    double *digits; /* (most, set) */
    size_t count, most;
    uint64_t *part[ROTATION_TOGETHER];
} pending;

enum { WHOLE, RUN, EARLY = RUN + 2 }; /* digits taken early: of the last part of a whole cycle, of two runs */

typedef struct walk {
    const eval_key *key;
    uint32_t EF, slot_bits;
    size_t words; /* of a part */
    const parallel_member *me;
    fft_gadget gadget;
    size_t set; /* doubles of a part's digits */
    double *early;
    pending waiting;
    const double *row, *next; /* of the step, and of the one behind it if it has not been asked for */
    phase at;
} walk;

typedef struct place {
    uint64_t *part;       /* (k+1, N) */
    const uint64_t *from; /* the part that it takes in, times X^a */
    uint32_t a;
} place;

static int is_forward(const phase *at, uint32_t a)
{
    return 2 * (a >> at->v & (at->length - 1)) < at->length;
}

/* Part t of X^a acc is X^((a + s - t)/EF) times part s, s = t - a modulo EF, with slots as many times more. Forward
 * cycles end where backward ones start. */
static place place_of(const walk *w, const step *s, size_t x)
{
    const phase *at = &w->at;
    const size_t all = s->count * at->cycles, cycle = s->forward ? all - 1 - x / at->length : x / at->length;
    const rotation *r = s->moved[cycle / at->cycles];
    const uint32_t a = r->exponents[s->i], wrap = w->EF - 1;
    const uint32_t j = (uint32_t)(x & (at->length - 1)) + (is_forward(at, a) ? 1 : 0);
    const uint32_t t = (at->first[cycle % at->cycles] - j * a) & wrap, from = (t - a) & wrap;
    return (place){
        .part = r->acc + t * w->words, .from = r->acc + from * w->words, .a = (a + from - t) / w->EF << w->slot_bits};
}

static uint64_t *digits_take(const walk *w, const step *s, size_t x, double *digits)
{
    const place at = place_of(w, s, x);
    fft_digits_take(w->key->plan, &w->gadget, digits, at.from, at.a, at.part);
    return at.part;
}

static void digits_apply(walk *w, double *digits, size_t count, uint64_t *const *part)
{
    fft_digits_apply(w->key->plan, &w->gadget, digits, count, part, w->row, w->next);
    w->next = NULL;
}

static void waiting_apply(walk *w)
{
    pending *p = &w->waiting;
    if (p->count > 0) digits_apply(w, p->digits, p->count, p->part);
    p->count = 0;
}

static void waiting_add(walk *w, const step *s, size_t x)
{
    pending *p = &w->waiting;
    if (p->count == p->most) waiting_apply(w);
    p->part[p->count] = digits_take(w, s, x, p->digits + p->count * w->set);
    p->count++;
}

/* Parts [x, end) of one cycle in place, in its order: each is overwritten after the part before has taken it in, and
 * the last one's digits, which take in the first of the cycle or of the next run, were taken early. */
static void run_apply(walk *w, const step *s, size_t x, size_t end, double *last)
{
    for (; x + 1 < end; x++) waiting_add(w, s, x);
    waiting_apply(w);
    uint64_t *part = place_of(w, s, x).part;
    digits_apply(w, last, 1, &part);
}

/* A whole cycle: where all its parts wait together, all are read before one is written. */
static void cycle_apply(walk *w, const step *s, size_t x, size_t end)
{
    if (end - x > w->waiting.most) {
        waiting_apply(w);
        (void)digits_take(w, s, end - 1, w->early + WHOLE * w->set);
        run_apply(w, s, x, end, w->early + WHOLE * w->set);
        return;
    }
    if (w->waiting.count + (end - x) > w->waiting.most) waiting_apply(w);
    for (; x < end; x++) waiting_add(w, s, x);
}

/* Each member takes a run of the parts, in which at most two cycles are not whole. What goes forward in one step and
 * backward in the next keeps its members, and its place in their caches. */
static void step_apply(walk *w, const step *s)
{
    const size_t members = w->me->members, length = w->at.length;
    const size_t turn = s->forward ? w->me->member : members - 1 - w->me->member;
    const size_t first = s->parts * turn / members, past = s->parts * (turn + 1) / members;
    double *run = w->early + RUN * w->set;
    int cut = 0; /* by any member */
    for (size_t m = 1; m < members; m++) cut |= s->parts * m / members % length != 0;
    for (size_t x = first, end; cut && x < past; x = end) {
        end = least((x / length + 1) * length, past);
        if (end - x == length) continue;
        (void)digits_take(w, s, end - 1, run);
        run += w->set;
    }
    if (cut) parallel_wait(w->me);
    run = w->early + RUN * w->set;
    for (size_t x = first, end; x < past; x = end) {
        end = least((x / length + 1) * length, past);
        if (end - x == length) {
            cycle_apply(w, s, x, end);
        } else {
            run_apply(w, s, x, end, run);
            run += w->set;
        }
    }
    waiting_apply(w);
    parallel_wait(w->me);
}

/* Coefficient i of polynomial c of part j: coefficient i*EF + j of X^-body start(X^EF) (1 + X + .. + X^(EF-1)), so that
 * all parts of `start` are alike, or of X^-body table. */
static uint64_t initial(const tfhe_params *p, const rotation *r, size_t j, size_t c, size_t i)
{
    const size_t EF = r->table->EF, slot_bits = r->table->slot_bits;
    const size_t steps = EF * p->N >> slot_bits, body = r->exponents[tfhe_exponents(p) - 1];
    const size_t at = ((i >> slot_bits) * EF + j + body) & (2 * steps - 1), x = at & (steps - 1);
    const size_t slot = i & (((size_t)1 << slot_bits) - 1);
    const uint64_t v = r->start != NULL ? r->start[c * p->N + x / EF] : r->table->v[(x << slot_bits) + slot];
    return at < steps ? v : -v;
}

void rotation_init(const tfhe_params *p, const rotation *r, size_t j)
{
    const fft_gadget g = pbs_gadget(p);
    const size_t N = p->N, words = fft_accumulator_words(N, &g);
    uint64_t *a = r->acc + j * rotation_words(p);
    if (r->start == NULL) memset(a, 0, p->k * words * sizeof *a);
    for (size_t c = r->start == NULL ? p->k : 0; c <= p->k; c++) {
        uint64_t *poly = a + c * words;
        for (size_t i = 0; i < N && !g.narrow; i++) poly[i] = initial(p, r, j, c, i);
        for (size_t i = 0; i < N / 2 && g.narrow; i++)
            poly[i] = fft_narrow_pair(initial(p, r, j, c, i), initial(p, r, j, c, i + N / 2));
        if (g.narrow) fft_narrow_close(N, poly);
    }
}

static phase phase_of(uint32_t EF, unsigned v, const uint32_t *needed, size_t needed_count)
{
    const uint32_t all = UINT32_C(1) << v;
    phase at = {.v = v, .most = (unsigned)__builtin_ctz(EF), .length = EF >> v};
    for (uint32_t t = 0; t < all; t++) {
        int seen = 0; /* parts of its residue modulo 2^v */
        for (size_t i = 0; i < needed_count; i++) seen |= (needed[i] & (all - 1)) == t;
        if (seen) at.first[at.cycles++] = t;
    }
    return at;
}

static int is_moved(const phase *at, uint32_t exponent)
{
    if (exponent == 0) return 0;
    const unsigned own = (unsigned)__builtin_ctz(exponent);
    if ((own < at->most ? own : at->most) != at->v) return 0;
    const uint32_t a = exponent >> at->v & (at->length - 1);
    return at->u == 0 || at->u == a || at->u == at->length - a;
}

/* The first step of the phase from key row i on; 0 parts: none. */
static step step_from(const walk *w, const rotation *r, size_t count, size_t i)
{
    step s = {.i = i};
    for (; s.i < w->key->params.n; s.i++) {
        for (size_t q = 0; q < count; q++)
            if (is_moved(&w->at, r[q].exponents[s.i])) s.moved[s.count++] = &r[q];
        if (s.count == 0) continue;
        s.parts = s.count * w->at.cycles * w->at.length;
        s.forward = is_forward(&w->at, s.moved[0]->exponents[s.i]);
        break;
    }
    return s;
}

static void phase_apply(walk *w, const rotation *r, size_t count)
{
    const eval_key *key = w->key;
    step now = step_from(w, r, count, 0);
    while (now.parts > 0) {
        const step then = step_from(w, r, count, now.i + 1);
        w->row = key->bsk + now.i * key->bsk_row;
        w->next = then.parts > 0 ? key->bsk + then.i * key->bsk_row : NULL;
        step_apply(w, &now);
        now = then;
    }
}

size_t blind_rotate_scratch(const tfhe_params *p)
{
    if (p->pbs_group > 1) return blind_rotate_grouped_scratch(p);
    const fft_gadget g = pbs_gadget(p);
    return ROUND_UP((rotation_products(p) + EARLY) * fft_digits_words(p->N, &g) * sizeof(double));
}

void blind_rotate(const eval_key *key, const rotation *r, size_t count, const uint32_t *needed, size_t needed_count,
                  const parallel_member *me, scratch *tmp)
{
    REQUIRE(count >= 1 && count <= ROTATION_MOST);
    const tfhe_params *p = &key->params;
    const uint32_t EF = r[0].table->EF;
    if (p->pbs_group > 1) {
        blind_rotate_grouped(key, r, count, me, tmp);
        return;
    }
    const size_t mark = tmp->used;
    walk w = {.key = key,
              .EF = EF,
              .slot_bits = r[0].table->slot_bits,
              .words = rotation_words(p),
              .me = me,
              .gadget = pbs_gadget(p)};
    w.set = fft_digits_words(p->N, &w.gadget);
    w.waiting.most = rotation_products(p);
    w.waiting.digits = scratch_take(tmp, (w.waiting.most + EARLY) * w.set * sizeof(double));
    w.early = w.waiting.digits + w.waiting.most * w.set;
    for (size_t x = me->member; x < count * EF; x += me->members) rotation_init(p, &r[x / EF], x % EF);
    parallel_wait(me);
    for (unsigned v = 0; EF >> v != 0; v++) {
        w.at = phase_of(EF, v, needed, needed_count);
        if (w.at.length < ROTATION_LONG)
            phase_apply(&w, r, count);
        else
            for (w.at.u = 1; 2 * w.at.u < w.at.length; w.at.u += 2) phase_apply(&w, r, count);
    }
    tmp->used = mark;
}

/* Coefficient i of a polynomial. */
static inline uint64_t coefficient(size_t N, const uint64_t *a, int narrow, size_t i)
{
    return narrow ? fft_narrow_word(N, a, i) : a[i];
}

/* out += weight times coefficient `at` of a part, as a ciphertext under the big key; narrow: a constant. */
static inline void part_extract_add(const tfhe_params *p, const uint64_t *part, size_t words, int narrow, size_t at,
                                    uint64_t weight, uint64_t *out)
{
    const size_t N = p->N;
    for (size_t c = 0; c < p->k; c++, part += words, out += N) {
        for (size_t x = 0; x <= at; x++) out[x] += weight * coefficient(N, part, narrow, at - x);
        for (size_t x = at + 1; x < N; x++) out[x] -= weight * coefficient(N, part, narrow, N + at - x);
    }
    *out += weight * coefficient(N, part, narrow, at);
}

void sample_extract_add(const tfhe_params *p, uint32_t EF, const uint64_t *acc, bootstrap_term term, uint64_t *out)
{
    const fft_gadget g = pbs_gadget(p);
    const uint64_t *part = acc + (size_t)(term.offset & (EF - 1)) * rotation_words(p);
    const uint64_t weight = (uint64_t)(int64_t)term.weight;
    if (g.narrow)
        part_extract_add(p, part, fft_accumulator_words(p->N, &g), 1, term.offset / EF, weight, out);
    else
        part_extract_add(p, part, p->N, 0, term.offset / EF, weight, out);
}

void sample_extract(const tfhe_params *p, uint32_t EF, const uint64_t *acc, uint32_t c, uint64_t *out)
{
    memset(out, 0, lwe_words(p) * sizeof *out);
    const uint32_t half = EF * p->N;
    sample_extract_add(p, EF, acc, (bootstrap_term){.offset = c % half, .weight = c < half ? 1 : -1}, out);
}
