#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

static slk_status fail_io(slk_err *err, const char *path, const char *what)
{
    return slk_fail(err, SLK_E_IO, "%s: %s: %s", path, what, strerror(errno));
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

static slk_status map_fd(slk_map *out, int fd, const char *path, slk_err *err)
{
    struct stat st;
    if (fstat(fd, &st)) return fail_io(err, path, "cannot read");
    if (S_ISDIR(st.st_mode)) return slk_fail(err, SLK_E_IO, "%s: is a folder, expected a file", path);
    if (!S_ISREG(st.st_mode)) return slk_fail(err, SLK_E_IO, "%s: is not a regular file", path);
    if (st.st_size == 0) return SLK_OK;
    if ((uintmax_t)st.st_size > SIZE_MAX) return slk_fail(err, SLK_E_MEMORY, "%s: too large to map", path);
    void *data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED) return fail_io(err, path, "cannot map");
    out->data = data;
    out->n_bytes = (size_t)st.st_size;
    return SLK_OK;
}

slk_status slk_map_open(slk_map *out, const char *path, slk_err *err)
{
    *out = (slk_map){0};
    /* NONBLOCK: a pipe nobody writes to must fail as "not a regular file", not wait. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return fail_io(err, path, "cannot open");
    slk_status status = map_fd(out, fd, path, err);
    close(fd); /* the mapping stays */
    return status;
}

void slk_map_close(slk_map *map)
{
    if (!map) return;
    if (map->data) munmap((void *)(uintptr_t)map->data, map->n_bytes);
    *map = (slk_map){0};
}

void slk_map_forget(const slk_map *map, const void *data, size_t n_bytes)
{
    if (!map->data) return;
    long page = sysconf(_SC_PAGESIZE);
    if (page <= 0) return;
    /* Whole pages only: the ones at the edges may hold what is still to be read. The file's own end has no neighbour.
     */
    uintptr_t size = (uintptr_t)page, begin = (uintptr_t)data, end = begin + n_bytes;
    if (end == (uintptr_t)map->data + map->n_bytes) end += size - 1;
    begin = (begin + size - 1) / size * size;
    end = end / size * size;
    if (begin < end) madvise((void *)begin, end - begin, MADV_DONTNEED); /* a hint: failing costs memory only */
}

/* All that fd still gives. size_hint: the expected number of bytes. */
static slk_status read_fd(slk_buf *out, int fd, size_t size_hint, const char *path, slk_err *err)
{
    for (;;) {
        /* One byte more than the hint, so that the end of the file is seen without growing. */
        size_t n_want = out->len <= size_hint ? size_hint - out->len + 1 : 65536;
        if (n_want > ((size_t)1 << 30)) n_want = (size_t)1 << 30; /* read() takes at most 2 GiB at a time */
        if (!slk_grow(&out->data, &out->cap, out->len + n_want + 1, 1))
            return slk_fail(err, SLK_E_MEMORY, "%s: out of memory after %zu bytes", path, out->len);
        ssize_t n = read(fd, out->data + out->len, n_want);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_io(err, path, "cannot read");
        out->len += (size_t)n;
        out->data[out->len] = '\0';
        if (n == 0) return SLK_OK;
    }
}

slk_status slk_file_read(char **out, size_t *n_bytes, const char *path, slk_err *err)
{
    *out = NULL;
    *n_bytes = 0;
    bool from_stdin = strcmp(path, "-") == 0;
    int fd = from_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return fail_io(err, path, "cannot open");
    struct stat st;
    size_t hint = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 ? (size_t)st.st_size : 65535;
    slk_buf content;
    slk_buf_init(&content);
    slk_status status = read_fd(&content, fd, hint, from_stdin ? "standard input" : path, err);
    if (!from_stdin) close(fd);
    if (status) {
        slk_buf_release(&content);
        return status;
    }
    *n_bytes = content.len;
    *out = content.data;
    return SLK_OK;
}

bool slk_file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && !S_ISDIR(st.st_mode);
}

bool slk_dir_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* --- writing ----------------------------------------------------------------------------------------------------- */

/* Where the bytes go decides how they are finished. */
typedef enum out_kind {
    OUT_STDOUT, /* flushed, never closed */
    OUT_DIRECT, /* a device or pipe: written in place, because renaming over it would replace it */
    OUT_FILE,   /* temporary file, renamed */
} out_kind;

struct slk_out {
    out_kind kind;
    bool overwrite;
    FILE *stream;    /* NULL once closed by commit */
    char *name;      /* as the caller wrote it, for messages */
    char *path;      /* the file itself (symbolic links followed), OUT_FILE only */
    char *temporary; /* NULL once renamed */
};

/* A temporary file beside out->path. A name that is taken belongs to an earlier process of the same number (or to one
 * on another machine of a shared disk): left alone, the next name is tried. */
static slk_status open_temporary(slk_out *out, slk_err *err)
{
    for (int attempt = 0; attempt < 100; attempt++) {
        slk_buf name;
        slk_buf_init(&name);
        slk_buf_addf(&name, "%s.tmp.%ld", out->path, (long)getpid());
        if (attempt) slk_buf_addf(&name, ".%d", attempt);
        free(out->temporary);
        out->temporary = slk_buf_take(&name);
        if (!out->temporary) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", out->name);
        int fd = open(out->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd < 0 && errno == EEXIST) continue;
        if (fd >= 0) out->stream = fdopen(fd, "wb");
        if (out->stream) return SLK_OK;
        slk_status status = fail_io(err, out->name, "cannot create");
        if (fd >= 0) {
            close(fd);
            unlink(out->temporary);
        }
        free(out->temporary);
        out->temporary = NULL;
        return status;
    }
    free(out->temporary);
    out->temporary = NULL;
    return slk_fail(err, SLK_E_IO, "%s: too many temporary files %s.tmp.* beside it", out->name, out->path);
}

static slk_status open_file(slk_out *out, const struct stat *old, slk_err *err)
{
    out->kind = OUT_FILE;
    out->path = old ? realpath(out->name, NULL) : slk_strdup(out->name);
    if (!out->path) return fail_io(err, out->name, "cannot create");
    slk_status status = open_temporary(out, err);
    /* The replaced file's permissions live on where that is allowed. */
    if (status == SLK_OK && old && fchmod(fileno(out->stream), old->st_mode & 0777)) errno = 0;
    return status;
}

static slk_status out_start(slk_out *out, slk_err *err)
{
    struct stat st;
    if (strcmp(out->name, "-") == 0) {
        out->kind = OUT_STDOUT;
        out->stream = stdout;
        return SLK_OK;
    }
    if (stat(out->name, &st) != 0) {
        if (errno == ENOENT) return open_file(out, NULL, err);
        return fail_io(err, out->name, "cannot create");
    }
    if (S_ISDIR(st.st_mode)) return slk_fail(err, SLK_E_IO, "%s: is a folder, expected a file", out->name);
    if (S_ISREG(st.st_mode)) {
        if (!out->overwrite)
            return slk_fail(err, SLK_E_STATE, "%s: exists already, give --force to replace it", out->name);
        return open_file(out, &st, err);
    }
    out->kind = OUT_DIRECT;
    out->stream = fopen(out->name, "wb");
    return out->stream ? SLK_OK : fail_io(err, out->name, "cannot write");
}

slk_status slk_out_open(slk_out **result, const char *path, bool overwrite, slk_err *err)
{
    *result = NULL;
    slk_out *out = slk_alloc_zero(1, sizeof *out);
    if (!out || !(out->name = slk_strdup(path))) {
        free(out);
        return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", path);
    }
    out->overwrite = overwrite;
    slk_status status = out_start(out, err);
    if (status) {
        slk_out_close(out);
        return status;
    }
    *result = out;
    return SLK_OK;
}

FILE *slk_out_stream(slk_out *out)
{
    return out->stream;
}

bool slk_folder_sync(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return true; /* a folder that may be written but not read */
    bool done = fsync(fd) == 0 || errno == EINVAL || errno == EROFS;
    int reason = errno;
    close(fd);
    errno = reason;
    return done;
}

/* The folder's entry must reach the disk, too. */
static bool sync_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = !slash ? slk_strdup(".") : slk_strndup(path, slash == path ? 1 : (size_t)(slash - path));
    if (!folder) return true;
    bool done = slk_folder_sync(folder);
    int reason = errno;
    free(folder);
    errno = reason;
    return done;
}

/* Give the finished temporary file its name. Without overwrite a link is used where the file system has them: it fails
 * when the name was taken meanwhile, where rename() would replace the other's file. */
static slk_status give_name(slk_out *out, slk_err *err)
{
    bool named = false;
    if (!out->overwrite) {
        if (link(out->temporary, out->path) == 0) {
            unlink(out->temporary);
            named = true;
        } else if (errno == EEXIST) {
            return slk_fail(err, SLK_E_STATE, "%s: exists already (it appeared during the work)", out->name);
        }
    }
    if (!named && rename(out->temporary, out->path)) return fail_io(err, out->name, "cannot rename the finished file");
    free(out->temporary);
    out->temporary = NULL;
    if (!sync_folder_of(out->path)) return fail_io(err, out->name, "cannot write its folder to disk");
    return SLK_OK;
}

slk_status slk_out_commit(slk_out *out, slk_err *err)
{
    if (!out->stream) return slk_fail(err, SLK_E_ARG, "%s: committed twice", out->name);
    const char *name = out->kind == OUT_STDOUT ? "standard output" : out->name;
    if (fflush(out->stream)) return fail_io(err, name, "cannot write");
    if (ferror(out->stream)) return slk_fail(err, SLK_E_IO, "%s: cannot write: an earlier write failed", name);
    if (out->kind == OUT_STDOUT) return SLK_OK;
    if (out->kind == OUT_FILE && fsync(fileno(out->stream))) return fail_io(err, name, "cannot write to disk");
    FILE *stream = out->stream;
    out->stream = NULL;
    if (fclose(stream)) return fail_io(err, name, "cannot write");
    return out->kind == OUT_FILE ? give_name(out, err) : SLK_OK;
}

void slk_out_close(slk_out *out)
{
    if (!out) return;
    if (out->stream && out->kind != OUT_STDOUT) fclose(out->stream);
    if (out->temporary) unlink(out->temporary);
    free(out->temporary);
    free(out->path);
    free(out->name);
    free(out);
}

slk_status slk_file_remove(const char *path, slk_err *err)
{
    if (unlink(path) == 0 || errno == ENOENT) return SLK_OK;
    return slk_fail(err, SLK_E_IO, "%s: cannot be removed: %s", path, strerror(errno));
}
