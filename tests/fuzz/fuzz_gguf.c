/* Opens any bytes as a GGUF file and touches everything that an open file promises to be readable. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "format/gguf.h"
#include "fuzz.h"

/* The sum is returned through a volatile, so that no read is optimised away. */
static volatile uint64_t sink;

static void touch(const void *bytes, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += ((const uint8_t *)bytes)[i];
    sink += sum;
}

static void touch_array(const slk_gguf *file, const char *key)
{
    slk_gguf_type type;
    size_t n = 0;
    slk_gguf_str s;
    double f;
    int64_t v;
    if (!slk_gguf_get_array(file, key, &type, &n)) return;
    for (size_t i = 0; i < n; i++) {
        if (slk_gguf_array_str(file, key, i, &s)) touch(s.data, s.len);
        if (slk_gguf_array_f64(file, key, i, &f)) touch(&f, sizeof f);
        if (slk_gguf_array_i64(file, key, i, &v)) touch(&v, sizeof v);
    }
    if (slk_gguf_array_str(file, key, n, &s) || slk_gguf_array_i64(file, key, n, &v)) abort();
}

static void touch_key(const slk_gguf *file, size_t i)
{
    slk_gguf_type type;
    slk_gguf_str s;
    double f;
    uint64_t u;
    int64_t v;
    bool b;
    char text[24];
    const char *key = slk_gguf_key_at(file, i, &type, text, sizeof text);
    touch(text, strlen(text));
    if (slk_gguf_get_str(file, key, &s)) touch(s.data, s.len);
    if (slk_gguf_get_f64(file, key, &f)) touch(&f, sizeof f);
    if (slk_gguf_get_u64(file, key, &u)) touch(&u, sizeof u);
    if (slk_gguf_get_i64(file, key, &v)) touch(&v, sizeof v);
    if (slk_gguf_get_bool(file, key, &b)) touch(&b, sizeof b);
    touch_array(file, key);
}

/* What was read can be copied, and the copy's header is well-formed too. */
static void copy_keys(const slk_gguf *file)
{
    slk_gguf_writer *w = NULL;
    if (slk_gguf_writer_create(&w, NULL)) return;
    slk_gguf_put_all(w, file, NULL);
    slk_gguf_writer_free(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    slk_gguf *file = NULL;
    slk_err err = {0};
    if (slk_gguf_open_memory(&file, data, n_bytes, "fuzz", &err)) {
        if (file || err.code == SLK_OK || err.msg[0] == 0) abort();
        return 0;
    }
    for (size_t i = 0; i < slk_gguf_n_keys(file); i++) touch_key(file, i);
    for (size_t i = 0; i < slk_gguf_n_tensors(file); i++) {
        const slk_gguf_tensor *t = slk_gguf_tensor_at(file, i);
        if (slk_gguf_find_tensor(file, t->name) != t) abort();
        touch(t->data, t->n_bytes);
    }
    copy_keys(file);
    slk_gguf_close(file);
    return 0;
}
