/* Files and JSON: whole reads, maps, outputs that are complete or absent, errors that name file and line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/json.h"

#define N_OF(array) (sizeof(array) / sizeof(array)[0])

/* --- files ------------------------------------------------------------------------------------------------------- */

static char folder[64];

static int folder_create(void **state)
{
    (void)state;
    strcpy(folder, "slick-test-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int folder_remove(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf ./%s", folder);
    return system(command);
}

/* A path in the test's folder; at most four are in use at once. */
static const char *in_folder(const char *name)
{
    static char paths[4][512];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void put_file(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void assert_content(const char *path, const char *expected)
{
    char *text;
    size_t n;
    slk_err err = {0};
    assert_int_equal(slk_file_read(&text, &n, path, &err), SLK_OK);
    assert_int_equal(n, strlen(expected));
    assert_string_equal(text, expected);
    free(text);
}

/* The number of entries in the test's folder. */
static int n_files(void)
{
    char command[128];
    int n = -1;
    snprintf(command, sizeof command, "ls -A ./%s | wc -l", folder);
    FILE *p = popen(command, "r");
    assert_non_null(p);
    assert_int_equal(fscanf(p, "%d", &n), 1);
    pclose(p);
    return n;
}

static void test_map(void **state)
{
    (void)state;
    slk_map map;
    slk_err err = {0};
    enum { N = 20000 };
    static unsigned char bytes[N];
    for (size_t i = 0; i < N; i++) bytes[i] = (unsigned char)(i * 31 >> 3);
    put_file(in_folder("data"), bytes, N);
    assert_int_equal(slk_map_open(&map, in_folder("data"), &err), SLK_OK);
    assert_int_equal(map.n_bytes, N);
    assert_memory_equal(map.data, bytes, N);
    /* Forgetting any range is only a hint: the bytes read the same afterwards. */
    slk_map_forget(&map, map.data, N);
    slk_map_forget(&map, map.data + 5000, 100);
    slk_map_forget(&map, map.data + 3, N - 3);
    slk_map_forget(&map, map.data + N, 0);
    assert_memory_equal(map.data, bytes, N);
    slk_map_close(&map);
    assert_null(map.data);
    slk_map_close(&map);

    put_file(in_folder("empty"), "", 0);
    assert_int_equal(slk_map_open(&map, in_folder("empty"), &err), SLK_OK);
    assert_null(map.data);
    assert_int_equal(map.n_bytes, 0);
    slk_map_forget(&map, NULL, 0);
    slk_map_close(&map);
}

static void assert_names(const slk_err *err, const char *path)
{
    assert_int_equal(err->code, SLK_E_IO);
    assert_non_null(strstr(err->msg, path));
}

static void test_read_failures_name_the_path(void **state)
{
    (void)state;
    slk_map map;
    slk_err err = {0};
    char *text = (char *)&map;
    size_t n = 5;
    assert_int_equal(slk_map_open(&map, in_folder("missing"), &err), SLK_E_IO);
    assert_names(&err, "missing: cannot open: No such file");
    assert_null(map.data);
    assert_int_equal(slk_map_open(&map, folder, &err), SLK_E_IO);
    assert_names(&err, folder);
    assert_non_null(strstr(err.msg, "folder"));
    assert_int_equal(slk_map_open(&map, "/dev/null", &err), SLK_E_IO);
    assert_names(&err, "/dev/null");
    assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
    assert_int_equal(slk_map_open(&map, in_folder("pipe"), &err), SLK_E_IO); /* and does not wait for a writer */
    assert_int_equal(slk_file_read(&text, &n, in_folder("missing"), &err), SLK_E_IO);
    assert_names(&err, "missing");
    assert_null(text);
    assert_int_equal(n, 0);
    assert_int_equal(slk_file_read(&text, &n, folder, &err), SLK_E_IO);
    assert_names(&err, folder);
}

static void test_file_read(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 4095, 65535, 65536, 65537, 300000};
    for (size_t i = 0; i < N_OF(sizes); i++) {
        char *bytes = malloc(sizes[i] + 1), *text, command[300];
        for (size_t k = 0; k < sizes[i]; k++) bytes[k] = (char)(k * 131 >> 5);
        put_file(in_folder("data"), bytes, sizes[i]);
        size_t n;
        assert_int_equal(slk_file_read(&text, &n, in_folder("data"), NULL), SLK_OK);
        assert_int_equal(n, sizes[i]);
        assert_memory_equal(text, bytes, n);
        assert_int_equal(text[n], 0);
        free(text);
        /* Through a pipe, as standard input: no size is known beforehand. */
        int keep = dup(STDIN_FILENO);
        snprintf(command, sizeof command, "cat %s", in_folder("data"));
        FILE *p = popen(command, "r");
        assert_int_equal(dup2(fileno(p), STDIN_FILENO), STDIN_FILENO);
        assert_int_equal(slk_file_read(&text, &n, "-", NULL), SLK_OK);
        dup2(keep, STDIN_FILENO);
        close(keep);
        pclose(p);
        assert_int_equal(n, sizes[i]);
        assert_memory_equal(text, bytes, n);
        free(text);
        free(bytes);
    }
}

static void test_exists(void **state)
{
    (void)state;
    put_file(in_folder("file"), "x", 1);
    assert_true(slk_file_exists(in_folder("file")));
    assert_false(slk_dir_exists(in_folder("file")));
    assert_true(slk_dir_exists(folder));
    assert_false(slk_file_exists(folder));
    assert_false(slk_file_exists(in_folder("missing")));
    assert_false(slk_dir_exists(in_folder("missing")));
}

static void test_out_appears_when_complete(void **state)
{
    (void)state;
    slk_out *out;
    slk_err err = {0};
    assert_int_equal(slk_out_open(&out, in_folder("o"), false, &err), SLK_OK);
    fputs("content", slk_out_stream(out));
    assert_false(slk_file_exists(in_folder("o")));
    assert_int_equal(slk_out_commit(out, &err), SLK_OK);
    assert_content(in_folder("o"), "content");
    assert_int_equal(slk_out_commit(out, &err), SLK_E_ARG); /* once is enough, and harmless */
    slk_out_close(out);
    assert_int_equal(n_files(), 1);

    /* Without commit nothing stays, and what was there is untouched. */
    assert_int_equal(slk_out_open(&out, in_folder("o"), true, &err), SLK_OK);
    fputs("half", slk_out_stream(out));
    slk_out_close(out);
    assert_content(in_folder("o"), "content");
    assert_int_equal(n_files(), 1);
    slk_out_close(NULL);

    /* Overwriting keeps the permissions. */
    assert_int_equal(chmod(in_folder("o"), 0640), 0);
    assert_int_equal(slk_out_open(&out, in_folder("o"), true, &err), SLK_OK);
    fputs("new", slk_out_stream(out));
    assert_int_equal(slk_out_commit(out, &err), SLK_OK);
    slk_out_close(out);
    assert_content(in_folder("o"), "new");
    struct stat st;
    assert_int_equal(stat(in_folder("o"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_int_equal(n_files(), 1);
}

static void test_out_refuses_to_overwrite(void **state)
{
    (void)state;
    slk_out *out = (slk_out *)&out;
    slk_err err = {0};
    put_file(in_folder("o"), "old", 3);
    assert_int_equal(slk_out_open(&out, in_folder("o"), false, &err), SLK_E_STATE);
    assert_null(out);
    assert_non_null(strstr(err.msg, in_folder("o")));
    /* A file that appears meanwhile is another's work. */
    assert_int_equal(slk_out_open(&out, in_folder("p"), false, &err), SLK_OK);
    fputs("mine", slk_out_stream(out));
    put_file(in_folder("p"), "theirs", 6);
    assert_int_equal(slk_out_commit(out, &err), SLK_E_STATE);
    slk_out_close(out);
    assert_content(in_folder("p"), "theirs");
    assert_content(in_folder("o"), "old");
    assert_int_equal(n_files(), 2);
}

static void test_out_bad_places(void **state)
{
    (void)state;
    slk_out *out;
    slk_err err = {0};
    put_file(in_folder("file"), "x", 1);
    assert_int_equal(slk_out_open(&out, in_folder("no/such"), false, &err), SLK_E_IO);
    assert_names(&err, "no/such");
    assert_int_equal(slk_out_open(&out, in_folder("file/under"), false, &err), SLK_E_IO);
    assert_names(&err, "file/under");
    assert_int_equal(slk_out_open(&out, folder, true, &err), SLK_E_IO);
    assert_names(&err, folder);
    assert_null(out);
    assert_int_equal(n_files(), 1);
}

static void test_out_two_at_once_and_a_stale_one(void **state)
{
    (void)state;
    char stale[600];
    snprintf(stale, sizeof stale, "%s.tmp.%ld", in_folder("o"), (long)getpid());
    put_file(stale, "stale", 5);
    slk_out *a, *b;
    assert_int_equal(slk_out_open(&a, in_folder("o"), true, NULL), SLK_OK);
    assert_int_equal(slk_out_open(&b, in_folder("o"), true, NULL), SLK_OK);
    fputs("a", slk_out_stream(a));
    fputs("b", slk_out_stream(b));
    assert_int_equal(slk_out_commit(b, NULL), SLK_OK);
    assert_int_equal(slk_out_commit(a, NULL), SLK_OK);
    slk_out_close(a);
    slk_out_close(b);
    assert_content(in_folder("o"), "a");
    assert_content(stale, "stale");
    assert_int_equal(n_files(), 2);
}

static void test_out_follows_links_and_spares_devices(void **state)
{
    (void)state;
    slk_out *out;
    slk_err err = {0};
    struct stat st;
    put_file(in_folder("target"), "old", 3);
    assert_int_equal(symlink("target", in_folder("link")), 0);
    assert_int_equal(slk_out_open(&out, in_folder("link"), true, &err), SLK_OK);
    fputs("new", slk_out_stream(out));
    assert_int_equal(slk_out_commit(out, &err), SLK_OK);
    slk_out_close(out);
    assert_content(in_folder("target"), "new");
    assert_int_equal(lstat(in_folder("link"), &st), 0);
    assert_true(S_ISLNK(st.st_mode));

    assert_int_equal(slk_out_open(&out, "/dev/null", true, &err), SLK_OK);
    fputs("gone", slk_out_stream(out));
    assert_int_equal(slk_out_commit(out, &err), SLK_OK);
    slk_out_close(out);
    assert_int_equal(stat("/dev/null", &st), 0);
    assert_true(S_ISCHR(st.st_mode));
}

/* A full disk: a device that always is, and a file that may not grow, with few bytes (the flush fails) and with many
 * (an earlier write did). */
static void test_out_full_disk(void **state)
{
    (void)state;
    slk_err err = {0};
    slk_out *out;
    assert_int_equal(slk_out_open(&out, "/dev/full", true, &err), SLK_OK);
    fputs("x", slk_out_stream(out));
    assert_int_equal(slk_out_commit(out, &err), SLK_E_IO);
    assert_names(&err, "/dev/full: cannot write: No space left on device");
    slk_out_close(out);

    static char many[100000];
    struct rlimit old, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = (struct rlimit){.rlim_cur = 100, .rlim_max = old.rlim_max};
    for (size_t n = 200; n <= sizeof many; n += sizeof many - 200) {
        put_file(in_folder("o"), "old", 3);
        assert_int_equal(slk_out_open(&out, in_folder("o"), true, &err), SLK_OK);
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &small);
        fwrite(many, 1, n, slk_out_stream(out));
        slk_status status = slk_out_commit(out, &err);
        slk_out_close(out);
        setrlimit(RLIMIT_FSIZE, &old);
        signal(SIGXFSZ, SIG_DFL);
        assert_int_equal(status, SLK_E_IO);
        assert_names(&err, in_folder("o"));
        assert_content(in_folder("o"), "old");
        assert_int_equal(n_files(), 1);
    }
}

static void test_out_to_stdout(void **state)
{
    (void)state;
    fflush(stdout);
    int keep = dup(STDOUT_FILENO), fd = open(in_folder("stdout"), O_WRONLY | O_CREAT, 0600);
    dup2(fd, STDOUT_FILENO);
    close(fd);
    slk_out *out;
    slk_err err = {0};
    slk_status opened = slk_out_open(&out, "-", false, &err);
    fputs("line\n", slk_out_stream(out));
    slk_status committed = slk_out_commit(out, &err);
    slk_out_close(out);
    dup2(keep, STDOUT_FILENO);
    close(keep);
    assert_int_equal(opened, SLK_OK);
    assert_int_equal(committed, SLK_OK);
    assert_content(in_folder("stdout"), "line\n");
    assert_int_equal(n_files(), 1);
}

/* --- JSON -------------------------------------------------------------------------------------------------------- */

static void test_json_errors_name_file_and_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *expected;
        long first_line;
    } cases[] = {
        {"", "f.json:1: ", 1},
        {"{\"a\": 1,\n \"b\" 2}", "f.json:2: ", 1},
        {"{\"a\": 1}", NULL, 1},
        {"{\"a\": 1, \"a\": 2}", "f.json:7: ", 7},
        {"{\"a\": 1} x", "f.json:5: ", 5},
        {"[1, 2", "f.json:1: ", 1},
        {"\"\\u0000\"", "f.json:1: ", 1},
        {"\"\xFF\"", "f.json:1: ", 1},
        {"[1e999]", "f.json:1: ", 1},
        {"[NaN]", "f.json:1: ", 1},
        {"3", NULL, 1},
        {"\"s\"", NULL, 1},
        {"\xEF\xBB\xBF[1]", NULL, 1},
        {"\xEF\xBB\xBF[1]", "f.json:2: ", 2},
    };
    for (size_t i = 0; i < N_OF(cases); i++) {
        json_t *value = (json_t *)&state;
        slk_err err = {0};
        slk_status status =
            slk_json_parse(&value, cases[i].text, strlen(cases[i].text), "f.json", cases[i].first_line, &err);
        if (!cases[i].expected) {
            assert_int_equal(status, SLK_OK);
            assert_non_null(value);
            json_decref(value);
            continue;
        }
        assert_int_equal(status, SLK_E_FORMAT);
        assert_null(value);
        assert_int_equal(strncmp(err.msg, cases[i].expected, strlen(cases[i].expected)), 0);
    }
}

/* Integers that 64 bits do not hold are numbers all the same; Transformers writes one as model_max_length. */
static void test_json_large_integers(void **state)
{
    (void)state;
    static const char text[] = "{\"n\": 1000000000000000019884624838656, \"m\": -99999999999999999999,\n"
                               "\"s\": \"\\\"99999999999999999999\\\\\", \"i\": 9223372036854775807, \"k\": 7,\n"
                               "\"r\": 12345678901234567890.5}";
    json_t *value;
    slk_err err = {0};
    if (slk_json_parse(&value, text, strlen(text), "f.json", 1, &err) != SLK_OK) fail_msg("%s", err.msg);
    assert_true(json_real_value(json_object_get(value, "n")) == 1e30);
    assert_true(json_real_value(json_object_get(value, "m")) == -1e20);
    assert_string_equal(json_string_value(json_object_get(value, "s")), "\"99999999999999999999\\");
    assert_true(json_number_value(json_object_get(value, "i")) == 0x1p63);
    assert_int_equal(json_integer_value(json_object_get(value, "k")), 7);
    assert_true(json_real_value(json_object_get(value, "r")) == 12345678901234567890.5);
    json_decref(value);
    assert_int_equal(slk_json_parse(&value, "[1,\n99999999999999999999,\n]", 27, "f.json", 1, &err), SLK_E_FORMAT);
    assert_int_equal(strncmp(err.msg, "f.json:3: ", 10), 0);
}

/* A hundred thousand brackets must be an error, not the end of the stack. */
static void test_json_deep_nesting(void **state)
{
    (void)state;
    enum { N = 100000 };
    static char deep[N];
    memset(deep, '[', N);
    json_t *value;
    slk_err err = {0};
    assert_int_equal(slk_json_parse(&value, deep, N, "deep", 1, &err), SLK_E_FORMAT);
    assert_null(value);
}

static void test_json_print_reads_back(void **state)
{
    (void)state;
    slk_err err = {0};
    const char *path = in_folder("v.json");
    static const double numbers[] = {0.1, 1.0 / 3, 5e-324, 1.7976931348623157e308, -2.5, 123456789.123456789};
    json_t *list = json_array();
    for (size_t i = 0; i < N_OF(numbers); i++) json_array_append_new(list, json_real(numbers[i]));
    json_t *value = json_pack("{s:s, s:o, s:I}", "z", "caf\u00E9\n\"", "list", list, "a", (json_int_t)1 << 62);
    FILE *f = fopen(path, "wb");
    assert_int_equal(slk_json_print(f, value, &err), SLK_OK);
    fclose(f);
    char *text;
    size_t n;
    assert_int_equal(slk_file_read(&text, &n, path, NULL), SLK_OK);
    assert_int_equal(strncmp(text, "{\"z\":\"caf\u00E9\\n\\\"\",\"list\":[", 25), 0); /* order kept, UTF-8 kept */
    assert_int_equal(text[n - 1], '\n');
    assert_null(memchr(text, '\n', n - 1));
    free(text);
    json_t *back;
    assert_int_equal(slk_json_read(&back, path, &err), SLK_OK);
    assert_int_equal(json_equal(value, back), 1);
    for (size_t i = 0; i < N_OF(numbers); i++)
        assert_true(json_real_value(json_array_get(json_object_get(back, "list"), i)) == numbers[i]);
    json_decref(back);
    f = fopen("/dev/full", "wb");
    setvbuf(f, NULL, _IONBF, 0);
    assert_int_equal(slk_json_print(f, value, &err), SLK_E_IO);
    assert_non_null(strstr(err.msg, "No space left"));
    fclose(f);
    json_decref(value);
    assert_int_equal(slk_json_read(&back, in_folder("missing"), &err), SLK_E_IO);
    assert_null(back);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_create, folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_map),
        IN_FOLDER(test_read_failures_name_the_path),
        IN_FOLDER(test_file_read),
        IN_FOLDER(test_exists),
        IN_FOLDER(test_out_appears_when_complete),
        IN_FOLDER(test_out_refuses_to_overwrite),
        IN_FOLDER(test_out_bad_places),
        IN_FOLDER(test_out_two_at_once_and_a_stale_one),
        IN_FOLDER(test_out_follows_links_and_spares_devices),
        IN_FOLDER(test_out_full_disk),
        IN_FOLDER(test_out_to_stdout),
        cmocka_unit_test(test_json_errors_name_file_and_line),
        cmocka_unit_test(test_json_large_integers),
        cmocka_unit_test(test_json_deep_nesting),
        IN_FOLDER(test_json_print_reads_back),
    };
    return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
