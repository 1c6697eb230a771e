/* SPDX-License-Identifier: MIT */
/*
 * Every public function with every sort of bad argument; the calls are made by arguments.py from
 * the headers. Each returns a status that its docstring lists; if it fails, nothing has changed.
 */
#include "world.h"

/* ---- the test ---- */

/* What a failed call must leave as it was. */
static uint64_t state_of(world *w)
{
    kd_net_info info = KD_NET_INFO_INIT;
    support_ok(kd_net_get_info(w->bare, &info, NULL), "kd_net_get_info");
    uint64_t hash = kd_hash(support_hash(w->net), &info, sizeof info);
    hash ^= support_hash(kd_specialist_net(w->specialist));
    return kd_hash(hash, w->x, sizeof w->x + sizeof w->z + sizeof w->v);
}

static bool made_nothing(const world *w)
{
    return !w->made.context && !w->made.net && !w->made.teacher && !w->made.workspace &&
           !w->made.optimizer && !w->made.ask && !w->made.distiller && !w->made.cache &&
           !w->made.covariance && !w->made.specialist;
}

/* Returns whether it went as it may; what did not is printed, so that one run shows all. */
static bool meet(const row *r)
{
    static world w;
    world_begin(&w, r->function);
    uint64_t before = state_of(&w);
    kd_status status = r->call(&w);
    bool good = status <= 0 && status > -64 && (r->may >> -status & 1) == 1;
    if (!good) {
        print_error("%s, %s: %s (%d)\n", r->function, r->wrong, kd_status_name(status), status);
    }
    if (w.tail && *w.tail != 1) {
        print_error("%s, %s: wrote where it must not\n", r->function, r->wrong);
        good = false;
    }
    if (status != KD_OK && (state_of(&w) != before || !made_nothing(&w))) {
        print_error("%s, %s: failed, but changed something\n", r->function, r->wrong);
        memset(&w.made, 0, sizeof w.made);
        good = false;
    }
    world_end(&w);
    return good;
}

static void every_argument(void **state)
{
    size_t bad = 0;
    (void)state;
    (void)files_begin();
    for (size_t i = 0; i < n_rows; i++) {
        bad += !meet(&rows[i]);
    }
    files_done();
    print_message("%zu functions, %zu calls\n", n_functions, n_rows);
    assert_int_equal(bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_argument)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
