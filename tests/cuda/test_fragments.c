// What lanes of a warp load for the matrix units and where its results are, for every type, tile
// and layout, against plain sums of the same tiles: the instructions are done as PTX describes
// them.
//
// Tolerance: the two add the same at most 32 products, of numbers up to 1, in different orders.
// SPDX-License-Identifier: MIT
#include "tests/cuda/fragments.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_fragments(void **state)
{
    int n;
    const struct fragment_check *all = fragment_checks(&n);
    (void)state;
    for (int i = 0; i < n; i++) {
        float d = all[i].difference();
        print_message("# %s: %.1e\n", all[i].what, (double)d);
        if (!(d <= 5e-6f))
            fail_msg("%s: off by %g", all[i].what, (double)d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_fragments)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
