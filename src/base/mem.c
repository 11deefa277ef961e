#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Product of two sizes; false when it overflows. PTRDIFF_MAX bounds it, as it bounds every object. */
static bool product(size_t n, size_t size, size_t *out)
{
    return !__builtin_mul_overflow(n, size, out) && *out <= PTRDIFF_MAX;
}

void *slk_alloc(size_t n, size_t size)
{
    size_t bytes;
    return product(n, size, &bytes) ? malloc(bytes ? bytes : 1) : NULL;
}

void *slk_alloc_zero(size_t n, size_t size)
{
    size_t bytes;
    return product(n, size, &bytes) ? calloc(1, bytes ? bytes : 1) : NULL;
}

void *slk_alloc_aligned(size_t n, size_t size)
{
    size_t bytes;
    void *p;
    if (!product(n, size, &bytes)) return NULL;
    return posix_memalign(&p, 64, bytes ? bytes : 1) == 0 ? p : NULL;
}

bool slk_grow(void *items, size_t *n_cap, size_t n_need, size_t size)
{
    void *old, *grown;
    if (n_need <= *n_cap) return true;
    size_t n = *n_cap < 8 ? 8 : *n_cap, bytes;
    while (n < n_need) {
        if (n > SIZE_MAX / 2) return false;
        n *= 2;
    }
    if (!product(n, size, &bytes)) return false;
    memcpy(&old, items, sizeof old);
    grown = realloc(old, bytes);
    if (!grown) return false;
    memcpy(items, &grown, sizeof grown);
    *n_cap = n;
    return true;
}

char *slk_strdup(const char *s)
{
    return slk_strndup(s, strlen(s));
}

char *slk_strndup(const char *s, size_t n)
{
    char *copy = n < SIZE_MAX ? slk_alloc(n + 1, 1) : NULL;
    if (!copy) return NULL;
    memcpy(copy, s, n);
    copy[n] = '\0';
    return copy;
}

/* --- byte strings -------------------------------------------------------------------------------------------------- */

void slk_buf_init(slk_buf *b)
{
    *b = (slk_buf){0};
}

void slk_buf_release(slk_buf *b)
{
    free(b->data);
    *b = (slk_buf){0};
}

void slk_buf_clear(slk_buf *b)
{
    b->len = 0;
    if (b->data) b->data[0] = '\0';
}

static bool reserve(slk_buf *b, size_t n_more)
{
    if (b->failed || n_more >= SIZE_MAX - b->len || !slk_grow(&b->data, &b->cap, b->len + n_more + 1, 1)) b->failed = true;
    return !b->failed;
}

void slk_buf_add(slk_buf *b, const void *bytes, size_t n)
{
    if (!reserve(b, n)) return;
    if (n) memcpy(b->data + b->len, bytes, n);
    b->len += n;
    b->data[b->len] = '\0';
}

void slk_buf_add_str(slk_buf *b, const char *s)
{
    slk_buf_add(b, s, strlen(s));
}

void slk_buf_addf(slk_buf *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0) b->failed = true;
    if (n < 0 || !reserve(b, (size_t)n)) return;
    va_start(args, fmt);
    vsnprintf(b->data + b->len, (size_t)n + 1, fmt, args);
    va_end(args);
    b->len += (size_t)n;
}

char *slk_buf_take(slk_buf *b)
{
    if (!b->data) slk_buf_add(b, "", 0);
    char *data = b->failed ? NULL : b->data;
    if (!data) free(b->data);
    *b = (slk_buf){0};
    return data;
}

/* --- arenas -------------------------------------------------------------------------------------------------------- */

#define ARENA_BLOCK_BYTES ((size_t)64 << 10)

struct slk_arena_block {
    slk_arena_block *next;
    size_t used, cap;
    _Alignas(16) unsigned char data[];
};

void *slk_arena_alloc(slk_arena *a, size_t n, size_t size)
{
    size_t bytes;
    if (!product(n, size, &bytes) || bytes > PTRDIFF_MAX - 64) return NULL;
    bytes = (bytes + 15) / 16 * 16;
    slk_arena_block *block = a->blocks;
    if (!block || block->cap - block->used < bytes) {
        size_t cap = bytes > ARENA_BLOCK_BYTES ? bytes : ARENA_BLOCK_BYTES;
        block = malloc(sizeof *block + cap);
        if (!block) return NULL;
        block->next = a->blocks;
        block->used = 0;
        block->cap = cap;
        a->blocks = block;
    }
    void *p = block->data + block->used;
    block->used += bytes;
    a->n_bytes += bytes;
    return p;
}

char *slk_arena_strndup(slk_arena *a, const char *s, size_t n)
{
    char *copy = n < SIZE_MAX ? slk_arena_alloc(a, n + 1, 1) : NULL;
    if (!copy) return NULL;
    memcpy(copy, s, n);
    copy[n] = '\0';
    return copy;
}

void slk_arena_release(slk_arena *a)
{
    while (a->blocks) {
        slk_arena_block *next = a->blocks->next;
        free(a->blocks);
        a->blocks = next;
    }
    a->n_bytes = 0;
}
