/* SPDX-License-Identifier: MIT */
/* How work is cut, and what the tiles found together. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/parts.h"

/* Tiles follow each other, none is empty, all but the last are whole vectors, and they are few. */
static void tiles_cover_the_width(void **state)
{
    (void)state;
    for (size_t width = 1; width < 20000; width += width < 2000 ? 1 : 37) {
        size_t tiles = kdi_net_tiles(width, 1e9);
        assert_in_range(tiles, 1, KDI_NET_TILES);
        size_t end = 0;
        for (size_t i = 0; i < tiles; i++) {
            kdi_tile tile = kdi_net_tile(width, tiles, i);
            assert_int_equal(tile.begin, end);
            assert_true(tile.end > tile.begin);
            assert_true(tile.end == width || (tile.end - tile.begin) % 16 == 0);
            end = tile.end;
        }
        assert_int_equal(end, width);
        assert_int_equal(kdi_net_tiles(width, 1.0), 1);
    }
}

/* Wherever the largest stands; and a NaN or infinity is never lost, whatever comes behind it. */
static void the_largest_of_all_tiles_counts(void **state)
{
    (void)state;
    static const float odd[] = {7, INFINITY, NAN};
    for (size_t tiles = 1; tiles <= KDI_NET_TILES; tiles++) {
        for (size_t at = 0; at < tiles; at++) {
            for (size_t j = 0; j < sizeof odd / sizeof *odd; j++) {
                kdi_largest l;
                for (size_t i = 0; i < KDI_NET_TILES; i++) {
                    l.tile[i] =
                        i < tiles ? (float)(i % 3) : 1e30f; /* behind them: of an older batch */
                }
                l.tile[at] = odd[j];
                float found = kdi_net_largest(&l, tiles);
                if (j == 0) {
                    assert_true(found >= 7 && found <= 7);
                } else {
                    assert_true(!isfinite(found));
                }
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiles_cover_the_width),
        cmocka_unit_test(the_largest_of_all_tiles_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
