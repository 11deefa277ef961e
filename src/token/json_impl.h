/* What the readers of tokenizer.json share: the description under construction. */
#ifndef SLK_TOKEN_JSON_IMPL_H
#define SLK_TOKEN_JSON_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "token/tokenizer.h"
#include "token/tokenizer_json.h"

#define SLK_SPACE_MARK       "\xE2\x96\x81" /* U+2581 */
#define SLK_SPACE_MARK_BYTES 3
#define SLK_JSON_MAX_OPS     16

/* How the file makes words and what it puts around them, before it is known which kind of vocabulary it is. */
typedef struct slk_json_rules {
    slk_normal_op ops[SLK_JSON_MAX_OPS];
    size_t n_ops;
    const char *patterns[SLK_RULES_MAX_PATTERNS], *names[SLK_RULES_MAX_PATTERNS]; /* name: the family's, or "digits" */
    size_t n_patterns;
    bool byte_level, metaspace, split_words;
    slk_prefix prefix;
    bool add_bos, add_eos;
    int32_t template_bos, template_eos; /* -1: none */
} slk_json_rules;

struct slk_json_vocab {
    slk_arena arena; /* strings and arrays */
    char *path, *dir;
    json_t *root;   /* tokenizer.json: token and normaliser strings are borrowed from it */
    json_t *config; /* tokenizer_config.json or NULL */
    char *config_path;
    const json_t *vocab; /* model.vocab */
    int32_t *slots;      /* hash table of the same, from spelling to id: merges ask a million times */
    size_t slot_mask;
    slk_bytes *tokens;
    int32_t *types;
    uint8_t *added;
    slk_merge_pair *pairs;
    size_t n_tokens, n_merges;
    const char *unk; /* or NULL */
    bool byte_fallback, ignore_merges;
    slk_json_rules found;
    slk_text_rules rules;
    slk_vocab description;
};

/* --- typed access; `where` is the path of `object` for messages ("model", "pre_tokenizer.pretokenizers[1]") --- */
/* A key that may be absent or null: *value keeps its default. */
slk_status slk_json_get_bool(const char *path, const json_t *object, const char *where, const char *key, bool *value,
                             slk_err *err);
slk_status slk_json_get_str(const char *path, const json_t *object, const char *where, const char *key,
                            const char **value, slk_err *err);

/* Fill v->found from normalizer, pre_tokenizer and post_processor. */
slk_status slk_json_read_rules(slk_json_vocab *v, slk_err *err);

#endif
