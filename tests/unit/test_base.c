/* base: errors, memory, random numbers, hashes, progress, the table of types. (Text, files and facts have tests of
 * their own.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/dtype.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/rng.h"
#include "base/text.h"

#define N_OF(array) (sizeof(array) / sizeof(array)[0])

/* --- errors ------------------------------------------------------------------------------------------------------ */

static void test_fail_writes_one_clean_line(void **state)
{
    (void)state;
    slk_err err = {0};
    assert_int_equal(slk_fail(&err, SLK_E_FORMAT, "%s: tensor %d", "a.gguf", 7), SLK_E_FORMAT);
    assert_int_equal(err.code, SLK_E_FORMAT);
    assert_string_equal(err.msg, "a.gguf: tensor 7");
    assert_int_equal(slk_fail(NULL, SLK_E_IO, "nobody reads this"), SLK_E_IO);
    /* Line breaks (U+0085, U+2028), terminal controls (ESC, DEL, C1's CSI) and broken bytes */
    slk_fail(&err, SLK_E_IO,
             "a\nb\r\x1B[2J\x7F \xC2\x9B"
             "1m \xC2\x85 \u2028 \xFF \u00E9\U0001F600");
    assert_string_equal(err.msg, "a?b??[2J? ?1m ? ? ? \u00E9\U0001F600");
}

static void test_fail_may_quote_itself(void **state)
{
    (void)state;
    slk_err err = {0};
    slk_fail(&err, SLK_E_SHAPE, "inner");
    slk_fail(&err, SLK_E_FORMAT, "outer (%s)", err.msg);
    assert_string_equal(err.msg, "outer (inner)");
    assert_int_equal(slk_fail_in(&err, SLK_E_IO, "line %d", 3), SLK_E_FORMAT);
    assert_string_equal(err.msg, "line 3: outer (inner)");
    assert_int_equal(err.code, SLK_E_FORMAT);
    assert_int_equal(slk_fail_in(NULL, SLK_E_IO, "x"), SLK_E_IO);
    slk_err fresh = {0}; /* a prefix to nothing must still be a failure */
    assert_int_equal(slk_fail_in(&fresh, SLK_E_IO, "x"), SLK_E_IO);
}

static void test_fail_cuts_between_characters(void **state)
{
    (void)state;
    slk_err err = {0};
    char wide[3000], prefix[3000];
    for (size_t shift = 0; shift < 4; shift++) {
        memset(wide, 'a', shift);
        for (size_t i = shift; i + 4 < sizeof wide; i += 4) memcpy(wide + i, "\xF0\x9F\x98\x80", 5);
        slk_fail(&err, SLK_E_IO, "%s", wide);
        size_t n = strlen(err.msg);
        assert_true(n >= sizeof err.msg - 4 && n < sizeof err.msg);
        assert_int_equal(slk_utf8_valid(err.msg, n), n);
        assert_null(strchr(err.msg, '?'));
        /* The same when the prefix pushes the message out of the room. */
        memset(prefix, 'p', 100);
        prefix[100] = '\0';
        slk_fail_in(&err, SLK_E_IO, "%s", prefix);
        n = strlen(err.msg);
        assert_true(n >= sizeof err.msg - 4 && n < sizeof err.msg);
        assert_int_equal(slk_utf8_valid(err.msg, n), n);
        assert_null(strchr(err.msg, '?'));
    }
}

static void test_status_names(void **state)
{
    (void)state;
    for (int a = SLK_OK; a <= SLK_E_INTERRUPTED; a++) {
        assert_string_not_equal(slk_status_name((slk_status)a), "unknown");
        for (int b = a + 1; b <= SLK_E_INTERRUPTED; b++)
            assert_string_not_equal(slk_status_name((slk_status)a), slk_status_name((slk_status)b));
    }
    assert_string_equal(slk_status_name(SLK_OK), "ok");
    assert_string_equal(slk_status_name((slk_status)4711), "unknown");
}

/* --- memory ------------------------------------------------------------------------------------------------------ */

static void test_alloc_refuses_impossible_sizes(void **state)
{
    (void)state;
    assert_null(slk_alloc(SIZE_MAX / 2, 3)); /* wraps to a small number */
    assert_null(slk_alloc_zero(SIZE_MAX / 8 + 2, 8));
    assert_null(slk_alloc_aligned(SIZE_MAX, 1));
    assert_null(slk_alloc(1, SIZE_MAX));
    assert_null(slk_alloc((size_t)1 << 41, 1));
    assert_null(slk_strndup("x", SIZE_MAX));
    slk_arena arena = {0};
    assert_null(slk_arena_alloc(&arena, SIZE_MAX / 2, 4));
    assert_null(slk_arena_alloc(&arena, SIZE_MAX - 3, 1));
    assert_null(slk_arena_strndup(&arena, "x", SIZE_MAX));
    slk_arena_release(&arena);
}

static void test_alloc(void **state)
{
    (void)state;
    void *empty = slk_alloc(0, 8);
    assert_non_null(empty);
    free(empty);
    unsigned char *zero = slk_alloc_zero(1000, 3);
    for (size_t i = 0; i < 3000; i++) assert_int_equal(zero[i], 0);
    free(zero);
    for (size_t n = 0; n < 200; n += 13) {
        char *aligned = slk_alloc_aligned(n, 1);
        assert_non_null(aligned);
        assert_int_equal((uintptr_t)aligned % 64, 0);
        memset(aligned, 1, n);
        free(aligned);
    }
    char *copy = slk_strdup("abc");
    assert_string_equal(copy, "abc");
    free(copy);
    copy = slk_strndup("abc", 2);
    assert_string_equal(copy, "ab");
    free(copy);
}

static void test_grow(void **state)
{
    (void)state;
    uint32_t *items = NULL;
    size_t cap = 0, n_moves = 0;
    for (size_t n = 0; n < 10000; n++) {
        size_t before = cap;
        assert_true(slk_grow(&items, &cap, n + 1, sizeof *items));
        assert_true(cap >= n + 1);
        n_moves += cap != before;
        items[n] = (uint32_t)(n * 7);
    }
    assert_true(n_moves < 16); /* doubling, not one by one */
    for (size_t n = 0; n < 10000; n++) assert_int_equal(items[n], n * 7);
    uint32_t *before = items;
    size_t cap_before = cap;
    assert_false(slk_grow(&items, &cap, SIZE_MAX, sizeof *items));
    assert_false(slk_grow(&items, &cap, SIZE_MAX / 4 + 2, sizeof *items));
    assert_ptr_equal(items, before);
    assert_int_equal(cap, cap_before);
    assert_int_equal(items[9999], 9999 * 7);
    free(items);
}

static void test_buf(void **state)
{
    (void)state;
    slk_buf b;
    slk_buf_init(&b);
    assert_null(b.data);
    slk_buf_add(&b, NULL, 0);
    assert_string_equal(b.data, "");
    slk_buf_add(&b, "a\0b", 3);
    slk_buf_add_str(&b, "cd");
    slk_buf_addf(&b, "%d-%s", 42, "x");
    assert_int_equal(b.len, 9);
    assert_memory_equal(b.data, "a\0bcd42-x", 10);
    for (int i = 0; i < 1000; i++) slk_buf_addf(&b, "%03d", i);
    assert_int_equal(b.len, 3009);
    assert_string_equal(b.data + 3006, "999");
    slk_buf_clear(&b);
    assert_int_equal(b.len, 0);
    assert_string_equal(b.data, "");
    slk_buf_add_str(&b, "again");
    char *taken = slk_buf_take(&b);
    assert_string_equal(taken, "again");
    assert_null(b.data);
    free(taken);
    taken = slk_buf_take(&b);
    assert_string_equal(taken, "");
    free(taken);
}

static void test_buf_failure_sticks(void **state)
{
    (void)state;
    slk_buf b;
    slk_buf_init(&b);
    slk_buf_add_str(&b, "kept");
    slk_buf_add(&b, "x", SIZE_MAX - 2); /* never read: the size is refused first */
    assert_true(b.failed);
    slk_buf_add_str(&b, "ignored");
    assert_string_equal(b.data, "kept");
    assert_null(slk_buf_take(&b));
    assert_null(b.data);
}

static void test_arena(void **state)
{
    (void)state;
    slk_arena arena = {0};
    enum { N = 500 };
    unsigned char *objects[N];
    size_t sizes[N], total = 0;
    for (size_t i = 0; i < N; i++) {
        sizes[i] = i % 50 == 49 ? 100000 : (i * 37) % 1000; /* some larger than a block */
        objects[i] = slk_arena_alloc(&arena, sizes[i], 1);
        assert_non_null(objects[i]);
        assert_int_equal((uintptr_t)objects[i] % 16, 0);
        memset(objects[i], (int)(i & 0xFF), sizes[i]);
        total += sizes[i];
    }
    for (size_t i = 0; i < N; i++) {
        for (size_t k = 0; k < sizes[i]; k++) assert_int_equal(objects[i][k], i & 0xFF);
    }
    assert_true(arena.n_bytes >= total && arena.n_bytes < total + N * 32);
    assert_string_equal(slk_arena_strndup(&arena, "hello", 4), "hell");
    slk_arena_release(&arena);
    assert_null(arena.blocks);
    assert_int_equal(arena.n_bytes, 0);
}

/* --- random numbers ---------------------------------------------------------------------------------------------- */

/* Known answers of philox4x32-10 as published with Random123 (tests/kat_vectors). */
static void test_philox_vectors(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } vectors[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < N_OF(vectors); i++) {
        uint32_t out[4];
        slk_philox(out, vectors[i].counter, vectors[i].key);
        assert_memory_equal(out, vectors[i].out, sizeof out);
    }
}

static void test_rng_key_layout(void **state)
{
    (void)state;
    const uint64_t seed = 0x0123456789ABCDEF, fact = 0xFEDCBA9876543210;
    const uint32_t counter[4] = {0x76543210, 0xFEDCBA98, 9u << 16 | 15, 31};
    const uint32_t key[2] = {0x89ABCDEFu ^ 2u * 0x9E3779B9u, 0x01234567};
    uint32_t out[4];
    slk_philox(out, counter, key);
    uint64_t bits = (uint64_t)out[1] << 32 | out[0];
    assert_true(slk_rng_u64(seed, SLK_PURPOSE_SAMPLE, fact, 9, 15, 31) == bits);
    double u = slk_rng_uniform(seed, SLK_PURPOSE_SAMPLE, fact, 9, 15, 31);
    assert_true(u == (double)(bits >> 11) / 9007199254740992.0);
    /* Each part of the key counts. */
    assert_true(slk_rng_uniform(seed + 1, SLK_PURPOSE_SAMPLE, fact, 9, 15, 31) != u);
    assert_true(slk_rng_uniform(seed ^ 1ull << 40, SLK_PURPOSE_SAMPLE, fact, 9, 15, 31) != u);
    assert_true(slk_rng_uniform(seed, SLK_PURPOSE_LIMIT, fact, 9, 15, 31) != u);
    assert_true(slk_rng_uniform(seed, SLK_PURPOSE_SAMPLE, fact ^ 1ull << 63, 9, 15, 31) != u);
    assert_true(slk_rng_uniform(seed, SLK_PURPOSE_SAMPLE, fact, 8, 15, 31) != u);
    assert_true(slk_rng_uniform(seed, SLK_PURPOSE_SAMPLE, fact, 9, 14, 31) != u);
    assert_true(slk_rng_uniform(seed, SLK_PURPOSE_SAMPLE, fact, 9, 15, 30) != u);
}

/* 160,000 numbers: mean within 4.5 standard errors of 1/2 (0.0032), every hundredth of the range filled about evenly.
 */
static void test_rng_is_uniform(void **state)
{
    (void)state;
    unsigned bins[100] = {0};
    double sum = 0;
    for (uint64_t fact = 0; fact < 1000; fact++) {
        for (uint32_t e = 0; e < 10; e++) {
            for (uint32_t s = 0; s < 16; s++) {
                double u = slk_rng_uniform(42, SLK_PURPOSE_SAMPLE, fact, e, s, 0);
                assert_true(u >= 0 && u < 1);
                sum += u;
                bins[(int)(u * 100)]++;
            }
        }
    }
    assert_true(fabs(sum / 160000 - 0.5) < 0.0033);
    double chi2 = 0;
    for (int i = 0; i < 100; i++) chi2 += (bins[i] - 1600.0) * (bins[i] - 1600.0) / 1600.0;
    assert_true(chi2 > 50 && chi2 < 160); /* 99 degrees of freedom: 99 +- 14 */
}

/* --- hashes ------------------------------------------------------------------------------------------------------ */

static void test_hash(void **state)
{
    (void)state;
    assert_true(slk_hash_bytes("", 0) == 0x2D06800538D394C2ull); /* XXH3's published hash of nothing */
    assert_true(slk_hash_str(slk_hash_str(0, "ab"), "c") != slk_hash_str(slk_hash_str(0, "a"), "bc"));
    assert_true(slk_hash_str(0, "") != 0);
    assert_true(slk_hash_str(slk_hash_str(0, ""), "") != slk_hash_str(0, ""));
    assert_true(slk_hash_str(1, "x") != slk_hash_str(2, "x"));
    assert_true(slk_hash_more(5, "a\0b", 3) != slk_hash_more(5, "a\0c", 3));
    assert_true(slk_hash_str(7, "abc") == slk_hash_more(7, "abcd", 3));
}

/* --- progress, types --------------------------------------------------------------------------------------------- */

static bool listen(void *user, const slk_progress_event *event)
{
    uint64_t *seen = user;
    assert_string_equal(event->phase, "probe");
    assert_string_equal(event->unit, "facts");
    *seen = event->n_done;
    return event->n_done < event->n_total;
}

static void test_progress(void **state)
{
    (void)state;
    uint64_t seen = 0;
    slk_progress nobody = {0}, somebody = {.report = listen, .user = &seen};
    assert_true(slk_progress_report(NULL, "probe", "facts", 1, 2));
    assert_true(slk_progress_report(&nobody, "probe", "facts", 1, 2));
    assert_true(slk_progress_report(&somebody, "probe", "facts", 1, 2));
    assert_int_equal(seen, 1);
    assert_false(slk_progress_report(&somebody, "probe", "facts", 2, 2));
    double before = slk_clock_ms();
    usleep(20000);
    double ms = slk_clock_ms() - before;
    assert_true(ms >= 19.9 && ms < 60000);
}

static void test_dtypes(void **state)
{
    (void)state;
    static const struct {
        uint32_t type;
        const char *name;
        uint32_t n_block, block_bytes;
    } known[] = {
        {0, "F32", 1, 4},       {1, "F16", 1, 2},       {2, "Q4_0", 32, 18},    {3, "Q4_1", 32, 20},
        {6, "Q5_0", 32, 22},    {7, "Q5_1", 32, 24},    {8, "Q8_0", 32, 34},    {10, "Q2_K", 256, 84},
        {11, "Q3_K", 256, 110}, {12, "Q4_K", 256, 144}, {13, "Q5_K", 256, 176}, {14, "Q6_K", 256, 210},
        {30, "BF16", 1, 2},
    };
    size_t n_found = 0;
    for (uint32_t type = 0; type < 1000; type++) n_found += slk_dtype_find(type) != NULL;
    assert_int_equal(n_found, N_OF(known));
    assert_null(slk_dtype_find(UINT32_MAX));
    for (size_t i = 0; i < N_OF(known); i++) {
        const slk_dtype_info *info = slk_dtype_find(known[i].type);
        assert_non_null(info);
        assert_string_equal(info->name, known[i].name);
        assert_int_equal(info->n_block, known[i].n_block);
        assert_int_equal(info->block_bytes, known[i].block_bytes);
    }
}

static void test_bf16(void **state)
{
    (void)state;
    for (uint32_t v = 0; v < 0x10000; v++) {
        float f = slk_bf16_to_f32((uint16_t)v);
        if (isnan(f))
            assert_true(isnan(slk_bf16_to_f32(slk_f32_to_bf16(f))));
        else
            assert_int_equal(slk_f32_to_bf16(f), v);
    }
    assert_int_equal(slk_f32_to_bf16(1.0f + 0x1p-8f), 0x3F80);           /* half way: to even, down */
    assert_int_equal(slk_f32_to_bf16(1.0f + 0x1p-7f + 0x1p-8f), 0x3F82); /* half way: to even, up */
    assert_int_equal(slk_f32_to_bf16(1.0f + 0x1p-8f + 0x1p-20f), 0x3F81);
    assert_int_equal(slk_f32_to_bf16(3.4e38f), 0x7F80); /* rounds to infinity */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fail_writes_one_clean_line),
        cmocka_unit_test(test_fail_may_quote_itself),
        cmocka_unit_test(test_fail_cuts_between_characters),
        cmocka_unit_test(test_status_names),
        cmocka_unit_test(test_alloc_refuses_impossible_sizes),
        cmocka_unit_test(test_alloc),
        cmocka_unit_test(test_grow),
        cmocka_unit_test(test_buf),
        cmocka_unit_test(test_buf_failure_sticks),
        cmocka_unit_test(test_arena),
        cmocka_unit_test(test_philox_vectors),
        cmocka_unit_test(test_rng_key_layout),
        cmocka_unit_test(test_rng_is_uniform),
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_progress),
        cmocka_unit_test(test_dtypes),
        cmocka_unit_test(test_bf16),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
