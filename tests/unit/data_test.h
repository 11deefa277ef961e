/* Small helpers of the tests of data/ and store/. */
#ifndef SLK_TEST_DATA_H
#define SLK_TEST_DATA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/error.h"
#include "base/fact.h"

#define assert_ok(call)                                                                                                \
    do {                                                                                                               \
        slk_err err_ = {0};                                                                                            \
        slk_err *err = &err_;                                                                                          \
        if ((call) != SLK_OK) fail_msg("%s: %s", #call, err->msg);                                                     \
    } while (0)

/* The call fails with this status, and its message has this text. Inside the call the error is named `err`. */
#define assert_fails(call, status, text)                                                                               \
    do {                                                                                                               \
        slk_err err_ = {0};                                                                                            \
        slk_err *err = &err_;                                                                                          \
        slk_status got_ = (call);                                                                                      \
        if (got_ != (status) || !strstr(err->msg, text))                                                               \
            fail_msg("%s: got %s '%s', expected %s with '%s'", #call, slk_status_name(got_), err->msg,                 \
                     slk_status_name(status), text);                                                                   \
    } while (0)

/* A path in a fresh folder of this process; static buffer, four may be alive. */
static inline const char *temp_path(const char *name)
{
    static char folder[64], paths[4][160];
    static int next;
    if (!folder[0]) {
        snprintf(folder, sizeof folder, "/tmp/slick-test-%ld-XXXXXX", (long)getpid());
        assert_non_null(mkdtemp(folder));
    }
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static inline void write_file(const char *path, const void *data, size_t n)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

static inline void remove_temp(void)
{
    char command[256];
    snprintf(command, sizeof command, "rm -rf '%s'", temp_path(""));
    if (system(command) != 0) fail_msg("%s", command);
}

#endif
