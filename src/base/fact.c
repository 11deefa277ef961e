#include "base/fact.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

uint64_t slk_fact_identity(const slk_fact *fact)
{
    uint64_t h = slk_hash_str(0, fact->relation ? fact->relation : "");
    h = slk_hash_str(h, fact->question);
    for (size_t i = 0; i < fact->n_answers; i++) h = slk_hash_str(h, fact->answers[i]);
    return h;
}

static void release_strings(char **items, size_t n)
{
    for (size_t i = 0; items && i < n; i++) free(items[i]);
    free(items);
}

void slk_fact_release(slk_fact *fact)
{
    free(fact->relation);
    free(fact->question);
    free(fact->subject);
    release_strings(fact->answers, fact->n_answers);
    release_strings(fact->aliases, fact->n_aliases);
    *fact = (slk_fact){0};
}

static char **copy_strings(char *const *items, size_t n)
{
    char **copy = slk_alloc_zero(n, sizeof *copy);
    for (size_t i = 0; copy && i < n; i++) {
        copy[i] = slk_strdup(items[i]);
        if (!copy[i]) {
            release_strings(copy, n);
            return NULL;
        }
    }
    return copy;
}

bool slk_fact_copy(slk_fact *out, const slk_fact *fact)
{
    *out = *fact;
    out->relation = slk_strdup(fact->relation ? fact->relation : "");
    out->question = slk_strdup(fact->question);
    out->subject = fact->subject ? slk_strdup(fact->subject) : NULL;
    out->answers = copy_strings(fact->answers, fact->n_answers);
    out->aliases = copy_strings(fact->aliases, fact->n_aliases);
    if (out->relation && out->question && (out->subject || !fact->subject) && out->answers && out->aliases) return true;
    slk_fact_release(out);
    return false;
}

void slk_facts_release(slk_facts *facts)
{
    for (size_t i = 0; i < facts->n; i++) slk_fact_release(&facts->items[i]);
    free(facts->items);
    *facts = (slk_facts){0};
}

bool slk_facts_push(slk_facts *facts, slk_fact *fact)
{
    if (!slk_grow(&facts->items, &facts->cap, facts->n + 1, sizeof *facts->items)) return false;
    facts->items[facts->n++] = *fact;
    *fact = (slk_fact){0};
    return true;
}

static const char *const split_names[SLK_N_SPLITS] = {"train", "dev", "test"};

const char *slk_split_name(slk_split split)
{
    return split_names[split];
}

int slk_split_parse(const char *name)
{
    for (int i = 0; i < SLK_N_SPLITS; i++) {
        if (!strcmp(name, split_names[i])) return i;
    }
    return !strcmp(name, "validation") || !strcmp(name, "valid") ? SLK_SPLIT_DEV : -1;
}
