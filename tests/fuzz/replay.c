/* usage: fuzz_x FOLDER: runs a fuzz target, without libFuzzer, over every file of FOLDER, over the file cut at 256
 * places, and over copies with single bytes changed at 1,024 places (a fixed sequence). Fails when there is nothing to
 * run. */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t *read_file(const char *path, size_t *n_bytes)
{
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    uint8_t *data = NULL;
    if (fseek(file, 0, SEEK_END) == 0) {
        long size = ftell(file);
        rewind(file);
        data = size >= 0 ? malloc((size_t)size + 1) : NULL;
        *n_bytes = (size_t)size;
        if (data && fread(data, 1, *n_bytes, file) != *n_bytes) {
            free(data);
            data = NULL;
        }
    }
    fclose(file);
    return data;
}

/* Each input has a heap block of exactly its size, so that a read behind its end is seen. */
static int run_one(const uint8_t *data, size_t n_bytes)
{
    uint8_t *copy = malloc(n_bytes ? n_bytes : 1);
    if (!copy) return 1;
    memcpy(copy, data, n_bytes);
    LLVMFuzzerTestOneInput(copy, n_bytes);
    free(copy);
    return 0;
}

static int run_file(const char *path)
{
    size_t n_bytes = 0;
    uint8_t *data = read_file(path, &n_bytes);
    if (!data) {
        perror(path);
        return 1;
    }
    int failed = run_one(data, n_bytes);
    for (size_t i = 0; i < 256 && !failed; i++) failed = run_one(data, n_bytes * i / 256);
    uint64_t state = 1;
    for (int i = 0; i < 1024 && n_bytes && !failed; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        /* Headers are where counts and types are: half of the changes go into the first 4 KiB. */
        size_t range = (i & 1) && n_bytes > 4096 ? 4096 : n_bytes;
        size_t at = (size_t)(state >> 33) % range;
        uint8_t was = data[at];
        data[at] = (uint8_t)(state >> 24);
        failed = run_one(data, n_bytes);
        data[at] = was;
    }
    free(data);
    return failed;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    DIR *folder = opendir(argv[1]);
    if (!folder) {
        perror(argv[1]);
        return 1;
    }
    int n_files = 0, failed = 0;
    for (struct dirent *entry; !failed && (entry = readdir(folder));) {
        if (entry->d_name[0] == '.') continue;
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
        failed = run_file(path);
        n_files++;
    }
    closedir(folder);
    if (!n_files) fprintf(stderr, "%s: no seeds\n", argv[1]);
    printf("%d seeds\n", n_files);
    return failed || !n_files;
}
