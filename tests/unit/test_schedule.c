/* Learning rates against values by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "train/schedule.h"

static void check(slk_decay decay, int64_t n_warmup, int64_t n_steps, const double *expected, int64_t n)
{
    slk_rate rate = {.decay = decay, .lr = 2, .n_warmup = n_warmup, .n_steps = n_steps};
    for (int64_t i = 0; i < n; i++) {
        double lr = slk_rate_at(&rate, i);
        if (fabs(lr - expected[i]) > 1e-12)
            fail_msg("%s: step %d has %.17g, expected %.17g", slk_decay_name(decay), (int)i, lr, expected[i]);
    }
}

static void test_rates(void **state)
{
    (void)state;
    static const double constant[] = {2, 2, 2, 2}, warm[] = {0.5, 1, 1.5, 2, 2, 2};
    static const double linear[] = {2, 1.5, 1, 0.5}, warm_linear[] = {1, 2, 2, 1.5, 1, 0.5};
    /* (1 - cos(pi x)) / 2 at 1, 2/3, 1/3 is 1, 3/4, 1/4 */
    static const double cosine[] = {2, 1.5, 0.5}, warm_cosine[] = {1, 2, 2, 1.5, 0.5};
    static const double only_warm[] = {0.25, 0.5, 0.75};
    check(SLK_DECAY_CONSTANT, 0, 4, constant, 4);
    check(SLK_DECAY_CONSTANT, 4, 6, warm, 6);
    check(SLK_DECAY_LINEAR, 0, 4, linear, 4);
    check(SLK_DECAY_LINEAR, 2, 6, warm_linear, 6);
    check(SLK_DECAY_COSINE, 0, 3, cosine, 3);
    check(SLK_DECAY_COSINE, 2, 5, warm_cosine, 5);
    /* to the half, then 1, 0.51, 0.02 of it */
    static const double late[] = {2, 2, 2, 2, 1.02, 0.04}, warm_late[] = {1, 2, 2, 2, 1.02, 0.04};
    check(SLK_DECAY_LATE, 0, 6, late, 6);
    check(SLK_DECAY_LATE, 2, 6, warm_late, 6);
    check(SLK_DECAY_LATE, 0, 1, constant, 1);
    check(SLK_DECAY_LINEAR, 8, 3, only_warm, 3); /* a warm-up longer than the run */
    check(SLK_DECAY_COSINE, 8, 3, only_warm, 3);
    check(SLK_DECAY_LINEAR, 0, 1, constant, 1);
    check(SLK_DECAY_COSINE, 0, 1, constant, 1);
}

static void test_names(void **state)
{
    (void)state;
    for (int i = SLK_DECAY_CONSTANT; i <= SLK_DECAY_LATE; i++)
        assert_int_equal(slk_decay_parse(slk_decay_name((slk_decay)i)), i);
    assert_int_equal(slk_decay_parse("cos"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rates), cmocka_unit_test(test_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
