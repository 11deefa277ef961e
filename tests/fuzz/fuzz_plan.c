/* Any bytes as a plan of slick pretrain: read, or refused in one line that begins with the file. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "pretrain/fill.h"
#include "pretrain/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    slk_pretrain_plan plan;
    slk_err err = {0};
    slk_status status = slk_pretrain_plan_parse(&plan, (const char *)data, n_bytes, "fuzz.yaml", &err);
    if (status) {
        size_t n = strlen(err.msg);
        if (status != SLK_E_FORMAT || err.code != status || plan.arena.blocks) abort();
        if (strncmp(err.msg, "fuzz.yaml:", 10) != 0 || slk_utf8_valid(err.msg, n) != n || strchr(err.msg, '\n'))
            abort();
        return 0;
    }
    /* What was read keeps its promises. */
    double sum = 0;
    if (plan.n_kinds == 0 || plan.n_statements == 0 || plan.model.d_model % (2 * plan.model.heads) != 0) abort();
    for (size_t i = 0; i < plan.n_kinds; i++) sum += plan.kinds[i].share;
    if (!(sum >= 0 && sum < 100.001)) abort();
    for (size_t i = 0; i < plan.n_statements; i++) {
        for (size_t k = 0; k < plan.statements[i].n; k++) {
            slk_buf text = {0};
            slk_fill_add(&text, plan.statements[i].texts[k], "s", "q", "a");
            if (text.failed || !strchr(text.data, 'a')) abort();
            slk_buf_release(&text);
        }
    }
    slk_pretrain_plan_release(&plan);
    return 0;
}
