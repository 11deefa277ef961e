/* slick as a C library: what does a language model know about these facts?
 *
 * One handle, slk_lm, is an opened model with its tokenizer; everything begins with slk_lm_:
 *
 *     slk_err err;
 *     slk_lm *lm;
 *     if (slk_lm_open(&lm, "model.gguf", NULL, &err) != SLK_OK) { fprintf(stderr, "%s\n", err.msg); return 1; }
 *     ... slk_lm_label_facts(lm, facts, n, NULL, 0, NULL, on_label, user, &err) ...
 *     slk_lm_close(lm);
 *
 * Results are those of the program `slick`, bit for bit, for any number of threads.
 *
 * Rules for all functions. Results come first among the arguments, `err` last; err may be NULL. On failure outputs
 * that are pointers are NULL, and nothing is left to release. Texts are UTF-8, NUL-terminated where no length is given;
 * what the library copies or borrows is said below. "free() it" means the C library's free(). Options may be NULL: the
 * defaults; to change some, begin with the matching slk_lm_*_options_init().
 * The library never prints, never ends the process, reads no environment variable of its own and keeps no global state.
 * Threads: one handle by one thread at a time (it computes on several itself); different handles independently.
 * slk_lm_describe, slk_lm_tokenize and slk_lm_detokenize only read the handle and may run side by side. */
#ifndef SLK_SLICK_H
#define SLK_SLICK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* "0.1.0". Static. */
const char *slk_version(void);

/* --- errors ------------------------------------------------------------------------------------------------------ */

/* Values are part of the API: appended to, never renumbered. */
typedef enum slk_status {
    SLK_OK = 0,
    SLK_E_IO = 1,          /* the operating system said no: message has the path and strerror */
    SLK_E_FORMAT = 2,      /* a file's content is not what its format demands */
    SLK_E_SHAPE = 3,       /* sizes that do not fit each other */
    SLK_E_MEMORY = 4,      /* out of memory, or a size that could never be allocated */
    SLK_E_ARG = 5,         /* the caller asked for something impossible */
    SLK_E_UNSUPPORTED = 6, /* well-formed, but nothing slick knows */
    SLK_E_NOT_FOUND = 7,   /* a key, tensor, set or relation that is not there */
    SLK_E_STATE = 8,       /* a store or output that another version, run or process owns */
    SLK_E_INTERRUPTED = 9, /* stopped on request; what was finished is kept */
} slk_status;

/* The caller's; filled on failure only. */
typedef struct slk_err {
    slk_status code;
    char msg[1024]; /* NUL-terminated, one line, no trailing full stop, no "error:" prefix */
} slk_err;

/* Short constant name of a status ("ok", "io", "format", ...). Never NULL. */
const char *slk_status_name(slk_status status);

/* --- a model ----------------------------------------------------------------------------------------------------- */

typedef struct slk_lm slk_lm;

typedef struct slk_lm_options {
    const char *dtype; /* what products are computed in: "bf16", "f32"; NULL: bf16 where the processor multiplies it */
    int n_threads;     /* 0: physical cores */
    const char *adapter; /* a LoRA adapter, PEFT directory or GGUF file, applied without merging; NULL: none */
} slk_lm_options;

/* Fill in the defaults. */
void slk_lm_options_init(slk_lm_options *options);

/* Open a .gguf file or a Hugging Face directory (config.json, model.safetensors, tokenizer.json). Loads all weights.
 * Errors: SLK_E_IO; SLK_E_FORMAT, SLK_E_SHAPE, SLK_E_NOT_FOUND (the file: the message names it and the key or tensor);
 * SLK_E_UNSUPPORTED (architecture, tensor type, bf16 on a processor without it, a kind of adapter); SLK_E_ARG
 * (options); SLK_E_MEMORY. *out is the caller's: slk_lm_close(), NULL is fine. */
slk_status slk_lm_open(slk_lm **out, const char *path, const slk_lm_options *options, slk_err *err);
void slk_lm_close(slk_lm *lm);

typedef struct slk_lm_info {
    const char *arch;    /* "llama", "qwen2", ... */
    const char *name;    /* general.name of the file, or the file's or directory's own */
    const char *dtype;   /* "bf16" or "f32" */
    const char *kernels; /* everything that can change bits: equal names = equal numbers */
    int n_layers, d_model, n_heads, n_kv_heads, head_dim, d_ff;
    int n_vocab;           /* columns of logits */
    int n_context;         /* longest sequence, in tokens */
    int window;            /* tokens that windowed layers see; 0: no layer is windowed */
    int n_threads;         /* at work */
    int32_t bos, eos;      /* -1: none */
    bool adds_bos;         /* sequences begin with BOS */
    int64_t n_body_params; /* parameters outside embedding and output */
    size_t weights_bytes;  /* resident weights */
    uint64_t hash;         /* XXH3 of the bytes that decide results */
} slk_lm_info;

/* Borrowed, with its strings, until slk_lm_close. */
const slk_lm_info *slk_lm_describe(const slk_lm *lm);

/* --- tokens ------------------------------------------------------------------------------------------------------ */

enum {
    SLK_LM_BOS = 1,     /* tokenize: begin with BOS where the model's add_bos says so */
    SLK_LM_SPECIAL = 2, /* text that spells a control token is that token (never for text from data), and back */
};

/* *tokens [*n_tokens] ids of text [n_bytes], any bytes. flags: SLK_LM_BOS, SLK_LM_SPECIAL. free(*tokens); it is not
 * NULL when there are no tokens. Errors: SLK_E_FORMAT (a byte that no token stands for), SLK_E_ARG, SLK_E_MEMORY. */
slk_status slk_lm_tokenize(int32_t **tokens, size_t *n_tokens, const slk_lm *lm, const char *text, size_t n_bytes,
                           unsigned flags, slk_err *err);
/* The bytes of tokens [n_tokens] (a NUL stands behind the *n_bytes; n_bytes may be NULL). Control tokens add nothing
 * unless SLK_LM_SPECIAL. Not repaired: a token may end inside a character. free(*text). Errors: SLK_E_ARG (an id out of
 * range), SLK_E_MEMORY. */
slk_status slk_lm_detokenize(char **text, size_t *n_bytes, const slk_lm *lm, const int32_t *tokens, size_t n_tokens,
                             unsigned flags, slk_err *err);

/* --- what comes next --------------------------------------------------------------------------------------------- */

/* logits [n_vocab] f32 of the caller: the row behind the last of tokens [n_tokens >= 1], before any temperature.
 * Errors: SLK_E_ARG (no tokens, more than n_context, an id out of range), SLK_E_MEMORY. */
slk_status slk_lm_logits(float *logits, slk_lm *lm, const int32_t *tokens, size_t n_tokens, slk_err *err);

typedef struct slk_lm_token {
    int32_t id;
    double logprob; /* natural logarithm, T = 1, over the whole vocabulary */
} slk_lm_token;

/* top [k] of the caller: the min(k, n_vocab) likeliest next tokens by (logit descending, id ascending); *n_top says how
 * many (may be NULL). 1 <= k <= 1024. Errors: as slk_lm_logits. */
slk_status slk_lm_top(slk_lm_token *top, size_t *n_top, slk_lm *lm, const int32_t *tokens, size_t n_tokens, int k,
                      slk_err *err);

typedef struct slk_lm_generate_options {
    int max_tokens;     /* 32; >= 1 */
    double temperature; /* 0: always the likeliest token (default); else tokens are drawn */
    int top_k;          /* 40; 1 .. 1024: drawn among these many */
    uint64_t seed;      /* 0; the same seed and prompt give the same text */
    const char *stop;   /* end before this text, not empty; "\n" (default), NULL: none */
} slk_lm_generate_options;

/* Fill in the defaults. */
void slk_lm_generate_options_init(slk_lm_generate_options *options);

/* *text: how the model goes on with `prompt` (BOS before it where the model wants one; never parsed for control
 * tokens), up to the stop text, an end token, max_tokens or the end of the context; broken UTF-8 repaired; not trimmed.
 * free(*text). Errors: SLK_E_ARG (options, an empty prompt, one longer than the context), SLK_E_FORMAT, SLK_E_MEMORY.
 */
slk_status slk_lm_generate(char **text, slk_lm *lm, const char *prompt, const slk_lm_generate_options *options,
                           slk_err *err);

/* --- scores ------------------------------------------------------------------------------------------------------ */

/* The answer follows the prompt after one space and ends with a line break (so it has none itself). */
typedef struct slk_lm_pair {
    const char *prompt, *answer;
} slk_lm_pair;

typedef struct slk_lm_score {
    bool greedy_match;   /* greedy decoding writes the answer, as options.match compares */
    char *greedy_answer; /* what it writes, trimmed */
    double logprob;      /* natural log of P(answer + line break | prompt), T = 1, whole vocabulary */
    double p_sample;     /* probability of the same tokens at the options' temperature and top k */
    int n_tokens;        /* of answer + line break */
} slk_lm_score;

typedef struct slk_lm_score_options {
    const char *match;  /* "em" (default), "strict", "contains", "f1:0.8" */
    double temperature; /* 0.5; > 0 */
    int top_k;          /* 40; 1 .. 1024 */
    int max_tokens;     /* 32; where the greedy answer ends at the latest */
} slk_lm_score_options;

/* Fill in the defaults. */
void slk_lm_score_options_init(slk_lm_score_options *options);

/* scores [n] of the caller, one for each of pairs [n]; release them with slk_lm_scores_release (on failure they are
 * zero). Errors: SLK_E_ARG (options; a pair, named by its number from 1: empty, with a line break in the answer, longer
 * than the context), SLK_E_FORMAT (no UTF-8), SLK_E_MEMORY. */
slk_status slk_lm_score_pairs(slk_lm_score *scores, slk_lm *lm, const slk_lm_pair *pairs, size_t n,
                              const slk_lm_score_options *options, slk_err *err);
/* Free what scores [n] own; the array itself is the caller's. */
void slk_lm_scores_release(slk_lm_score *scores, size_t n);

/* --- labels (SliCK) ---------------------------------------------------------------------------------------------- */

/* How well a model knows a fact: always, sometimes or never right when greedy; never greedy but at times when sampled;
 * never at all. */
typedef enum slk_category {
    SLK_HIGHLY_KNOWN = 0, /* every greedy answer is right */
    SLK_MAYBE_KNOWN = 1,  /* some greedy answers are */
    SLK_WEAKLY_KNOWN = 2, /* no greedy answer, some sampled ones */
    SLK_UNKNOWN = 3,      /* none */
    SLK_UNLABELABLE = 4,  /* the gold answer has a line break or too many tokens: nothing could match it */
} slk_category;

/* "HighlyKnown" ... "Unlabelable". Static. */
const char *slk_category_name(slk_category category);

/* A question and what is true. Borrowed for the call; trimmed and brought to NFC, as `slick import` does. */
typedef struct slk_lm_fact {
    const char *question;
    const char *const *answers; /* [n_answers >= 1] all true; answers[0] is canonical */
    size_t n_answers;
    const char *const *aliases; /* [n_aliases] other spellings that match too; NULL when there are none */
    size_t n_aliases;
    const char *relation; /* facts of one relation are examples for each other; NULL: "" */
    const char *subject;  /* what the question is about: never an example for a question about itself; NULL: unknown */
} slk_lm_fact;

typedef struct slk_lm_label {
    slk_category category;
    double p_greedy,
        p_sampled; /* shares of right answers among the n_ex greedy and the n_ex * n_samples sampled ones */
    double
        p_gold; /* exact probability of the canonical answer at the options' temperature and top k, mean over prompts */
    const char *answer; /* greedy answer to the first prompt; NULL where a wrong one was not decoded to its end */
} slk_lm_label;

typedef struct slk_lm_label_options {
    unsigned n_ex;             /* 10; prompts a fact is asked with, 1 .. 1000 */
    unsigned n_shots;          /* 4; solved examples a prompt, 0 .. 64 (0: n_ex must be 1) */
    unsigned n_samples;        /* 16; sampled answers a prompt besides the greedy one, 0 .. 1000 */
    double temperature;        /* 0.5; of the samples, > 0 */
    int top_k;                 /* 40; 1 .. 1024 */
    int max_tokens;            /* 32; of an answer */
    uint64_t seed;             /* 0 */
    const char *match;         /* "em" (default), "strict", "contains", "f1:0.8" */
    const char *prompt_format; /* text of a template ([exemplar], [question] sections); NULL: "Q: ...\nA: ..." */
    bool decode_greedy; /* false; decode wrong greedy answers, too, so that slk_lm_label.answer is there: slower */
} slk_lm_label_options;

/* Fill in the defaults. */
void slk_lm_label_options_init(slk_lm_label_options *options);

/* Called from the calling thread as facts are finished, in no particular order; index is that of `facts`, label and its
 * text are valid during the call. Return false to stop: SLK_E_INTERRUPTED. Must not use the handle. */
typedef bool slk_lm_on_label(void *user, size_t index, const slk_lm_label *label);

/* Label facts [n_facts]. The few-shot examples are drawn from pool [n_pool] (pool NULL: from the facts themselves),
 * from the asked fact's relation, never the asked fact itself. Each fact is reported once; equal facts are asked once.
 * Errors: SLK_E_ARG (options, a prompt longer than the context), SLK_E_SHAPE (too few facts of a relation in the pool
 * for n_ex different prompts: names all such relations), SLK_E_FORMAT (options.prompt_format, or "facts:3: ..." and
 * "pool:3: ...", counted from 1: no question, no answer, no UTF-8), SLK_E_INTERRUPTED, SLK_E_MEMORY. */
slk_status slk_lm_label_facts(slk_lm *lm, const slk_lm_fact *facts, size_t n_facts, const slk_lm_fact *pool,
                              size_t n_pool, const slk_lm_label_options *options, slk_lm_on_label *on_label, void *user,
                              slk_err *err);

#ifdef __cplusplus
}
#endif

#endif
