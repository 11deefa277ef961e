/* Memory: checked allocation, growable byte strings, arenas.
 * Sizes are multiplied with overflow checks, because counts come from files. */
#ifndef SLK_BASE_MEM_H
#define SLK_BASE_MEM_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>

/* n * size bytes, uninitialised / zeroed; NULL when the product overflows or reaches a TiB, or memory is out. n = 0
 * gives a valid pointer. */
void *slk_alloc(size_t n, size_t size);
void *slk_alloc_zero(size_t n, size_t size);
/* As slk_alloc, aligned to 64 bytes (a cache line, a zmm register). Release with free(). */
void *slk_alloc_aligned(size_t n, size_t size);
/* Grow *items (n_cap elements of size bytes) so that n_need fit; doubles. false = out of memory, *items unchanged. */
bool slk_grow(void *items /* T** */, size_t *n_cap, size_t n_need, size_t size);
char *slk_strdup(const char *s);
char *slk_strndup(const char *s, size_t n);

/* A growable byte string; data is always NUL-terminated once anything was added, and NULL before. A failed addition
 * sets `failed`, leaves the content, and every later addition is ignored: check once at the end. */
typedef struct slk_buf {
    char *data;
    size_t len, cap;
    bool failed;
} slk_buf;

/* init: empty, owns nothing yet (as {0} is). release: frees the content. Additions copy. */
void slk_buf_init(slk_buf *b);
void slk_buf_release(slk_buf *b);
void slk_buf_clear(slk_buf *b); /* len = 0, memory kept */
void slk_buf_add(slk_buf *b, const void *bytes, size_t n);
void slk_buf_add_str(slk_buf *b, const char *s);
void slk_buf_addf(slk_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Hand the string over (never NULL unless failed; release with free()); b is empty afterwards. */
char *slk_buf_take(slk_buf *b);

/* An arena: many small objects that die together. Zero-initialise (`slk_arena a = {0}`) before use. */
typedef struct slk_arena_block slk_arena_block;
typedef struct slk_arena {
    slk_arena_block *blocks;
    size_t n_bytes; /* handed out in all */
} slk_arena;

void *slk_arena_alloc(slk_arena *a, size_t n, size_t size); /* 16-byte aligned, uninitialised; NULL: out of memory */
char *slk_arena_strndup(slk_arena *a, const char *s, size_t n);
void slk_arena_release(slk_arena *a);

#endif
