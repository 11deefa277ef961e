/* The small model of seeded numbers as a file (tests/support/tiny_model.h), and facts for it.
 *
 *   make_tiny model spm|bpe FILE [FLAW]     FLAW: a number of tiny_flaw
 *   make_tiny facts MODEL                   JSON lines for `slick import` on stdout: the pool (dev) and the asked facts (test) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "support/identity.h"
#include "support/tiny_model.h"

static int fail(const slk_err *err)
{
    fprintf(stderr, "make_tiny: %s\n", err->msg);
    return 1;
}

static json_t *strings(char *const *items, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(list, json_string(items[i]));
    return list;
}

static slk_status print_facts(const slk_facts *facts, slk_err *err)
{
    slk_status s = SLK_OK;
    for (size_t i = 0; i < facts->n && s == SLK_OK; i++) {
        const slk_fact *f = &facts->items[i];
        json_t *line = json_pack("{s:s, s:s, s:s, s:s, s:o, s:o}", "relation", f->relation, "question", f->question, "subject", f->subject, "split",
                                 slk_split_name(f->split), "answers", strings(f->answers, f->n_answers), "aliases", strings(f->aliases, f->n_aliases));
        s = slk_json_print(stdout, line, err);
        json_decref(line);
    }
    return s;
}

int main(int argc, char **argv)
{
    slk_err err = {0};
    if (argc >= 4 && strcmp(argv[1], "model") == 0) {
        tiny_kind kind = strcmp(argv[2], "bpe") == 0 ? TINY_BPE : TINY_SPM;
        tiny_flaw flaw = argc > 4 ? (tiny_flaw)atoi(argv[4]) : TINY_SOUND;
        return tiny_write_model(argv[3], kind, flaw, &err) == SLK_OK ? 0 : fail(&err);
    }
    if (argc != 3 || strcmp(argv[1], "facts") != 0) return 2;
    slk_model *model;
    slk_facts pool, facts;
    slk_status s = identity_open_model(&model, argv[2], SLK_DTYPE_F32, 1, &err);
    if (s != SLK_OK) return fail(&err);
    s = identity_make_facts(&pool, &facts, model, &err);
    if (s == SLK_OK) s = print_facts(&pool, &err);
    if (s == SLK_OK) s = print_facts(&facts, &err);
    slk_facts_release(&pool);
    slk_facts_release(&facts);
    slk_model_close(model);
    return s == SLK_OK ? 0 : fail(&err);
}
