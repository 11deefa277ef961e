/* What kind of thing a stream writes to, and how wide text is on it. */
#ifndef SLK_CLI_TERMINAL_H
#define SLK_CLI_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* A terminal that can move its cursor (TERM=dumb cannot). */
bool slk_terminal_is(FILE *stream);
/* A terminal, and NO_COLOR is not set. */
bool slk_terminal_has_colour(FILE *stream);
/* Columns of the terminal, or `otherwise` when stream is none. */
int slk_terminal_width(FILE *stream, int otherwise);

/* Columns that UTF-8 text takes: 2 for wide characters, 0 for combining marks; a broken byte counts 1. */
size_t slk_text_width(const char *text, size_t n_bytes);

/* Numbers for people, written into out (returned). */
typedef struct slk_shown {
    char text[40];
} slk_shown;
slk_shown slk_show_count(uint64_t n);       /* 22,075 */
slk_shown slk_show_bytes(uint64_t n_bytes); /* 1.3 GB, 512 kB (powers of 1000) */
slk_shown slk_show_time(double seconds);    /* 8 s, 1 min 05 s, 2 h 10 min, 3 d 4 h */

#endif
