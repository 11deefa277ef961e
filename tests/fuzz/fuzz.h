/* What libFuzzer calls, and replay.c. A target reads the bytes as the file or text it is about and returns 0; the
 * sanitizers judge. */
#ifndef SLK_FUZZ_H
#define SLK_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes); /* the name is libFuzzer's */

#endif
