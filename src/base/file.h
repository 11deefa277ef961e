/* Files: whole-file reads, memory maps, and writes that are either complete or not there. */
#ifndef SLK_BASE_FILE_H
#define SLK_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "base/error.h"

typedef struct slk_map {
    const uint8_t *data; /* NULL for an empty file */
    size_t n_bytes;
} slk_map;

/* Map a regular file read-only. Errors: SLK_E_IO (missing, a folder, unreadable). */
slk_status slk_map_open(slk_map *out, const char *path, slk_err *err);
void slk_map_close(slk_map *map);
/* Tell the kernel that [data, data + n_bytes) was read for the last time, so that it leaves resident memory. */
void slk_map_forget(const slk_map *map, const void *data, size_t n_bytes);

/* The whole file (or standard input for "-") in memory, NUL-terminated behind the last byte; free() it. */
slk_status slk_file_read(char **out, size_t *n_bytes, const char *path, slk_err *err);
bool slk_file_exists(const char *path); /* anything but a folder */
bool slk_dir_exists(const char *path);
/* Write a folder's entries to the disk. false: errno says why. Some file systems know no such thing: then there is
 * none to do. */
bool slk_folder_sync(const char *folder);

/* An output that appears under its name only when it is complete: writes go to "<path>.tmp.<pid>", commit() flushes,
 * fsyncs and renames, close() without commit() removes the temporary file. Symbolic links are followed, an overwritten
 * file's permissions kept. A device or pipe (/dev/null, /dev/stdout) is written in place, whatever `overwrite` says. */
typedef struct slk_out slk_out;
/* path "-" writes to standard output directly. Errors: SLK_E_STATE when path exists and !overwrite; SLK_E_IO;
 * SLK_E_MEMORY. */
slk_status slk_out_open(slk_out **out, const char *path, bool overwrite, slk_err *err);
FILE *slk_out_stream(slk_out *out); /* borrowed until commit or close */
/* Once. Errors: SLK_E_IO, also when an earlier write failed (full disk); SLK_E_STATE when !overwrite and the name was
 * taken meanwhile; SLK_E_ARG the second time. */
slk_status slk_out_commit(slk_out *out, slk_err *err);
void slk_out_close(slk_out *out); /* NULL is fine */

/* Remove a file; one that is not there is no error. Errors: SLK_E_IO. */
slk_status slk_file_remove(const char *path, slk_err *err);

#endif
