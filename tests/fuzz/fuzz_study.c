/* Any bytes as a study file: read, or refused in one line that begins with the file. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "study/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    slk_study_config config;
    slk_err err = {0};
    slk_status status = slk_study_config_parse(&config, (const char *)data, n_bytes, "fuzz.yaml", &err);
    if (status) {
        size_t n = strlen(err.msg);
        if (status != SLK_E_FORMAT || err.code != status || config.arena.blocks) abort();
        if (strncmp(err.msg, "fuzz.yaml:", 10) != 0 || slk_utf8_valid(err.msg, n) != n || strchr(err.msg, '\n'))
            abort();
        return 0;
    }
    /* What was read keeps its promises. */
    if (!config.model || !config.name || strlen(config.name) > 63 || config.seeds.n == 0) abort();
    if (config.epochs < 1 || config.jobs < 1 || !(config.training.dropout <= 0.95) || !config.labels.match) abort();
    for (size_t i = 0; i < config.variants.unknown.n; i++) {
        if (!(config.variants.unknown.items[i] >= 0 && config.variants.unknown.items[i] <= 100)) abort();
    }
    slk_study_config_release(&config);
    return 0;
}
