/* Study files: what is read, and what every kind of mistake is answered with. */
#include "data_test.h"
#include "study/config.h"
#include "config/yaml.h"

static slk_status parse(slk_study_config *c, const char *text, slk_err *err)
{
    return slk_study_config_parse(c, text, strlen(text), "dir/s.yaml", err);
}

/* The text is refused with exactly this message. */
static void refused(const char *text, const char *message)
{
    slk_study_config c;
    slk_err err = {0};
    if (parse(&c, text, &err) == SLK_OK) fail_msg("accepted:\n%s", text);
    assert_string_equal(err.msg, message);
    assert_int_equal(err.code, SLK_E_FORMAT);
    assert_null(c.arena.blocks);
}

#define MINIMAL "model: m.gguf\nvariants:\n  natural: true\n"

static void test_defaults(void **state)
{
    (void)state;
    slk_study_config c;
    assert_ok(parse(&c, MINIMAL, err));
    assert_string_equal(c.path, "dir/s.yaml");
    assert_string_equal(c.name, "study");
    assert_string_equal(c.model, "dir/m.gguf"); /* beside the file */
    assert_null(c.instruction);
    assert_null(c.data.set);
    assert_int_equal(c.data.relations.n, 0);
    assert_true(c.data.train == SLK_STUDY_ALL && c.data.ood == SLK_STUDY_ALL);
    assert_true(c.labels.id == 0 && c.labels.n_ex == 10 && c.labels.shots == 4 && c.labels.samples == 16);
    assert_true(c.labels.temperature == 0.5 && c.labels.top_k == 40 && c.labels.p_true);
    assert_string_equal(c.labels.match, "em");
    assert_string_equal(c.labels.answers, "greedy");
    assert_string_equal(c.labels.pool, "dev");
    assert_true(c.variants.natural && c.variants.unknown.n == 0 && c.variants.only.n == 0);
    assert_true(c.size == 0 && c.epochs == 50 && c.patience == 0 && c.evaluate.n == 0 && c.durations.n == 0);
    assert_true(c.seeds.n == 1 && c.seeds.items[0] == 0);
    assert_true(c.learning_rates.n == 1 && c.learning_rates.items[0] == 1e-5);
    assert_true(c.training.batch == 128 && c.training.dropout == 0.05 && c.training.clip == 1);
    assert_true(c.training.beta1 == 0.9 && c.training.beta2 == 0.999 && c.training.eps == 1e-8);
    assert_true(c.training.lora_rank == 0 && c.training.lora_alpha == 0 && c.training.lora_targets.n == 0);
    assert_string_equal(c.training.schedule, "constant");
    assert_string_equal(c.keep, "none");
    assert_int_equal(c.jobs, 1);
    slk_study_config_release(&c);
    slk_study_config_release(&c);
    slk_study_config_release(NULL);
}

static void test_everything(void **state)
{
    (void)state;
    slk_study_config c;
    assert_ok(parse(&c,
                    "# a comment\n"
                    "name: 'my study'\n"
                    "model: /abs/model\n"
                    "instruction: p.txt\n"
                    "data: {set: eq, relations: [P17, \"P19\"], train: 1000, dev: all, test: 7, ood: 0}\n"
                    "labels:\n  n_ex: 5\n  match: f1:0.8\n  template: /t\n  p_true: false\n"
                    "variants:\n"
                    "  unknown:\n  - 0\n  - 12.5\n  - 1e2\n"
                    "  known_of: [50]\n"
                    "  only: [Unknown, HighlyKnown]\n"
                    "  idk: [50]\n"
                    "size: 600\nepochs: 20\npatience: 3\nevaluate: [5, 10]\nevaluate_dev: [1, 2, 4]\ndurations: [20]\n"
                    "seeds: [0, 9007199254740992]\nlearning_rates: [1e-5, 0.0001]\n"
                    "training: {batch: 32, schedule: cosine, lora_rank: 8, lora_alpha: 16, lora_targets: [q, v],\n"
                    "  freeze: [embeddings]}\n"
                    "keep: best\njobs: 4\n",
                    err));
    assert_string_equal(c.name, "my study");
    assert_string_equal(c.model, "/abs/model");
    assert_string_equal(c.instruction, "dir/p.txt");
    assert_string_equal(c.data.set, "eq");
    assert_int_equal(c.data.relations.n, 2);
    assert_string_equal(c.data.relations.items[1], "P19");
    assert_true(c.data.train == 1000 && c.data.dev == SLK_STUDY_ALL && c.data.test == 7 && c.data.ood == 0);
    assert_true(c.labels.n_ex == 5 && !c.labels.p_true);
    assert_string_equal(c.labels.match, "f1:0.8");
    assert_string_equal(c.labels.template, "/t");
    assert_int_equal(c.variants.unknown.n, 3);
    assert_true(c.variants.unknown.items[1] == 12.5 && c.variants.unknown.items[2] == 100);
    assert_string_equal(c.variants.only.items[0], "Unknown");
    assert_true(c.size == 600 && c.epochs == 20 && c.patience == 3 && c.evaluate.n == 2 && c.evaluate_dev.n == 3 &&
                c.evaluate_dev.items[2] == 4 && c.durations.items[0] == 20);
    assert_true(c.seeds.n == 2 && c.seeds.items[1] == INT64_C(9007199254740992));
    assert_true(c.learning_rates.items[1] == 1e-4);
    assert_true(c.training.batch == 32 && c.training.lora_rank == 8 && c.training.lora_alpha == 16);
    assert_int_equal(c.training.lora_targets.n, 2);
    assert_string_equal(c.training.freeze.items[0], "embeddings");
    assert_string_equal(c.keep, "best");
    slk_err err = {0};
    slk_fail(&err, SLK_E_NOT_FOUND, "no such set");
    assert_int_equal(slk_study_config_fail_in(&c, "data.set", SLK_E_NOT_FOUND, &err), SLK_E_NOT_FOUND);
    assert_string_equal(err.msg, "dir/s.yaml:5: data.set: no such set");
    slk_study_config_release(&c);
}

static void test_mistakes(void **state)
{
    (void)state;
    refused("", "dir/s.yaml:1: model: missing, expected the base model: a .gguf file, a Hugging Face directory (one "
                "with an adapter is merged first: slick convert --merge), or \"builtin:\" in quotes");
    refused("model: m\n\n", "dir/s.yaml:2: variants: none, expected at least one (unknown: [0, 50, 100])");
    refused(MINIMAL "epoch: 5\n", "dir/s.yaml:4: epoch: unknown key, did you mean epochs?");
    refused(MINIMAL "learning-rates: [1]\n", "dir/s.yaml:4: learning-rates: unknown key, did you mean learning_rates?");
    refused(MINIMAL "batch: 5\n", "dir/s.yaml:4: batch: unknown key, did you mean training.batch?");
    refused(MINIMAL "trainig:\n  batch: 5\n", "dir/s.yaml:4: trainig: unknown key, did you mean training?");
    refused(MINIMAL "training:\n  btach: 5\n",
            "dir/s.yaml:5: training.btach: unknown key, did you mean training.batch?");
    refused(MINIMAL "training:\n  seeds: [1]\n",
            "dir/s.yaml:5: training.seeds: unknown key, did you mean seeds (at the left margin)?");
    refused(MINIMAL "zzz: 5\n", "dir/s.yaml:4: zzz: unknown key (slick study new shows all)");
    refused(MINIMAL "epochs: 3x\n", "dir/s.yaml:4: epochs: found '3x', expected a whole number from 1 to 100000");
    refused(MINIMAL "epochs: \"3\"\n",
            "dir/s.yaml:4: epochs: found the text \"3\", expected a whole number from 1 to 100000");
    refused(MINIMAL "epochs: 3.5\n", "dir/s.yaml:4: epochs: found '3.5', expected a whole number from 1 to 100000");
    refused(MINIMAL "epochs: 0\n", "dir/s.yaml:4: epochs: found '0', expected a whole number from 1 to 100000");
    refused(MINIMAL "epochs: 99999999999999999999\n",
            "dir/s.yaml:4: epochs: found '99999999999999999999', expected a whole number from 1 to 100000");
    refused(MINIMAL "epochs:\n", "dir/s.yaml:4: epochs: found nothing, expected a whole number from 1 to 100000");
    refused(MINIMAL "epochs: [3]\n", "dir/s.yaml:4: epochs: found a list, expected a whole number from 1 to 100000");
    refused(MINIMAL "epochs: 0x10\n", "dir/s.yaml:4: epochs: found '0x10', expected a whole number from 1 to 100000");
    refused(MINIMAL "size: big\n", "dir/s.yaml:4: size: found 'big', expected a whole number, 1 or more, or auto");
    refused(MINIMAL "training: {dropout: nan}\n",
            "dir/s.yaml:4: training.dropout: found 'nan', expected a number from 0 to 0.95");
    refused(MINIMAL "training: {dropout: 1}\n",
            "dir/s.yaml:4: training.dropout: found '1', expected a number from 0 to 0.95");
    refused(MINIMAL "training: 5\n", "dir/s.yaml:4: training: found '5', expected its keys, indented, one a line");
    refused("model: m\nvariants: {natural: yess}\n",
            "dir/s.yaml:2: variants.natural: found 'yess', expected true or false");
    refused("model: m\nvariants: {natural: yes}\n",
            "dir/s.yaml:2: variants.natural: found 'yes', expected true or false");
    refused("model: m\nvariants: {unknown: 50}\n", "dir/s.yaml:2: variants.unknown: found '50', expected a list of "
                                                   "numbers, each one from 0 to 100");
    refused("model: m\nvariants:\n  unknown: [0,\n   50%]\n", "dir/s.yaml:4: variants.unknown: found '50%', expected a "
                                                              "list of numbers, each one from 0 to 100");
    refused("model: m\nvariants: {unknown: [0, 101]}\n", "dir/s.yaml:2: variants.unknown: found '101', expected a list "
                                                         "of numbers, each one from 0 to 100");
    refused("model: m\nvariants: {unknown: [5, 5.0]}\n", "dir/s.yaml:2: variants.unknown: 5.0 is there twice");
    refused("model: m\nvariants: {only: [Unkown]}\n",
            "dir/s.yaml:2: variants.only: found 'Unkown', expected a list of some of "
            "HighlyKnown|MaybeKnown|WeaklyKnown|Unknown");
    refused("model: m\nvariants: {only: [MaybeKnown|WeaklyKnown]}\n",
            "dir/s.yaml:2: variants.only: found 'MaybeKnown|WeaklyKnown', expected a list of some of "
            "HighlyKnown|MaybeKnown|WeaklyKnown|Unknown");
    refused(MINIMAL "keep: beste\n", "dir/s.yaml:4: keep: found 'beste', expected one of none|best");
    refused(MINIMAL "labels: {match: f1:2}\n",
            "dir/s.yaml:4: labels.match: found 'f1:2', expected one of em|strict|contains|f1:X");
    refused(MINIMAL "seeds: []\n", "dir/s.yaml:4: seeds: found an empty list, expected at least one");
    refused(MINIMAL "seeds: [0, 1, 1]\n", "dir/s.yaml:4: seeds: 1 is there twice");
    refused(MINIMAL "seeds: [-1]\n",
            "dir/s.yaml:4: seeds: found '-1', expected a list of whole numbers, each one, 0 or more");
    refused(MINIMAL "learning_rates: []\n", "dir/s.yaml:4: learning_rates: found an empty list, expected at least one");
    refused(MINIMAL "evaluate: []\n", "dir/s.yaml:4: evaluate: found an empty list, expected a list of whole numbers, "
                                      "each one from 0 to 100000, or every");
    refused(MINIMAL "evaluate_dev: [3, 51]\n",
            "dir/s.yaml:4: evaluate_dev: found 51, expected at most 50, the number of epochs");
    refused(MINIMAL "evaluate: [60]\n", "dir/s.yaml:4: evaluate: found 60, expected at most 50, the number of epochs");
    refused(MINIMAL "epochs: 5\nepochs: 6\n", "dir/s.yaml:5: epochs: the key is there twice (first in line 4)");
    refused(MINIMAL "labels: {id: 3, n_ex: 5}\n",
            "dir/s.yaml:4: labels.n_ex: of probing, but labels.id takes label set 3 as it is");
    refused(MINIMAL "training: {lora_alpha: 5}\n",
            "dir/s.yaml:4: training.lora_alpha: of an adapter, but training.lora_rank is 0");
    refused("- a\n- b\n", "dir/s.yaml:1: found a list, expected keys and values (slick study new)");
    refused(MINIMAL "name: 0123456789012345678901234567890123456789012345678901234567890123\n",
            "dir/s.yaml:4: name: found 64 bytes, expected at most 63");
    refused(MINIMAL "name: ''\n", "dir/s.yaml:4: name: found the text \"\", expected a text");
}

static void test_no_yaml(void **state)
{
    (void)state;
    refused("model: [\n", "dir/s.yaml:2: did not find expected node content while parsing a flow node (line 2)");
    refused("model: m\n\tepochs: 3\n", "dir/s.yaml:2: found a tab character that violates indentation while scanning "
                                       "a plain scalar (line 1)");
    refused("model: \xFF\n", "dir/s.yaml:1: invalid leading UTF-8 octet");
    refused("a: 1\n--- \nb: 2\n", "dir/s.yaml:2: a second document, expected one");
    refused("model: &x m\n", "dir/s.yaml:1: an anchor (&), expected plain values");
    refused("name: *x\n", "dir/s.yaml:1: an alias (*), expected plain values");
    refused("name: !!str m\n", "dir/s.yaml:1: a tag (!), expected plain values");
    refused("? [a]\n: b\n", "dir/s.yaml:1: a key that is a list or mapping, expected a name");
    refused("name: \"a\\0b\"\n", "dir/s.yaml:1: a zero byte in a text");
    refused("a: [[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]\n", "dir/s.yaml:1: more than 16 levels");
    slk_buf many = {0};
    slk_buf_add_str(&many, "seeds: [");
    for (int i = 0; i < 10001; i++) slk_buf_addf(&many, "%d,\n", i);
    slk_buf_add_str(&many, "]\n");
    refused(many.data, "dir/s.yaml:9998: more than 10,000 values");
    slk_buf_release(&many);
    static char large[(1 << 20) + 2];
    memset(large, '#', sizeof large - 1);
    refused(large, "dir/s.yaml: 1048577 bytes, expected a study file (at most 1 MiB)");
}

/* What `study new` prints is read as the paper's study. */
static void test_template(void **state)
{
    (void)state;
    slk_study_config c;
    slk_buf text = {0}, table = {0};
    slk_study_config_add_template(&text);
    assert_false(text.failed);
    assert_ok(parse(&c, text.data, err));
    assert_string_equal(c.model, "dir/model.gguf");
    assert_int_equal(c.variants.unknown.n, 5);
    assert_int_equal(c.variants.only.n, 4);
    assert_true(c.variants.natural && c.variants.idk.n == 1 && c.seeds.n == 3 && c.epochs == 50);
    assert_null(c.instruction);
    assert_int_equal(c.training.freeze.n, 0);
    slk_study_config_release(&c);
    for (const char *line = text.data; *line;) { /* fits a terminal */
        size_t n = strcspn(line, "\n");
        assert_in_range(n, 0, 120);
        line += n + (line[n] == '\n');
    }
    slk_study_config_add_table(&table);
    assert_false(table.failed);
    assert_non_null(
        strstr(table.data, "| `training.batch` | whole number, 1 to 1000000 | `128` | examples an update |\n"));
    assert_non_null(strstr(table.data, "| `keep` | none\\|best | `none` |"));
    slk_buf_release(&text);
    slk_buf_release(&table);
}

static void test_file(void **state)
{
    (void)state;
    slk_study_config c;
    const char *path = temp_path("s.yaml");
    assert_fails(slk_study_config_read(&c, path, err), SLK_E_IO, "s.yaml");
    write_file(path, MINIMAL, strlen(MINIMAL));
    assert_ok(slk_study_config_read(&c, path, err));
    slk_study_config_release(&c);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults), cmocka_unit_test(test_everything), cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_no_yaml),  cmocka_unit_test(test_template),   cmocka_unit_test(test_file),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    remove_temp();
    return failed;
}
