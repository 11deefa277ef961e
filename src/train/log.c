#include "train/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

static slk_status fail_io(const char *path, const char *what, slk_err *err)
{
    return slk_fail(err, SLK_E_IO, "%s: %s: %s", path, what, strerror(errno));
}

slk_status slk_log_append(const char *path, const json_t *line, slk_err *err)
{
    bool is_new = !slk_file_exists(path);
    FILE *file = fopen(path, "ae");
    if (!file) return fail_io(path, "cannot open", err);
    slk_status s = slk_json_print(file, line, err);
    if (s == SLK_E_IO) s = fail_io(path, "cannot write", err);
    if (s == SLK_OK && (fflush(file) != 0 || fsync(fileno(file)) != 0)) s = fail_io(path, "cannot write", err);
    if (fclose(file) != 0 && s == SLK_OK) s = fail_io(path, "cannot write", err);
    if (s != SLK_OK || !is_new) return s;
    const char *slash = strrchr(path, '/'); /* the name must be there after a power cut, too */
    char *folder = slash ? slk_strndup(path, slash == path ? 1 : (size_t)(slash - path)) : slk_strdup(".");
    if (!folder) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    if (!slk_folder_sync(folder)) s = fail_io(path, "cannot write its folder to disk", err);
    free(folder);
    return s;
}

/* Bytes of the lines of the epochs 0 to `epoch`; *n: how many of these there are. */
static size_t measure(const char *text, size_t n_bytes, int32_t epoch, int32_t *n)
{
    size_t at = 0;
    for (*n = 0; *n <= epoch; (*n)++) {
        const char *end = at < n_bytes ? memchr(text + at, '\n', n_bytes - at) : NULL;
        if (!end) break;
        size_t len = (size_t)(end - (text + at)) + 1;
        json_t *line = json_loadb(text + at, len, 0, NULL);
        bool is_it =
            json_is_integer(json_object_get(line, "epoch")) && json_integer_value(json_object_get(line, "epoch")) == *n;
        json_decref(line);
        if (!is_it) break;
        at += len;
    }
    return at;
}

static slk_status cut(const char *path, size_t n_bytes, slk_err *err)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return fail_io(path, "cannot open", err);
    slk_status s = ftruncate(fd, (off_t)n_bytes) == 0 && fsync(fd) == 0 ? SLK_OK : fail_io(path, "cannot cut", err);
    close(fd);
    return s;
}

slk_status slk_log_rewind(const char *path, int32_t epoch, slk_err *err)
{
    char *text = NULL;
    size_t n_bytes = 0;
    int32_t n = 0;
    slk_status s = slk_file_exists(path) ? slk_file_read(&text, &n_bytes, path, err) : SLK_OK;
    if (s != SLK_OK) return s;
    size_t keep = text ? measure(text, n_bytes, epoch, &n) : 0;
    free(text);
    if (n <= epoch)
        return slk_fail(err, SLK_E_STATE, "%s: the line of epoch %d is missing, the checkpoint is of epoch %d", path, n,
                        epoch);
    return keep < n_bytes ? cut(path, keep, err) : SLK_OK;
}
