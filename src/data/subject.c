/* Subjects out of questions (declared in filter.h). */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "data/filter.h"
#include "data/groups.h"

/* What the questions of a relation have in common so far. */
typedef struct frame {
    const char *first; /* question of the relation's first fact */
    size_t n_first;    /* its bytes */
    size_t n_prefix, n_suffix;
} frame;

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

static void narrow_frame(frame *t, const char *question)
{
    size_t n = strlen(question), i = 0, j = 0;
    while (i < t->n_prefix && i < n && question[i] == t->first[i]) i++;
    t->n_prefix = i;
    while (j < t->n_suffix && j < n && question[n - 1 - j] == t->first[t->n_first - 1 - j]) j++;
    t->n_suffix = j;
}

/* Whole characters only: the bytes of two different letters may begin or end alike. */
static void round_frame(frame *t)
{
    while (t->n_prefix > 0 && t->n_prefix < t->n_first && is_continuation(t->first[t->n_prefix])) t->n_prefix--;
    while (t->n_suffix > 0 && is_continuation(t->first[t->n_first - t->n_suffix])) t->n_suffix--;
}

/* false: out of memory. */
static bool cut_subject(slk_fact *fact, const frame *t)
{
    size_t n = strlen(fact->question), begin, end;
    if (n <= t->n_prefix + t->n_suffix) return true;
    const char *text = fact->question + t->n_prefix;
    slk_text_trim(text, n - t->n_prefix - t->n_suffix, &begin, &end);
    if (begin == end) return true;
    fact->subject = slk_strndup(text + begin, end - begin);
    return fact->subject != NULL;
}

slk_status slk_facts_derive_subjects(slk_facts *facts, slk_err *err)
{
    slk_groups groups;
    if (!slk_groups_create(&groups, facts)) return slk_fail(err, SLK_E_MEMORY, "subjects: out of memory");
    frame *frames = slk_alloc(groups.n, sizeof *frames);
    bool ok = frames != NULL;
    for (size_t g = 0; ok && g < groups.n; g++) {
        const char *question = facts->items[groups.first[g]].question;
        size_t n = strlen(question);
        frames[g] = (frame){.first = question, .n_first = n, .n_prefix = n, .n_suffix = n};
    }
    for (size_t i = 0; ok && i < facts->n; i++) narrow_frame(&frames[groups.of[i]], facts->items[i].question);
    for (size_t g = 0; ok && g < groups.n; g++) round_frame(&frames[g]);
    for (size_t i = 0; ok && i < facts->n; i++) {
        if (!facts->items[i].subject) ok = cut_subject(&facts->items[i], &frames[groups.of[i]]);
    }
    free(frames);
    slk_groups_release(&groups);
    return ok ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "subjects: out of memory");
}
