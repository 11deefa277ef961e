#include "config/key_unknown.h"

#include <stdio.h>
#include <string.h>

#include "base/guess.h"

static void guess_with(char *out, size_t n, const char *section, const char *typed, const char *word, unsigned *best)
{
    if (slk_is_near(typed, word, best)) snprintf(out, n, "%s%s%s", section, section[0] ? "." : "", word);
}

slk_status slk_key_unknown(slk_err *err, const char *path, const char *section, const slk_yaml *node,
                           const slk_key_names *names)
{
    char guess[64] = "", typed[64];
    unsigned best = ~0u;
    snprintf(typed, sizeof typed, "%s", node->key);
    for (char *c = typed; *c; c++) *c = *c == '-' || *c == ' ' ? '_' : *c; /* as on the command line */
    for (size_t i = 0; i < names->n; i++) {
        slk_key_name key = names->at(i);
        if (strcmp(key.section, section) == 0)
            guess_with(guess, sizeof guess, section, typed, key.name, &best);
        else if (!section[0])
            guess_with(guess, sizeof guess, "", typed, key.section, &best);
    }
    for (size_t i = 0; i < names->n && !guess[0]; i++) {
        slk_key_name key = names->at(i);
        if (strcmp(key.name, typed) == 0) guess_with(guess, sizeof guess, key.section, typed, key.name, &best);
    }
    bool outer = guess[0] && section[0] && strncmp(guess, section, strlen(section)) != 0;
    return slk_fail(err, SLK_E_FORMAT, "%s:%ld: %s%s%s: unknown key%s%s%s%s%s%s", path, node->key_line, section,
                    section[0] ? "." : "", node->key, guess[0] ? ", did you mean " : "", guess,
                    outer && !strchr(guess, '.') ? " (at the left margin)" : "", guess[0] ? "?" : " (",
                    guess[0] ? "" : names->shown_by, guess[0] ? "" : " shows all)");
}
