/* Writing the report's folder. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/folder.h"
#include "report/figure.h"
#include "report/png.h"
#include "report/report.h"
#include "report/say.h"
#include "report/tables.h"

/* The page is the mark of a report that is complete: it goes first and comes last. */
#define MARK "report.html"
static const char *const FOLDERS[] = {"figures", "tables"};

typedef struct output {
    char *path;  /* without slashes at the end */
    char *fresh; /* the folder beside it; NULL: has its name */
    const slk_report *report;
    const slk_report_options *options;
    slk_report_written *written;
    size_t n_done, n_all; /* steps */
} output;

static slk_status no_memory(const output *out, slk_err *err)
{
    return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", out->path);
}

static slk_status fail_io(slk_err *err, const char *path, const char *what)
{
    return slk_fail(err, SLK_E_IO, "%s: %s: %s", path, what, strerror(errno));
}

/* --- what is there
 * ------------------------------------------------------------------------------------------------------- */

static bool ends_in(const char *name, const char *ending)
{
    size_t n = strlen(name), m = strlen(ending);
    return n > m && !strcmp(name + n - m, ending);
}

/* May this be a part of a report? folder "" : of its own. */
static bool is_ours(const char *folder, const char *name)
{
    if (!strcmp(folder, "figures")) return ends_in(name, ".svg") || ends_in(name, ".png");
    if (!strcmp(folder, "tables")) return ends_in(name, ".csv") || ends_in(name, ".md");
    return !strcmp(name, MARK) || !strcmp(name, "findings.json") || !strcmp(name, "figures") || !strcmp(name, "tables");
}

/* Look at every entry of a folder: count them, and find one that is not ours (free() it). */
static size_t look(const char *path, const char *folder, char **foreign)
{
    size_t n = 0;
    DIR *dir = opendir(path);
    for (struct dirent *e; dir && (e = readdir(dir)) != NULL;) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        n++;
        if (!*foreign && !is_ours(folder, e->d_name)) *foreign = slk_path_join(path, e->d_name);
    }
    if (dir) closedir(dir);
    return n;
}

/* May the report be written here? An older report needs --force; a begun one (without its page) does not; a folder with
 * other things in it is left alone. */
static slk_status may_write(const output *out, slk_err *err)
{
    if (slk_file_exists(out->path))
        return slk_fail(err, SLK_E_STATE, "%s: is a file, expected the name of a folder to be made", out->path);
    if (!slk_dir_exists(out->path)) return SLK_OK;
    char *foreign = NULL, *mark = slk_path_join(out->path, MARK);
    if (!mark) return no_memory(out, err);
    bool complete = slk_file_exists(mark);
    free(mark);
    look(out->path, "", &foreign);
    for (size_t i = 0; i < 2 && !foreign; i++) {
        char *folder = slk_path_join(out->path, FOLDERS[i]);
        if (folder) look(folder, FOLDERS[i], &foreign);
        free(folder);
    }
    slk_status s = SLK_OK;
    if (foreign)
        s = slk_fail(err, SLK_E_STATE, "%s: is no part of a report: expected a new folder, or one with an older report",
                     foreign);
    else if (complete && !out->options->overwrite)
        s = slk_fail(err, SLK_E_STATE, "%s: exists already (--force writes over it)", out->path);
    free(foreign);
    return s;
}

/* --- files
 * --------------------------------------------------------------------------------------------------------------- */

static void remove_files(const char *folder)
{
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir && (e = readdir(dir)) != NULL;) {
        char *path = slk_path_join(folder, e->d_name);
        if (path && strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) unlink(path);
        free(path);
    }
    if (dir) closedir(dir);
}

static void remove_fresh(const output *out)
{
    for (size_t i = 0; i < 2; i++) {
        char *folder = slk_path_join(out->fresh, FOLDERS[i]);
        if (!folder) continue;
        remove_files(folder);
        rmdir(folder);
        free(folder);
    }
    remove_files(out->fresh);
    rmdir(out->fresh);
}

static slk_status make_fresh(output *out, slk_err *err)
{
    slk_buf b = {0};
    slk_buf_addf(&b, "%s.tmp.%ld", out->path, (long)getpid());
    char *fresh = slk_buf_take(&b);
    if (!fresh) return no_memory(out, err);
    if (mkdir(fresh, 0777) != 0) {
        slk_status s = fail_io(err, out->path, "cannot be made");
        free(fresh);
        return s;
    }
    out->fresh = fresh;
    for (size_t i = 0; i < 2; i++) {
        char *folder = slk_path_join(fresh, FOLDERS[i]);
        if (!folder) return no_memory(out, err);
        slk_status s = mkdir(folder, 0777) == 0 ? SLK_OK : fail_io(err, folder, "cannot be made");
        free(folder);
        if (s != SLK_OK) return s;
    }
    return SLK_OK;
}

static slk_status write_bytes(const output *out, const char *name, slk_buf *b, slk_err *err)
{
    slk_out *file = NULL;
    char *path = b->failed ? NULL : slk_path_join(out->fresh, name);
    slk_status s = path ? slk_out_open(&file, path, true, err) : no_memory(out, err);
    if (s == SLK_OK) {
        if (b->len) fwrite(b->data, 1, b->len, slk_out_stream(file)); /* a failure shows in commit */
        s = slk_out_commit(file, err);
        slk_out_close(file);
    }
    free(path);
    return s;
}

static slk_status step(output *out, slk_err *err)
{
    out->n_done++;
    return slk_progress_report(out->options->progress, "report", "files", out->n_done, out->n_all)
               ? SLK_OK
               : slk_fail(err, SLK_E_INTERRUPTED, "%s: stopped", out->path);
}

/* --- content
 * --------------------------------------------------------------------------------------------------------------- */

static void name_file(char *name, size_t n, const output *out, const slk_analysis *a, const char *folder,
                      const char *stem, const char *ending)
{
    if (a == out->report->by_lr)
        snprintf(name, n, "%s/%s.%s", folder, stem, ending);
    else
        snprintf(name, n, "%s/%s-lr-%s.%s", folder, stem, slk_say_lr(a->lr).text, ending);
}

static slk_status write_png(output *out, const char *svg_name, const char *png_name, slk_err *err)
{
    if (out->written->no_png) return SLK_OK;
    char *svg = slk_path_join(out->fresh, svg_name), *png = slk_path_join(out->fresh, png_name);
    bool found = true;
    slk_status s =
        svg && png ? slk_png_from_svg(svg, png, out->options->environment, &found, err) : no_memory(out, err);
    out->written->no_png = !found;
    free(svg);
    free(png);
    return s;
}

static slk_status write_figures(output *out, const slk_analysis *a, slk_err *err)
{
    slk_status s = SLK_OK;
    for (int f = 0; f < SLK_N_FIGURES && s == SLK_OK; f++) {
        char svg_name[128], png_name[128];
        slk_svg svg = {.width = 0};
        if (slk_figure_is_there(a, (slk_figure)f)) {
            name_file(svg_name, sizeof svg_name, out, a, "figures", slk_figure_name((slk_figure)f), "svg");
            name_file(png_name, sizeof png_name, out, a, "figures", slk_figure_name((slk_figure)f), "png");
            s = slk_figure_draw(&svg, a, (slk_figure)f, SLK_FIGURE_WIDE + 48, true, err);
            if (s == SLK_OK) s = write_bytes(out, svg_name, &svg.b, err);
            if (s == SLK_OK) s = write_png(out, svg_name, png_name, err);
            out->written->n_figures += s == SLK_OK;
        }
        slk_svg_release(&svg);
        if (s == SLK_OK) s = step(out, err);
    }
    return s;
}

static slk_status write_tables(output *out, const slk_analysis *a, slk_err *err)
{
    slk_status s = SLK_OK;
    for (int t = 0; t < SLK_N_TABLES && s == SLK_OK; t++) {
        char name[128];
        slk_buf csv = {0}, markdown = {0};
        slk_grid g;
        if (!slk_table_is_there(a, (slk_report_table)t)) {
            s = step(out, err);
            continue;
        }
        s = slk_table_make(&g, a, (slk_report_table)t, err);
        if (s == SLK_OK) {
            slk_grid_csv(&csv, &g);
            slk_grid_markdown(&markdown, &g);
            name_file(name, sizeof name, out, a, "tables", g.name, "csv");
            s = write_bytes(out, name, &csv, err);
        }
        if (s == SLK_OK) {
            name_file(name, sizeof name, out, a, "tables", g.name, "md");
            s = write_bytes(out, name, &markdown, err);
        }
        out->written->n_tables += s == SLK_OK;
        slk_buf_release(&csv);
        slk_buf_release(&markdown);
        slk_grid_release(&g);
        if (s == SLK_OK) s = step(out, err);
    }
    return s;
}

static slk_status write_rest(output *out, slk_err *err)
{
    slk_buf b = {0};
    slk_facts_csv(&b, out->report->by_lr);
    slk_status s = write_bytes(out, "tables/facts.csv", &b, err);
    slk_buf_clear(&b);
    json_t *findings = slk_report_findings(out->report);
    char *text = findings ? json_dumps(findings, JSON_INDENT(1) | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(findings);
    slk_buf_addf(&b, "%s\n", text ? text : "");
    if (s == SLK_OK) s = text ? write_bytes(out, "findings.json", &b, err) : no_memory(out, err);
    free(text);
    slk_buf_clear(&b);
    slk_report_html(&b, out->report);
    if (s == SLK_OK) s = write_bytes(out, MARK, &b, err);
    slk_buf_release(&b);
    for (size_t i = 0; i < out->report->ds.n_facts; i++) out->written->n_facts += out->report->ds.facts[i].in_study;
    return s == SLK_OK ? step(out, err) : s;
}

/* --- giving it its name
 * ----------------------------------------------------------------------------------------------------- */

/* Move the files of a fresh folder over those of an older one, and take away what the new report does not have. */
static slk_status move_files(const char *from, const char *to, const char *folder, slk_err *err)
{
    slk_status s = SLK_OK;
    DIR *dir = opendir(to);
    for (struct dirent *e; dir && (e = readdir(dir)) != NULL;) {
        char *old = slk_path_join(to, e->d_name), *fresh = slk_path_join(from, e->d_name);
        if (old && fresh && is_ours(folder, e->d_name) && !slk_dir_exists(old) && !slk_file_exists(fresh)) unlink(old);
        free(old);
        free(fresh);
    }
    if (dir) closedir(dir);
    dir = opendir(from);
    if (!dir) return fail_io(err, from, "cannot be read");
    for (struct dirent *e; s == SLK_OK && (e = readdir(dir)) != NULL;) {
        char *old = slk_path_join(to, e->d_name), *fresh = slk_path_join(from, e->d_name);
        if (!old || !fresh)
            s = slk_fail(err, SLK_E_MEMORY, "%s: out of memory", to);
        else if (slk_file_exists(fresh) && strcmp(e->d_name, MARK) != 0 && rename(fresh, old) != 0)
            s = fail_io(err, old, "cannot be written");
        free(old);
        free(fresh);
    }
    closedir(dir);
    return s;
}

static slk_status replace_older(const output *out, slk_err *err)
{
    char *mark = slk_path_join(out->path, MARK), *fresh_mark = slk_path_join(out->fresh, MARK);
    slk_status s = mark && fresh_mark ? SLK_OK : no_memory(out, err);
    if (s == SLK_OK && unlink(mark) != 0 && errno != ENOENT) s = fail_io(err, mark, "cannot be replaced");
    for (size_t i = 0; i < 2 && s == SLK_OK; i++) {
        char *from = slk_path_join(out->fresh, FOLDERS[i]), *to = slk_path_join(out->path, FOLDERS[i]);
        if (!from || !to)
            s = no_memory(out, err);
        else if (mkdir(to, 0777) != 0 && errno != EEXIST)
            s = fail_io(err, to, "cannot be made");
        else
            s = move_files(from, to, FOLDERS[i], err);
        free(from);
        free(to);
    }
    if (s == SLK_OK) s = move_files(out->fresh, out->path, "", err);
    if (s == SLK_OK && rename(fresh_mark, mark) != 0) s = fail_io(err, mark, "cannot be written");
    free(mark);
    free(fresh_mark);
    return s;
}

static slk_status give_name(output *out, slk_err *err)
{
    slk_status s = SLK_OK;
    if (rename(out->fresh, out->path) == 0) { /* a new name, or an empty folder */
        free(out->fresh);
        out->fresh = NULL;
        return SLK_OK;
    }
    if (errno != ENOTEMPTY && errno != EEXIST) return fail_io(err, out->path, "cannot be made");
    s = may_write(out, err); /* it may have appeared meanwhile */
    return s == SLK_OK ? replace_older(out, err) : s;
}

slk_status slk_report_write(slk_report_written *written, const slk_report *report, const char *path,
                            const slk_report_options *options, slk_err *err)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    *written = (slk_report_written){0};
    output out = {.path = slk_strndup(path, n), .report = report, .options = options, .written = written};
    out.n_all = report->n * (SLK_N_FIGURES + SLK_N_TABLES) + 1;
    if (!out.path) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", path);
    slk_status s = may_write(&out, err);
    if (s == SLK_OK) s = make_fresh(&out, err);
    for (size_t i = 0; i < report->n && s == SLK_OK; i++) {
        s = write_figures(&out, &report->by_lr[i], err);
        if (s == SLK_OK) s = write_tables(&out, &report->by_lr[i], err);
    }
    if (s == SLK_OK) s = write_rest(&out, err);
    if (s == SLK_OK) s = give_name(&out, err);
    if (out.fresh) remove_fresh(&out);
    free(out.fresh);
    free(out.path);
    return s;
}
