#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

static slk_status io_error(slk_err *err, const char *path)
{
    return slk_fail(err, SLK_E_IO, "%s: %s", path, strerror(errno));
}

slk_status slk_map_open(slk_map *out, const char *path, slk_err *err)
{
    *out = (slk_map){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0) return io_error(err, path);
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        if (S_ISDIR(st.st_mode)) errno = EISDIR;
        else errno = errno ? errno : EINVAL;
        slk_status s = io_error(err, path);
        close(fd);
        return s;
    }
    if (st.st_size > 0) {
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED) {
            slk_status s = io_error(err, path);
            close(fd);
            return s;
        }
        *out = (slk_map){p, (size_t)st.st_size};
    }
    close(fd);
    return SLK_OK;
}

void slk_map_close(slk_map *map)
{
    if (map->data) munmap((void *)(uintptr_t)map->data, map->n_bytes);
    *map = (slk_map){0};
}

void slk_map_forget(const slk_map *map, const void *data, size_t n_bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uintptr_t begin = ((uintptr_t)data + page - 1) / page * page, end = ((uintptr_t)data + n_bytes) / page * page;
    if (map->data && begin < end) madvise((void *)begin, end - begin, MADV_DONTNEED);
}

slk_status slk_file_read(char **out, size_t *n_bytes, const char *path, slk_err *err)
{
    *out = NULL;
    *n_bytes = 0;
    bool is_stdin = strcmp(path, "-") == 0;
    const char *name = is_stdin ? "standard input" : path;
    FILE *f = is_stdin ? stdin : fopen(path, "rb");
    if (!f) return io_error(err, name);
    slk_buf b;
    slk_buf_init(&b);
    char chunk[65536];
    size_t n;
    errno = 0;
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0) slk_buf_add(&b, chunk, n);
    bool failed = ferror(f) != 0;
    int saved = errno;
    if (!is_stdin) fclose(f);
    if (failed || b.failed) {
        errno = saved ? saved : EIO;
        slk_status s = b.failed ? slk_fail(err, SLK_E_MEMORY, "%s: out of memory", name) : io_error(err, name);
        slk_buf_release(&b);
        return s;
    }
    *n_bytes = b.len;
    *out = slk_buf_take(&b);
    return *out ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "%s: out of memory", name);
}

bool slk_file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

bool slk_dir_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* --- output -------------------------------------------------------------------------------------------------------- */

struct slk_out {
    char *path, *tmp; /* tmp NULL: standard output */
    FILE *stream;
    bool committed;
};

slk_status slk_out_open(slk_out **out, const char *path, bool overwrite, slk_err *err)
{
    *out = NULL;
    bool is_stdout = strcmp(path, "-") == 0;
    if (!is_stdout && !overwrite && slk_file_exists(path)) {
        return slk_fail(err, SLK_E_STATE, "%s: exists already, give --force to replace it", path);
    }
    slk_out *o = slk_alloc_zero(1, sizeof *o);
    slk_buf tmp;
    slk_buf_init(&tmp);
    if (!is_stdout) slk_buf_addf(&tmp, "%s.tmp.%ld", path, (long)getpid());
    if (o) {
        o->path = slk_strdup(path);
        o->tmp = is_stdout ? NULL : slk_buf_take(&tmp);
    }
    if (!o || !o->path || (!is_stdout && !o->tmp)) {
        slk_buf_release(&tmp);
        slk_out_close(o);
        return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", path);
    }
    o->stream = is_stdout ? stdout : fopen(o->tmp, "wb");
    if (!o->stream) {
        slk_status s = io_error(err, path);
        free(o->tmp);
        o->tmp = NULL;
        slk_out_close(o);
        return s;
    }
    *out = o;
    return SLK_OK;
}

FILE *slk_out_stream(slk_out *o)
{
    return o->stream;
}

/* A rename is durable when the folder that holds the name is. */
static void sync_folder_of(const char *path)
{
    char *folder = slk_strdup(path);
    if (!folder) return;
    char *slash = strrchr(folder, '/');
    if (slash) slash[slash == folder] = '\0';
    int fd = open(slash ? folder : ".", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(folder);
}

slk_status slk_out_commit(slk_out *o, slk_err *err)
{
    bool failed = ferror(o->stream) != 0;
    errno = 0;
    failed |= fflush(o->stream) != 0;
    if (!o->tmp) return failed ? slk_fail(err, SLK_E_IO, "standard output: %s", strerror(errno ? errno : EIO)) : SLK_OK;
    failed |= fsync(fileno(o->stream)) != 0;
    int saved = errno ? errno : EIO;
    failed |= fclose(o->stream) != 0;
    o->stream = NULL;
    errno = saved;
    if (failed || rename(o->tmp, o->path) != 0) return io_error(err, o->path);
    o->committed = true;
    sync_folder_of(o->path);
    return SLK_OK;
}

void slk_out_close(slk_out *o)
{
    if (!o) return;
    if (o->stream && o->tmp) fclose(o->stream);
    if (o->tmp && !o->committed) unlink(o->tmp);
    free(o->path);
    free(o->tmp);
    free(o);
}
