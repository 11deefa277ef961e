/* A GGUF file of any bytes: the reader either refuses it or hands out descriptors that can be read in full. */
#include "fuzz.h"

#include "format/gguf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    slk_gguf *file = NULL;
    if (slk_gguf_open_memory(&file, data, n_bytes, "fuzz", NULL) != SLK_OK) return 0;
    volatile uint8_t sink = 0;
    for (size_t i = 0; i < slk_gguf_n_tensors(file); i++) {
        const slk_gguf_tensor *tensor = slk_gguf_tensor_at(file, i);
        for (size_t k = 0; k < tensor->n_bytes; k++) sink = (uint8_t)(sink ^ tensor->data[k]);
        if (slk_gguf_find_tensor(file, tensor->name) == NULL) __builtin_trap();
    }
    for (size_t i = 0; i < slk_gguf_n_keys(file); i++) {
        slk_gguf_type type, item_type;
        char text[128];
        const char *key = slk_gguf_key_at(file, i, &type, text, sizeof text);
        size_t n_items = 0;
        if (!slk_gguf_get_array(file, key, &item_type, &n_items)) continue;
        for (size_t k = 0; k < n_items; k++) {
            slk_gguf_str str;
            double number;
            if (slk_gguf_array_str(file, key, k, &str)) {
                for (size_t c = 0; c < str.len; c++) sink = (uint8_t)(sink ^ (uint8_t)str.data[c]);
            } else {
                slk_gguf_array_f64(file, key, k, &number);
            }
        }
    }
    slk_gguf_close(file);
    return 0;
}
