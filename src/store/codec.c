#include "store/codec.h"

#include <stdlib.h>
#include <string.h>

void slk_codec_add_bits(slk_buf *out, const uint8_t *flags, size_t n)
{
    for (size_t i = 0; i < n; i += 8) {
        unsigned char byte = 0;
        for (size_t b = 0; flags && b < 8 && i + b < n; b++) byte |= (unsigned char)((flags[i + b] != 0) << b);
        slk_buf_add(out, &byte, 1);
    }
}

bool slk_codec_get_bits(uint8_t *flags, size_t n, const void *data, size_t n_bytes)
{
    if (n_bytes != (n + 7) / 8) return false;
    const unsigned char *bytes = data;
    for (size_t i = 0; i < n; i++) flags[i] = bytes[i / 8] >> (i % 8) & 1;
    return true;
}

void slk_codec_add_doubles(slk_buf *out, const double *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t bits = 0;
        unsigned char bytes[8];
        if (values) memcpy(&bits, &values[i], sizeof bits);
        for (int b = 0; b < 8; b++) bytes[b] = (unsigned char)(bits >> (8 * b));
        slk_buf_add(out, bytes, sizeof bytes);
    }
}

bool slk_codec_get_doubles(double *values, size_t n, const void *data, size_t n_bytes)
{
    if (n_bytes != n * 8) return false;
    const unsigned char *bytes = data;
    for (size_t i = 0; i < n; i++) {
        uint64_t bits = 0;
        for (int b = 0; b < 8; b++) bits |= (uint64_t)bytes[i * 8 + (size_t)b] << (8 * b);
        memcpy(&values[i], &bits, sizeof bits);
    }
    return true;
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

static void add_varint(slk_buf *out, uint32_t value)
{
    do {
        unsigned char byte = value & 0x7F;
        value >>= 7;
        if (value) byte |= 0x80;
        slk_buf_add(out, &byte, 1);
    } while (value);
}

/* false at the end of the data or for more than 32 bits. */
static bool get_varint(uint32_t *value, const unsigned char *data, size_t n_bytes, size_t *at)
{
    uint64_t v = 0;
    for (int shift = 0; shift < 35 && *at < n_bytes; shift += 7) {
        unsigned char byte = data[(*at)++];
        v |= (uint64_t)(byte & 0x7F) << shift;
        if (byte & 0x80) continue;
        *value = (uint32_t)v;
        return v <= UINT32_MAX;
    }
    return false;
}

/* prompt * (n_samples + 1) + (0 = greedy, 1 + s = sample s) */
static uint32_t draw_number(const slk_label *label, const slk_answer *answer)
{
    return (uint32_t)answer->prompt * (label->n_samples + 1u) + (uint32_t)(answer->draw + 1);
}

void slk_coded_answers_release(slk_coded_answers *answers)
{
    for (size_t i = 0; i < answers->n; i++) slk_buf_release(&answers->items[i].draws);
    free(answers->items);
    memset(answers, 0, sizeof *answers);
}

/* The entry for a text, made when it is new; NULL: out of memory. A label has a few dozen distinct texts, so looking
 * through them is cheaper than a table. */
static slk_coded_answer *find_text(slk_coded_answers *list, const slk_answer *answer)
{
    for (size_t i = 0; i < list->n; i++) {
        if (list->items[i].match == answer->match && strcmp(list->items[i].text, answer->text) == 0)
            return &list->items[i];
    }
    if (!slk_grow(&list->items, &list->cap, list->n + 1, sizeof *list->items)) return NULL;
    slk_coded_answer *item = &list->items[list->n++];
    memset(item, 0, sizeof *item);
    item->text = answer->text;
    item->match = answer->match;
    slk_buf_init(&item->draws);
    return item;
}

const char *slk_codec_group_answers(slk_coded_answers *out, const slk_label *label)
{
    memset(out, 0, sizeof *out);
    int64_t last = -1;
    for (size_t i = 0; i < label->n_answers; i++) {
        const slk_answer *answer = &label->answers[i];
        if (answer->prompt >= label->n_ex || answer->draw < -1 || answer->draw >= (int)label->n_samples)
            return "an answer's prompt or draw is out of range";
        uint32_t number = draw_number(label, answer);
        if (number <= last) return "answers are not in the order of prompt and draw";
        last = number;
        slk_coded_answer *item = find_text(out, answer);
        if (!item) return "";
        add_varint(&item->draws, number - item->last);
        item->last = number;
        item->n_greedy += answer->draw < 0;
        item->n_sampled += answer->draw >= 0;
        if (item->draws.failed) return "";
    }
    return NULL;
}

bool slk_codec_get_draws(slk_label *label, const char *text, bool match, const void *data, size_t n_bytes)
{
    size_t n_max = (size_t)label->n_ex * (label->n_samples + 1u), at = 0;
    uint32_t number = 0, step;
    while (at < n_bytes) {
        if (!get_varint(&step, data, n_bytes, &at) || step >= n_max - number || label->n_answers == n_max) return false;
        number += step;
        slk_answer *answer = &label->answers[label->n_answers];
        answer->text = slk_strdup(text);
        answer->prompt = (uint16_t)(number / (label->n_samples + 1u));
        answer->draw = (int16_t)((int)(number % (label->n_samples + 1u)) - 1);
        answer->match = match;
        if (!answer->text) return false;
        label->n_answers++;
    }
    return true;
}

static int compare_answers(const void *pa, const void *pb)
{
    const slk_answer *a = pa, *b = pb;
    return a->prompt != b->prompt ? (int)a->prompt - (int)b->prompt : (int)a->draw - (int)b->draw;
}

bool slk_codec_sort_answers(slk_label *label)
{
    if (label->n_answers > 1) qsort(label->answers, label->n_answers, sizeof *label->answers, compare_answers);
    for (size_t i = 1; i < label->n_answers; i++) {
        if (compare_answers(&label->answers[i - 1], &label->answers[i]) == 0) return false;
    }
    return true;
}
