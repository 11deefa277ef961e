/* slick mix: fine-tuning sets out of labelled facts. */
#include "command.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/mem.h"
#include "data/mix.h"
#include "label_walk.h"
#include "store/facts.h"
#include "table.h"
#include "terminal.h"

static struct {
    const char *set, *unknown, *only, *output;
    int64_t labels, size;
    slk_list relations, beside;
    bool natural, drop_unknown, idk;
} opt;

static const slk_option OPTIONS[] = {
    SLK_OPT_STR("unknown", &opt.unknown, "X", NULL,
                "share of Unknown in each relation: 0.5, or 50%; the rest is Known"),
    SLK_OPT_FLAG("drop-unknown", &opt.drop_unknown, "with --unknown: the same set less its Unknown examples"),
    SLK_OPT_FLAG("idk", &opt.idk, "with --unknown: Unknown examples are answered \"I don't know\""),
    SLK_OPT_CHOICE("only", &opt.only, "HighlyKnown|MaybeKnown|WeaklyKnown|Unknown", NULL, "examples of one category"),
    SLK_OPT_FLAG("natural", &opt.natural, "each relation's own shares of the categories"),
    SLK_OPT_INT(
        "size", &opt.size, "N", NULL, 1, 1000000000,
        "N examples, spread as the rule's sizes are (default: per relation its smallest category that is needed)"),
    SLK_OPT_LIST("beside", &opt.beside, "VARIANT,...",
                 "other sets that are to have as many examples of each relation: unknown-X, only-CATEGORY, natural"),
    SLK_OPT_STR("set", &opt.set, "SET", NULL, "fact set (default: that of the newest labels)"),
    SLK_OPT_INT("labels", &opt.labels, "ID", NULL, 1, 1e15, "label set (default: the newest of the fact set)"),
    SLK_OPT_LIST("relations", &opt.relations, "A,B", "only these relations"),
    {"output", 'o', SLK_OPTION_STR, {.str = &opt.output}, "FILE", NULL, 0, 0, "write FILE (default: standard output)"},
    SLK_OPT_END};

/* The labelled train facts that D is drawn from. */
typedef struct material {
    slk_label_set_info info;
    slk_facts facts;
    int8_t *categories;     /* [facts.n] */
    const slk_fact **items; /* [facts.n] */
    size_t cap_categories;
    size_t n_train;       /* train facts of the chosen relations, labelled or not */
    size_t n_unlabelable; /* among facts */
    size_t n_ood;         /* labelled, but only ever tested: not among facts */
} material;

static void release(material *m)
{
    slk_facts_release(&m->facts);
    free(m->categories);
    free(m->items);
}

/* --- what is asked ---------------------------------------------------------------------------------------------------
 */

static slk_status read_variant(slk_mix_variant *out, slk_cli *cli, slk_err *err)
{
    slk_err problem = {0};
    if ((opt.unknown != NULL) + (opt.only != NULL) + opt.natural != 1)
        return slk_cli_usage(cli, err, "one of --unknown, --only and --natural is needed");
    if ((opt.drop_unknown || opt.idk) && !opt.unknown)
        return slk_cli_usage(cli, err, "%s goes with --unknown X", opt.idk ? "--idk" : "--drop-unknown");
    if (opt.drop_unknown && opt.idk) return slk_cli_usage(cli, err, "--drop-unknown and --idk exclude each other");
    *out = (slk_mix_variant){.kind = opt.only           ? SLK_MIX_ONLY
                                     : opt.natural      ? SLK_MIX_NATURAL
                                     : opt.idk          ? SLK_MIX_IDK
                                     : opt.drop_unknown ? SLK_MIX_KNOWN
                                                        : SLK_MIX_UNKNOWN};
    if (opt.only) out->category = (slk_category)slk_category_parse(opt.only);
    if (opt.unknown && slk_mix_share_parse(&out->unknown, opt.unknown, &problem) != SLK_OK)
        return slk_cli_usage(cli, err, "--unknown %s", problem.msg);
    return SLK_OK;
}

/* The variant and those beside it; free(*out). */
static slk_status read_variants(slk_mix_variant **out, size_t *n, slk_cli *cli, const slk_mix_variant *own,
                                slk_err *err)
{
    slk_err problem = {0};
    *n = 1 + opt.beside.n;
    *out = slk_alloc(*n, sizeof **out);
    if (!*out) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    (*out)[0] = *own;
    for (size_t i = 0; i < opt.beside.n; i++) {
        if (slk_mix_variant_parse(&(*out)[i + 1], opt.beside.items[i], &problem) != SLK_OK)
            return slk_cli_usage(cli, err, "--beside: %s", problem.msg);
    }
    return SLK_OK;
}

/* --- labelled facts --------------------------------------------------------------------------------------------------
 */

static slk_status find_labels(slk_label_set_info *out, slk_store *store, const slk_cli *cli, slk_err *err)
{
    int64_t id = opt.labels;
    if (id == 0 && opt.set) {
        slk_label_set_info *sets;
        size_t n;
        slk_status status = slk_store_list_label_sets(store, &sets, &n, err);
        if (status != SLK_OK) return status;
        for (size_t i = 0; i < n && id == 0; i++) {
            if (strcmp(sets[i].settings.set_name, opt.set) == 0) id = sets[i].id;
        }
        free(sets);
        if (id == 0)
            return slk_fail(err, SLK_E_NOT_FOUND, "%s: no labels of fact set '%s' (slick probe --set %s makes them)",
                            cli->store, opt.set, opt.set);
    }
    slk_status status = slk_cli_find_labels(out, store, cli, id, err);
    if (status == SLK_OK && opt.set && strcmp(out->settings.set_name, opt.set) != 0)
        status = slk_fail(err, SLK_E_ARG, "label set %" PRId64 " is of fact set '%s', expected '%s' as --set says",
                          out->id, out->settings.set_name, opt.set);
    return status;
}

static slk_status take_fact(void *user, const slk_fact *fact, slk_label *label, slk_err *err)
{
    material *m = user;
    if (fact->ood) {
        m->n_ood++;
        return SLK_OK;
    }
    slk_fact copy;
    if (!slk_grow(&m->categories, &m->cap_categories, m->facts.n + 1, sizeof *m->categories) ||
        !slk_fact_copy(&copy, fact))
        return slk_fail(err, SLK_E_MEMORY, "out of memory");
    slk_category category = slk_label_category(label, label->n_ex, label->n_samples);
    m->categories[m->facts.n] = category == SLK_UNLABELABLE ? -1 : (int8_t)category;
    m->n_unlabelable += category == SLK_UNLABELABLE;
    if (slk_facts_push(&m->facts, &copy)) return SLK_OK;
    slk_fact_release(&copy);
    return slk_fail(err, SLK_E_MEMORY, "out of memory");
}

static bool is_chosen(const char *relation)
{
    for (size_t i = 0; i < opt.relations.n; i++) {
        if (strcmp(opt.relations.items[i], relation) == 0) return true;
    }
    return opt.relations.n == 0;
}

static slk_status load(material *m, slk_store *store, const slk_cli *cli, slk_err *err)
{
    slk_status status = find_labels(&m->info, store, cli, err);
    slk_label_filter filter = {SLK_SPLIT_TRAIN, &opt.relations};
    if (status == SLK_OK) {
        status = slk_cli_walk_labels(store, &m->info, &filter, false, take_fact, m, err);
        if (status == SLK_E_NOT_FOUND && opt.relations.n == 0)
            status = slk_fail(err, status,
                              "label set %" PRId64
                              " has no labels of the train split (slick probe --split train makes them)",
                              m->info.id);
    }
    slk_relation_counts counts = {0};
    if (status == SLK_OK) status = slk_store_count_facts(store, &counts, m->info.settings.set_name, err);
    for (size_t i = 0; status == SLK_OK && i < counts.n; i++) {
        if (is_chosen(counts.items[i].relation) && !counts.items[i].ood)
            m->n_train += counts.items[i].n[SLK_SPLIT_TRAIN];
    }
    slk_relation_counts_release(&counts);
    if (status == SLK_OK && m->facts.n == 0)
        status = slk_fail(err, SLK_E_NOT_FOUND,
                          "the %zu labelled train facts are all out of distribution: only ever tested", m->n_ood);
    if (status == SLK_OK) m->items = slk_alloc(m->facts.n, sizeof *m->items);
    if (status == SLK_OK && !m->items) status = slk_fail(err, SLK_E_MEMORY, "out of memory");
    for (size_t i = 0; status == SLK_OK && i < m->facts.n; i++) m->items[i] = &m->facts.items[i];
    return status;
}

/* --- D as lines ------------------------------------------------------------------------------------------------------
 */

static json_t *texts_json(char *const *items, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(list, json_string(items[i]));
    return list;
}

/* Everything that decides which lines there are, after the fact itself. */
static void add_provenance(json_t *o, const slk_label_set_info *info, const char *variant, uint64_t seed)
{
    json_object_set_new(o, "variant", json_string(variant));
    json_object_set_new(o, "seed", json_integer((json_int_t)seed));
    json_object_set_new(o, "labels", json_integer((json_int_t)info->id));
    json_object_set_new(o, "model", slk_cli_hash_json(info->settings.model_hash));
    if (info->settings.adapter_hash) json_object_set_new(o, "adapter", slk_cli_hash_json(info->settings.adapter_hash));
}

/* An example: a record that `slick import` and `slick train` read. Where the answer was replaced, other spellings of
 * the true one must go, too. */
static json_t *line_json(const slk_fact *fact, int category, bool idk)
{
    json_t *o = json_object();
    json_object_set_new(o, "question", json_string(fact->question));
    json_object_set_new(o, "answer", json_string(idk ? SLK_MIX_IDK_ANSWER : fact->answers[0]));
    if (fact->n_answers > 1 && !idk) json_object_set_new(o, "answers", texts_json(fact->answers, fact->n_answers));
    json_object_set_new(o, "aliases", texts_json(fact->aliases, idk ? 0 : fact->n_aliases));
    json_object_set_new(o, "relation", json_string(fact->relation));
    if (fact->subject) json_object_set_new(o, "subject", json_string(fact->subject));
    json_object_set_new(o, "category", json_string(slk_category_name((slk_category)category)));
    json_object_set_new(o, "split", json_string(slk_split_name(fact->split)));
    json_object_set_new(o, "fact", slk_cli_hash_json(fact->id));
    if (idk) json_object_set_new(o, "was", json_string(fact->answers[0]));
    return o;
}

static int append(const char *bytes, size_t n, void *user)
{
    slk_buf_add(user, bytes, n);
    return 0;
}

static slk_status render(slk_buf *out, const material *m, const slk_mix *mix, const slk_mix_variant *variant,
                         uint64_t seed, slk_err *err)
{
    char name[SLK_MIX_NAME_BYTES];
    slk_mix_variant_name(name, variant);
    slk_buf_add_str(out, ""); /* data is never NULL */
    for (size_t i = 0; i < mix->n; i++) {
        size_t at = mix->index[i];
        json_t *line = line_json(m->items[at], m->categories[at], mix->idk[i]);
        add_provenance(line, &m->info, name, seed);
        bool ok = line && json_dump_callback(line, append, out, JSON_COMPACT) == 0;
        json_decref(line);
        slk_buf_add_str(out, "\n");
        if (!ok || out->failed) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    }
    return SLK_OK;
}

/* --- the file --------------------------------------------------------------------------------------------------------
 */

/* A file that is there and holds something else: which options made it, as far as its first line says. */
static slk_status refuse_other(const char *old, size_t n_bytes, const slk_buf *lines, slk_err *err)
{
    static const char *const KEYS[] = {"variant", "seed", "labels", "model", "adapter"};
    const char *end = memchr(old, '\n', n_bytes);
    const char *own_end = lines->data ? memchr(lines->data, '\n', lines->len) : NULL;
    json_t *a = json_loadb(old, end ? (size_t)(end - old) : n_bytes, 0, NULL);
    json_t *b = own_end ? json_loadb(lines->data, (size_t)(own_end - lines->data), 0, NULL) : NULL;
    slk_buf text = {0};
    for (size_t i = 0; json_object_get(a, "variant") && i < sizeof KEYS / sizeof *KEYS; i++) {
        const json_t *x = json_object_get(a, KEYS[i]), *y = json_object_get(b, KEYS[i]);
        if (json_equal(x, y) || (!x && !y)) continue;
        char *there = x ? json_dumps(x, JSON_ENCODE_ANY) : NULL, *here = y ? json_dumps(y, JSON_ENCODE_ANY) : NULL;
        slk_buf_addf(&text, "%s%s %.60s, not %.60s", text.len ? "; " : "", KEYS[i], there ? there : "none",
                     here ? here : "none");
        free(there);
        free(here);
    }
    json_decref(a);
    json_decref(b);
    slk_status status = slk_fail(err, SLK_E_STATE, "%s: exists, with %s (--force overwrites it)", opt.output,
                                 text.len ? text.data : "other content");
    slk_buf_release(&text);
    return status;
}

static slk_status write_file(const slk_cli *cli, const slk_buf *lines, slk_err *err)
{
    bool exists = slk_file_exists(opt.output) && strcmp(opt.output, "-") != 0;
    if (exists && !cli->force) {
        char *old;
        size_t n_bytes;
        slk_status status = slk_file_read(&old, &n_bytes, opt.output, err);
        if (status != SLK_OK) return status;
        bool same = lines->data && n_bytes == lines->len && memcmp(old, lines->data, n_bytes) == 0;
        if (same)
            slk_cli_note(cli, "%s is there already, as it would be written", opt.output);
        else
            status = refuse_other(old, n_bytes, lines, err);
        free(old);
        return status;
    }
    slk_out *out;
    slk_status status = slk_out_open(&out, opt.output, cli->force, err);
    if (status != SLK_OK) return status;
    if (fwrite(lines->data, 1, lines->len, slk_out_stream(out)) != lines->len && !ferror(slk_out_stream(out)))
        status = slk_fail(err, SLK_E_IO, "%s: write failed", opt.output);
    if (status == SLK_OK) status = slk_out_commit(out, err); /* finds earlier errors of the stream, too */
    slk_out_close(out);
    return status;
}

/* --- what is said about it -------------------------------------------------------------------------------------------
 */

static void warn_left_out(const slk_cli *cli, const slk_mix_plan *plan)
{
    slk_buf text = {0};
    for (size_t i = 0; i < plan->n_relations; i++) {
        const slk_mix_relation *r = &plan->relations[i];
        if (!r->lacks) continue;
        slk_buf_addf(&text, "%s%s (no", text.len ? ", " : "", *r->name ? r->name : "''");
        for (int p = 0, n = 0; p < SLK_MIX_N_POOLS; p++) {
            if (r->lacks >> p & 1) slk_buf_addf(&text, "%s %s", n++ ? "," : "", slk_mix_pool_name(p));
        }
        slk_buf_add_str(&text, ")");
    }
    if (text.data && !text.failed)
        slk_cli_warn(cli, "%zu of %zu relations left out: %s", plan->n_left_out, plan->n_relations, text.data);
    slk_buf_release(&text);
}

static void note_material(const slk_cli *cli, const material *m)
{
    size_t n_labelled = m->facts.n - m->n_unlabelable;
    slk_buf more = {0};
    slk_buf_add_str(&more, "");
    if (m->n_unlabelable) slk_buf_addf(&more, "; %s cannot be labelled", slk_show_count(m->n_unlabelable).text);
    if (m->n_ood) slk_buf_addf(&more, "; %s are of relations that are only tested", slk_show_count(m->n_ood).text);
    slk_cli_note(cli, "%s of %s train facts have a category%s", slk_show_count(n_labelled).text,
                 slk_show_count(m->n_train).text, more.data ? more.data : "");
    slk_buf_release(&more);
}

static slk_status print_table(const slk_mix_plan *plan, const slk_mix *mix, slk_err *err)
{
    slk_table t;
    size_t sums[SLK_N_CATEGORIES] = {0};
    slk_table_init(&t, "lrrrrr",
                   (const char *const[]){"relation", "n", "HighlyKnown", "MaybeKnown", "WeaklyKnown", "Unknown"});
    for (size_t i = 0; i < plan->n_relations; i++) {
        const slk_mix_relation *r = &plan->relations[i];
        size_t n = 0;
        if (r->lacks) continue;
        for (int c = 0; c < SLK_N_CATEGORIES; c++) n += mix->counts[i][c], sums[c] += mix->counts[i][c];
        slk_table_cell(&t, "%s", r->name);
        slk_table_cell(&t, "%zu", n);
        for (int c = 0; c < SLK_N_CATEGORIES; c++) slk_table_cell(&t, "%zu of %zu", mix->counts[i][c], r->n_pool[c]);
    }
    slk_table_rule(&t);
    slk_table_cell(&t, "all");
    slk_table_cell(&t, "%zu", mix->n);
    for (int c = 0; c < SLK_N_CATEGORIES; c++) slk_table_cell(&t, "%zu", sums[c]);
    slk_status status = slk_table_print(&t, stderr, err);
    slk_table_release(&t);
    return status;
}

static json_t *counts_json(const size_t counts[SLK_N_CATEGORIES])
{
    json_t *o = json_object();
    for (int c = 0; c < SLK_N_CATEGORIES; c++)
        json_object_set_new(o, slk_category_name((slk_category)c), json_integer((json_int_t)counts[c]));
    return o;
}

static slk_status print_json(const slk_mix_plan *plan, const slk_mix *mix, const slk_mix_variant *variant,
                             const material *m, slk_err *err)
{
    char name[SLK_MIX_NAME_BYTES];
    slk_mix_variant_name(name, variant);
    size_t sums[SLK_N_CATEGORIES] = {0};
    json_t *relations = json_array(), *left_out = json_array();
    for (size_t i = 0; i < plan->n_relations; i++) {
        const slk_mix_relation *r = &plan->relations[i];
        json_t *o = json_pack("{s:s}", "relation", r->name);
        if (r->lacks) {
            json_t *lacks = json_array();
            for (int p = 0; p < SLK_MIX_N_POOLS; p++) {
                if (r->lacks >> p & 1) json_array_append_new(lacks, json_string(slk_mix_pool_name(p)));
            }
            json_object_set_new(o, "lacks", lacks);
            json_array_append_new(left_out, o);
            continue;
        }
        size_t n = 0;
        for (int c = 0; c < SLK_N_CATEGORIES; c++) n += mix->counts[i][c], sums[c] += mix->counts[i][c];
        json_object_set_new(o, "n", json_integer((json_int_t)n));
        json_object_set_new(o, "categories", counts_json(mix->counts[i]));
        json_object_set_new(o, "labelled", counts_json(r->n_pool));
        json_array_append_new(relations, o);
    }
    json_t *all = json_pack("{s:s, s:I, s:I, s:I}", "output", opt.output, "n", (json_int_t)mix->n, "size",
                            (json_int_t)plan->size, "rule_size", (json_int_t)plan->rule_size);
    if (all) add_provenance(all, &m->info, name, plan->seed);
    if (all) json_object_set_new(all, "categories", counts_json(sums));
    if (all) json_object_set_new(all, "relations", relations);
    if (all) json_object_set_new(all, "left_out", left_out);
    return slk_cli_json(all, err);
}

static slk_status mix_and_write(const slk_cli *cli, const material *m, const slk_mix_plan *plan,
                                const slk_mix_variant *variant, slk_err *err)
{
    slk_mix mix;
    slk_buf lines = {0};
    slk_status status = slk_mix_draw(&mix, plan, variant, err);
    if (status == SLK_OK) status = render(&lines, m, &mix, variant, plan->seed, err);
    if (status == SLK_OK && opt.output) {
        status = write_file(cli, &lines, err);
        if (status == SLK_OK && cli->json) status = print_json(plan, &mix, variant, m, err);
    } else if (status == SLK_OK) {
        fwrite(lines.data, 1, lines.len, stdout); /* checked at the end, as all of stdout */
    }
    if (status == SLK_OK && !cli->quiet) status = print_table(plan, &mix, err);
    slk_buf_release(&lines);
    slk_mix_release(&mix);
    return status;
}

static slk_status run(slk_cli *cli, slk_err *err)
{
    slk_mix_variant variant, *variants = NULL;
    size_t n_variants = 0;
    slk_status status = read_variant(&variant, cli, err);
    if (status == SLK_OK) status = read_variants(&variants, &n_variants, cli, &variant, err);
    slk_store *store = NULL;
    slk_mix_plan *plan = NULL;
    material m = {0};
    if (status == SLK_OK) status = slk_cli_open_store(&store, cli, SLK_STORE_READ, err);
    if (status == SLK_OK) status = load(&m, store, cli, err);
    if (status == SLK_OK) {
        note_material(cli, &m);
        status = slk_mix_plan_create(&plan, m.items, m.categories, m.facts.n, variants, n_variants, (size_t)opt.size,
                                     cli->seed, err);
    }
    if (status == SLK_OK) warn_left_out(cli, plan);
    if (status == SLK_OK) status = mix_and_write(cli, &m, plan, &variant, err);
    slk_mix_plan_free(plan);
    release(&m);
    slk_store_close(store);
    free(variants);
    return status;
}

const slk_command slk_cmd_mix = {
    .name = "mix",
    .group = SLK_GROUP_TRAIN,
    .summary = "build fine-tuning sets of known and unknown facts",
    .synopsis = "",
    .about = "Draws examples from the labelled train facts of the store and writes them as JSON lines, each with its "
             "category "
             "and with what it was made of. Sets of one store and seed nest: --unknown 0.5 has all Unknown examples of "
             "--unknown 0.25. Without --size each relation gives as many examples as the smallest category that is "
             "needed has "
             "(for --unknown: Known or Unknown); relations that have none are left out and named.\n\n"
             "With -o, --json prints the counts: {\"output\", \"n\", \"size\", \"rule_size\", \"variant\", \"seed\", "
             "\"labels\", "
             "\"model\", \"categories\", \"relations\", \"left_out\"}",
    .examples = {"slick mix --unknown 50% -o half.jsonl", "slick mix --unknown 0.5 --idk --seed 1 > idk.jsonl",
                 "slick mix --only MaybeKnown --beside only-Unknown,natural -o maybe.jsonl"},
    .n_args_min = 0,
    .n_args_max = 0,
    .options = OPTIONS,
    .run = run,
};
