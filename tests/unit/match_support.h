/* What the tests of the matcher share. Everything is static inline: a test includes it once and uses what it needs. */
#ifndef TEST_MATCH_SUPPORT_H
#define TEST_MATCH_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "know/match.h"

/* Golds of one to three spellings. */
static inline slk_golds *golds_of(const slk_match_rule *rule, const char *a, const char *b, const char *c)
{
    char *texts[3] = {(char *)a, (char *)b, (char *)c};
    slk_fact fact = {.relation = (char *)"",
                     .question = (char *)"q",
                     .answers = texts,
                     .n_answers = 1,
                     .aliases = texts + 1,
                     .n_aliases = b ? c ? 2 : 1 : 0};
    slk_golds *golds = NULL;
    slk_err err = {0};
    if (slk_golds_create(&golds, rule, &fact, &err) != SLK_OK) fail_msg("%s", err.msg);
    return golds;
}

/* Random numbers of a test: a counter of its own. */
typedef struct dice {
    uint64_t seed;
    uint32_t step;
} dice;

static inline uint32_t roll(dice *d, uint32_t n)
{
    return (uint32_t)(slk_rng_u64(d->seed, SLK_PURPOSE_REVIEW, 1, 0, 0, d->step++) % n);
}

static inline void fail_on(const char *what, const char *gold, const char *text, size_t n)
{
    slk_buf b;
    slk_buf_init(&b);
    for (const char *p = gold; *p; p++) slk_buf_addf(&b, "%02X ", (unsigned char)*p);
    slk_buf_add_str(&b, "| text ");
    for (size_t i = 0; i < n; i++) slk_buf_addf(&b, "%02X ", (unsigned char)text[i]);
    fail_msg("%s: gold %s", what, b.data);
}

#endif
