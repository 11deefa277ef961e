/* What the benchmarks of `slick bench` share: their table, which is also their JSON object. */
#ifndef SLK_CLI_BENCH_H
#define SLK_CLI_BENCH_H

#include "command.h"
#include "table.h"

typedef struct slk_bench_report {
    const slk_cli *cli;
    slk_table table;
    json_t *json;
    double peak; /* of matrix products in the model's compute type, GFLOP/s */
} slk_bench_report;

/* One line of the table, one member of the object. gflops 0: not a rate of computing. */
void slk_bench_add(slk_bench_report *r, const char *what, const char *key, double rate, const char *unit,
                   double gflops);

typedef struct slk_bench_train_options {
    int64_t batch, steps;
    bool share;
    const slk_list *relations; /* empty: P17,P19,P36,P131,P26,P69 */
} slk_bench_train_options;
/* Whole optimiser steps of full fine-tuning of the model at path on EntityQuestions (bench_train.c). Errors: the
 * model's, SLK_E_ARG (fewer questions than a batch). */
slk_status slk_bench_train(slk_bench_report *r, const char *path, const slk_bench_train_options *options, slk_err *err);

#endif
