#include "report/grid.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "report/escape.h"
#include "report/say.h"

void slk_grid_init(slk_grid *g, const char *name, const char *title, const char *note, const slk_column *columns,
                   size_t n)
{
    *g = (slk_grid){.title = title, .note = note, .columns = columns, .n_columns = n};
    snprintf(g->name, sizeof g->name, "%s", name);
}

void slk_grid_release(slk_grid *g)
{
    free(g->cells);
    free(g->paper);
    slk_arena_release(&g->arena);
    *g = (slk_grid){0};
}

/* --- filling ---------------------------------------------------------------------------------------------------------
 */

void slk_grid_row(slk_grid *g, bool is_paper)
{
    g->failed = g->failed || !slk_grow(&g->cells, &g->cap, (g->n_rows + 1) * g->n_columns, sizeof *g->cells) ||
                !slk_grow(&g->paper, &g->cap_rows, g->n_rows + 1, sizeof *g->paper);
    if (g->failed) return;
    for (size_t c = 0; c < g->n_columns; c++)
        g->cells[g->n_rows * g->n_columns + c] = (slk_grid_cell){.at = slk_estimate_none(), .p = NAN};
    g->paper[g->n_rows++] = is_paper;
    g->n_filled = 0;
}

static slk_grid_cell *next_cell(slk_grid *g)
{
    if (g->failed || g->n_rows == 0 || g->n_filled == g->n_columns) return NULL;
    return &g->cells[(g->n_rows - 1) * g->n_columns + g->n_filled++];
}

void slk_grid_text(slk_grid *g, const char *text)
{
    slk_grid_cell *cell = next_cell(g);
    if (!cell) return;
    cell->text = slk_arena_strndup(&g->arena, text, strlen(text));
    g->failed |= !cell->text;
}

void slk_grid_number(slk_grid *g, double value)
{
    slk_grid_estimate(g, (slk_estimate){1, value, NAN, NAN, false});
}

void slk_grid_estimate(slk_grid *g, slk_estimate at)
{
    slk_grid_tested(g, at, NAN, false);
}

void slk_grid_tested(slk_grid *g, slk_estimate at, double p, bool best)
{
    slk_grid_cell *cell = next_cell(g);
    if (!cell) return;
    cell->at = at;
    cell->p = p;
    cell->best = best;
}

/* --- CSV
 * --------------------------------------------------------------------------------------------------------------- */

static void csv_number(slk_buf *b, double value)
{
    if (isnan(value)) return;
    char text[32];
    for (int digits = 15; digits <= 17; digits++) { /* the fewest that give it back */
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    slk_buf_add_str(b, text);
}

void slk_grid_csv(slk_buf *b, const slk_grid *g)
{
    for (size_t c = 0; c < g->n_columns; c++) {
        const slk_column *column = &g->columns[c];
        slk_buf_addf(b, "%s%s", c ? "," : "", column->key);
        if (column->kind >= SLK_COLUMN_ESTIMATE) slk_buf_addf(b, ",%s_low,%s_high", column->key, column->key);
        if (column->kind == SLK_COLUMN_TESTED) slk_buf_addf(b, ",%s_p", column->key);
    }
    slk_buf_add_str(b, "\n");
    for (size_t r = 0; r < g->n_rows; r++) {
        for (size_t c = 0; c < g->n_columns; c++) {
            const slk_grid_cell *cell = &g->cells[r * g->n_columns + c];
            slk_column_kind kind = g->columns[c].kind;
            if (c) slk_buf_add_str(b, ",");
            if (kind == SLK_COLUMN_TEXT) {
                slk_escape_csv(b, cell->text ? cell->text : "");
                continue;
            }
            csv_number(b, cell->at.value);
            if (kind < SLK_COLUMN_ESTIMATE) continue;
            slk_buf_add_str(b, ",");
            csv_number(b, cell->at.low);
            slk_buf_add_str(b, ",");
            csv_number(b, cell->at.high);
            if (kind < SLK_COLUMN_TESTED) continue;
            slk_buf_add_str(b, ",");
            csv_number(b, cell->p);
        }
        slk_buf_add_str(b, "\n");
    }
}

/* --- for people
 * --------------------------------------------------------------------------------------------------------- */

void slk_grid_markdown(slk_buf *b, const slk_grid *g)
{
    slk_buf_addf(b, "# %s\n\n", g->title);
    if (*g->note) slk_buf_addf(b, "%s\n\n", g->note);
    for (size_t c = 0; c < g->n_columns; c++) slk_buf_addf(b, "| %s ", g->columns[c].head);
    slk_buf_add_str(b, "|\n");
    for (size_t c = 0; c < g->n_columns; c++)
        slk_buf_add_str(b, g->columns[c].kind == SLK_COLUMN_TEXT ? "|---" : "|--:");
    slk_buf_add_str(b, "|\n");
    for (size_t r = 0; r < g->n_rows; r++) {
        for (size_t c = 0; c < g->n_columns; c++) {
            const slk_grid_cell *cell = &g->cells[r * g->n_columns + c];
            slk_buf_add_str(b, "| ");
            if (g->columns[c].kind == SLK_COLUMN_TEXT) {
                slk_escape_markdown(b, cell->text ? cell->text : "");
            } else if (!isnan(cell->at.value)) {
                int digits = g->columns[c].digits;
                slk_buf_addf(b, cell->best ? "**%s**" : "%s", slk_say(cell->at.value, digits).text);
                if (!isnan(cell->at.low))
                    slk_buf_addf(b, " (%s)", slk_say_interval(cell->at.low, cell->at.high, digits, false).text);
                for (const char *mark = slk_say_mark(cell->p); *mark; mark++) slk_buf_add_str(b, "\\*");
            }
            slk_buf_add_str(b, " ");
        }
        slk_buf_add_str(b, "|\n");
    }
}

void slk_grid_html(slk_buf *b, const slk_grid *g)
{
    slk_buf_add_str(b, "<div class=\"scroll\"><table>\n<thead><tr>");
    for (size_t c = 0; c < g->n_columns; c++)
        slk_buf_addf(b, "<th%s>%s</th>", g->columns[c].kind == SLK_COLUMN_TEXT ? " class=\"text\"" : "",
                     g->columns[c].head);
    slk_buf_add_str(b, "</tr></thead>\n<tbody>\n");
    for (size_t r = 0; r < g->n_rows; r++) {
        slk_buf_add_str(b, "<tr>");
        for (size_t c = 0; c < g->n_columns; c++) {
            const slk_grid_cell *cell = &g->cells[r * g->n_columns + c];
            bool is_text = g->columns[c].kind == SLK_COLUMN_TEXT;
            slk_buf_addf(b, "<td class=\"%s%s%s\">", is_text ? "text" : "", g->paper[r] ? " paper" : "",
                         cell->best ? " best" : "");
            if (is_text) {
                slk_escape_xml(b, cell->text ? cell->text : "");
            } else if (!isnan(cell->at.value)) {
                int digits = g->columns[c].digits;
                slk_buf_addf(b, "%s%s", slk_say(cell->at.value, digits).text, slk_say_mark(cell->p));
                if (!isnan(cell->at.low))
                    slk_buf_addf(b, "<br><small>%s</small>",
                                 slk_say_interval(cell->at.low, cell->at.high, digits, false).text);
            }
            slk_buf_add_str(b, "</td>");
        }
        slk_buf_add_str(b, "</tr>\n");
    }
    slk_buf_add_str(b, "</tbody></table></div>\n");
}
