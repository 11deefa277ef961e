/* What the table of keys prints. */
#include <stdio.h>
#include <string.h>
#include "config/key_doc.h"
#include "study/config.h"
#include "study/keys.h"

enum { COLUMNS = 100 };

static const char *type_of(char *out, size_t n, const slk_key *key)
{
    static const char *const types[] = {"text",
                                        "path",
                                        "",
                                        "",
                                        "true or false",
                                        "whole number",
                                        "number",
                                        "list of whole numbers",
                                        "list of numbers",
                                        "list of words"};
    char range[64];
    slk_key_doc_range(range, sizeof range, key->min, key->max);
    snprintf(out, n, "%s%s%s%s%s", key->choices && key->kind == SLK_KEY_WORDS ? "list of some of " : "",
             key->choices ? key->choices : types[key->kind], range, key->word ? ", or " : "",
             key->word ? key->word : "");
    return out;
}

/* "# words wrapped", each line after `indent`. */
static void add_comment(slk_buf *out, const char *indent, const char *text)
{
    size_t column = 0;
    for (const char *word = text; *word;) {
        size_t n = strcspn(word, " ");
        if (column == 0 || column + 1 + n > COLUMNS) {
            slk_buf_addf(out, "%s%s# ", column ? "\n" : "", indent);
            column = strlen(indent) + 2;
        } else {
            slk_buf_add_str(out, " ");
            column++;
        }
        slk_buf_add(out, word, n);
        column += n;
        word += n + strspn(word + n, " ");
    }
    slk_buf_add_str(out, "\n");
}

/* Keys of the left margin stand before and after the sections in the table: a heading wherever the section changes. */
void slk_study_config_add_template(slk_buf *out)
{
    const char *section = NULL;
    slk_buf_add_str(out, "# A study for slick: slick study run FILE. Every key is here; those that you leave out have "
                         "the value that\n# the comment calls the default. docs/study-file.md explains them.\n");
    for (size_t i = 0; i < slk_n_study_keys; i++) {
        const slk_key *key = &slk_study_keys[i];
        char type[160], comment[600], init[64] = "";
        const char *indent = key->section[0] ? "  " : "", *value = key->example ? key->example : key->init;
        if (!section || strcmp(section, key->section) != 0) {
            slk_buf_add_str(out, "\n");
            if (key->section[0]) {
                add_comment(out, "", slk_study_section_help(key->section));
                slk_buf_addf(out, "%s:\n", key->section);
            }
        }
        section = key->section;
        if (key->init && key->example) snprintf(init, sizeof init, "; default %s", key->init);
        snprintf(comment, sizeof comment, "%s (%s%s)", key->help, type_of(type, sizeof type, key), init);
        add_comment(out, indent, comment);
        /* Keys without a default are shown by an example that is switched off; but a study has some variants. */
        bool commented = !key->required && !key->init && strcmp(key->section, "variants") != 0;
        if (strncmp(key->name, "lora_", 5) == 0 && strcmp(key->name, "lora_rank") != 0) commented = true; /* rank 0 */
        slk_buf_addf(out, "%s%s%s: %s\n", indent, commented ? "# " : "", key->name, value);
    }
}

void slk_study_config_add_table(slk_buf *out)
{
    slk_key_doc_add_head(out);
    for (size_t i = 0; i < slk_n_study_keys; i++) {
        const slk_key *key = &slk_study_keys[i];
        char type[160];
        slk_key_doc_add_row(out, key->section, key->name, type_of(type, sizeof type, key), key->init, key->required,
                            key->help);
    }
}
