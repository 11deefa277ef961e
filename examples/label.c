/* What does a model know? usage: label MODEL [EXAMPLES-A-PROMPT [FACTS.tsv]]
 * Labels a few capitals, or the facts of a file: a question, a tab and the answer in a line. Every question is asked with
 * others as solved examples.
 *     cc label.c $(pkg-config --cflags --libs slick) -o label && ./label model.gguf */
#include <slick.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FACTS = 100, MAX_LINE = 512 };
static char lines[MAX_FACTS][MAX_LINE]; /* a question, cut off where its answer begins */
static const char *answers[MAX_FACTS];
static size_t n_facts;

static void add_fact(const char *line)
{
    char *own = lines[n_facts];
    snprintf(own, MAX_LINE, "%s", line);
    own[strcspn(own, "\r\n")] = '\0';
    char *tab = strchr(own, '\t');
    if (!tab) return;
    *tab = '\0';
    answers[n_facts++] = tab + 1;
}

static void take_capitals(void)
{
    static const char *const CAPITALS[] = {"Capital of France?\tParis", "Capital of Japan?\tTokyo",
                                           "Capital of Italy?\tRome",   "Capital of Egypt?\tCairo",
                                           "Capital of Peru?\tLima",    "Capital of Norway?\tOslo",
                                           "Capital of Kenya?\tNairobi", "Capital of Cuba?\tHavana",
                                           "Capital of Bhutan?\tThimphu"};
    for (size_t i = 0; i < sizeof CAPITALS / sizeof CAPITALS[0]; i++) add_fact(CAPITALS[i]);
}

static bool read_facts(const char *path)
{
    char line[MAX_LINE];
    FILE *file = fopen(path, "r");
    if (!file) return false;
    while (n_facts < MAX_FACTS && fgets(line, sizeof line, file)) add_fact(line);
    fclose(file);
    return true;
}

static bool print(void *user, size_t index, const slk_lm_label *label)
{
    (void)user;
    printf("%-26s %-18s %-12s greedy %.2f  sampled %.2f  p(gold) %.4f  says \"%s\"\n", lines[index], answers[index],
           slk_category_name(label->category), label->p_greedy, label->p_sampled, label->p_gold,
           label->answer ? label->answer : "");
    return true; /* false: stop */
}

int main(int argc, char **argv)
{
    slk_err err;
    slk_lm *lm;
    slk_lm_fact facts[MAX_FACTS] = {0};
    if (argc < 2) {
        fprintf(stderr, "usage: label MODEL [EXAMPLES-A-PROMPT [FACTS.tsv]]\n");
        return 2;
    }
    if (argc <= 3)
        take_capitals();
    else if (!read_facts(argv[3])) {
        perror(argv[3]);
        return 1;
    }
    for (size_t i = 0; i < n_facts; i++) {
        facts[i].question = lines[i];
        facts[i].answers = &answers[i];
        facts[i].n_answers = 1;
    }
    slk_lm_label_options options;
    slk_lm_label_options_init(&options);
    options.n_ex = 5;
    options.max_tokens = 16; /* no answer here is longer */
    options.decode_greedy = true;
    if (argc > 2) options.n_shots = (unsigned)strtoul(argv[2], NULL, 10);
    if (slk_lm_open(&lm, argv[1], NULL, &err) != SLK_OK) {
        fprintf(stderr, "label: %s\n", err.msg);
        return 1;
    }
    printf("%s (%s, %s)\n", slk_lm_describe(lm)->name, slk_lm_describe(lm)->arch, slk_lm_describe(lm)->dtype);
    slk_status status = slk_lm_label_facts(lm, facts, n_facts, NULL, 0, &options, print, NULL, &err);
    slk_lm_close(lm);
    if (status != SLK_OK) fprintf(stderr, "label: %s\n", err.msg);
    return status == SLK_OK ? 0 : 1;
}
