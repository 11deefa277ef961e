/* The segment tree: many token sequences, whatever prefix two of them share computed and kept once.
 *
 * A segment is a run of tokens with its keys and values; its parent is the context before it, up to any token of the
 * parent:
 *
 *     [Q: .. A: .. Q: .. A: ..][Q: Where is]---[ Paris located?\nA:]---[ France]---[\n]
 *                                          \--[ Nagoya located?\nA:]---[ Japan]          (one prompt, two questions)
 *
 * Sequences are inserted as whole paths; the tree finds the longest prefix that it has and makes a segment of the rest.
 * The last token of a path always gets a row of its own, because its logits are what one asks for. Segments are counted
 * references: a segment lives while somebody holds it or a descendant of it.
 * The forward pass takes any set of segments whose contexts are computed before or in the same batch. */
#ifndef SLK_MODEL_TREE_H
#define SLK_MODEL_TREE_H

#include "base/error.h"
#include "model/forward.h"

struct slk_model;
typedef struct slk_tree slk_tree;

/* Name of a segment in its tree; valid while somebody holds it. */
typedef int32_t slk_seg;
#define SLK_SEG_NONE (-1) /* as a parent: the root (the empty context) */

/* n_slots: most tokens that can be kept at a time. Errors: SLK_E_MEMORY. The tree computes with `forward`, which must
 * outlive it. */
slk_status slk_tree_create(slk_tree **out, const struct slk_model *model, slk_forward *forward, int32_t n_slots,
                           slk_err *err);
void slk_tree_free(slk_tree *tree);

/* Insert the path of tokens [n >= 1] below `parent` (all its tokens; SLK_SEG_NONE: from the root), sharing what is
 * there. *out is a segment that ends with the path's last token; it holds one reference of the caller's. Nothing is
 * computed yet. Errors: SLK_E_MEMORY. */
slk_status slk_tree_insert(slk_tree *tree, slk_seg parent, const int32_t *tokens, int32_t n, slk_seg *out,
                           slk_err *err);
/* As insert, but nothing is shared below `parent`: the segment is new. */
slk_status slk_tree_append(slk_tree *tree, slk_seg parent, const int32_t *tokens, int32_t n, slk_seg *out,
                           slk_err *err);
void slk_tree_hold(slk_tree *tree, slk_seg seg);
void slk_tree_release(slk_tree *tree, slk_seg seg);

/* The first segment on the path to `seg` (from the root down, seg itself last) that has tokens which the path needs and
 * which are neither computed nor planned; planned [n_planned] says, by segment, how many tokens the batch being built
 * computes (segments beyond n_planned: none). SLK_SEG_NONE: nothing is missing. */
slk_seg slk_tree_next_unplanned(const slk_tree *tree, slk_seg seg, const int32_t *planned, size_t n_planned);
int32_t slk_tree_n_slots_needed(const slk_tree *tree,
                                slk_seg seg); /* slots that computing it would take: n_tokens, or 0 when it has them */
int32_t slk_tree_n_pending(const slk_tree *tree, slk_seg seg); /* uncomputed tokens of seg itself */
int32_t slk_tree_n_tokens(const slk_tree *tree, slk_seg seg);  /* tokens of seg itself */
int32_t slk_tree_position(const slk_tree *tree,
                          slk_seg seg);        /* absolute position behind its last token = length of the path */
int32_t slk_tree_n_free(const slk_tree *tree); /* slots */

/* Compute the next n uncomputed tokens of seg. Asks: rows are relative to the span's first token. */
typedef struct slk_span {
    slk_seg seg;
    int32_t n;
    const slk_ask *asks;
    int32_t n_asks;
} slk_span;

/* One batch. Spans in any order; each segment at most once; the context of each is computed or in this batch.
 * hidden as in slk_batch, rows in the order of spans (tests).
 * Errors: SLK_E_STATE (a context that is neither computed nor in the batch), SLK_E_MEMORY (slots), and
 * slk_forward_run's. On failure the spans stay uncomputed. */
slk_status slk_tree_forward(slk_tree *tree, const slk_span *spans, int32_t n_spans, float *hidden, slk_err *err);

#endif
