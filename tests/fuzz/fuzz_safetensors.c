/* Opens any bytes as a safetensors file and touches everything that an open file promises to be readable. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "format/safetensors.h"
#include "fuzz.h"

/* The sum goes to a volatile, so that no read is optimised away. */
static volatile uint64_t sink;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    slk_safetensors *file = NULL;
    slk_err err = {0};
    if (slk_safetensors_open_memory(&file, data, n_bytes, "fuzz", &err)) {
        if (file || err.code == SLK_OK || err.msg[0] == 0) abort();
        return 0;
    }
    size_t n_covered = 0;
    for (size_t i = 0; i < slk_safetensors_n_tensors(file); i++) {
        const slk_safetensor *t = slk_safetensors_tensor_at(file, i);
        uint64_t sum = strlen(t->type_name);
        if (slk_safetensors_find_tensor(file, t->name) != t) abort();
        for (size_t j = 0; j < t->n_bytes; j++) sum += t->data[j];
        n_covered += t->n_bytes;
        sink += sum;
    }
    if (n_covered > n_bytes) abort(); /* tensors do not overlap */
    const char *format = slk_safetensors_metadata(file, "format");
    if (format) sink += strlen(format);
    slk_safetensors_close(file);
    return 0;
}
