#include "store/uri.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/mem.h"

static bool folder_is_writable(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? slk_strndup(path, slash == path ? 1 : (size_t)(slash - path)) : slk_strdup(".");
    bool writable = !folder || access(folder, W_OK) == 0;
    free(folder);
    return writable;
}

static bool has_wal(const char *path)
{
    slk_buf name = {0};
    struct stat st;
    slk_buf_addf(&name, "%s-wal", path);
    bool found = name.failed || (stat(name.data, &st) == 0 && st.st_size > 0);
    slk_buf_release(&name);
    return found;
}

char *slk_store_uri(const char *path, bool read_only)
{
    slk_buf uri = {0};
    slk_buf_add_str(&uri, path[0] == '/' ? "file://" : "file:");
    for (const char *p = path; *p; p++) {
        if (strchr("%?#", *p))
            slk_buf_addf(&uri, "%%%02X", (unsigned char)*p);
        else
            slk_buf_add(&uri, p, 1);
    }
    if (read_only)
        slk_buf_add_str(&uri, folder_is_writable(path) || has_wal(path) ? "?mode=ro" : "?mode=ro&immutable=1");
    char *text = uri.failed ? NULL : slk_buf_take(&uri);
    slk_buf_release(&uri);
    return text;
}
