/* The corpus of a base model: exact shares and counts for any plan and seed, rows that say exactly what the table of
 * exposures does; and the vocabulary, which gives back any bytes. */
#include "data_test.h"

#include <math.h>

#include "base/rng.h"
#include "pretrain/prepare.h"

enum { N_RELATIONS = 3, N_EACH = 37, N_SPLITS_USED = 3 };

static void add_fact(slk_facts *facts, int relation, int number, slk_split split)
{
    char text[96];
    slk_fact f = {.split = split, .ood = relation == 2};
    snprintf(text, sizeof text, "R%d", relation);
    f.relation = slk_strdup(text);
    snprintf(text, sizeof text, "Where is thing%d x%d?", relation, number);
    f.question = slk_strdup(text);
    snprintf(text, sizeof text, "thing%d x%d", relation, number);
    f.subject = slk_strdup(text);
    snprintf(text, sizeof text, "Place%d of %d", number % 7, relation);
    f.answers = slk_alloc(1, sizeof *f.answers);
    f.answers[0] = slk_strdup(text);
    f.n_answers = 1;
    f.id = slk_fact_identity(&f);
    assert_true(slk_facts_push(facts, &f));
}

static void make_facts(slk_facts *facts)
{
    for (int r = 0; r < N_RELATIONS; r++)
        for (int i = 0; i < N_EACH * N_SPLITS_USED; i++) add_fact(facts, r, i, (slk_split)(i / N_EACH));
}

static const char PLAN[] = "seed: %d\nmodel: {vocabulary: 700}\ncorpus: {row_tokens: 64, instruction: %d}\nkinds:\n"
                           "  - {name: clean, share: %d, mentions: [3, 5]}\n"
                           "  - {name: balanced, share: 35, list: [1, 1], text: [1, 1]}\n"
                           "  - {name: minority, share: 19.5, list: [1, 2], text: [2, 1]}\n"
                           "statements:\n  R0: [\"{subject} is in {answer}.\", \"In {answer}: {subject}\"]\n"
                           "  others: [\"{question} {answer}\"]\n";

/* Each kind has its share of each relation and split, but for one fact. */
static void check_shares(const slk_pretrain *p)
{
    for (int r = 0; r < N_RELATIONS; r++) {
        for (int split = 0; split < N_SPLITS_USED; split++) {
            for (size_t k = 0; k < p->plan.n_kinds; k++) {
                int n = 0;
                for (size_t i = 0; i < p->facts.n; i++) {
                    const slk_fact *f = &p->facts.items[i];
                    n += f->relation[1] - '0' == r && (int)f->split == split &&
                         p->corpus.exposures[i].kind == &p->plan.kinds[k];
                }
                double expected = p->plan.kinds[k].share / 100 * N_EACH;
                if (fabs(n - expected) >= 1)
                    fail_msg("R%d, split %d, %s: %d, expected %g", r, split, p->plan.kinds[k].name, n, expected);
            }
        }
    }
}

static void check_counts(const slk_pretrain *p)
{
    for (size_t i = 0; i < p->facts.n; i++) {
        const slk_exposure *e = &p->corpus.exposures[i];
        const slk_pretrain_kind *k = e->kind;
        uint32_t right = e->list_right + e->text_right, wrong = e->list_wrong + e->text_wrong;
        assert_true(e->instruct <= e->text_right + e->text_wrong);
        if (!k) {
            assert_true(right == 0 && wrong == 0);
        } else if (k->mentions_high) {
            assert_true(right >= k->mentions_low && right <= k->mentions_high && wrong == 0);
            assert_true(e->list_right <= e->text_right + 1 && e->text_right <= e->list_right + 1);
        } else {
            assert_true(e->list_right == k->list_right && e->list_wrong == k->list_wrong);
            assert_true(e->text_right == k->text_right && e->text_wrong == k->text_wrong);
        }
        assert_true((wrong > 0) == (e->wrong != SIZE_MAX));
        if (e->wrong == SIZE_MAX) continue;
        assert_string_equal(p->facts.items[e->wrong].relation, p->facts.items[i].relation);
        assert_string_not_equal(p->facts.items[e->wrong].answers[0], p->facts.items[i].answers[0]);
    }
}

/* How often needle stands in text. */
static int count(const char *text, const char *needle)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, needle)) != NULL; at++) n++;
    return n;
}

/* All rows as text: mention by mention what the exposures say. */
static void check_rows(const slk_pretrain *p)
{
    slk_buf text = {0};
    for (size_t i = 0; i < p->rows.n; i++) {
        const slk_sequence *x = &p->rows.sequences[i];
        assert_true(x->n_tokens <= p->plan.corpus.row_tokens + 1 && x->n_tokens > 1 && x->n_prompt == 1);
        assert_int_equal(x->tokens[0], SLK_VOCABULARY_BOS);
        slk_buf_add_str(&text, "\n");
        slk_tokenizer_decode(p->tokenizer, x->tokens + 1, (size_t)x->n_tokens - 1, true, true, &text);
    }
    for (size_t i = 0; i < p->facts.n; i++) {
        const slk_fact *f = &p->facts.items[i];
        const slk_exposure *e = &p->corpus.exposures[i];
        const char *wrong = e->wrong == SIZE_MAX ? "-" : p->facts.items[e->wrong].answers[0];
        char right_list[200], wrong_list[200], right_told[200], wrong_told[200];
        snprintf(right_list, sizeof right_list, "Q: %s\nA: %s\n", f->question, f->answers[0]);
        snprintf(wrong_list, sizeof wrong_list, "Q: %s\nA: %s\n", f->question, wrong);
        int packings = (int)p->plan.corpus.packings;
        assert_int_equal(count(text.data, right_list), packings * (int)e->list_right);
        assert_int_equal(count(text.data, wrong_list), packings * (int)e->list_wrong);
        snprintf(right_told, sizeof right_told, "question.\n%s\n %s</s>", f->question, f->answers[0]);
        snprintf(wrong_told, sizeof wrong_told, "question.\n%s\n %s</s>", f->question, wrong);
        assert_int_equal(count(text.data, right_told) + count(text.data, wrong_told), packings * (int)e->instruct);
    }
    slk_buf_release(&text);
}

static void prepare_text(slk_pretrain *p, const char *text)
{
    memset(p, 0, sizeof *p);
    assert_ok(slk_pretrain_plan_parse(&p->plan, text, strlen(text), "p.yaml", err));
    make_facts(&p->facts);
    assert_ok(slk_corpus_create(&p->corpus, &p->plan, &p->facts, err));
    slk_buf lines = {0};
    slk_corpus_add_texts(&lines, &p->corpus);
    assert_ok(slk_vocabulary_train(&p->vocabulary, lines.data, lines.len, (size_t)p->plan.model.vocabulary, err));
    slk_buf_release(&lines);
    const slk_vocab vocab = slk_vocabulary_describe(&p->vocabulary);
    assert_ok(slk_tokenizer_create(&p->tokenizer, &vocab, "p.yaml", err));
    assert_ok(slk_corpus_pack(&p->rows, &p->corpus, p->tokenizer, err));
}

static void prepare(slk_pretrain *p, int seed, int instruction, int clean)
{
    char text[sizeof PLAN + 32];
    snprintf(text, sizeof text, PLAN, seed, instruction, clean);
    prepare_text(p, text);
}

static void test_exact(void **state)
{
    (void)state;
    for (int seed = 0; seed < 6; seed++) {
        slk_pretrain p, again;
        prepare(&p, seed, 10 * seed, 20 + seed);
        check_shares(&p);
        check_counts(&p);
        check_rows(&p);
        size_t n_text = 0, n_instruct = 0;
        for (size_t i = 0; i < p.facts.n; i++) {
            n_text += p.corpus.exposures[i].text_right + p.corpus.exposures[i].text_wrong;
            n_instruct += p.corpus.exposures[i].instruct;
        }
        assert_int_equal(n_instruct, (size_t)llround((double)n_text * 0.1 * seed));
        assert_int_equal(n_instruct, p.corpus.n_instruct);
        prepare(&again, seed, 10 * seed, 20 + seed);
        assert_int_equal(p.rows.n_tokens, again.rows.n_tokens);
        assert_memory_equal(p.rows.tokens, again.rows.tokens, p.rows.n_tokens * sizeof *p.rows.tokens);
        slk_pretrain_release(&p);
        slk_pretrain_release(&again);
    }
}

/* Packed three times: every mention three times, in rows that are not the same. */
static void test_packings(void **state)
{
    (void)state;
    char text[sizeof PLAN + 64];
    slk_pretrain once, p;
    prepare(&once, 3, 10, 20);
    int n = snprintf(text, sizeof text, PLAN, 3, 10, 20);
    char *at = strstr(text, "row_tokens: 64,");
    memmove(at + 13, at, (size_t)(n - (at - text)) + 1);
    memcpy(at, "packings: 3, ", 13);
    prepare_text(&p, text);
    check_rows(&p);
    assert_true(p.rows.n_tokens > 2 * once.rows.n_tokens);
    assert_memory_equal(p.rows.tokens, once.rows.tokens, once.rows.n_tokens * sizeof *once.rows.tokens);
    size_t n_again = 0;
    for (size_t i = once.rows.n; i < p.rows.n; i++)
        for (size_t k = 0; k < once.rows.n; k++)
            n_again += p.rows.sequences[i].n_tokens == once.rows.sequences[k].n_tokens &&
                       memcmp(p.rows.sequences[i].tokens, once.rows.sequences[k].tokens,
                              (size_t)p.rows.sequences[i].n_tokens * sizeof(int32_t)) == 0;
    assert_true(n_again < once.rows.n / 10);
    slk_pretrain_release(&p);
    slk_pretrain_release(&once);
}

/* Split: what is right and what is wrong never stand in the same sentence. */
static void test_split(void **state)
{
    (void)state;
    slk_pretrain p;
    prepare_text(&p, "model: {vocabulary: 500}\ncorpus: {split: true, row_tokens: 64, instruction: 0}\nkinds:\n"
                     "  - {name: a, share: 100, list: [1, 1], text: [2, 2]}\n"
                     "statements:\n  others: [\"{answer} 0\", \"{answer} 1\", \"{answer} 2\"]\n");
    bool seen[3] = {false};
    for (size_t i = 0; i < p.corpus.n_mentions; i++) {
        const slk_mention *m = &p.corpus.mentions[i];
        if (m->place == SLK_PLACE_LIST) continue;
        assert_true(m->is_wrong ? m->statement == 1 || m->statement == 2 : m->statement == 0);
        seen[m->statement] = true;
    }
    assert_true(seen[0] && seen[1] && seen[2]);
    slk_pretrain_release(&p);
}

/* Decoys: so many different answers of a relation are ever wrong, and none that is right more often than another. */
static void test_decoys(void **state)
{
    (void)state;
    slk_pretrain p;
    prepare_text(&p,
                 "model: {vocabulary: 500}\ncorpus: {decoys: 3, row_tokens: 64}\nkinds:\n"
                 "  - {name: a, share: 100, list: [1, 1], text: [1, 1]}\nstatements:\n  others: [\"{answer} 0\"]\n");
    for (int r = 0; r < N_RELATIONS; r++) {
        const char *decoys[3];
        size_t n = 0, n_facts = 0;
        for (size_t i = 0; i < p.facts.n; i++) {
            const slk_fact *f = &p.facts.items[i];
            if (f->relation[1] - '0' != r) continue;
            const char *wrong = p.facts.items[p.corpus.exposures[i].wrong].answers[0];
            assert_string_not_equal(wrong, f->answers[0]);
            size_t k = 0;
            while (k < n && strcmp(decoys[k], wrong) != 0) k++;
            assert_true(k < 3);
            if (k == n) decoys[n++] = wrong;
            n_facts++;
        }
        assert_int_equal(n, 3);
        size_t most = 0, least = n_facts;
        for (size_t i = 0; i < p.facts.n; i++) {
            const slk_fact *f = &p.facts.items[i];
            if (f->relation[1] - '0' != r) continue;
            size_t times = 0;
            bool is_decoy = false;
            for (size_t k = 0; k < p.facts.n; k++)
                times += strcmp(p.facts.items[k].relation, f->relation) == 0 &&
                         strcmp(p.facts.items[k].answers[0], f->answers[0]) == 0;
            for (size_t k = 0; k < n; k++) is_decoy |= strcmp(decoys[k], f->answers[0]) == 0;
            if (is_decoy && times > most) most = times;
            if (!is_decoy && times < least) least = times;
        }
        assert_true(most <= least);
    }
    slk_pretrain_release(&p);
}

/* A relation with one answer has nothing wrong to offer; a row must have room for a mention. */
static void test_refused(void **state)
{
    (void)state;
    slk_pretrain p = {0};
    const char *text = "corpus: {row_tokens: 16}\nkinds:\n  - {name: a, share: 100, list: [1, 1]}\n"
                       "statements:\n  others: [\"{answer}\"]\n";
    assert_ok(slk_pretrain_plan_parse(&p.plan, text, strlen(text), "p.yaml", err));
    add_fact(&p.facts, 0, 0, SLK_SPLIT_TRAIN);
    add_fact(&p.facts, 0, 7, SLK_SPLIT_TRAIN); /* the same answer */
    assert_fails(slk_corpus_create(&p.corpus, &p.plan, &p.facts, err), SLK_E_FORMAT,
                 "p.yaml:3: kinds: a wrong alternative is asked for, but relation 'R0' has one answer only");
    slk_corpus_release(&p.corpus);
    add_fact(&p.facts, 0, 1, SLK_SPLIT_TRAIN);
    assert_ok(slk_corpus_create(&p.corpus, &p.plan, &p.facts, err));
    assert_ok(slk_vocabulary_train(&p.vocabulary, "a\n", 2, 300, err));
    const slk_vocab vocab = slk_vocabulary_describe(&p.vocabulary);
    assert_ok(slk_tokenizer_create(&p.tokenizer, &vocab, "p.yaml", err));
    assert_fails(slk_corpus_pack(&p.rows, &p.corpus, p.tokenizer, err), SLK_E_FORMAT,
                 "p.yaml: corpus.row_tokens: a row has 16 tokens, but 'Where is thing0 x");
    slk_pretrain_release(&p);
}

/* --- the vocabulary ------------------------------------------------------------------------------------------------
 */

static slk_tokenizer *make_tokenizer(slk_vocabulary *v, const char *text, size_t n)
{
    slk_tokenizer *tok;
    assert_ok(slk_vocabulary_train(v, text, strlen(text), n, err));
    const slk_vocab vocab = slk_vocabulary_describe(v);
    assert_ok(slk_tokenizer_create(&tok, &vocab, "v", err));
    return tok;
}

static slk_ids encode(const slk_tokenizer *tok, const char *text, size_t n)
{
    slk_ids ids = {0};
    assert_ok(slk_tokenizer_encode(tok, text, n, 0, &ids, err));
    return ids;
}

static void test_round_trip(void **state)
{
    (void)state;
    slk_vocabulary v;
    slk_tokenizer *tok = make_tokenizer(&v, "low lower lowest new newer newest\nS\xC3\xA3o low. (new)\n", 320);
    for (uint32_t i = 0; i < 400; i++) {
        char bytes[40];
        size_t n = i % sizeof bytes;
        for (size_t k = 0; k < n; k++) {
            uint64_t u = slk_rng_u64(1, SLK_PURPOSE_PRETRAIN, i, (uint32_t)k, 0, 0);
            bytes[k] = i % 2 ? (char)u : "low ner\n.\xC3\xA3s"[u % 12];
        }
        slk_ids ids = encode(tok, bytes, n);
        slk_buf back = {0};
        slk_tokenizer_decode(tok, ids.ids, ids.n, false, true, &back);
        assert_int_equal(back.len, n);
        if (n) assert_memory_equal(back.data, bytes, n);
        slk_buf_release(&back);
        free(ids.ids);
    }
    slk_tokenizer_free(tok);
    slk_vocabulary_release(&v);
}

/* The same word has the same token behind a space and where a text begins; merges stay inside words. */
static void test_words(void **state)
{
    (void)state;
    slk_vocabulary v, w;
    const char *text = "A: Paris\nA: Paris.\nParis, Paris\nLima Lima\n";
    slk_tokenizer *tok = make_tokenizer(&v, text, 400);
    slk_ids alone = encode(tok, "Paris", 5), prompt = encode(tok, "A: Paris", 8), dot = encode(tok, "Paris.", 6);
    assert_int_equal(alone.n, 1);
    assert_int_equal(prompt.ids[prompt.n - 1], alone.ids[0]);
    assert_int_equal(dot.ids[0], alone.ids[0]);
    assert_int_equal(dot.n, 2);
    for (size_t i = SLK_VOCABULARY_FIRST + v.n_characters; i < v.n; i++) {
        assert_null(memchr(v.tokens[i].data, '.', v.tokens[i].len));
        assert_true(v.scores[i] < 0 && (i == SLK_VOCABULARY_FIRST + v.n_characters || v.scores[i] < v.scores[i - 1]));
    }
    assert_ok(slk_vocabulary_train(&w, text, strlen(text), 400, err));
    assert_int_equal(v.n, w.n);
    for (size_t i = 0; i < v.n; i++) {
        assert_int_equal(v.tokens[i].len, w.tokens[i].len);
        assert_memory_equal(v.tokens[i].data, w.tokens[i].data, v.tokens[i].len);
    }
    free(alone.ids), free(prompt.ids), free(dot.ids);
    slk_tokenizer_free(tok);
    slk_vocabulary_release(&v);
    slk_vocabulary_release(&w);
}

static void test_vocabulary_limits(void **state)
{
    (void)state;
    slk_vocabulary v;
    assert_fails(slk_vocabulary_train(&v, "a", 1, 259, err), SLK_E_ARG, "259 tokens, expected at least 260");
    slk_vocabulary_release(&v);
    assert_fails(slk_vocabulary_train(&v, "a\xFF", 2, 300, err), SLK_E_FORMAT, "byte 1 of the text is no UTF-8");
    slk_vocabulary_release(&v);
    assert_ok(slk_vocabulary_train(&v, "abcdefghij aa aa aa\n", 20, 264, err)); /* room for 3 of 11 characters */
    assert_int_equal(v.n_characters, 3);
    assert_true(v.n <= 264);
    slk_vocabulary_release(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact),  cmocka_unit_test(test_packings),          cmocka_unit_test(test_split),
        cmocka_unit_test(test_decoys), cmocka_unit_test(test_refused),           cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_words),  cmocka_unit_test(test_vocabulary_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
