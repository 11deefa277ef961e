/* The inside of an adapter: what its files hold and where that belongs. For adapter*.c only. */
#ifndef SLK_MODEL_ADAPTER_IMPL_H
#define SLK_MODEL_ADAPTER_IMPL_H

#include "format/gguf.h"
#include "format/safetensors.h"
#include "model/adapter.h"
#include "model/adapter_config.h"

/* Ranks are filled up with zeros to a multiple of this: odd sizes would lead the library to kernels that are slower and
 * less regular, and a whole model has to follow where one shape needs tiles (slk_compute_self_test). */
#define RANK_STEP 16
#define MAX_RANK  65536

/* The tensors of a layer that can have an adapter. */
enum { TARGET_QKV, TARGET_Q, TARGET_K, TARGET_V, TARGET_ATTN_OUT, TARGET_GATE, TARGET_UP, TARGET_DOWN, N_TARGETS };
typedef struct slk_adapter_target {
    const char *gguf; /* as in the table of names */
    slk_adapted matrix;
} slk_adapter_target;
extern const slk_adapter_target slk_adapter_targets[N_TARGETS];

/* Which of them a tensor "blk.#.attn_q" is; N_TARGETS: none. */
size_t slk_adapter_find_target(const char *gguf);
/* Target i has rows [*row, *row + *n_out) of its matrix, which has *n_in columns. */
void slk_adapter_target_place(const slk_config *c, size_t i, int64_t *row, int64_t *n_out, int64_t *n_in);

/* A tensor of either file. */
typedef struct slk_adapter_tensor {
    const char *name; /* NULL: not there */
    slk_dtype dtype;
    int64_t n_rows, n_cols;
    const uint8_t *data;
} slk_adapter_tensor;

/* The adapter of one tensor of the model. */
typedef struct slk_adapter_pair {
    slk_adapter_tensor a, b; /* [rank, n_in], [n_out, rank] */
    double scale;
    bool by_halves; /* B's rows are in the order of safetensors, where GGUF's rotary pairs are neighbours */
} slk_adapter_pair;

typedef struct slk_adapter_layer {
    slk_adapter_pair pairs[N_TARGETS];
    slk_low_rank low[SLK_N_ADAPTED];
} slk_adapter_layer;

struct slk_adapter {
    char *path;        /* of the file with tensors */
    slk_config config; /* of the model */
    slk_gguf *gguf;
    slk_safetensors *weights;
    slk_adapter_config peft; /* of a PEFT directory */
    double alpha;            /* of a GGUF file; 0: scale 1 */
    uint64_t hash;
    slk_adapter_layer *layers; /* [config.n_layers] */
    void **owned;              /* matrices that the library has no layout of its own for */
    size_t n_owned, cap_owned;
    slk_packed **packed;
    size_t n_packed, cap_packed;
    size_t n_bytes;
};

/* Read the descriptors of either form into a->layers; `path` as given to open. */
slk_status slk_adapter_read_peft(slk_adapter *a, const char *folder, slk_err *err);
slk_status slk_adapter_read_gguf(slk_adapter *a, const char *path, slk_err *err);

#endif
