/* Text from data in other languages: facts, answers, model names and error messages may hold anything, and come out as
 * the same text, never as markup, a formula or a broken file. Bytes that are no UTF-8, and control characters (which
 * XML cannot hold at all), become U+FFFD; line breaks and tabs become a space where a line is one record. */
#ifndef SLK_REPORT_ESCAPE_H
#define SLK_REPORT_ESCAPE_H

#include "base/mem.h"

/* For HTML and SVG: text and quoted attribute values. Line breaks stay. */
void slk_escape_xml(slk_buf *b, const char *text);
/* A CSV field (RFC 4180) that no spreadsheet takes for a formula: text that begins with = + - @ (also behind white
 * space) gets a ' before it. `text` is from data; numbers go in as they are. Line breaks become spaces. */
void slk_escape_csv(slk_buf *b, const char *text);
/* For a cell of a Markdown table: every character that could be markup gets a backslash; < > & become entities. */
void slk_escape_markdown(slk_buf *b, const char *text);
/* A JSON string with its quotes, which may stand inside <script>: < > & and the line separators are written \uXXXX. */
void slk_escape_json(slk_buf *b, const char *text);

#endif
