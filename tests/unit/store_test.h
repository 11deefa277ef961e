/* Facts and labels for the tests of the store. */
#ifndef SLK_STORE_TEST_H
#define SLK_STORE_TEST_H

#include "data_test.h"
#include "base/label.h"
#include "store/facts.h"
#include "store/labels.h"
#include "store/merge.h"
#include "store/prompts.h"

/* n facts of relations R0 and R1, the last in dev; with awkward texts. tag goes into the questions. */
static inline void make_facts(slk_facts *facts, int n, const char *tag)
{
    memset(facts, 0, sizeof *facts);
    for (int i = 0; i < n; i++) {
        char question[64];
        snprintf(question, sizeof question, "%s \"question\" %d?\n\xC3\xA9'", tag, i);
        slk_fact fact = {.relation = strdup(i % 2 ? "R1" : "R0"),
                         .question = strdup(question),
                         .subject = i % 3 ? strdup("subject") : NULL,
                         .answers = calloc(2, sizeof(char *)),
                         .n_answers = 1 + (size_t)(i % 2),
                         .aliases = calloc(1, sizeof(char *)),
                         .n_aliases = (size_t)(i % 2),
                         .split = i == n - 1 ? SLK_SPLIT_DEV : SLK_SPLIT_TEST,
                         .ood = i % 2 == 1};
        fact.answers[0] = strdup("an \\ \"answer\"");
        if (i % 2) fact.answers[1] = strdup("other");
        if (i % 2) fact.aliases[0] = strdup("alias");
        fact.id = slk_fact_identity(&fact);
        assert_true(slk_facts_push(facts, &fact));
    }
}

static inline slk_label_settings make_settings(void)
{
    slk_label_settings s = {.model_hash = 0xFEDCBA9876543210u,
                            .seed = 0xFFFFFFFFFFFFFFFFu,
                            .n_ex = 3,
                            .n_shots = 4,
                            .n_samples = 5,
                            .top_k = 40,
                            .temperature = 0.1 + 0.2,
                            .template_hash = 5};
    strcpy(s.model_name, "a \"model\"");
    strcpy(s.dtype, "bf16");
    strcpy(s.kernels, "avx512");
    strcpy(s.match, "em");
    strcpy(s.decoded, "all");
    strcpy(s.set_name, "set");
    strcpy(s.pool, "dev");
    return s;
}

/* A label of 3 prompts with 5 samples whose bits and texts follow from `key`. */
static inline slk_label make_label(uint64_t fact_id, unsigned key)
{
    slk_label label = {.fact_id = fact_id, .n_ex = 3, .n_samples = 5};
    label.greedy = calloc(3, 1);
    label.sampled = calloc(15, 1);
    label.p_gold = calloc(3, sizeof(double));
    label.answers = calloc(18, sizeof *label.answers);
    for (unsigned e = 0; e < 3; e++) {
        label.p_gold[e] = 1.0 / (3 + e + key);
        label.greedy[e] = (key >> e) & 1;
        for (int d = -1; d < 5; d++) {
            char text[32];
            if (d >= 0) label.sampled[e * 5 + (unsigned)d] = (key + e * 5 + (unsigned)d) % 3 == 0;
            if (d == 3) continue; /* not decoded */
            slk_answer *a = &label.answers[label.n_answers++];
            snprintf(text, sizeof text, "text '%u' \xE2\x82\xAC", (key + e + (unsigned)(d + 1)) % 4);
            a->text = strdup(text);
            a->prompt = (uint16_t)e;
            a->draw = (int16_t)d;
            a->match = (d < 0 ? label.greedy[e] : label.sampled[e * 5 + (unsigned)d]) != 0;
        }
    }
    return label;
}

static inline void assert_same_label(const slk_label *a, const slk_label *b)
{
    assert_int_equal(a->fact_id, b->fact_id);
    assert_int_equal(a->n_ex, b->n_ex);
    assert_int_equal(a->n_samples, b->n_samples);
    assert_int_equal(a->unlabelable, b->unlabelable);
    assert_memory_equal(a->greedy, b->greedy, a->n_ex);
    assert_memory_equal(a->sampled, b->sampled, (size_t)a->n_ex * a->n_samples);
    assert_memory_equal(a->p_gold, b->p_gold, a->n_ex * sizeof(double));
    assert_int_equal(a->n_answers, b->n_answers);
    for (size_t i = 0; i < a->n_answers; i++) {
        assert_string_equal(a->answers[i].text, b->answers[i].text);
        assert_int_equal(a->answers[i].prompt, b->answers[i].prompt);
        assert_int_equal(a->answers[i].draw, b->answers[i].draw);
        assert_int_equal(a->answers[i].match, b->answers[i].match);
    }
}

static inline void put_label(slk_store *store, int64_t set, uint64_t fact_id, unsigned key)
{
    slk_label label = make_label(fact_id, key);
    assert_ok(slk_store_put_labels(store, set, &label, 1, err));
    slk_label_release(&label);
}

static inline slk_store *open_store(const char *path)
{
    slk_store *store;
    assert_ok(slk_store_open(&store, path, SLK_STORE_CREATE, err));
    return store;
}

#endif
