/* The GGUF reader on files that are not what they say: every one is refused with a message that names file and place.
 */
#include "gguf_builder.h"

static void test_broken_head(void **state)
{
    (void)state;
    slk_buf b;
    header(&b, 0, 0), b.data[0] = 'g', refuse(&b, SLK_E_FORMAT, "not a GGUF file");
    header(&b, 0, 0), b.data[4] = 1, refuse(&b, SLK_E_UNSUPPORTED, "version 1");
    header(&b, 0, 0), b.data[4] = 4, refuse(&b, SLK_E_UNSUPPORTED, "version 4");
    header(&b, 0, 0), b.data[4] = 0, b.data[7] = 3, refuse(&b, SLK_E_UNSUPPORTED, "big-endian");
    header(&b, 0, UINT64_MAX), refuse(&b, SLK_E_FORMAT, "18446744073709551615 keys");
    header(&b, 0, 1), refuse(&b, SLK_E_FORMAT, "1 keys");
    header(&b, UINT64_MAX, 0), refuse(&b, SLK_E_FORMAT, "18446744073709551615 tensors");
    header(&b, 1, 0), refuse(&b, SLK_E_FORMAT, "1 tensors");
    header(&b, UINT64_C(1) << 60, UINT64_C(1) << 60), zeros(&b, 4000), refuse(&b, SLK_E_FORMAT, "keys");
    header(&b, 100, 0), zeros(&b, 3000), refuse(&b, SLK_E_FORMAT, "100 tensors");
}

static void test_broken_keys(void **state)
{
    (void)state;
    slk_buf b;
    header(&b, 0, 1), u64(&b, UINT64_MAX), zeros(&b, 40), refuse(&b, SLK_E_FORMAT, "key 1 of 1: byte 32");
    header(&b, 0, 1), str(&b, ""), zeros(&b, 40), refuse(&b, SLK_E_FORMAT, "0 bytes");
    header(&b, 0, 1), u64(&b, 70000), zeros(&b, 80000), refuse(&b, SLK_E_FORMAT, "70000 bytes");
    header(&b, 0, 1), u64(&b, 3), slk_buf_add(&b, "a\0b", 3), zeros(&b, 40), refuse(&b, SLK_E_FORMAT, "zero byte");
    header(&b, 0, 1), key(&b, "k", 13), zeros(&b, 40),
        refuse(&b, SLK_E_FORMAT, "key 1 of 1, k: byte 33: unknown value type 13");
    header(&b, 0, 1), key(&b, "k", 0xFFFFFFFFu), zeros(&b, 40), refuse(&b, SLK_E_FORMAT, "unknown value type");
    header(&b, 0, 1), key(&b, "k", 7), u8(&b, 2), refuse(&b, SLK_E_FORMAT, "boolean");
    header(&b, 0, 1), key(&b, "k", 10), u32(&b, 2), refuse(&b, SLK_E_FORMAT, "k: byte 37");
    header(&b, 0, 1), key(&b, "k", 8), u64(&b, UINT64_MAX - 7), refuse(&b, SLK_E_FORMAT, "a string");
    header(&b, 0, 2), key(&b, "k", 0), u8(&b, 2), key(&b, "k", 7), u8(&b, 1),
        refuse(&b, SLK_E_FORMAT, "key k occurs twice");
    header(&b, 0, 1), key(&b, "e\x1B[31m", 13), zeros(&b, 9), refuse(&b, SLK_E_FORMAT, "e?[31m");
}

static void test_broken_arrays(void **state)
{
    (void)state;
    slk_buf b;
    header(&b, 0, 1), key(&b, "k", 9), array(&b, 0, UINT64_MAX), zeros(&b, 9),
        refuse(&b, SLK_E_FORMAT, "items of an array");
    header(&b, 0, 1), key(&b, "k", 9), array(&b, 12, UINT64_C(1) << 61), zeros(&b, 99),
        refuse(&b, SLK_E_FORMAT, "items");
    header(&b, 0, 1), key(&b, "k", 9), array(&b, 4, 3), zeros(&b, 11), refuse(&b, SLK_E_FORMAT, "3 items");
    header(&b, 0, 1), key(&b, "k", 9), array(&b, 8, UINT64_C(1) << 60), zeros(&b, 99),
        refuse(&b, SLK_E_FORMAT, "strings");
    header(&b, 0, 1), key(&b, "k", 9), array(&b, 8, 2), str(&b, "a"), u64(&b, 90), zeros(&b, 9);
    refuse(&b, SLK_E_FORMAT, "k: item 1: byte 66");
    header(&b, 0, 1), key(&b, "k", 9), array(&b, 13, 1), zeros(&b, 99),
        refuse(&b, SLK_E_FORMAT, "unknown array type 13");
    header(&b, 0, 1), key(&b, "k", 9), array(&b, 7, 2), u8(&b, 1), u8(&b, 255), refuse(&b, SLK_E_FORMAT, "boolean");
    header(&b, 0, 1), key(&b, "k", 9), array(&b, 9, 1000), zeros(&b, 99),
        refuse(&b, SLK_E_FORMAT, "arrays of an array");
    header(&b, 0, 1), key(&b, "k", 9), array(&b, 9, 2), array(&b, 0, 1), u8(&b, 0), array(&b, 4, 9), zeros(&b, 9);
    refuse(&b, SLK_E_FORMAT, "item 1: ");
}

/* A file of nothing but array headers must not exhaust the stack. */
static void test_deep_arrays(void **state)
{
    (void)state;
    slk_buf b;
    header(&b, 0, 1), key(&b, "k", 9);
    for (int i = 0; i < 100000; i++) array(&b, 9, 1);
    array(&b, 0, 0);
    refuse(&b, SLK_E_FORMAT, "nested more than 8 deep");
    header(&b, 0, 1), key(&b, "k", 9);
    for (int i = 0; i < 7; i++) array(&b, 9, 1);
    array(&b, 0, 0);
    char *copy;
    slk_gguf_close(accept(&b, &copy));
    free(copy);
}

static void test_broken_alignment(void **state)
{
    (void)state;
    static const uint32_t bad[] = {0, 1, 2, 4, 24, 33, 0x80000001u, 0xFFFFFFFFu};
    slk_buf b;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        header(&b, 0, 1), key(&b, "general.alignment", 4), u32(&b, bad[i]);
        refuse(&b, SLK_E_FORMAT, "general.alignment is");
    }
    header(&b, 0, 1), key(&b, "general.alignment", 10), u64(&b, 32),
        refuse(&b, SLK_E_FORMAT, "general.alignment has type");
    header(&b, 1, 1), key(&b, "general.alignment", 4), u32(&b, 0x80000000u), tensor(&b, "t", 1, 1, 0, 0, 0),
        zeros(&b, 99);
    refuse(&b, SLK_E_FORMAT, "before its data section");
}

/* One tensor description with 4,096 bytes of data behind it. */
static void one(slk_buf *b, uint32_t n_dims, uint64_t ne0, uint64_t ne1, uint32_t type, uint64_t offset)
{
    header(b, 1, 0);
    tensor(b, "w.x", n_dims, ne0, ne1, type, offset);
    pad(b, 32);
    zeros(b, 4096);
}

static void test_broken_tensors(void **state)
{
    (void)state;
    slk_buf b;
    one(&b, 0, 1, 1, 0, 0), refuse(&b, SLK_E_FORMAT, "w.x: byte 35: 0 dimensions");
    one(&b, 5, 1, 1, 0, 0), refuse(&b, SLK_E_FORMAT, "5 dimensions");
    one(&b, 0xFFFFFF, 1, 1, 0, 0), refuse(&b, SLK_E_FORMAT, "dimensions");
    one(&b, 2, 4, 0, 0, 0), refuse(&b, SLK_E_FORMAT, "tensor 1 of 1, w.x: dimension 1 is 0");
    one(&b, 2, UINT64_C(1) << 32, UINT64_C(1) << 32, 0, 0), refuse(&b, SLK_E_FORMAT, "more than 2^63 values");
    one(&b, 4, UINT64_C(1) << 16, UINT64_C(1) << 16, 0, 0), refuse(&b, SLK_E_FORMAT, "more than 2^63 values");
    one(&b, 1, UINT64_C(1) << 62, 1, 0, 0), refuse(&b, SLK_E_FORMAT, "more than 2^64 bytes");
    one(&b, 1, UINT64_MAX, 1, 1, 0), refuse(&b, SLK_E_FORMAT, "more than 2^63 values");
    one(&b, 1, 48, 1, 2, 0), refuse(&b, SLK_E_FORMAT, "no whole number of Q4_0 blocks of 32");
    one(&b, 2, 128, 2, 12, 0), refuse(&b, SLK_E_FORMAT, "no whole number of Q4_K blocks of 256");
    one(&b, 1, 32, 1, 20, 0), refuse(&b, SLK_E_UNSUPPORTED, "tensor 1 of 1, w.x: tensor type 20");
    one(&b, 1, 32, 1, 0xFFFFFFFFu, 0), refuse(&b, SLK_E_UNSUPPORTED, "tensor type");
    one(&b, 1, 8, 1, 0, 16), refuse(&b, SLK_E_FORMAT, "offset 16 is no multiple of the alignment 32");
    one(&b, 1, 1025, 1, 0, 0), refuse(&b, SLK_E_FORMAT, "tensor w.x: 4100 bytes at offset 0");
    one(&b, 1, 1, 1, 0, 4096), refuse(&b, SLK_E_FORMAT, "offset 4096");
    one(&b, 1, 1, 1, 0, UINT64_MAX - 31), refuse(&b, SLK_E_FORMAT, "offset 18446744073709551584");
    one(&b, 1, 1024, 1, 0, 0);
    char *copy;
    slk_gguf *file = accept(&b, &copy);
    assert_int_equal(touch(slk_gguf_tensor_at(file, 0)->data, 4096), 0);
    slk_gguf_close(file);
    free(copy);
}

static void two(slk_buf *b, const char *first, uint64_t first_at, const char *second, uint64_t second_at)
{
    header(b, 2, 0);
    tensor(b, first, 1, 16, 1, 0, first_at);
    tensor(b, second, 1, 16, 1, 0, second_at);
    pad(b, 32);
    zeros(b, 256);
}

static void test_tensors_in_conflict(void **state)
{
    (void)state;
    slk_buf b;
    two(&b, "a", 0, "a", 64), refuse(&b, SLK_E_FORMAT, "tensor a occurs twice");
    two(&b, "a", 0, "b", 0), refuse(&b, SLK_E_FORMAT, "overlap");
    two(&b, "a", 32, "b", 0), refuse(&b, SLK_E_FORMAT, "tensors b and a overlap");
    two(&b, "a", 192, "b", 64); /* any order, gaps allowed */
    char *copy;
    slk_gguf_close(accept(&b, &copy));
    free(copy);
}

/* Every truncation is refused (but inside the padding behind the last tensor, of which there is none), every changed
 * byte gives an error or a file that can be read in full. */
static void test_every_byte(void **state)
{
    (void)state;
    slk_buf b;
    build_rich(&b);
    for (size_t n = 0; n < b.len; n++) {
        slk_gguf *file = NULL;
        char *copy;
        slk_err err = {0};
        assert_int_equal(open_copy(&file, &copy, b.data, n, &err), SLK_E_FORMAT);
        assert_non_null(strstr(err.msg, "broken.gguf: "));
        free(copy);
    }
    size_t n_opened = 0, n_refused = 0;
    for (size_t at = 0; at < b.len; at++) {
        static const uint8_t changes[] = {0x01, 0x80, 0xFF, 0x7F};
        for (size_t i = 0; i < sizeof changes; i++) {
            slk_gguf *file = NULL;
            char *copy;
            b.data[at] = (char)(b.data[at] ^ changes[i]);
            if (open_copy(&file, &copy, b.data, b.len, NULL) == SLK_OK) {
                touch_all(file);
                n_opened++;
            } else {
                assert_null(file);
                n_refused++;
            }
            slk_gguf_close(file);
            free(copy);
            b.data[at] = (char)(b.data[at] ^ changes[i]);
        }
    }
    assert_true(n_opened > 100 && n_refused > 1000);
    slk_buf_release(&b);
}

static void test_many_keys(void **state)
{
    (void)state;
    enum { N = 20000 };
    slk_buf b;
    char name[32], *copy;
    header(&b, 0, N);
    for (uint32_t i = 0; i < N; i++) {
        snprintf(name, sizeof name, "key.%u", (i * 7919u) % N);
        key(&b, name, 4), u32(&b, (i * 7919u) % N);
    }
    slk_gguf *file = accept(&b, &copy);
    for (uint32_t i = 0; i < N; i++) {
        uint64_t v = 0;
        snprintf(name, sizeof name, "key.%u", i);
        assert_true(slk_gguf_get_u64(file, name, &v) && v == i);
    }
    slk_gguf_close(file);
    free(copy);
}

static void test_empty_model(void **state)
{
    (void)state;
    slk_buf b;
    char *copy;
    header(&b, 0, 0);
    b.data[4] = 2; /* version 2 has the same layout */
    slk_gguf *file = accept(&b, &copy);
    uint64_t u;
    assert_int_equal(slk_gguf_n_keys(file), 0);
    assert_int_equal(slk_gguf_n_tensors(file), 0);
    assert_false(slk_gguf_get_u64(file, "x", &u));
    assert_null(slk_gguf_find_tensor(file, "x"));
    slk_gguf_close(file);
    free(copy);
    slk_gguf_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_broken_head),         cmocka_unit_test(test_broken_keys),
        cmocka_unit_test(test_broken_arrays),       cmocka_unit_test(test_deep_arrays),
        cmocka_unit_test(test_broken_alignment),    cmocka_unit_test(test_broken_tensors),
        cmocka_unit_test(test_tensors_in_conflict), cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_many_keys),           cmocka_unit_test(test_empty_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
