#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* No single object comes near a TiB, so more is a damaged count. Asked here, it is an error on every machine, whatever
 * its overcommit policy (and the address sanitizer, which stops the program at such a request, never sees it). */
#define MAX_BYTES (((size_t)1 << 40) - ((size_t)1 << 20))

/* n * size, at least 1; 0 when that is no possible size. */
static size_t bytes_of(size_t n, size_t size)
{
    size_t n_bytes;
    if (__builtin_mul_overflow(n, size, &n_bytes) || n_bytes > MAX_BYTES) return 0;
    return n_bytes ? n_bytes : 1;
}

void *slk_alloc(size_t n, size_t size)
{
    size_t n_bytes = bytes_of(n, size);
    return n_bytes ? malloc(n_bytes) : NULL;
}

void *slk_alloc_zero(size_t n, size_t size)
{
    size_t n_bytes = bytes_of(n, size);
    return n_bytes ? calloc(n_bytes, 1) : NULL;
}

void *slk_alloc_aligned(size_t n, size_t size)
{
    size_t n_bytes = bytes_of(n, size);
    return n_bytes ? aligned_alloc(64, (n_bytes + 63) / 64 * 64) : NULL;
}

bool slk_grow(void *items, size_t *n_cap, size_t n_need, size_t size)
{
    if (n_need <= *n_cap) return true;
    size_t cap = *n_cap < 8 ? 8 : *n_cap;
    while (cap < n_need) {
        if (__builtin_mul_overflow(cap, (size_t)2, &cap)) cap = n_need;
    }
    size_t n_bytes = bytes_of(cap, size);
    if (n_bytes == 0) { /* doubling went too far; what is needed may still fit */
        cap = n_need;
        n_bytes = bytes_of(cap, size);
        if (n_bytes == 0) return false;
    }
    /* items is a T ** of any T: its pointer is read and written as bytes, which is what the aliasing rules allow. */
    void *old;
    memcpy(&old, items, sizeof old);
    void *grown = realloc(old, n_bytes);
    if (!grown) return false;
    memcpy(items, &grown, sizeof grown);
    *n_cap = cap;
    return true;
}

char *slk_strndup(const char *s, size_t n)
{
    if (n == SIZE_MAX) return NULL;
    char *copy = slk_alloc(n + 1, 1);
    if (!copy) return NULL;
    if (n) memcpy(copy, s, n);
    copy[n] = '\0';
    return copy;
}

char *slk_strdup(const char *s)
{
    return slk_strndup(s, strlen(s));
}

/* --- byte strings ------------------------------------------------------------------------------------------------ */

void slk_buf_init(slk_buf *b)
{
    *b = (slk_buf){0};
}

void slk_buf_release(slk_buf *b)
{
    if (!b) return;
    free(b->data);
    slk_buf_init(b);
}

void slk_buf_clear(slk_buf *b)
{
    b->len = 0;
    b->failed = false;
    if (b->data) b->data[0] = '\0';
}

/* Room for n more bytes and the NUL behind them. */
static bool reserve(slk_buf *b, size_t n)
{
    size_t need;
    if (b->failed) return false;
    if (__builtin_add_overflow(b->len, n, &need) || __builtin_add_overflow(need, (size_t)1, &need) ||
        !slk_grow(&b->data, &b->cap, need, 1)) {
        b->failed = true;
        return false;
    }
    return true;
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
    if (n < 0) {
        b->failed = true;
        return;
    }
    if (!reserve(b, (size_t)n)) return;
    va_start(args, fmt);
    vsnprintf(b->data + b->len, (size_t)n + 1, fmt, args);
    va_end(args);
    b->len += (size_t)n;
}

char *slk_buf_take(slk_buf *b)
{
    slk_buf_add(b, "", 0);
    if (b->failed) {
        slk_buf_release(b);
        return NULL;
    }
    char *data = b->data;
    slk_buf_init(b);
    return data;
}

/* --- arenas ------------------------------------------------------------------------------------------------------ */

#define ARENA_ALIGN       ((size_t)16)
#define ARENA_BLOCK_BYTES ((size_t)64 << 10)

struct slk_arena_block {
    slk_arena_block *next;
    size_t used, cap;
    _Alignas(16) unsigned char data[];
};

static slk_arena_block *arena_block_create(size_t cap)
{
    slk_arena_block *block = slk_alloc(sizeof *block + cap, 1);
    if (block) *block = (slk_arena_block){.cap = cap};
    return block;
}

/* The block to take n_bytes from. One for a large object alone goes behind the head, so that the head's rest stays in
 * use. */
static slk_arena_block *arena_block_for(slk_arena *a, size_t n_bytes)
{
    slk_arena_block *head = a->blocks;
    if (head && head->cap - head->used >= n_bytes) return head;
    bool large = n_bytes > ARENA_BLOCK_BYTES / 4;
    slk_arena_block *block = arena_block_create(large ? n_bytes : ARENA_BLOCK_BYTES);
    if (!block) return NULL;
    if (large && head) {
        block->next = head->next;
        head->next = block;
    } else {
        block->next = head;
        a->blocks = block;
    }
    return block;
}

void *slk_arena_alloc(slk_arena *a, size_t n, size_t size)
{
    size_t n_bytes = bytes_of(n, size);
    if (n_bytes == 0) return NULL;
    n_bytes = (n_bytes + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
    slk_arena_block *block = arena_block_for(a, n_bytes);
    if (!block) return NULL;
    void *object = block->data + block->used;
    block->used += n_bytes;
    a->n_bytes += n_bytes;
    return object;
}

char *slk_arena_strndup(slk_arena *a, const char *s, size_t n)
{
    if (n == SIZE_MAX) return NULL;
    char *copy = slk_arena_alloc(a, n + 1, 1);
    if (!copy) return NULL;
    if (n) memcpy(copy, s, n);
    copy[n] = '\0';
    return copy;
}

void slk_arena_release(slk_arena *a)
{
    if (!a) return;
    for (slk_arena_block *block = a->blocks, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    *a = (slk_arena){0};
}
