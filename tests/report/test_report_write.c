/* The report's folder: complete or not there, an older one only with permission, other people's files never; and text
 * from data in every file of it. */
#include "scratch.h"

#include <sys/stat.h>

#include "base/file.h"
#include "report/png.h"
#include "report/report.h"
#include "support/synthetic_study.h"

static slk_report report;

static int load_report(void **state)
{
    if (make_folder(state)) return -1;
    synthetic_options o = synthetic_defaults();
    o.n_train = 60;
    o.n_dev = 16;
    o.n_test = 80;
    o.d_per_relation = 12;
    o.stride = 10;
    o.n_failed = 1;
    o.hostile = true;
    slk_err err = {0};
    slk_store *store;
    int64_t id;
    char path[128];
    snprintf(path, sizeof path, "%s", scratch("s.db"));
    if (synthetic_write(path, &o, &id, &err) || slk_store_open(&store, path, SLK_STORE_READ, &err) ||
        slk_report_load(&report, store, id, &err)) {
        fprintf(stderr, "%s\n", err.msg);
        return -1;
    }
    slk_store_close(store);
    for (const char *const *end = (const char *const[]){"s.db", "s.db-wal", "s.db-shm", NULL}; *end; end++)
        unlink(scratch(*end));
    return 0;
}

static void clear(const char *path)
{
    char command[300];
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    assert_int_equal(system(command), 0);
}

static int release_report(void **state)
{
    slk_report_release(&report);
    return remove_folder(state);
}

static slk_status write_to(const char *path, bool overwrite, slk_report_written *written, slk_err *err)
{
    const slk_report_options options = {.overwrite = overwrite};
    return slk_report_write(written, &report, path, &options, err);
}

static char *content(const char *in, const char *name)
{
    char path[300], *text;
    size_t n;
    snprintf(path, sizeof path, "%s/%s", in, name);
    slk_err err = {0};
    if (slk_file_read(&text, &n, path, &err) != SLK_OK) fail_msg("%s", err.msg);
    assert_int_equal(strlen(text), n);
    return text;
}

static void put(const char *in, const char *name)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", in, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("mine", f);
    fclose(f);
}

static void test_folder(void **state)
{
    (void)state;
    slk_report_written written;
    slk_err err = {0};
    char path[128], name[200];
    snprintf(path, sizeof path, "%s", scratch("report"));
    assert_int_equal(write_to(path, false, &written, &err), SLK_OK);
    assert_int_equal(written.n_figures, 11);
    assert_int_equal(written.n_tables, 13);
    assert_int_equal(n_files_in(path), 4);
    snprintf(name, sizeof name, "%s/figures", path);
    assert_int_equal(n_files_in(name), written.no_png ? 11 : 22);
    snprintf(name, sizeof name, "%s/tables", path);
    assert_int_equal(n_files_in(name), 27);
    char *first = content(path, "report.html");

    /* A finished one is left alone, unless told otherwise; the same study gives the same bytes. */
    assert_int_equal(write_to(path, false, &written, &err), SLK_E_STATE);
    assert_non_null(strstr(err.msg, "--force"));
    put(path, "tables/old.csv"); /* of an older version: goes */
    assert_int_equal(write_to(path, true, &written, &err), SLK_OK);
    char *second = content(path, "report.html");
    assert_string_equal(first, second);
    snprintf(name, sizeof name, "%s/tables/old.csv", path);
    assert_false(slk_file_exists(name));
    free(second);

    /* A begun one goes on. */
    snprintf(name, sizeof name, "%s/report.html", path);
    assert_int_equal(unlink(name), 0);
    assert_int_equal(write_to(path, false, &written, &err), SLK_OK);
    assert_true(slk_file_exists(name));

    /* Whatever else lies there stays, and nothing is written beside it. */
    static const char *const others[] = {"thesis.tex", "tables/data.xlsx", "figures/photo.jpg"};
    for (size_t i = 0; i < 3; i++) {
        put(path, others[i]);
        assert_int_equal(write_to(path, true, &written, &err), SLK_E_STATE);
        if (!strstr(err.msg, others[i])) fail_msg("%s", err.msg);
        char *mine = content(path, others[i]);
        assert_string_equal(mine, "mine");
        free(mine);
        snprintf(name, sizeof name, "%s/%s", path, others[i]);
        unlink(name);
    }
    assert_int_equal(n_files_in(folder), 1); /* no temporary ones are left */
    free(first);
    clear(path);

    put(folder, "file");
    assert_int_equal(write_to(scratch("file"), true, &written, &err), SLK_E_STATE);
    unlink(scratch("file"));
    assert_int_equal(mkdir(scratch("empty"), 0777), 0);
    snprintf(path, sizeof path, "%s", scratch("empty/"));
    assert_int_equal(write_to(path, false, &written, &err), SLK_OK); /* an empty folder, and a slash behind it */
    clear(path);
    assert_int_equal(write_to(scratch("no/such/folder"), false, &written, &err), SLK_E_IO);
    assert_int_equal(n_files_in(folder), 0);
}

static int write_on_full_disk(const char *path)
{
    slk_report_written written;
    slk_err err = {0};
    slk_status s = write_to(path, false, &written, &err);
    return s == SLK_E_IO ? 0 : 1;
}

/* A disk that fills up leaves nothing. */
static void test_full_disk(void **state)
{
    (void)state;
    slk_buf html = {0};
    slk_report_html(&html, &report);
    assert_true(html.len > 400000); /* so that every limit is met */
    slk_buf_release(&html);
    on_full_disks(write_on_full_disk, "report");
}

static bool stop(void *user, const slk_progress_event *event)
{
    (void)user;
    return event->n_done < 5;
}

static void test_interrupted(void **state)
{
    (void)state;
    const slk_progress progress = {stop, NULL};
    const slk_report_options options = {.progress = &progress};
    slk_report_written written;
    assert_int_equal(slk_report_write(&written, &report, scratch("report"), &options, NULL), SLK_E_INTERRUPTED);
    assert_int_equal(n_files_in(folder), 0);
}

static void test_findings(void **state)
{
    (void)state;
    static const char *const keys[] = {"id", "item", "value", "low", "high", "unit", "paper", "verdict", "sentence"};
    json_t *json = slk_report_findings(&report), *item;
    size_t i;
    assert_int_equal(json_object_size(json), 3);
    assert_string_equal(json_string_value(json_object_get(json, "model")), "<script>alert('model')</script>");
    json_array_foreach(json_object_get(json, "findings"), i, item)
    {
        assert_int_equal(json_object_size(item), 9);
        for (size_t k = 0; k < 9; k++) assert_non_null(json_object_get(item, keys[k]));
        const char *verdict = json_string_value(json_object_get(item, "verdict"));
        assert_true(!strcmp(verdict, "reproduced") || !strcmp(verdict, "not") || !strcmp(verdict, "undecided"));
        const json_t *value = json_object_get(item, "value");
        assert_true(json_is_real(value) || json_is_null(value));
    }
    assert_int_equal(i, 21);
    const json_t *from = json_object_get(json, "provenance");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(from, "runs"), "failed")), 1);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(from, "runs"), "all")), 39);
    assert_int_equal(json_array_size(json_object_get(from, "seeds")), 3);
    json_decref(json);
}

static size_t count(const char *text, const char *what)
{
    size_t n = 0;
    for (; (text = strstr(text, what)) != NULL; text++) n++;
    return n;
}

/* Facts, model, study and error messages of this study would break every format that they are written to. */
static void test_hostile(void **state)
{
    (void)state;
    slk_report_written written;
    char path[128], name[64];
    snprintf(path, sizeof path, "%s", scratch("report"));
    assert_int_equal(write_to(path, false, &written, NULL), SLK_OK);
    char *html = content(path, "report.html");
    assert_int_equal(count(html, "<script"), 2);
    assert_int_equal(count(html, "</script"), 2);
    assert_int_equal(count(html, "<img"), 0);
    assert_null(strstr(html, "onerror=alert(1)>"));
    assert_null(strstr(html, "<b>study"));
    assert_non_null(strstr(html, "&lt;script&gt;alert(&#39;model&#39;)&lt;/script&gt;"));
    assert_non_null(strstr(html, "\\u003cscript\\u003ealert(1)"));
    assert_null(strstr(html, "http://www.w3.org/1999/xlink"));
    /* Nothing is fetched: links lead to the paper and to files beside the page. */
    assert_int_equal(count(html, " src=\""), 0);
    assert_int_equal(count(html, "url("), 0);
    assert_int_equal(count(html, "https://"), count(html, "<a href=\"https://arxiv.org/abs/2405.05904\">"));
    free(html);
    static const char *const figures[] = {"figure-1", "figure-3a", "figure-5", "table-3-5", "table-8"};
    for (size_t i = 0; i < 5; i++) {
        snprintf(name, sizeof name, "figures/%s.svg", figures[i]);
        char *svg = content(path, name);
        assert_int_equal(count(svg, "<script"), 0);
        assert_int_equal(count(svg, "&lt;script&gt;alert(&#39;model"), 1); /* the source line */
        assert_int_equal(count(svg, "<svg"), 1);
        assert_int_equal(count(svg, "var(--"), 0);
        free(svg);
    }
    char *csv = content(path, "tables/facts.csv");
    for (char *line = csv; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        /* No field begins as a formula does; no text has a line break. */
        static const char *const starts[] = {",\"=", ",\"+", ",\"@", ",\"-"};
        char *end = strchr(line, '\n');
        if (end) *end = 0;
        for (size_t k = 0; k < 4; k++) assert_null(strstr(line, starts[k]));
        size_t n_quotes = count(line, "\"");
        assert_int_equal(n_quotes % 2, 0);
        if (end) *end = '\n';
    }
    assert_non_null(strstr(csv, "'=cmd|' /C calc'!A0"));
    free(csv);
    char *markdown = content(path, "tables/runs.md");
    assert_null(strstr(markdown, "<script>"));
    assert_non_null(strstr(markdown, "&lt;script&gt;alert\\('error'\\)&lt;/script&gt; \\| failed"));
    free(markdown);
    clear(path);
}

/* Drawing PNG files: there or plainly not. */
static void test_png(void **state)
{
    (void)state;
    static char text[] = "PATH=/nonexistent";
    static char *const nowhere[] = {text, NULL};
    bool found;
    slk_err err = {0};
    put(folder, "bad.svg");
    char bad[128], png[128];
    snprintf(bad, sizeof bad, "%s", scratch("bad.svg"));
    snprintf(png, sizeof png, "%s", scratch("bad.png"));
    slk_status s = slk_png_from_svg(bad, png, nowhere, &found, &err);
    if (found) {
        assert_int_equal(s, SLK_E_IO);
        assert_non_null(strstr(err.msg, "rsvg-convert could not draw it"));
    } else {
        assert_int_equal(s, SLK_OK);
    }
    unlink(bad);
    unlink(png);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_folder),   cmocka_unit_test(test_full_disk), cmocka_unit_test(test_interrupted),
        cmocka_unit_test(test_findings), cmocka_unit_test(test_hostile),   cmocka_unit_test(test_png),
    };
    return cmocka_run_group_tests(tests, load_report, release_report);
}
