/* Archives that come with slick, unpacked into a folder that lives as long as a command. */
#ifndef SLK_CLI_UNPACK_H
#define SLK_CLI_UNPACK_H

#include "base/error.h"

/* Path of a data file that comes with slick: the installed one, else the one in the source tree; free() it.
 * Errors: SLK_E_NOT_FOUND (the message names both places), SLK_E_MEMORY. */
slk_status slk_cli_find_data(char **out, const char *name, slk_err *err);

/* Unpack a .tar.xz with tar and xz into a new folder below TMPDIR (/tmp). *dir: its path, for slk_cli_remove_unpacked().
 * Errors: SLK_E_IO (no such program, a full disk, a broken archive). */
slk_status slk_cli_unpack(char **dir, const char *archive, slk_err *err);
/* Remove what slk_cli_unpack() made and free dir. NULL is fine. */
void slk_cli_remove_unpacked(char *dir);

#endif
