/* SPDX-License-Identifier: Apache-2.0 */
/* Proven ranges of the scores behind waves. */
#include "wave_fixture.h"

#include "circuit/exec.h"
#include "nn/lower.h"

/* The proven range of a score is what its neurons can give, each at the phase where it gives most: no random answers of
 * theirs go beyond, the extreme ones of each neuron alone make its ends, and it is narrower than the sum of the values'
 * ranges. */
static void ranges_are_those_of_neurons(void **state)
{
    (void)state;
    static const size_t offsets[] = {1, 2, 3, 4, 16}, widths[] = {6, 5, 3};
    uint64_t seed = 3;
    for (size_t a = 0; a < 5; a++) {
        const size_t J = offsets[a];
        network *n = wave_network(&seed, widths, 2, J == 4 ? ACTIVATION_TRAPEZOID : ACTIVATION_TRIANGLE, J, 8);
        float *x = random_inputs(&seed, 64, 6);
        lower_options o;
        circuit *c = NULL;
        lower_options_init(&o);
        o.families_most = 1;
        assert_ok(network_lower(n, x, 64, &o, &c));
        const circuit_layer *waves = &c->layers[0], *l = &c->layers[1];
        for (size_t s = 0; s < 3; s++) {
            int64_t lo = 0, hi = 0, wide = 0;
            for (size_t h = 0; h < 5; h++) {
                int64_t least = INT64_MAX, most = INT64_MIN;
                for (int64_t acc = 0; acc < 20000; acc++) { /* phases all round the torus */
                    int32_t y[16];
                    int64_t sum = 0;
                    exec_clear_look_up(waves, h, acc, y);
                    for (size_t j = 0; j < J; j++) sum += (int64_t)l->linear.blocks[0].W[s * l->in + h * J + j] * y[j];
                    least = sum < least ? sum : least;
                    most = sum > most ? sum : most;
                }
                lo += least;
                hi += most;
                for (size_t j = 0; j < J; j++) wide += 127 * llabs(l->linear.blocks[0].W[s * l->in + h * J + j]);
            }
            assert_int_equal(l->proven_lo[s], lo);
            assert_int_equal(l->proven_hi[s], hi);
            assert_true(J == 1 ? hi <= wide : hi < wide);
        }
        circuit_destroy(c);
        network_destroy(n);
        free(x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ranges_are_those_of_neurons)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
