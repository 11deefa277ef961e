/* A fact: one question with its true answers, and where it came from. The currency of the whole program, so it lives in
 * base: data/ reads facts, store/ keeps them, know/ asks them. */
#ifndef SLK_BASE_FACT_H
#define SLK_BASE_FACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum slk_split { SLK_SPLIT_TRAIN = 0, SLK_SPLIT_DEV = 1, SLK_SPLIT_TEST = 2 } slk_split;
#define SLK_N_SPLITS 3

typedef struct slk_fact {
    uint64_t id;    /* slk_fact_identity(); keys everything random about this fact */
    char *relation; /* "" when the data has none */
    char *question; /* NFC, valid UTF-8, not empty */
    char *subject;  /* NULL when unknown */
    char **answers; /* [n_answers >= 1]; answers[0] is canonical; all true */
    size_t n_answers;
    char **aliases; /* [n_aliases] other spellings that match too */
    size_t n_aliases;
    slk_split split;
    bool ood; /* relation is out of distribution: test only */
} slk_fact;

typedef struct slk_facts {
    slk_fact *items; /* [n] */
    size_t n, cap;
} slk_facts;

/* 64-bit hash of relation, question and answers (as they stand: NFC), in that order. The split is no part of it. */
uint64_t slk_fact_identity(const slk_fact *fact);
void slk_fact_release(slk_fact *fact);
/* Deep copy. false: out of memory, *out zeroed. */
bool slk_fact_copy(slk_fact *out, const slk_fact *fact);
void slk_facts_release(slk_facts *facts);
/* Append by moving *fact (zeroed afterwards). false: out of memory, fact untouched. */
bool slk_facts_push(slk_facts *facts, slk_fact *fact);
const char *slk_split_name(slk_split split); /* "train" "dev" "test" */
/* -1 when name is none of the three ("validation", "valid" = dev). */
int slk_split_parse(const char *name);

#endif
