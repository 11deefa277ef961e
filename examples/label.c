/* What does a model know? usage: label MODEL [EXAMPLES-A-PROMPT]
 * Labels a few capitals; every question is asked with the others as solved examples.
 *     cc label.c $(pkg-config --cflags --libs slick) -o label && ./label model.gguf */
#include <slick.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const CAPITALS[][2] = {{"France", "Paris"},  {"Japan", "Tokyo"}, {"Italy", "Rome"},
                                          {"Egypt", "Cairo"},   {"Peru", "Lima"},   {"Norway", "Oslo"},
                                          {"Kenya", "Nairobi"}, {"Cuba", "Havana"}, {"Bhutan", "Thimphu"}};
enum { N = sizeof CAPITALS / sizeof CAPITALS[0] };

static bool print(void *user, size_t index, const slk_lm_label *label)
{
    (void)user;
    printf("%-8s %-8s %-12s greedy %.2f  sampled %.2f  p(gold) %.4f  says \"%s\"\n", CAPITALS[index][0],
           CAPITALS[index][1], slk_category_name(label->category), label->p_greedy, label->p_sampled, label->p_gold,
           label->answer ? label->answer : "");
    return true; /* false: stop */
}

int main(int argc, char **argv)
{
    slk_err err;
    slk_lm *lm;
    slk_lm_fact facts[N] = {0};
    char questions[N][64];
    if (argc < 2) {
        fprintf(stderr, "usage: label MODEL [EXAMPLES-A-PROMPT]\n");
        return 2;
    }
    for (size_t i = 0; i < N; i++) {
        snprintf(questions[i], sizeof questions[i], "Capital of %s?", CAPITALS[i][0]);
        facts[i].question = questions[i];
        facts[i].answers = &CAPITALS[i][1];
        facts[i].n_answers = 1;
    }
    slk_lm_label_options options;
    slk_lm_label_options_init(&options);
    options.n_ex = 5;
    options.max_tokens = 16; /* no capital is longer */
    options.decode_greedy = true;
    if (argc > 2) options.n_shots = (unsigned)strtoul(argv[2], NULL, 10);
    if (slk_lm_open(&lm, argv[1], NULL, &err) != SLK_OK) {
        fprintf(stderr, "label: %s\n", err.msg);
        return 1;
    }
    printf("%s (%s, %s)\n", slk_lm_describe(lm)->name, slk_lm_describe(lm)->arch, slk_lm_describe(lm)->dtype);
    slk_status status = slk_lm_label_facts(lm, facts, N, NULL, 0, &options, print, NULL, &err);
    slk_lm_close(lm);
    if (status != SLK_OK) fprintf(stderr, "label: %s\n", err.msg);
    return status == SLK_OK ? 0 : 1;
}
