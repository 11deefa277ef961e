#include "know/abstain.h"

#include <stdlib.h>
#include <string.h>

static const slk_match_rule EM = {.kind = SLK_MATCH_EM};

/* In the form that `em` compares: lower case, no punctuation, no articles. Whole answers only, and none that could be
 * meant as a true answer to a question ("nothing", "none", "nobody" are left out for that reason). docs/eval.md has the
 * same list (tests/unit/test_evaluate.c compares them). */
static const char *const LIST[] = {
    "i dont know",
    "i do not know",
    "dont know",
    "do not know",
    "i dont know answer",
    "i do not know answer",
    "i dont know answer to this question",
    "i do not know answer to this question",
    "i dont know that",
    "i dont know this",
    "sorry i dont know",
    "sorry i do not know",
    "im sorry i dont know",
    "im sorry but i dont know",
    "i am sorry i do not know",
    "i am sorry but i do not know",
    "idk",
    "i dunno",
    "dunno",
    "i have no idea",
    "no idea",
    "im not sure",
    "i am not sure",
    "not sure",
    "i cant say",
    "i cannot say",
    "i can not say",
    "i cant answer",
    "i cannot answer",
    "i can not answer",
    "i cant answer this question",
    "i cannot answer this question",
    "i can not answer this question",
    "unknown",
    "unknown to me",
    "not known",
    "answer is unknown",
    "unanswerable",
    NULL,
};

const char *const *slk_abstention_list(void)
{
    return LIST;
}

slk_status slk_abstentions_create(slk_golds **out, slk_err *err)
{
    slk_fact fact = {.answers = (char **)(uintptr_t)LIST, /* read only */
                     .n_answers = sizeof LIST / sizeof *LIST - 1};
    return slk_golds_create(out, &EM, &fact, err);
}

int slk_abstention_matches(const char *text, size_t n_bytes)
{
    char *form = slk_match_normalize(&EM, text, n_bytes);
    if (!form) return -1;
    int found = 0;
    for (size_t i = 0; LIST[i] && !found; i++) found = strcmp(LIST[i], form) == 0;
    free(form);
    return found;
}
