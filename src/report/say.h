/* Numbers as people read them: one decimal, a true minus sign, no "-0.0". All return text in a small struct by value,
 * so that several can stand in one call. */
#ifndef SLK_REPORT_SAY_H
#define SLK_REPORT_SAY_H

#include "report/measure.h"

typedef struct slk_said {
    char text[48];
} slk_said;

/* "12.3", "−0.4"; NAN: "–". */
slk_said slk_say(double value, int digits);
/* "+12.3", "−0.4", "0.0". */
slk_said slk_say_signed(double value, int digits);
/* "−11.0 to −7.2", signed where `with_sign`; NAN: "". */
slk_said slk_say_interval(double low, double high, int digits, bool with_sign);
/* "20,000" */
slk_said slk_say_count(uint64_t n);
/* "1e-05", "0.0002": as people write learning rates. */
slk_said slk_say_lr(double lr);
/* "p < 0.01"-like marks of the paper's tables: "**" p < 0.01, "*" p < 0.05, else "". */
const char *slk_say_mark(double p);

#endif
