/* Folders that are either complete under their name or not there, as file.h has it for files.
 *
 *   slk_out_dir_open(&d, "model/", overwrite)     files are written into slk_out_dir_path(d), a folder of another name
 *   slk_out_dir_commit(d, ...)                    all is on the disk, then it takes its name
 *   slk_out_dir_close(d)                          without commit nothing is left
 *
 * A folder that exists is replaced. Where it holds nothing but an older output, the two change places in one step: a
 * kill at any moment leaves the old one or the new one. Where it holds other files, too, these stay: then the `mark`
 * (the file without which the folder is no output) goes first and comes last, so what a kill leaves has no mark or is
 * complete. */
#ifndef SLK_BASE_FOLDER_H
#define SLK_BASE_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include "base/error.h"

typedef struct slk_out_dir slk_out_dir;

/* Make the folder to write into. Errors: SLK_E_STATE (path is a file, or a folder and !overwrite), SLK_E_IO,
 * SLK_E_MEMORY. */
slk_status slk_out_dir_open(slk_out_dir **out, const char *path, bool overwrite, slk_err *err);
const char *slk_out_dir_path(const slk_out_dir *dir); /* borrowed until commit or close */
/* A whole file in it, on the disk. Errors: SLK_E_IO, SLK_E_MEMORY. */
slk_status slk_out_dir_write(const slk_out_dir *dir, const char *name, const void *bytes, size_t n, slk_err *err);
/* Give it its name; once. Its files must be on the disk (slk_out_commit does that). is_stale: which files of an older
 * output, besides the mark, are to go. Errors: SLK_E_IO; SLK_E_STATE when a folder of that name appeared meanwhile;
 * SLK_E_MEMORY. */
slk_status slk_out_dir_commit(slk_out_dir *dir, const char *mark, bool is_stale(const char *name), slk_err *err);
void slk_out_dir_close(slk_out_dir *dir); /* NULL is fine */

/* "<folder>/<name>"; free() it. NULL: out of memory. */
char *slk_path_join(const char *folder, const char *name);

#endif
