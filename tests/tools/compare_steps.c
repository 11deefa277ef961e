/* A training run of slick against one of PyTorch, step by step (tests/data/reference/real/train-smollm2.json).
 *
 *   compare_steps data REFERENCE          the examples as JSON lines for `slick train`
 *   compare_steps check REFERENCE LOG     losses within 2e-3 and gradient norms within 1e-2, relative; LOG: log.jsonl
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"

static int fail(const char *message)
{
    fprintf(stderr, "compare_steps: %s\n", message);
    return 1;
}

static int print_data(const json_t *reference)
{
    size_t i;
    json_t *example;
    slk_err err;
    json_array_foreach(json_object_get(reference, "examples"), i, example)
    {
        json_t *line = json_pack("{s:O, s:O}", "question", json_object_get(example, "question"), "answer",
                                 json_object_get(example, "answer"));
        slk_status s = slk_json_print(stdout, line, &err);
        json_decref(line);
        if (s != SLK_OK) return fail(err.msg);
    }
    return 0;
}

static double number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static int check_step(size_t n, const json_t *expected, const json_t *own)
{
    double loss = fabs(number(own, "loss") / number(expected, "loss") - 1);
    double norm = fabs(number(own, "grad_norm") / number(expected, "grad_norm") - 1);
    printf("step %zu: loss %.6f (off by %.1e), gradient norm %.5f (off by %.1e)\n", n + 1, number(own, "loss"), loss,
           number(own, "grad_norm"), norm);
    return loss <= 2e-3 && norm <= 1e-2 ? 0 : fail("the step is not the reference's");
}

static int check(const json_t *reference, const char *path)
{
    char text[1 << 16];
    slk_err err;
    const json_t *expected = json_object_get(reference, "steps");
    size_t n = 0, i;
    FILE *f = fopen(path, "r");
    if (!f) return fail("no log");
    int status = 0;
    for (long line = 1; !status && fgets(text, sizeof text, f); line++) {
        json_t *epoch, *step;
        if (slk_json_parse(&epoch, text, strlen(text), path, line, &err) != SLK_OK) {
            status = fail(err.msg);
            break;
        }
        json_array_foreach(json_object_get(epoch, "steps"), i, step)
        {
            if (!status) status = check_step(n, json_array_get(expected, n), step);
            n++;
        }
        json_decref(epoch);
    }
    fclose(f);
    if (!status && n != json_array_size(expected)) status = fail("not as many steps as the reference has");
    return status;
}

int main(int argc, char **argv)
{
    slk_err err;
    json_t *reference;
    if (argc < 3) return 2;
    if (slk_json_read(&reference, argv[2], &err) != SLK_OK) return fail(err.msg);
    int status = 2;
    if (!strcmp(argv[1], "data")) status = print_data(reference);
    if (!strcmp(argv[1], "check") && argc == 4) status = check(reference, argv[3]);
    json_decref(reference);
    return status;
}
