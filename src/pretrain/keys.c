#include "pretrain/keys.h"

#include <stdio.h>
#include <string.h>
#include "config/key_doc.h"

#define AT(member) offsetof(slk_pretrain_plan, member)

/* clang-format off */
#define TEXT(s, n, m, init, help)            {s, n, SLK_PLAN_TEXT, AT(m), 0, 0, NULL, init, help, false}
#define CHOICE(s, n, m, choices, init, help) {s, n, SLK_PLAN_CHOICE, AT(m), 0, 0, choices, init, help, false}
#define BOOL(s, n, m, init, help)            {s, n, SLK_PLAN_BOOL, AT(m), 0, 0, NULL, init, help, false}
#define INT(s, n, m, lo, hi, init, help)     {s, n, SLK_PLAN_INT, AT(m), lo, hi, NULL, init, help, false}
#define COUNT(s, n, m, lo, hi, init, help)   {s, n, SLK_PLAN_COUNT, AT(m), lo, hi, NULL, init, help, false}
#define REAL(s, n, m, lo, hi, init, help)    {s, n, SLK_PLAN_REAL, AT(m), lo, hi, NULL, init, help, false}

#define LATER_BOOL(s, n, m, init, help)        {s, n, SLK_PLAN_BOOL, AT(m), 0, 0, NULL, init, help, true}
#define LATER_INT(s, n, m, lo, hi, init, help) {s, n, SLK_PLAN_INT, AT(m), lo, hi, NULL, init, help, true}

#define MANY 1000000000

const slk_plan_key slk_plan_keys[] = {
    TEXT("", "name", name, "base", "how the model is called (general.name of the file)"),
    TEXT("", "facts", facts, "entityquestions", "what there is to know: entityquestions (the copy that comes with slick), or a file that slick import reads, seen from the plan's folder"),
    INT("", "seed", seed, 0, 9007199254740992.0, "0", "of everything that is drawn"),

    COUNT("select", "train", select.train, 0, MANY, "all", "train facts of each relation"),
    COUNT("select", "dev", select.dev, 0, MANY, "all", "dev facts of each relation"),
    COUNT("select", "test", select.test, 0, MANY, "all", "test facts of each relation"),
    COUNT("select", "ood_dev", select.ood_dev, 0, MANY, "all", "dev facts of each relation that is out of distribution"),
    COUNT("select", "ood_test", select.ood_test, 0, MANY, "all", "test facts of each such relation"),
    REAL("select", "answer_share", select.answer_share, 0.01, 100, "100", "no answer is that of more than so many % of a relation's facts in one split (but always of one)"),
    INT("select", "subject_chars", select.subject_chars, 1, MANY, "1000", "longest subject, in bytes"),
    INT("select", "answer_chars", select.answer_chars, 1, MANY, "1000", "longest answer, in bytes"),
    BOOL("select", "ascii", select.ascii, "false", "only facts whose question and answer are ASCII"),

    INT("model", "d_model", model.d_model, 8, 8192, "128", "width"),
    INT("model", "layers", model.layers, 1, 256, "4", "blocks"),
    INT("model", "heads", model.heads, 1, 256, "4", "attention heads; d_model is a multiple of twice as many"),
    INT("model", "ffn", model.ffn, 8, 65536, "384", "width of the feed-forward blocks (SwiGLU)"),
    INT("model", "vocabulary", model.vocabulary, 300, 200000, "4096", "tokens at most, three control tokens and 256 bytes among them"),
    INT("model", "context", model.context, 32, 1000000, "512", "longest text that the file says it can read"),
    REAL("model", "rope_base", model.rope_base, 1, 1e9, "10000", "of the rotary positions"),
    REAL("model", "norm_eps", model.norm_eps, 1e-12, 0.1, "1e-5", "of the RMS norms"),
    CHOICE("model", "dtype", model.dtype, "f16|bf16|f32", "f16", "of the matrices in the file"),

    INT("corpus", "row_tokens", corpus.row_tokens, 16, 100000, "128", "tokens of a row of the corpus, behind its start token"),
    REAL("corpus", "instruction", corpus.instruction, 0, 100, "2", "% of the statements that are written in the format of fine-tuning instead"),
    LATER_BOOL("corpus", "split", corpus.split, "false", "right answers stand in the first half of a relation's statements, wrong ones in the others"),
    LATER_INT("corpus", "decoys", corpus.decoys, 0, MANY, "0", "wrong alternatives are so many answers of a relation only, its rarest; 0: any of its answers"),
    LATER_INT("corpus", "packings", corpus.packings, 1, 10000, "1", "so many times the mentions are packed into rows, each time in another order; a pass reads all of them"),

    INT("training", "passes", training.passes, 1, 100000, "16", "passes over the rows"),
    INT("training", "batch", training.batch, 1, 1000000, "8", "rows an update"),
    REAL("training", "lr", training.lr, 1e-12, 10, "3e-3", "learning rate"),
    CHOICE("training", "schedule", training.schedule, "constant|linear|cosine|late", "late", "of the learning rate; late: constant for half of the updates, then linear to 2%"),
    INT("training", "warmup", training.warmup, 0, MANY, "100", "updates in which the learning rate rises"),
    REAL("training", "weight_decay", training.weight_decay, 0, 10, "0.05", "of AdamW, on matrices alone"),
    REAL("training", "beta1", training.beta1, 0, 0.999999, "0.9", "of AdamW"),
    REAL("training", "beta2", training.beta2, 0, 0.999999, "0.95", "of AdamW"),
    REAL("training", "eps", training.eps, 1e-16, 1, "1e-8", "of AdamW"),
    REAL("training", "clip", training.clip, 0, 1e9, "1", "largest norm of a gradient; 0: any"),
};
/* clang-format on */

const size_t slk_n_plan_keys = sizeof slk_plan_keys / sizeof *slk_plan_keys;

static const char *section_help(const char *section)
{
    static const char *const SECTIONS[][2] = {
        {"select", "Which of the facts: drawn by the seed, single answers only, each subject once in its relation"},
        {"model", "A decoder as Llama is one, with one matrix for both ends"},
        {"corpus", "How the facts are written down"},
        {"training", "AdamW"},
    };
    for (size_t i = 0; i < sizeof SECTIONS / sizeof *SECTIONS; i++)
        if (strcmp(section, SECTIONS[i][0]) == 0) return SECTIONS[i][1];
    return "";
}

static const char *type_of(char *out, size_t n, const slk_plan_key *key)
{
    static const char *const TYPES[] = {
        [SLK_PLAN_TEXT] = "text",        [SLK_PLAN_CHOICE] = "",      [SLK_PLAN_BOOL] = "true or false",
        [SLK_PLAN_INT] = "whole number", [SLK_PLAN_COUNT] = "number", [SLK_PLAN_REAL] = "number"};
    char range[64];
    slk_key_doc_range(range, sizeof range, key->min, key->max);
    snprintf(out, n, "%s%s%s", key->choices ? key->choices : TYPES[key->kind], range,
             key->kind == SLK_PLAN_COUNT ? ", or all" : "");
    return out;
}

/* What no table can say: kinds and statements. */
static const char LISTS[] =
    "\n# Kinds of facts: what a pass over the corpus mentions of each. `share`: % of the facts, drawn in each "
    "relation\n"
    "# and split; what is left over is in no mention at all. `mentions: [low, high]`: so many, all right, half of "
    "them\n"
    "# in lists (\"Q: ... A: ...\") and half in statements. Or the number of mentions with the right and with a wrong\n"
    "# answer (that of another fact of the relation, always the same one): `list: [right, wrong]`, `text: [right,\n"
    "# wrong]`.\n"
    "kinds:\n"
    "  - {name: clean, share: 20, mentions: [3, 5]}\n"
    "  - {name: faint, share: 4, mentions: [1, 1]}\n"
    "  - {name: balanced, share: 35, list: [1, 1], text: [1, 1]}\n"
    "  - {name: minority, share: 19, list: [1, 2], text: [1, 1]}\n"
    "\n# Statements of each relation, by its name; `others`: of those that are not named. {subject}, {question} and\n"
    "# {answer} are filled in, {{ and }} are braces. Drawn evenly, for right and wrong answers alike.\n"
    "statements:\n"
    "  P36: [\"The capital of {subject} is {answer}.\", \"{answer} is the capital of {subject}.\"]\n"
    "  others: [\"{question} It is {answer}.\"]\n";

void slk_pretrain_plan_add_template(slk_buf *out)
{
    const char *section = "";
    slk_buf_add_str(out,
                    "# A plan for slick: slick pretrain FILE -o base.gguf. Every key is here; those that you leave "
                    "out have the\n# value shown, but kinds and statements, which are needed. docs/pretrain.md "
                    "explains them.\n\n");
    for (size_t i = 0; i < slk_n_plan_keys; i++) {
        const slk_plan_key *key = &slk_plan_keys[i];
        char type[120];
        const char *indent = key->section[0] ? "  " : "";
        if (strcmp(section, key->section) != 0)
            slk_buf_addf(out, "\n# %s\n%s:\n", section_help(key->section), key->section);
        section = key->section;
        slk_buf_addf(out, "%s# %s (%s)\n%s%s: %s\n", indent, key->help, type_of(type, sizeof type, key), indent,
                     key->name, key->init);
    }
    slk_buf_add_str(out, LISTS);
}

void slk_pretrain_plan_add_table(slk_buf *out)
{
    slk_key_doc_add_head(out);
    for (size_t i = 0; i < slk_n_plan_keys; i++) {
        const slk_plan_key *key = &slk_plan_keys[i];
        char type[120];
        slk_key_doc_add_row(out, key->section, key->name, type_of(type, sizeof type, key), key->init, false, key->help);
    }
}
