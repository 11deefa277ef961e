#include "study/keys.h"

#include <string.h>
#include "compute/compute.h"
#include "know/exemplars.h"

#define AT(member) offsetof(slk_study_config, member)

/* clang-format off */
#define TEXT(s, n, m, init, example, help)      {s, n, SLK_KEY_TEXT, AT(m), 0, 0, NULL, NULL, 0, init, example, false, help}
#define PATH(s, n, m, example, need, help)      {s, n, SLK_KEY_PATH, AT(m), 0, 0, NULL, NULL, 0, NULL, example, need, help}
#define CHOICE(s, n, m, choices, init, help)    {s, n, SLK_KEY_CHOICE, AT(m), 0, 0, choices, NULL, 0, init, NULL, false, help}
#define BOOL(s, n, m, init, example, help)      {s, n, SLK_KEY_BOOL, AT(m), 0, 0, NULL, NULL, 0, init, example, false, help}
#define INT(s, n, m, lo, hi, init, help)        {s, n, SLK_KEY_INT, AT(m), lo, hi, NULL, NULL, 0, init, NULL, false, help}
#define COUNT(s, n, m, lo, hi, word, value, init, help) \
    {s, n, SLK_KEY_INT, AT(m), lo, hi, NULL, word, value, init, NULL, false, help}
#define REAL(s, n, m, lo, hi, init, help)       {s, n, SLK_KEY_REAL, AT(m), lo, hi, NULL, NULL, 0, init, NULL, false, help}
#define INTS(s, n, m, lo, hi, word, init, example, help) \
    {s, n, SLK_KEY_INTS, AT(m), lo, hi, NULL, word, 0, init, example, false, help}
#define REALS(s, n, m, lo, hi, init, example, help) \
    {s, n, SLK_KEY_REALS, AT(m), lo, hi, NULL, NULL, 0, init, example, false, help}
#define WORDS(s, n, m, choices, word, init, example, help) \
    {s, n, SLK_KEY_WORDS, AT(m), 0, 0, choices, word, 0, init, example, false, help}

#define MANY 1000000000

const slk_key slk_study_keys[] = {
    TEXT("", "name", name, "study", NULL, "how the study is called in lists and in its report; at most 63 bytes"),
    PATH("", "model", model, "model.gguf", true, "the base model: a .gguf file, a Hugging Face directory (one with an adapter is merged first: slick convert --merge), or \"builtin:\" in quotes"),
    PATH("", "instruction", instruction, "prompt.txt", false,
         "template of the fine-tuning prompt ({question}), instead of `Answer the following question.`"),

    TEXT("data", "set", data.set, NULL, "entityquestions", "fact set of the store (slick facts); the newest when left out"),
    WORDS("data", "relations", data.relations, NULL, "all", "all", NULL, "only these relations, those out of distribution included"),
    COUNT("data", "train", data.train, 1, MANY, "all", SLK_STUDY_ALL, "all",
          "train facts that are labelled, so that D can be drawn from them; spread evenly over the relations, as the next three are"),
    COUNT("data", "dev", data.dev, 1, MANY, "all", SLK_STUDY_ALL, "all", "dev facts that are asked after every epoch, for EARLY_STOP"),
    COUNT("data", "test", data.test, 1, MANY, "all", SLK_STUDY_ALL, "all", "test facts that are labelled, and asked after every epoch"),
    COUNT("data", "ood", data.ood, 0, MANY, "all", SLK_STUDY_ALL, "all", "test facts of the out-of-distribution relations, likewise; 0: none"),

    COUNT("labels", "id", labels.id, 1, MANY, "probe", 0, "probe",
          "a label set of the store (slick labels), or `probe`: the model is asked as the next keys say, and what the store has is not asked again"),
    INT("labels", "n_ex", labels.n_ex, 1, SLK_MAX_EX, "10", "few-shot prompts a question"),
    INT("labels", "shots", labels.shots, 0, 64, "4", "exemplars a prompt"),
    INT("labels", "samples", labels.samples, 0, 1000, "16", "sampled answers a prompt"),
    REAL("labels", "temperature", labels.temperature, 1e-3, 100, "0.5", "of the samples"),
    INT("labels", "top_k", labels.top_k, 1, SLK_TOP_MAX, "40", "of the samples"),
    {"labels", "match", SLK_KEY_MATCH, AT(labels.match), 0, 0, "em|strict|contains|f1:X", NULL, 0, "em", NULL, false,
     "when an answer counts as right, here and after every epoch"},
    CHOICE("labels", "answers", labels.answers, "none|greedy|all", "greedy", "which wrong answers are decoded to their end and kept; never changes a label"),
    CHOICE("labels", "pool", labels.pool, "train|dev|test", "dev", "split that exemplars come from"),
    PATH("labels", "template", labels.template, "qa.txt", false, "format of the few-shot prompts, instead of `Q: ... A: ...`"),
    INT("labels", "seed", labels.seed, 0, 9007199254740992.0, "0", "of exemplars, samples, and of which facts are taken"),
    BOOL("labels", "p_true", labels.p_true, "true", NULL, "measure P(True) of the test facts, too (the report's figure 5)"),

    REALS("variants", "unknown", variants.unknown, 0, 100, NULL, "[0, 25, 50, 75, 100]", "D with so many % of Unknown facts, the rest Known, in each relation"),
    REALS("variants", "known_of", variants.known_of, 0, 99.999, NULL, "[25, 50, 75]", "the same less its Unknown facts (smaller than the others)"),
    WORDS("variants", "only", variants.only, "HighlyKnown|MaybeKnown|WeaklyKnown|Unknown", NULL, NULL,
          "[HighlyKnown, MaybeKnown, WeaklyKnown, Unknown]", "D of one category"),
    BOOL("variants", "natural", variants.natural, "false", "true", "D as the facts come"),
    REALS("variants", "idk", variants.idk, 0.001, 100, NULL, "[50]", "as unknown, with `I don't know` as the answer of its Unknown facts"),

    COUNT("", "size", size, 1, MANY, "auto", 0, "auto",
          "examples of D; auto: in each relation as many as its smallest category has, of those that the variants need"),
    INT("", "epochs", epochs, 1, 100000, "50", "epochs of a run; the last one is CONVERGENCE"),
    INT("", "patience", patience, 0, 100000, "0", "end a run after so many epochs without a better dev accuracy (it then has no CONVERGENCE); 0: never"),
    INTS("", "evaluate", evaluate, 0, 100000, "every", "every", NULL,
         "epochs in which train, test and ood facts are asked, beside 0, the last one, and that of the best dev accuracy (whose weights are kept in memory until then)"),
    INTS("", "evaluate_dev", evaluate_dev, 0, 100000, "every", "every", NULL,
         "epochs in which dev facts are asked, beside 0, the last one and those of `evaluate`: EARLY_STOP is the best of these"),
    INTS("", "durations", durations, 1, 100000, "auto", "auto", NULL, "epochs that the report's figure 3a shows beside EARLY_STOP and CONVERGENCE; changes no run"),
    INTS("", "seeds", seeds, 0, 9007199254740992.0, NULL, "[0]", "[0, 1, 2]", "a run of each variant for each seed, which draws D, the order of examples and dropout"),
    REALS("", "learning_rates", learning_rates, 1e-12, 10, "[1e-5]", NULL, "... and for each learning rate (the paper: 1e-5, and 1e-4)"),

    INT("training", "batch", training.batch, 1, 1000000, "128", "examples an update"),
    REAL("training", "dropout", training.dropout, 0, 0.95, "0.05", "on the output of each attention and feed-forward block"),
    CHOICE("training", "schedule", training.schedule, "constant|linear|cosine", "constant", "of the learning rate"),
    INT("training", "warmup", training.warmup, 0, MANY, "0", "updates in which the learning rate rises"),
    REAL("training", "weight_decay", training.weight_decay, 0, 10, "0", "of AdamW"),
    REAL("training", "clip", training.clip, 0, 1e9, "1", "largest norm of a gradient; 0: any"),
    REAL("training", "beta1", training.beta1, 0, 0.999999, "0.9", "of AdamW"),
    REAL("training", "beta2", training.beta2, 0, 0.999999, "0.999", "of AdamW"),
    REAL("training", "eps", training.eps, 1e-16, 1, "1e-8", "of AdamW"),
    INT("training", "lora_rank", training.lora_rank, 0, 4096, "0", "train a LoRA adapter of this rank; 0: all weights"),
    {"training", "lora_alpha", SLK_KEY_REAL, AT(training.lora_alpha), 1e-3, 1e6, NULL, "auto", 0, "auto", NULL, false,
     "its scale is alpha / rank; auto: twice the rank"},
    REAL("training", "lora_dropout", training.lora_dropout, 0, 0.95, "0", "on an adapter's input"),
    WORDS("training", "lora_targets", training.lora_targets, "q|k|v|o|gate|up|down", "all", "all", NULL, "matrices that it changes"),
    WORDS("training", "freeze", training.freeze, "attention|ffn|embeddings", NULL, NULL, "[embeddings]", "weights that stay as they are"),

    CHOICE("", "keep", keep, "none|best", "none", "checkpoints of a finished run: none, or that of the best dev accuracy (<store>.runs/ID/best)"),
    INT("", "jobs", jobs, 1, 1024, "1", "processes at a time, each with its share of the cores: parts of the labels, then runs (--jobs)"),
};
/* clang-format on */

const size_t slk_n_study_keys = sizeof slk_study_keys / sizeof *slk_study_keys;
_Static_assert(sizeof slk_study_keys / sizeof *slk_study_keys <= SLK_STUDY_MAX_KEYS, "lines[] is too short");

const char *slk_study_section_help(const char *section)
{
    static const char *const sections[][2] = {
        {"", "What is studied, and how long"},
        {"data", "Which facts"},
        {"labels", "What the model knows before (SliCK): a label set that is there, or how to make one"},
        {"variants", "The fine-tuning sets D that are compared; at least one"},
        {"training", "How each of them is trained on"},
    };
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        if (strcmp(section, sections[i][0]) == 0) return sections[i][1];
    }
    return "";
}
