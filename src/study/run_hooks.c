/* What the trainer calls while a run trains: how good is the model, what is kept, what goes into the store. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "study/claim.h"
#include "study/run_impl.h"
#include "train/save.h"

#define ALL_SETS ((1u << SLK_N_STUDY_SETS) - 1)
#define DEV      (1u << SLK_SET_DEV)

const slk_fact *const *slk_running_facts(const slk_running *r, slk_study_set set, size_t *n)
{
    const slk_study_facts *facts = &r->job->plan->material->sets[set];
    *n = set == SLK_SET_TRAIN ? r->examples.n : facts->n;
    return set == SLK_SET_TRAIN ? r->examples.items : facts->items;
}

slk_status slk_running_init_sets(slk_running *r, slk_err *err)
{
    size_t n_all = 0, n;
    bool ok = true;
    for (int s = 0; s < SLK_N_STUDY_SETS && ok; s++) {
        slk_running_facts(r, (slk_study_set)s, &n);
        n_all += n;
        r->right[s] = slk_alloc_zero(n / 8 + 1, 1);
        r->refused[s] = slk_alloc_zero(n / 8 + 1, 1);
        ok = r->right[s] && r->refused[s];
    }
    r->asked = slk_alloc(n_all, sizeof *r->asked);
    r->outcomes = slk_alloc_zero(n_all, sizeof *r->outcomes);
    return ok && r->asked && r->outcomes ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "out of memory");
}

void slk_running_release_sets(slk_running *r)
{
    for (int s = 0; s < SLK_N_STUDY_SETS; s++) {
        free(r->right[s]);
        free(r->refused[s]);
    }
    for (size_t i = 0; i < sizeof r->prompts / sizeof *r->prompts; i++) slk_evaluate_prompts_free(r->prompts[i]);
    free(r->asked);
    free(r->outcomes);
}

/* --- evaluation --------------------------------------------------------------------------------------------------- */

/* Ask those sets whose bit (1 << set) is set, all in one go: their prompts share most of their tokens. */
static slk_status ask(slk_running *r, unsigned sets, slk_err *err)
{
    slk_evaluate_options options = {.instruction = r->job->plan->instruction, .match = r->match};
    size_t n_asked = 0, n, at = 0;
    for (int s = 0; s < SLK_N_STUDY_SETS; s++) {
        const slk_fact *const *facts = slk_running_facts(r, (slk_study_set)s, &n);
        for (size_t i = 0; (sets >> s & 1) && i < n; i++) r->asked[n_asked++] = facts[i];
    }
    slk_status status = SLK_OK;
    if (n_asked && !r->prompts[sets]) /* the same in every epoch */
        status =
            slk_evaluate_prompts_create(&r->prompts[sets], r->model, r->asked, n_asked, options.instruction, NULL, err);
    options.prompts = r->prompts[sets];
    if (status == SLK_OK)
        status = slk_evaluate_run(r->model, r->asked, n_asked, &options, r->outcomes, r->job->progress, NULL, err);
    if (status != SLK_OK) return status;
    for (int s = 0; s < SLK_N_STUDY_SETS; s++) {
        slk_running_facts(r, (slk_study_set)s, &n);
        if (!(sets >> s & 1)) continue;
        memset(r->right[s], 0, n / 8 + 1);
        memset(r->refused[s], 0, n / 8 + 1);
        for (size_t i = 0; i < n; i++) {
            const slk_outcome *o = &r->outcomes[at + i];
            r->right[s][i / 8] |= (uint8_t)((o->matched != 0) << (i % 8));
            r->refused[s][i / 8] |= (uint8_t)((o->abstained != 0) << (i % 8));
        }
        r->has[s] = n > 0;
        at += n;
    }
    slk_outcomes_release(r->outcomes, n_asked);
    return SLK_OK;
}

static double share_right(const slk_running *r, slk_study_set set)
{
    size_t n, n_right = 0;
    slk_running_facts(r, set, &n);
    for (size_t i = 0; i < n; i++) n_right += r->right[set][i / 8] >> (i % 8) & 1;
    return n ? (double)n_right / (double)n : (double)NAN;
}

static bool has_epoch(const slk_study_ints *list, int32_t epoch)
{
    bool found = list->n == 0;
    for (size_t i = 0; i < list->n; i++) found |= list->items[i] == epoch;
    return found;
}

/* Is every set asked in this epoch, whatever dev says? */
static bool is_listed(const slk_running *r, int32_t epoch)
{
    const slk_study_config *c = r->job->plan->config;
    return epoch == 0 || epoch >= c->epochs || has_epoch(&c->evaluate, epoch);
}

/* The bits of dev, test and ood in epoch 0 of a run; *found: it has them. */
static slk_status recall_run(slk_running *r, int64_t run_id, bool *found, slk_err *err)
{
    slk_run_epoch *epochs;
    size_t n, n_facts;
    slk_status status = slk_store_load_epochs(r->job->store, run_id, true, &epochs, &n, err);
    if (status != SLK_OK) return status;
    *found = n > 0 && epochs[0].epoch == 0;
    for (int s = SLK_SET_DEV; s < SLK_N_STUDY_SETS && *found; s++) {
        slk_running_facts(r, (slk_study_set)s, &n_facts);
        if (n_facts)
            *found = epochs[0].has[s] && epochs[0].n[s] == n_facts && epochs[0].right[s] && epochs[0].refused[s];
    }
    for (int s = SLK_SET_DEV; s < SLK_N_STUDY_SETS && *found; s++) {
        slk_running_facts(r, (slk_study_set)s, &n_facts);
        r->has[s] = n_facts > 0;
        if (!n_facts) continue;
        memcpy(r->right[s], epochs[0].right[s], (n_facts + 7) / 8);
        memcpy(r->refused[s], epochs[0].refused[s], (n_facts + 7) / 8);
    }
    for (size_t i = 0; i < n; i++) slk_run_epoch_release(&epochs[i]);
    free(epochs);
    return SLK_OK;
}

/* Before the first update all runs of a study are the same model: what another run found out about it on the same
 * kernels need not be asked again. (Of a run of 15 epochs that is a tenth of all questions.) */
static slk_status recall_base(slk_running *r, bool *found, slk_err *err)
{
    slk_study_run *runs;
    size_t n;
    *found = false;
    slk_status status = slk_store_load_runs(r->job->store, r->job->study, &runs, &n, err);
    if (status != SLK_OK) return status;
    for (size_t i = 0; i < n && status == SLK_OK && !*found; i++) {
        bool is_other = runs[i].id != r->job->run->id && runs[i].state == SLK_RUN_DONE;
        if (is_other && strcmp(runs[i].kernels, r->kernels) == 0) status = recall_run(r, runs[i].id, found, err);
    }
    slk_store_free_runs(runs, n);
    return status;
}

/* EARLY_STOP and the last epoch are needed whole. Which is the best shows only at the end, and there it is asked
 * (slk_running_revisit); the last one shows when patience ends. */
slk_status slk_running_evaluate(void *user, const slk_epoch_report *report, double *score, slk_err *err)
{
    slk_running *r = user;
    memset(r->has, 0, sizeof r->has);
    bool listed = is_listed(r, report->epoch), recalled = false;
    if (!listed && !has_epoch(&r->job->plan->config->evaluate_dev, report->epoch)) return SLK_OK;
    slk_status s = report->epoch == 0 ? recall_base(r, &recalled, err) : SLK_OK;
    if (s == SLK_OK) s = ask(r, recalled ? 1u << SLK_SET_TRAIN : listed ? ALL_SETS : DEV, err);
    if (s != SLK_OK) return s;
    *score = share_right(r, SLK_SET_DEV);
    if (listed) return SLK_OK;
    const slk_train_state *state = slk_trainer_get_state(r->trainer);
    bool is_best = state->best_epoch < 0 || *score > state->best_score;
    bool is_last = r->options.patience > 0 && !is_best && state->n_no_better + 1 >= r->options.patience;
    return is_last ? ask(r, ALL_SETS & ~DEV, err) : SLK_OK;
}

/* --- what stays --------------------------------------------------------------------------------------------------- */

slk_status slk_running_save(void *user, const slk_epoch_report *report, bool best, slk_err *err)
{
    slk_running *r = user;
    (void)report;
    if (!best || strcmp(r->job->plan->config->keep, "best") != 0) return SLK_OK;
    return r->lora.rank ? slk_save_adapter(r->params, &r->lora, r->best_path, err)
                        : slk_save_model(r->params, r->best_path, err);
}

static void lend_bits(const slk_running *r, slk_run_epoch *epoch)
{
    for (int s = 0; s < SLK_N_STUDY_SETS; s++) {
        epoch->has[s] = r->has[s];
        slk_running_facts(r, (slk_study_set)s, &epoch->n[s]);
        epoch->right[s] = r->right[s]; /* borrowed: not released */
        epoch->refused[s] = r->refused[s];
    }
}

/* The epoch is written if the claim still holds: both in one transaction. */
static slk_status put(const slk_running *r, const slk_run_epoch *epoch, slk_err *err)
{
    const slk_study_job *job = r->job;
    slk_status s = slk_store_begin(job->store, err);
    if (s != SLK_OK) return s;
    s = slk_store_renew_claim(job->store, job->run->id, job->worker, slk_clock_unix(), err);
    if (s == SLK_OK) s = slk_store_put_epoch(job->store, job->run->id, epoch, err);
    if (s == SLK_OK) return slk_store_commit(job->store, err);
    slk_store_rollback(job->store);
    return s;
}

slk_status slk_running_record(void *user, const slk_epoch_report *report, slk_err *err)
{
    slk_running *r = user;
    double now = slk_clock_ms();
    slk_run_epoch epoch = {.epoch = report->epoch,
                           .step = report->step,
                           .loss = report->loss,
                           .tokens_per_s = isfinite(report->tokens_per_s) ? report->tokens_per_s : 0,
                           .wall_s = (now - r->mark_ms) / 1e3};
    lend_bits(r, &epoch);
    r->mark_ms = now;
    return put(r, &epoch, err);
}

/* What was not asked when the epoch was there. */
slk_status slk_running_revisit(void *user, int32_t best_epoch, slk_err *err)
{
    slk_running *r = user;
    slk_run_epoch *epochs;
    size_t n, at = 0;
    if (is_listed(r, best_epoch)) return SLK_OK;
    slk_status s = slk_store_load_epochs(r->job->store, r->job->run->id, false, &epochs, &n, err);
    if (s != SLK_OK) return s;
    while (at < n && epochs[at].epoch != best_epoch) at++;
    if (at == n)
        s = slk_fail(err, SLK_E_STATE, "%s: the run's best epoch %d is not in the store", slk_store_path(r->job->store),
                     best_epoch);
    memset(r->has, 0, sizeof r->has);
    if (s == SLK_OK) s = ask(r, ALL_SETS & ~DEV, err);
    if (s == SLK_OK) {
        lend_bits(r, &epochs[at]);
        s = put(r, &epochs[at], err);
    }
    free(epochs);
    return s;
}
