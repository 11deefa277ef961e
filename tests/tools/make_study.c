/* Writes a study of known effects (tests/support/synthetic_study.h) into a store, for tests of the report.
 *
 * usage: make_study STORE [NAME=VALUE...]: NAME is an option of synthetic_options. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/synthetic_study.h"

int main(int argc, char **argv)
{
    synthetic_options o = synthetic_defaults();
    const struct {
        const char *name;
        int *number;
        double *real;
        bool *flag;
    } options[] = {
        {"seeds", &o.n_seeds, NULL, NULL},       {"epochs", &o.n_epochs, NULL, NULL},
        {"lrs", &o.n_lrs, NULL, NULL},           {"train", &o.n_train, NULL, NULL},
        {"dev", &o.n_dev, NULL, NULL},           {"test", &o.n_test, NULL, NULL},
        {"d", &o.d_per_relation, NULL, NULL},    {"short", &o.n_short, NULL, NULL},
        {"failed", &o.n_failed, NULL, NULL},     {"waiting", &o.n_waiting, NULL, NULL},
        {"stride", &o.stride, NULL, NULL},       {"b_known", NULL, &o.b_known, NULL},
        {"b_unknown", NULL, &o.b_unknown, NULL}, {"noise", NULL, &o.noise, NULL},
        {"maybe", NULL, &o.maybe_bonus, NULL},   {"p_true", NULL, NULL, &o.p_true},
        {"all", NULL, NULL, &o.all_variants},    {"hostile", NULL, NULL, &o.hostile},
    };
    if (argc < 2) return 2;
    for (int i = 2; i < argc; i++) {
        const char *value = strchr(argv[i], '=');
        size_t k = 0, n = sizeof options / sizeof *options;
        while (value && k < n &&
               (strncmp(options[k].name, argv[i], (size_t)(value - argv[i])) != 0 ||
                options[k].name[value - argv[i]] != 0))
            k++;
        if (!value || k == n) {
            fprintf(stderr, "make_study: %s: no such option\n", argv[i]);
            return 2;
        }
        if (options[k].number) *options[k].number = atoi(value + 1);
        if (options[k].real) *options[k].real = atof(value + 1);
        if (options[k].flag) *options[k].flag = atoi(value + 1) != 0;
    }
    slk_err err = {0};
    int64_t id;
    if (synthetic_write(argv[1], &o, &id, &err) == SLK_OK) return 0;
    fprintf(stderr, "make_study: %s\n", err.msg);
    return 1;
}
