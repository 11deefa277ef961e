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

static void strings_free(char **strings, size_t n)
{
    if (!strings) return;
    for (size_t i = 0; i < n; i++) free(strings[i]);
    free(strings);
}

void slk_fact_release(slk_fact *fact)
{
    if (!fact) return;
    free(fact->relation);
    free(fact->question);
    free(fact->subject);
    strings_free(fact->answers, fact->n_answers);
    strings_free(fact->aliases, fact->n_aliases);
    *fact = (slk_fact){0};
}

/* NULL stays NULL. */
static bool string_copy(char **out, const char *s)
{
    *out = NULL;
    if (!s) return true;
    *out = slk_strdup(s);
    return *out != NULL;
}

static bool strings_copy(char ***out, size_t *n_out, char *const *strings, size_t n)
{
    *out = NULL;
    *n_out = 0;
    if (n == 0) return true;
    *out = slk_alloc_zero(n, sizeof **out);
    if (!*out) return false;
    *n_out = n; /* all n may be freed from here on: what is not copied yet is NULL */
    for (size_t i = 0; i < n; i++) {
        if (!string_copy(&(*out)[i], strings[i])) return false;
    }
    return true;
}

bool slk_fact_copy(slk_fact *out, const slk_fact *fact)
{
    *out = (slk_fact){.id = fact->id, .split = fact->split, .ood = fact->ood};
    if (string_copy(&out->relation, fact->relation) && string_copy(&out->question, fact->question) &&
        string_copy(&out->subject, fact->subject) &&
        strings_copy(&out->answers, &out->n_answers, fact->answers, fact->n_answers) &&
        strings_copy(&out->aliases, &out->n_aliases, fact->aliases, fact->n_aliases))
        return true;
    slk_fact_release(out);
    return false;
}

void slk_facts_release(slk_facts *facts)
{
    if (!facts) return;
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

const char *slk_split_name(slk_split split)
{
    switch (split) {
    case SLK_SPLIT_TRAIN:
        return "train";
    case SLK_SPLIT_DEV:
        return "dev";
    case SLK_SPLIT_TEST:
        return "test";
    }
    return "unknown";
}

int slk_split_parse(const char *name)
{
    if (strcmp(name, "train") == 0) return SLK_SPLIT_TRAIN;
    if (strcmp(name, "dev") == 0 || strcmp(name, "valid") == 0 || strcmp(name, "validation") == 0) return SLK_SPLIT_DEV;
    if (strcmp(name, "test") == 0) return SLK_SPLIT_TEST;
    return -1;
}
