/* File names for SQLite. Not for other modules. */
#ifndef SLK_STORE_URI_H
#define SLK_STORE_URI_H

#include <stdbool.h>

/* "file:..." for path, escaped; free() it; NULL: out of memory. read_only: open it for reading, and where its folder
 * cannot be written (a read-only file system: SQLite could not make the -shm file that reading a WAL database needs) as
 * a file that nobody changes, provided that no -wal file with unread content lies beside it. */
char *slk_store_uri(const char *path, bool read_only);

#endif
