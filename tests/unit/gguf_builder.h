/* GGUF files built in memory for tests, in blocks of exactly their size, so that the address sanitizer sees every byte
 * read too many. */
#ifndef SLK_TEST_GGUF_BUILDER_H
#define SLK_TEST_GGUF_BUILDER_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "format/gguf.h"

static inline void u8(slk_buf *b, unsigned v)
{
    const uint8_t byte = (uint8_t)v;
    slk_buf_add(b, &byte, 1);
}

static inline void u32(slk_buf *b, uint32_t v)
{
    for (int i = 0; i < 4; i++) u8(b, v >> 8 * i & 255);
}

static inline void u64(slk_buf *b, uint64_t v)
{
    u32(b, (uint32_t)v);
    u32(b, (uint32_t)(v >> 32));
}

static inline void str(slk_buf *b, const char *s)
{
    u64(b, strlen(s));
    slk_buf_add(b, s, strlen(s));
}

static inline void header(slk_buf *b, uint64_t n_tensors, uint64_t n_kv)
{
    slk_buf_init(b);
    slk_buf_add_str(b, "GGUF");
    u32(b, 3);
    u64(b, n_tensors);
    u64(b, n_kv);
}

static inline void key(slk_buf *b, const char *name, uint32_t type)
{
    str(b, name);
    u32(b, type);
}

static inline void array(slk_buf *b, uint32_t type, uint64_t n)
{
    u32(b, type);
    u64(b, n);
}

static inline void tensor(slk_buf *b, const char *name, uint32_t n_dims, uint64_t ne0, uint64_t ne1, uint32_t type,
                          uint64_t offset)
{
    str(b, name);
    u32(b, n_dims);
    if (n_dims > 0) u64(b, ne0);
    for (uint32_t d = 1; d < n_dims; d++) u64(b, ne1);
    u32(b, type);
    u64(b, offset);
}

static inline void pad(slk_buf *b, size_t alignment)
{
    while (b->len % alignment) u8(b, 0);
}

static inline void zeros(slk_buf *b, size_t n)
{
    for (size_t i = 0; i < n; i++) u8(b, 0);
}

/* Open a copy of exactly n bytes; *copy must outlive the file. */
static inline slk_status open_copy(slk_gguf **file, char **copy, const void *bytes, size_t n, slk_err *err)
{
    *copy = malloc(n ? n : 1);
    assert_non_null(*copy);
    if (n) memcpy(*copy, bytes, n);
    return slk_gguf_open_memory(file, *copy, n, "broken.gguf", err);
}

/* The file in b must be refused with this status and a message that has the file's name and `what`. */
static inline void refuse_at(int line, slk_buf *b, slk_status status, const char *what)
{
    slk_gguf *file = NULL;
    char *copy;
    slk_err err = {0};
    slk_status got = open_copy(&file, &copy, b->data, b->len, &err);
    if (got != status || file) fail_msg("line %d: status %d, expected %d (%s): %s", line, got, status, what, err.msg);
    if (strncmp(err.msg, "broken.gguf: ", 13) != 0) fail_msg("line %d: no file name in: %s", line, err.msg);
    if (!strstr(err.msg, what)) fail_msg("line %d: no '%s' in: %s", line, what, err.msg);
    free(copy);
    slk_buf_release(b);
}
#define refuse(b, status, what) refuse_at(__LINE__, b, status, what)

static inline slk_gguf *accept_at(int line, slk_buf *b, char **copy)
{
    slk_gguf *file = NULL;
    slk_err err = {0};
    if (open_copy(&file, copy, b->data, b->len, &err)) fail_msg("line %d: refused: %s", line, err.msg);
    slk_buf_release(b);
    return file;
}
#define accept(b, copy) accept_at(__LINE__, b, copy)

static inline uint64_t touch(const void *bytes, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += ((const uint8_t *)bytes)[i];
    return sum;
}

/* Read every byte that the file hands out. */
static inline uint64_t touch_all(const slk_gguf *file)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < slk_gguf_n_keys(file); i++) {
        char text[40];
        slk_gguf_type type;
        slk_gguf_str s = {0};
        size_t n = 0;
        const char *name = slk_gguf_key_at(file, i, NULL, text, sizeof text);
        assert_true(strlen(text) < sizeof text);
        if (slk_gguf_get_str(file, name, &s)) sum += touch(s.data, s.len);
        if (!slk_gguf_get_array(file, name, &type, &n)) continue;
        for (size_t j = 0; j < n; j++) {
            double f = 0;
            if (slk_gguf_array_str(file, name, j, &s)) sum += touch(s.data, s.len);
            if (slk_gguf_array_f64(file, name, j, &f)) sum += touch(&f, sizeof f);
        }
    }
    for (size_t i = 0; i < slk_gguf_n_tensors(file); i++) {
        const slk_gguf_tensor *t = slk_gguf_tensor_at(file, i);
        sum += touch(t->data, t->n_bytes);
    }
    return sum;
}

/* A file with a value of every type, nested arrays and three tensors. */
static inline void build_rich(slk_buf *b)
{
    header(b, 3, 19);
    key(b, "a.u8", 0), u8(b, 200);
    key(b, "a.i8", 1), u8(b, 0xFE);
    key(b, "a.u16", 2), u8(b, 0x34), u8(b, 0xF2);
    key(b, "a.i16", 3), u8(b, 0xFF), u8(b, 0xFF);
    key(b, "a.u32", 4), u32(b, 4000000000u);
    key(b, "a.i32", 5), u32(b, 0xFFFFFFFDu);
    key(b, "a.f32", 6), u32(b, 0x3DCCCCCDu); /* 0.1f */
    key(b, "a.bool", 7), u8(b, 1);
    key(b, "a.str", 8), str(b, "two\nlines \xC3\xA9\xFF\t\x01 end");
    key(b, "a.u64", 10), u64(b, UINT64_MAX);
    key(b, "a.i64", 11), u64(b, (uint64_t)INT64_MIN);
    key(b, "a.f64", 12), u64(b, 0x3FE0000000000000u); /* 0.5 */
    key(b, "b.strs", 9), array(b, 8, 3), str(b, "x"), str(b, ""), str(b, "zzz");
    key(b, "b.i16s", 9), array(b, 3, 3), u8(b, 1), u8(b, 0), u8(b, 0xFF), u8(b, 0xFF), u8(b, 2), u8(b, 0);
    key(b, "b.f32s", 9), array(b, 6, 2), u32(b, 0x3F800000u), u32(b, 0xBF800000u);
    key(b, "b.bools", 9), array(b, 7, 2), u8(b, 0), u8(b, 1);
    key(b, "b.empty", 9), array(b, 8, 0);
    key(b, "b.nested", 9), array(b, 9, 2), array(b, 8, 1), str(b, "in"), array(b, 0, 2), u8(b, 7), u8(b, 8);
    key(b, "general.alignment", 4), u32(b, 64);
    tensor(b, "t.f32", 2, 3, 2, 0, 128);
    tensor(b, "t.q4_0", 1, 64, 1, 2, 0);
    tensor(b, "t.bf16", 4, 1, 2, 30, 64);
    pad(b, 64);
    for (int i = 0; i < 152; i++) u8(b, (unsigned)i);
}

#endif
