/* SPDX-License-Identifier: Apache-2.0 */
#include "train_fixture.h"

#include "train/train_priv.h"

#include <stdlib.h>

#define SIDE 8
#define COUNT 600
#define CHANNELS 2

static dataset *pictures(void)
{
    dataset *d = data_create(COUNT, CHANNELS * SIDE * SIDE, 2);
    uint64_t seed = 3;
    d->channels = CHANNELS, d->height = d->width = SIDE;
    for (size_t i = 0; i < COUNT * CHANNELS * SIDE * SIDE; i++) d->x[i] = (float)(test_random(&seed) % 256);
    for (size_t i = 0; i < COUNT; i++) d->label[i] = (int32_t)(i % 2);
    return d;
}

/* Whether x is picture p, mirrored or not, moved by (dy, dx) into darkness, all its channels alike; a convolution takes
 * them with channels last. */
static int is_moved(const float *p, int mirror, int dy, int dx, int conv, const float *x)
{
    const int channel = conv ? 1 : SIDE * SIDE, pixel = conv ? CHANNELS : 1;
    for (int k = 0; k < CHANNELS * SIDE * SIDE; k++) {
        const int r = k / SIDE % SIDE, c = k % SIDE, band = k / SIDE / SIDE;
        const int y = r - dy, from = mirror ? SIDE - 1 - (c - dx) : c - dx;
        const int inside = y >= 0 && y < SIDE && c - dx >= 0 && c - dx < SIDE;
        const float want = inside ? p[(band * SIDE + y) * SIDE + from] / 255 : 0;
        const float got = x[band * channel + (r * SIDE + c) * pixel];
        if (got < want - 1e-5f || got > want + 1e-5f) return 0;
    }
    return 1;
}

/* Every picture comes moved and mirrored in one of the ways that the options allow; of 600 pictures none of 18 ways is
 * missed but with probability 18*(17/18)^600 < 1e-13. */
static void pictures_are_moved_and_mirrored(void **state)
{
    (void)state;
    dataset *d = pictures();
    for (int kind = 0; kind < 4; kind++) {
        const int flip = kind % 2, conv = kind / 2;
        train_options o;
        train_data t;
        train_model m;
        double loss;
        size_t seen[2][3][3] = {{{0}}};
        train_options_init(&o);
        o.hidden[0] = 4, o.hidden_count = 1;
        o.conv[0] = (train_convolution){.channels = 2, .kernel = 3, .stride = 2}, o.conv_count = (size_t)conv;
        o.input_bits = 8, o.validation = 0, o.batch = COUNT;
        assert_ok(train_data_create(d, &o, 5, &t));
        assert_ok(train_model_create(&t, &o, 5, 0, &m));
        const train_source source = {.data = &t, .order = t.order, .shift = 1, .flip = flip};
        assert_ok(train_weights_quantize(&m));
        assert_ok(train_forward(&m, &source, COUNT, 1, &loss));
        for (size_t i = 0; i < COUNT; i++) {
            size_t ways = 0;
            for (int way = 0; way < 18; way++) {
                const int mirror = way / 9, dy = way / 3 % 3 - 1, dx = way % 3 - 1;
                const size_t n = d->features;
                if (!is_moved(d->x + t.order[i] * n, mirror, dy, dx, conv, m.x + i * n)) continue;
                seen[mirror][dy + 1][dx + 1]++;
                ways++;
            }
            assert_int_equal(ways, 1);
        }
        for (int way = 0; way < 18; way++) {
            const size_t times = seen[way / 9][way / 3 % 3][way % 3];
            assert_true(way / 9 <= flip ? times > 0 : times == 0);
        }
        train_model_destroy(&m);
        train_data_destroy(&t);
    }
    drop(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(pictures_are_moved_and_mirrored)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
