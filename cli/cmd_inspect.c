/* slick inspect: what is in a model file. */
#include "command.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/text.h"
#include "format/gguf.h"
#include "format/safetensors.h"
#include "model.h"
#include "model/config.h"
#include "model/vocab.h"
#include "table.h"
#include "terminal.h"
#include "token/tokenizer_json.h"

static struct {
    bool keys, tensors;
} opt;

static const slk_option OPTIONS[] = {SLK_OPT_FLAG("keys", &opt.keys, "also every metadata key of the file"),
                                     SLK_OPT_FLAG("tensors", &opt.tensors, "also every tensor with shape and type"),
                                     SLK_OPT_END};

/* Numbers that files keep under "<architecture>.<key>"; n is 0 where the file says nothing. */
typedef struct shape {
    const char *json, *key, *shown;
    uint64_t n;
} shape;

enum { LAYERS, WIDTH, HEADS, KV_HEADS, HEAD_DIM, FEED_FORWARD, CONTEXT, N_SHAPES };

typedef struct summary {
    char architecture[64], name[128];
    shape shapes[N_SHAPES];
    uint64_t n_parameters, n_embedding; /* n_embedding: rows that are looked up or multiplied once, at the ends */
    uint64_t n_vector;                  /* parameters of one-dimensional tensors, kept in f32 */
    uint64_t tensor_bytes;
    uint64_t kv_bytes_per_token; /* keys and values of one token in 2-byte numbers; 0: unknown */
    bool is_tied, is_quantised;
    slk_err cannot_run; /* code SLK_OK: slick knows how to run it */
} summary;

/* What was opened: one of gguf and weights. */
typedef struct model_file {
    const char *path;
    slk_gguf *gguf;
    slk_safetensors *weights;
    json_t *config; /* of a directory */
} model_file;

typedef struct tensor_view {
    const char *name, *type;
    uint32_t n_dims;
    uint64_t dims[SLK_SAFETENSORS_MAX_DIMS]; /* slowest first: rows x columns, as everybody writes it */
    uint64_t n_values, n_bytes;
    bool is_quantised;
} tensor_view;

static size_t n_tensors(const model_file *file)
{
    return file->gguf ? slk_gguf_n_tensors(file->gguf) : slk_safetensors_n_tensors(file->weights);
}

/* Sizes are checked against the file by the readers. */
static tensor_view tensor_at(const model_file *file, size_t i)
{
    tensor_view v = {.n_values = 1};
    if (file->gguf) {
        const slk_gguf_tensor *t = slk_gguf_tensor_at(file->gguf, i);
        const slk_dtype_info *info = slk_dtype_find(t->dtype);
        v.name = t->name;
        v.type = info ? info->name : "?";
        v.is_quantised = info && info->n_block > 1;
        v.n_dims = t->n_dims;
        v.n_bytes = t->n_bytes;
        for (uint32_t d = 0; d < t->n_dims; d++) v.dims[d] = t->ne[t->n_dims - 1 - d];
    } else {
        const slk_safetensor *t = slk_safetensors_tensor_at(file->weights, i);
        v.name = t->name;
        v.type = t->type_name;
        v.n_dims = t->n_dims;
        v.n_bytes = t->n_bytes;
        memcpy(v.dims, t->shape, sizeof v.dims);
    }
    for (uint32_t d = 0; d < v.n_dims; d++) v.n_values *= v.dims[d];
    return v;
}

/* A string of the file, fit for a terminal and for JSON: valid UTF-8 without control characters. */
static void copy_str(char *out, size_t n_bytes, const slk_gguf *file, const char *key)
{
    slk_gguf_str s;
    out[0] = '\0';
    if (!slk_gguf_get_str(file, key, &s)) return;
    size_t len = slk_utf8_valid(s.data, s.len < n_bytes ? s.len : n_bytes - 1);
    for (size_t i = 0; i < len; i++) out[i] = (unsigned char)s.data[i] < 0x20 || s.data[i] == 0x7F ? '?' : s.data[i];
    out[len] = '\0';
}

static void read_shapes(summary *s, const slk_gguf *file, const slk_config *config)
{
    static const shape SHAPES[N_SHAPES] = {
        [LAYERS] = {"n_layers", "block_count", "layers", 0},
        [WIDTH] = {"n_hidden", "embedding_length", "width", 0},
        [HEADS] = {"n_heads", "attention.head_count", "attention heads", 0},
        [KV_HEADS] = {"n_kv_heads", "attention.head_count_kv", "key/value heads", 0},
        [HEAD_DIM] = {"head_dim", "attention.key_length", "head width", 0},
        [FEED_FORWARD] = {"n_feed_forward", "feed_forward_length", "feed-forward width", 0},
        [CONTEXT] = {"n_context", "context_length", "context", 0},
    };
    memcpy(s->shapes, SHAPES, sizeof SHAPES);
    if (!file && config) { /* a directory; without a description of its own it says nothing */
        const int n[N_SHAPES] = {config->n_layers, config->d_model, config->n_heads,  config->n_kv_heads,
                                 config->head_dim, config->d_ff,    config->n_context};
        for (int i = 0; i < N_SHAPES; i++) s->shapes[i].n = (uint64_t)n[i];
    }
    for (int i = 0; i < N_SHAPES && file; i++) {
        char key[160];
        snprintf(key, sizeof key, "%s.%s", s->architecture, SHAPES[i].key);
        if (!slk_gguf_get_u64(file, key, &s->shapes[i].n)) s->shapes[i].n = 0;
    }
    shape *h = s->shapes;
    if (!h[KV_HEADS].n) h[KV_HEADS].n = h[HEADS].n;
    if (!h[HEAD_DIM].n && h[HEADS].n) h[HEAD_DIM].n = h[WIDTH].n / h[HEADS].n;
    if (h[LAYERS].n < 65536 && h[KV_HEADS].n < 65536 && h[HEAD_DIM].n < 65536)
        s->kv_bytes_per_token = 2 * 2 * h[LAYERS].n * h[KV_HEADS].n * h[HEAD_DIM].n;
}

static bool is_one_of(const char *name, const char *const *names)
{
    while (*names && strcmp(name, *names) != 0) names++;
    return *names != NULL;
}

static void read_tensors(summary *s, const model_file *file)
{
    static const char *const outputs[] = {"output.weight", "lm_head.weight", NULL};
    static const char *const embeddings[] = {"token_embd.weight",
                                             "position_embd.weight",
                                             "model.embed_tokens.weight",
                                             "transformer.wte.weight",
                                             "transformer.wpe.weight",
                                             "wte.weight",
                                             "wpe.weight",
                                             NULL};
    s->is_tied = true;
    for (size_t i = 0; i < n_tensors(file); i++) {
        tensor_view t = tensor_at(file, i);
        s->n_parameters += t.n_values;
        s->tensor_bytes += t.n_bytes;
        if (t.n_dims < 2) s->n_vector += t.n_values;
        bool is_output = is_one_of(t.name, outputs);
        if (is_output) s->is_tied = false;
        if (is_output || is_one_of(t.name, embeddings)) s->n_embedding += t.n_values;
        if (t.is_quantised) s->is_quantised = true;
    }
}

/* --- memory ---------------------------------------------------------------------------------------------------------
 * What each command needs, made of the weights in the compute type and the keys and values of the tokens it holds at
 * once. A command that runs the model adds its row here. */

typedef struct memory_row {
    const char *json, *shown;
    uint64_t n_bytes;
} memory_row;

enum { N_MEMORY_ROWS = 3 };

static void plan_memory(memory_row rows[N_MEMORY_ROWS], const summary *s)
{
    uint64_t n_matrix = s->n_parameters - s->n_vector;
    rows[0] = (memory_row){"weights_bf16", "weights in bf16", 2 * n_matrix + 4 * s->n_vector};
    rows[1] = (memory_row){"weights_f32", "weights in f32", 4 * s->n_parameters};
    rows[2] = (memory_row){"kv_bf16_per_token", "keys and values of a token in bf16", s->kv_bytes_per_token};
}

/* --- how many tensors are of which type ------------------------------------------------------------------------- */

typedef struct type_count {
    const char *name;
    uint64_t n_tensors, n_parameters, n_bytes;
} type_count;

enum { MAX_TYPES = 32 };

static size_t count_types(type_count *out, const model_file *file)
{
    size_t n_types = 0;
    for (size_t i = 0; i < n_tensors(file); i++) {
        tensor_view t = tensor_at(file, i);
        size_t k = 0;
        while (k < n_types && strcmp(out[k].name, t.type) != 0) k++;
        if (k == MAX_TYPES) continue;
        if (k == n_types) out[n_types++] = (type_count){.name = t.type};
        out[k].n_tensors++;
        out[k].n_parameters += t.n_values;
        out[k].n_bytes += t.n_bytes;
    }
    return n_types;
}

static void format_dims(char out[192], const tensor_view *t)
{
    int at = 0;
    out[0] = '\0';
    for (uint32_t d = 0; d < t->n_dims; d++)
        at += snprintf(out + at, 192 - (size_t)at, "%s%" PRIu64, at ? " x " : "", t->dims[d]);
}

/* --- JSON ------------------------------------------------------------------------------------------------------- */

static json_t *tokenizer_json(const slk_tokenizer *tok, const model_file *file, const slk_err *problem)
{
    char kind[32] = "tokenizer.json", pre[64] = "";
    if (file->gguf) {
        copy_str(kind, sizeof kind, file->gguf, "tokenizer.ggml.model");
        copy_str(pre, sizeof pre, file->gguf, "tokenizer.ggml.pre");
    }
    json_t *o = json_pack("{s:s, s:s}", "model", kind, "pre", pre);
    if (!tok) {
        json_object_set_new(o, "error", json_string(problem->msg));
        return o;
    }
    json_object_set_new(o, "n_tokens", json_integer((json_int_t)slk_tokenizer_n_tokens(tok)));
    json_object_set_new(o, "bos", json_integer(slk_tokenizer_bos(tok)));
    json_object_set_new(o, "eos", json_integer(slk_tokenizer_eos(tok)));
    json_object_set_new(o, "adds_bos", json_boolean(slk_tokenizer_adds_bos(tok)));
    return o;
}

static json_t *tensors_json(const model_file *file)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n_tensors(file); i++) {
        tensor_view t = tensor_at(file, i);
        json_t *dims = json_array();
        for (uint32_t d = 0; d < t.n_dims; d++) json_array_append_new(dims, json_integer((json_int_t)t.dims[d]));
        json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:I}", "name", t.name, "type", t.type, "shape", dims,
                                              "bytes", (json_int_t)t.n_bytes));
    }
    return list;
}

static json_t *keys_json(const model_file *file)
{
    if (file->config) return json_incref(file->config);
    json_t *o = json_object();
    for (size_t i = 0; i < slk_gguf_n_keys(file->gguf); i++) {
        char value[256];
        slk_gguf_type type;
        const char *key = slk_gguf_key_at(file->gguf, i, &type, value, sizeof value);
        json_object_set_new(o, key, json_string(value));
    }
    return o;
}

static slk_status print_json(const model_file *file, const summary *s, const slk_tokenizer *tok, const slk_err *problem,
                             slk_err *err)
{
    json_t *o =
        json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:b, s:b}", "path", file->path, "architecture", s->architecture,
                  "name", s->name, "n_parameters", (json_int_t)s->n_parameters, "n_parameters_without_embeddings",
                  (json_int_t)(s->n_parameters - s->n_embedding), "tensor_bytes", (json_int_t)s->tensor_bytes,
                  "tied_output", (int)s->is_tied, "quantised", (int)s->is_quantised);
    if (!o) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory (or a path that is not UTF-8)", file->path);
    for (int i = 0; i < N_SHAPES; i++) {
        if (s->shapes[i].n) json_object_set_new(o, s->shapes[i].json, json_integer((json_int_t)s->shapes[i].n));
    }
    type_count types[MAX_TYPES];
    size_t n_types = count_types(types, file);
    json_t *by_type = json_object();
    for (size_t i = 0; i < n_types; i++)
        json_object_set_new(by_type, types[i].name,
                            json_pack("{s:I, s:I, s:I}", "tensors", (json_int_t)types[i].n_tensors, "parameters",
                                      (json_int_t)types[i].n_parameters, "bytes", (json_int_t)types[i].n_bytes));
    json_object_set_new(o, "types", by_type);
    json_object_set_new(o, "tokenizer", tokenizer_json(tok, file, problem));
    memory_row rows[N_MEMORY_ROWS];
    plan_memory(rows, s);
    json_t *memory = json_object();
    for (size_t i = 0; i < N_MEMORY_ROWS; i++)
        json_object_set_new(memory, rows[i].json, json_integer((json_int_t)rows[i].n_bytes));
    json_object_set_new(o, "memory", memory);
    json_object_set_new(o, "can_run", json_boolean(s->cannot_run.code == SLK_OK));
    if (s->cannot_run.code) json_object_set_new(o, "cannot_run", json_string(s->cannot_run.msg));
    if (opt.keys) json_object_set_new(o, "keys", keys_json(file));
    if (opt.tensors) json_object_set_new(o, "tensors", tensors_json(file));
    return slk_cli_json(o, err);
}

/* --- text ------------------------------------------------------------------------------------------------------- */

static void print_shapes(const summary *s)
{
    for (int i = 0; i < N_SHAPES; i++) {
        if (s->shapes[i].n) printf("  %-20s %s\n", s->shapes[i].shown, slk_show_count(s->shapes[i].n).text);
    }
}

static void print_types(const model_file *file)
{
    type_count types[MAX_TYPES];
    size_t n_types = count_types(types, file);
    for (size_t i = 0; i < n_types; i++)
        printf("  %-20s %s tensors, %s parameters, %s\n", types[i].name, slk_show_count(types[i].n_tensors).text,
               slk_show_count(types[i].n_parameters).text, slk_show_bytes(types[i].n_bytes).text);
}

static void print_token(const char *what, const slk_tokenizer *tok, int32_t id, const char *more)
{
    if (id < 0) return;
    slk_buf piece, quoted;
    slk_buf_init(&piece);
    slk_buf_init(&quoted);
    slk_cli_add_piece(&piece, tok, id);
    slk_cli_add_quoted(&quoted, piece.data ? piece.data : "", piece.len);
    if (!quoted.failed) printf("  %-20s %d %s%s\n", what, id, quoted.data, more);
    slk_buf_release(&piece);
    slk_buf_release(&quoted);
}

static void print_tokenizer(const model_file *file, const slk_tokenizer *tok, const slk_err *problem)
{
    printf("\nTokenizer\n");
    if (!tok) {
        printf("  %s\n", problem->msg);
        return;
    }
    char pre[64] = "";
    if (file->gguf) copy_str(pre, sizeof pre, file->gguf, "tokenizer.ggml.pre");
    bool is_bpe = slk_tokenizer_kind(tok) == SLK_VOCAB_BPE;
    printf("  %-20s %s%s%s\n", "kind", is_bpe ? "byte-level BPE" : "SentencePiece-style BPE",
           is_bpe && pre[0] ? ", pre-tokeniser " : "", is_bpe ? pre : "");
    printf("  %-20s %s\n", "vocabulary", slk_show_count(slk_tokenizer_n_tokens(tok)).text);
    print_token("begin of sequence", tok, slk_tokenizer_bos(tok),
                slk_tokenizer_adds_bos(tok) ? ", put before every prompt" : ", not put before prompts");
    print_token("end of text", tok, slk_tokenizer_eos(tok), "");
}

static void print_keys(const model_file *file)
{
    const char *name;
    json_t *item;
    printf("\nKeys\n");
    json_object_foreach(file->config, name, item)
    {
        char *text = json_dumps(item, JSON_ENCODE_ANY | JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(9));
        printf("  %s = %s\n", name, text ? text : "?");
        free(text);
    }
    for (size_t i = 0; file->gguf && i < slk_gguf_n_keys(file->gguf); i++) {
        char value[256];
        slk_gguf_type type;
        const char *key = slk_gguf_key_at(file->gguf, i, &type, value, sizeof value);
        printf("  %s = %s\n", key, value);
    }
}

static slk_status print_lists(const model_file *file, slk_err *err)
{
    if (opt.keys) print_keys(file);
    if (!opt.tensors) return SLK_OK;
    slk_table table;
    slk_table_init(&table, "lrlr", (const char *const[]){"tensor", "shape", "type", "bytes"});
    for (size_t i = 0; i < n_tensors(file); i++) {
        tensor_view t = tensor_at(file, i);
        char dims[192];
        format_dims(dims, &t);
        slk_table_cell(&table, "%s", t.name);
        slk_table_cell(&table, "%s", dims);
        slk_table_cell(&table, "%s", t.type);
        slk_table_cell(&table, "%s", slk_show_count(t.n_bytes).text);
    }
    printf("\n");
    slk_status status = slk_table_print(&table, stdout, err);
    slk_table_release(&table);
    return status;
}

static slk_status print_text(const model_file *file, const summary *s, const slk_tokenizer *tok, const slk_err *problem,
                             slk_err *err)
{
    printf("%s\n", file->path);
    if (s->name[0]) printf("  %-20s %s\n", "name", s->name);
    printf("  %-20s %s\n", "architecture", s->architecture[0] ? s->architecture : "(the file names none)");
    if (n_tensors(file) == 0) {
        printf("  %-20s %s\n", "tensors", "none: the file holds a vocabulary only");
    } else {
        printf("  %-20s %s (%s without embeddings)%s\n", "parameters", slk_show_count(s->n_parameters).text,
               slk_show_count(s->n_parameters - s->n_embedding).text,
               s->is_tied ? ", output tied to the embedding" : "");
    }
    print_shapes(s);
    if (n_tensors(file) > 0 && s->cannot_run.code) printf("  %-20s %s\n", "cannot be run", s->cannot_run.msg);
    if (n_tensors(file) > 0) {
        printf("\nTypes\n");
        print_types(file);
    }
    print_tokenizer(file, tok, problem);
    if (n_tensors(file) > 0) {
        memory_row rows[N_MEMORY_ROWS];
        plan_memory(rows, s);
        printf("\nMemory\n");
        for (size_t i = 0; i < N_MEMORY_ROWS; i++)
            printf("  %-36s %s\n", rows[i].shown, slk_show_bytes(rows[i].n_bytes).text);
    }
    return print_lists(file, err);
}

static slk_status open_gguf(model_file *file, summary *s, slk_tokenizer **tok, slk_err *problem, slk_err *err)
{
    slk_config config;
    slk_status status = slk_gguf_open(&file->gguf, file->path, err);
    if (status) return status;
    copy_str(s->architecture, sizeof s->architecture, file->gguf, "general.architecture");
    copy_str(s->name, sizeof s->name, file->gguf, "general.name");
    read_shapes(s, file->gguf, NULL);
    slk_config_read_gguf(&config, file->gguf, &s->cannot_run);
    /* A file with a tokenizer that slick does not know is still worth looking at. */
    return slk_model_load_tokenizer(tok, file->gguf, problem) == SLK_E_MEMORY
               ? slk_fail(err, SLK_E_MEMORY, "%s", problem->msg)
               : SLK_OK;
}

static slk_status open_directory(model_file *file, summary *s, slk_tokenizer **tok, slk_err *problem, slk_err *err)
{
    slk_config config = {0};
    slk_buf path = {0}, weights = {0};
    slk_buf_addf(&path, "%s/config.json", file->path);
    slk_buf_addf(&weights, "%s/model.safetensors", file->path);
    if (!weights.failed && !slk_file_exists(weights.data)) slk_buf_add_str(&weights, ".index.json");
    slk_status status = path.failed || weights.failed ? slk_fail(err, SLK_E_MEMORY, "out of memory") : SLK_OK;
    if (!status && !slk_file_exists(path.data)) {
        status = slk_fail(err, SLK_E_NOT_FOUND,
                          "%s: found a folder without config.json, expected a .gguf file or a Hugging Face directory",
                          file->path);
    }
    if (!status) status = slk_json_read(&file->config, path.data, err);
    if (!status) status = slk_safetensors_open(&file->weights, weights.data, err);
    if (!status) {
        if (slk_config_read_hf(&config, file->config, path.data, &s->cannot_run)) config = (slk_config){0};
        const char *type = json_string_value(json_object_get(file->config, "model_type"));
        snprintf(s->architecture, sizeof s->architecture, "%s", type ? type : "");
        snprintf(s->name, sizeof s->name, "%s", config.name);
        read_shapes(s, NULL, &config);
        if (slk_tokenizer_open_json(tok, file->path, (size_t)config.n_vocab, problem) == SLK_E_MEMORY) {
            status = slk_fail(err, SLK_E_MEMORY, "%s", problem->msg);
        }
    }
    slk_buf_release(&path);
    slk_buf_release(&weights);
    return status;
}

static slk_status run(slk_cli *cli, slk_err *err)
{
    model_file file = {.path = cli->args[0]};
    slk_tokenizer *tok = NULL;
    slk_err problem = {0};
    summary s = {0};
    slk_status status = slk_dir_exists(file.path) ? open_directory(&file, &s, &tok, &problem, err)
                                                  : open_gguf(&file, &s, &tok, &problem, err);
    if (!status) {
        read_tensors(&s, &file);
        status = cli->json ? print_json(&file, &s, tok, &problem, err) : print_text(&file, &s, tok, &problem, err);
    }
    slk_tokenizer_free(tok);
    slk_gguf_close(file.gguf);
    slk_safetensors_close(file.weights);
    json_decref(file.config);
    return status;
}

const slk_command slk_cmd_inspect = {
    .name = "inspect",
    .group = SLK_GROUP_MODEL,
    .summary = "architecture, shapes, parameters, tokenizer, memory needed",
    .synopsis = "MODEL",
    .about = "Reads the head of the file only, so it is quick for any size. Quantised tensors take the memory of the "
             "compute "
             "type once loaded.",
    .examples = {"slick inspect model.gguf", "slick inspect model.gguf --tensors", "slick inspect model.gguf --json"},
    .n_args_min = 1,
    .n_args_max = 1,
    .options = OPTIONS,
    .run = run,
};
