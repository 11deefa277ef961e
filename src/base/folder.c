#include "base/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif

#include "base/file.h"
#include "base/mem.h"

struct slk_out_dir {
    char *name;  /* as the caller wrote it, for messages */
    char *path;  /* without slashes at the end; of a folder that exists, with symbolic links followed */
    char *fresh; /* NULL: has its name */
    bool exists;
};

char *slk_path_join(const char *folder, const char *name)
{
    slk_buf b = {0};
    size_t n = strlen(folder);
    slk_buf_addf(&b, "%s%s%s", folder, n > 0 && folder[n - 1] == '/' ? "" : "/", name);
    return slk_buf_take(&b);
}

static slk_status fail_io(slk_err *err, const char *path, const char *what)
{
    return slk_fail(err, SLK_E_IO, "%s: %s: %s", path, what, strerror(errno));
}

static slk_status fail_memory(slk_err *err, const char *path)
{
    return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", path);
}

/* --- opening ---------------------------------------------------------------------------------------------------------
 */

static char *parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return !slash ? slk_strdup(".") : slk_strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

/* Does a folder that exists share a file system with the one it lies in? If not (it is mounted), nothing beside it can
 * be moved into it. */
static bool is_mounted(const char *path)
{
    struct stat own, outer;
    char *parent = parent_of(path);
    bool mounted = parent && stat(path, &own) == 0 && stat(parent, &outer) == 0 && own.st_dev != outer.st_dev;
    free(parent);
    return mounted;
}

/* "<path>.tmp.<pid>", or "<path>/.tmp.<pid>" in a folder that exists. A name that is taken belongs to an earlier
 * process of the same number, or to one on another machine: left alone, the next is tried. */
static slk_status make_fresh(slk_out_dir *dir, bool inside, slk_err *err)
{
    for (int attempt = 0; attempt < 100; attempt++) {
        slk_buf b = {0};
        slk_buf_addf(&b, "%s%s.tmp.%ld", dir->path, inside ? "/" : "", (long)getpid());
        if (attempt) slk_buf_addf(&b, ".%d", attempt);
        char *fresh = slk_buf_take(&b);
        if (!fresh) return fail_memory(err, dir->name);
        if (mkdir(fresh, 0777) == 0) {
            dir->fresh = fresh;
            return SLK_OK;
        }
        int reason = errno;
        free(fresh);
        errno = reason;
        if (reason != EEXIST) return fail_io(err, dir->name, "cannot be made");
    }
    return slk_fail(err, SLK_E_IO, "%s: too many folders %s.tmp.* beside it", dir->name, dir->path);
}

static slk_status start(slk_out_dir *dir, bool overwrite, slk_err *err)
{
    if (slk_file_exists(dir->name))
        return slk_fail(err, SLK_E_STATE, "%s: is a file, expected the name of a folder to be made", dir->name);
    dir->exists = slk_dir_exists(dir->name);
    if (dir->exists && !overwrite)
        return slk_fail(err, SLK_E_STATE, "%s: exists already (--force writes over it)", dir->name);
    dir->path = dir->exists ? realpath(dir->name, NULL) : slk_strdup(dir->name);
    if (!dir->path) return dir->exists ? fail_io(err, dir->name, "cannot be replaced") : fail_memory(err, dir->name);
    for (size_t n = strlen(dir->path); n > 1 && dir->path[n - 1] == '/'; n--) dir->path[n - 1] = 0;
    if (!dir->exists) return make_fresh(dir, false, err);
    slk_status s = SLK_E_IO;
    if (!is_mounted(dir->path)) s = make_fresh(dir, false, err);
    return s == SLK_E_IO ? make_fresh(dir, true, err) : s; /* mounted, or in a folder that is not ours to write in */
}

slk_status slk_out_dir_open(slk_out_dir **out, const char *path, bool overwrite, slk_err *err)
{
    *out = NULL;
    slk_out_dir *dir = slk_alloc_zero(1, sizeof *dir);
    if (dir) dir->name = slk_strdup(path);
    slk_status s = dir && dir->name ? start(dir, overwrite, err) : fail_memory(err, path);
    if (s == SLK_OK)
        *out = dir;
    else
        slk_out_dir_close(dir);
    return s;
}

const char *slk_out_dir_path(const slk_out_dir *dir)
{
    return dir->fresh;
}

slk_status slk_out_dir_write(const slk_out_dir *dir, const char *name, const void *bytes, size_t n, slk_err *err)
{
    slk_out *out;
    char *path = slk_path_join(dir->fresh, name);
    if (!path) return fail_memory(err, dir->name);
    slk_status s = slk_out_open(&out, path, true, err);
    if (s == SLK_OK) {
        fwrite(bytes, 1, n, slk_out_stream(out)); /* a failure shows in commit */
        s = slk_out_commit(out, err);
        slk_out_close(out);
    }
    free(path);
    return s;
}

/* --- finishing -------------------------------------------------------------------------------------------------------
 */

static bool is_entry(const char *name)
{
    return strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* Take away a folder and the files in it. */
static void remove_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir)) != NULL;) {
        char *path = is_entry(entry->d_name) ? slk_path_join(folder, entry->d_name) : NULL;
        if (path) unlink(path);
        free(path);
    }
    if (dir) closedir(dir);
    rmdir(folder);
}

/* Is there nothing in the folder but files of an older output? */
static bool is_all_stale(const char *folder, const char *mark, bool is_stale(const char *name))
{
    DIR *dir = opendir(folder);
    bool all = dir != NULL;
    for (struct dirent *entry; all && (entry = readdir(dir)) != NULL;)
        all = !is_entry(entry->d_name) || !strcmp(entry->d_name, mark) || is_stale(entry->d_name);
    if (dir) closedir(dir);
    return all;
}

/* Let two folders change names in one step. false: this system or file system cannot. */
static bool exchange(const char *a, const char *b)
{
#if defined(__linux__) && defined(SYS_renameat2)
    enum { EXCHANGE = 2 };
    return syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, EXCHANGE) == 0;
#else
    (void)a, (void)b;
    return false;
#endif
}

static slk_status move_file(const char *from, const char *to, const char *name, slk_err *err)
{
    char *source = slk_path_join(from, name), *target = slk_path_join(to, name);
    slk_status s = SLK_OK;
    if (!source || !target)
        s = fail_memory(err, to);
    else if (rename(source, target) != 0)
        s = fail_io(err, target, "cannot be written");
    free(source);
    free(target);
    return s;
}

static slk_status sync_folder(const slk_out_dir *dir, const char *folder, slk_err *err)
{
    return slk_folder_sync(folder) ? SLK_OK : fail_io(err, dir->name, "cannot write its folder to disk");
}

static slk_status replace_files(const slk_out_dir *dir, const char *mark, bool is_stale(const char *name), slk_err *err)
{
    char *old_mark = slk_path_join(dir->path, mark);
    if (!old_mark) return fail_memory(err, dir->name);
    slk_status s = SLK_OK;
    if (unlink(old_mark) != 0 && errno != ENOENT) s = fail_io(err, old_mark, "cannot be replaced");
    free(old_mark);
    if (s == SLK_OK) s = sync_folder(dir, dir->path, err);
    DIR *entries = s == SLK_OK ? opendir(dir->path) : NULL;
    for (struct dirent *entry; entries && (entry = readdir(entries)) != NULL;) {
        char *old = is_stale(entry->d_name) ? slk_path_join(dir->path, entry->d_name) : NULL;
        if (old) unlink(old);
        free(old);
    }
    if (entries) closedir(entries);
    entries = s == SLK_OK ? opendir(dir->fresh) : NULL;
    if (s == SLK_OK && !entries) s = fail_io(err, dir->fresh, "cannot be read");
    for (struct dirent *entry; s == SLK_OK && (entry = readdir(entries)) != NULL;) {
        if (is_entry(entry->d_name) && strcmp(entry->d_name, mark) != 0)
            s = move_file(dir->fresh, dir->path, entry->d_name, err);
    }
    if (entries) closedir(entries);
    if (s == SLK_OK) s = sync_folder(dir, dir->path, err);
    if (s == SLK_OK) s = move_file(dir->fresh, dir->path, mark, err);
    return s == SLK_OK ? sync_folder(dir, dir->path, err) : s;
}

slk_status slk_out_dir_commit(slk_out_dir *dir, const char *mark, bool is_stale(const char *name), slk_err *err)
{
    if (!dir->fresh) return slk_fail(err, SLK_E_ARG, "%s: committed twice", dir->name);
    char *parent = parent_of(dir->path);
    slk_status s = parent ? sync_folder(dir, dir->fresh, err) : fail_memory(err, dir->name);
    struct stat old;
    bool exchanged = false, keeps_mode = s == SLK_OK && dir->exists && stat(dir->path, &old) == 0;
    if (keeps_mode && is_all_stale(dir->path, mark, is_stale) && chmod(dir->fresh, old.st_mode & 07777) == 0)
        exchanged = exchange(dir->fresh, dir->path);
    if (s == SLK_OK && dir->exists && !exchanged) {
        s = replace_files(dir, mark, is_stale, err);
    } else if (s == SLK_OK && !dir->exists && rename(dir->fresh, dir->path) != 0) {
        s = errno == ENOTEMPTY || errno == EEXIST
                ? slk_fail(err, SLK_E_STATE, "%s: exists already (it appeared during the work)", dir->name)
                : fail_io(err, dir->name, "cannot be made");
    }
    if (s == SLK_OK) s = sync_folder(dir, parent, err);
    free(parent);
    if (s != SLK_OK) return s;
    if (dir->exists) remove_folder(dir->fresh); /* what is in it now is the old output, or nothing */
    free(dir->fresh);
    dir->fresh = NULL;
    return SLK_OK;
}

void slk_out_dir_close(slk_out_dir *dir)
{
    if (!dir) return;
    if (dir->fresh) remove_folder(dir->fresh);
    free(dir->fresh);
    free(dir->path);
    free(dir->name);
    free(dir);
}
