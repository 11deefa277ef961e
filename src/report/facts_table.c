/* The facts of a study, as CSV and for the page's table. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/escape.h"
#include "report/tables.h"

/* In how many finished runs (without D_IDK, whose refusals are no loss of knowledge) a fact was answered rightly. */
typedef struct kept_fact {
    uint16_t n_early, early, n_late, late;
} kept_fact;

static void count_epoch(kept_fact *kept, const slk_dataset *ds, const slk_report_epoch *e, bool late)
{
    for (int set = SLK_SET_DEV; e && set < SLK_N_STUDY_SETS; set++) {
        if (!e->has[set]) continue;
        const slk_report_set *facts = &ds->sets[set];
        for (size_t i = 0; i < facts->n; i++) {
            kept_fact *k = &kept[facts->fact[i]];
            bool right = slk_report_bit(e->right[set], i);
            *(late ? &k->n_late : &k->n_early) += 1;
            *(late ? &k->late : &k->early) += right;
        }
    }
}

static kept_fact *count_kept(const slk_analysis *a)
{
    kept_fact *kept = slk_alloc_zero(a->ds->n_facts, sizeof *kept);
    for (size_t i = 0; kept && i < a->ds->n_runs; i++) {
        const slk_report_run *run = &a->ds->runs[i];
        if (run->info->lr != a->lr || run->info->state != SLK_RUN_DONE || !strcmp(run->info->kind, "idk")) continue;
        count_epoch(kept, a->ds, slk_report_find_epoch(run, run->info->early_epoch), false);
        count_epoch(kept, a->ds, slk_report_find_epoch(run, run->info->last_epoch), true);
    }
    return kept;
}

static double share(uint16_t part, uint16_t whole)
{
    return whole ? (double)part / whole : NAN;
}

/* test, ood, dev, train */
static int place_of(const slk_report_fact *fact)
{
    if (fact->split == SLK_SPLIT_TEST) return fact->ood ? 1 : 0;
    return fact->split == SLK_SPLIT_DEV ? 2 : 3;
}

static const char *const place_names[4] = {"test", "out of distribution", "dev", "train"};

/* --- CSV
 * --------------------------------------------------------------------------------------------------------------- */

static void csv_share(slk_buf *b, double value)
{
    slk_buf_add_str(b, ",");
    if (!isnan(value)) slk_buf_addf(b, "%.6g", value);
}

void slk_facts_csv(slk_buf *b, const slk_analysis *a)
{
    kept_fact *kept = count_kept(a);
    if (!kept) {
        b->failed = true;
        return;
    }
    slk_buf_add_str(b, "split,relation,question,answer,aliases,category,p_greedy,p_sampled,p_gold,p_true,right_early,"
                       "right_late,answers_seen\n");
    for (size_t i = 0; i < a->ds->n_facts; i++) {
        const slk_report_fact *fact = &a->ds->facts[i];
        if (!fact->in_study) continue;
        bool labelled = fact->category_by_n != NULL;
        slk_buf_addf(b, "%s,", place_names[place_of(fact)]);
        slk_escape_csv(b, fact->relation);
        slk_buf_add_str(b, ",");
        slk_escape_csv(b, fact->question);
        slk_buf_add_str(b, ",");
        slk_escape_csv(b, fact->answer);
        slk_buf_add_str(b, ",");
        slk_escape_csv(b, fact->aliases);
        slk_buf_addf(b, ",%s", fact->category >= 0 ? slk_category_name((slk_category)fact->category) : "");
        csv_share(b, labelled ? fact->p_greedy : NAN);
        csv_share(b, labelled ? fact->p_sampled : NAN);
        csv_share(b, labelled ? fact->p_gold : NAN);
        csv_share(b, fact->p_true);
        csv_share(b, share(kept[i].early, kept[i].n_early));
        csv_share(b, share(kept[i].late, kept[i].n_late));
        slk_buf seen = {0};
        for (size_t s = 0; s < fact->n_seen; s++)
            slk_buf_addf(&seen, "%s%s (%u greedy, %u sampled)", s ? "; " : "", fact->seen[s].text,
                         fact->seen[s].n_greedy, fact->seen[s].n_sampled);
        slk_buf_add_str(b, ",");
        slk_escape_csv(b, seen.data ? seen.data : "");
        slk_buf_add_str(b, "\n");
        b->failed |= seen.failed;
        slk_buf_release(&seen);
    }
    free(kept);
}

/* --- JSON
 * -------------------------------------------------------------------------------------------------------------- */

/* The facts to be shown, and the relations they are of. */
typedef struct shown {
    uint32_t *fact; /* [n] */
    size_t n;
    const char **relations; /* [n_relations] */
    size_t n_relations;
    uint32_t *relation; /* [n] */
    kept_fact *kept;    /* [n_facts] */
} shown;

static bool note_relation(shown *s, size_t i, const char *name)
{
    size_t r = s->n_relations;
    while (r > 0 && strcmp(s->relations[r - 1], name) != 0) r--; /* the last one seen, most often */
    if (r == 0) {
        s->relations[s->n_relations] = name;
        r = ++s->n_relations;
    }
    s->relation[i] = (uint32_t)(r - 1);
    return true;
}

static bool choose_facts(shown *s, const slk_analysis *a, size_t max)
{
    size_t n = a->ds->n_facts;
    s->fact = slk_alloc(n, sizeof *s->fact);
    s->relation = slk_alloc(n, sizeof *s->relation);
    s->relations = slk_alloc(n, sizeof *s->relations);
    s->kept = count_kept(a);
    if (!s->fact || !s->relation || !s->relations || !s->kept) return false;
    for (int place = 0; place < 4; place++) {
        for (size_t i = 0; i < n && s->n < max; i++) {
            const slk_report_fact *fact = &a->ds->facts[i];
            if (fact->in_study && place_of(fact) == place) s->fact[s->n++] = (uint32_t)i;
        }
    }
    for (size_t i = 0; i < s->n; i++) note_relation(s, i, a->ds->facts[s->fact[i]].relation);
    return true;
}

typedef enum text_column { QUESTION, ANSWER, ALIASES } text_column;

static void add_texts(slk_buf *b, const slk_analysis *a, const shown *s, const char *name, text_column column)
{
    slk_buf_addf(b, ",\n\"%s\":[", name);
    for (size_t i = 0; i < s->n; i++) {
        const slk_report_fact *fact = &a->ds->facts[s->fact[i]];
        if (i) slk_buf_add_str(b, ",");
        slk_escape_json(b, column == QUESTION ? fact->question : column == ANSWER ? fact->answer : fact->aliases);
    }
    slk_buf_add_str(b, "]");
}

typedef enum number_column { CATEGORY, SPLIT, GREEDY, SAMPLED, GOLD, P_TRUE, EARLY, LATE, UNSEEN } number_column;

/* Shares in %, -1 where there is none. */
static double number_of(const slk_analysis *a, const shown *s, size_t i, number_column column)
{
    const slk_report_fact *fact = &a->ds->facts[s->fact[i]];
    const kept_fact *kept = &s->kept[s->fact[i]];
    bool labelled = fact->category_by_n != NULL;
    double value = NAN;
    switch (column) {
    case CATEGORY:
        return slk_report_group(fact->category);
    case SPLIT:
        return place_of(fact);
    case UNSEEN:
        return (double)fact->n_unseen;
    case GREEDY:
        value = labelled ? fact->p_greedy : NAN;
        break;
    case SAMPLED:
        value = labelled ? fact->p_sampled : NAN;
        break;
    case GOLD:
        value = labelled ? fact->p_gold : NAN;
        break;
    case P_TRUE:
        value = fact->p_true;
        break;
    case EARLY:
        value = share(kept->early, kept->n_early);
        break;
    case LATE:
        value = share(kept->late, kept->n_late);
        break;
    }
    return isnan(value) ? -1 : 100 * value;
}

static void add_numbers(slk_buf *b, const slk_analysis *a, const shown *s, const char *name, number_column column)
{
    slk_buf_addf(b, ",\n\"%s\":[", name);
    for (size_t i = 0; i < s->n; i++) slk_buf_addf(b, "%s%.4g", i ? "," : "", number_of(a, s, i, column));
    slk_buf_add_str(b, "]");
}

static void add_seen(slk_buf *b, const slk_analysis *a, const shown *s)
{
    slk_buf_add_str(b, ",\n\"seen\":[");
    for (size_t i = 0; i < s->n; i++) {
        const slk_report_fact *fact = &a->ds->facts[s->fact[i]];
        slk_buf_add_str(b, i ? ",[" : "[");
        for (size_t k = 0; k < fact->n_seen; k++) {
            slk_buf_add_str(b, k ? ",[" : "[");
            slk_escape_json(b, fact->seen[k].text);
            slk_buf_addf(b, ",%d,%u,%u]", fact->seen[k].match, fact->seen[k].n_greedy, fact->seen[k].n_sampled);
        }
        slk_buf_add_str(b, "]");
    }
    slk_buf_add_str(b, "]");
}

void slk_facts_json(slk_buf *b, const slk_analysis *a, size_t max, size_t *n)
{
    shown s = {0};
    if (!choose_facts(&s, a, max)) {
        b->failed = true;
    } else {
        slk_buf_add_str(b, "{\"relations\":[");
        for (size_t r = 0; r < s.n_relations; r++) {
            if (r) slk_buf_add_str(b, ",");
            slk_escape_json(b, s.relations[r]);
        }
        slk_buf_add_str(b, "],\n\"splits\":[");
        for (int p = 0; p < 4; p++) slk_buf_addf(b, "%s\"%s\"", p ? "," : "", place_names[p]);
        slk_buf_add_str(b, "],\n\"columns\":{\"relation\":[");
        for (size_t i = 0; i < s.n; i++) slk_buf_addf(b, "%s%u", i ? "," : "", (unsigned)s.relation[i]);
        slk_buf_add_str(b, "]");
        add_texts(b, a, &s, "question", QUESTION);
        add_texts(b, a, &s, "answer", ANSWER);
        add_texts(b, a, &s, "aliases", ALIASES);
        add_numbers(b, a, &s, "category", CATEGORY);
        add_numbers(b, a, &s, "split", SPLIT);
        add_numbers(b, a, &s, "greedy", GREEDY);
        add_numbers(b, a, &s, "sampled", SAMPLED);
        add_numbers(b, a, &s, "gold", GOLD);
        add_numbers(b, a, &s, "ptrue", P_TRUE);
        add_numbers(b, a, &s, "early", EARLY);
        add_numbers(b, a, &s, "late", LATE);
        add_numbers(b, a, &s, "unseen", UNSEEN);
        add_seen(b, a, &s);
        slk_buf_add_str(b, "}}");
    }
    *n = s.n;
    free(s.fact);
    free(s.relation);
    free(s.relations);
    free(s.kept);
}
