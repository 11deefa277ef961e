/* The paper's own numbers (PaLM 2-M; Gekhman et al. 2024), to stand beside what a study finds. Source: STUDY.md
 * sections 2 and 4. */
#ifndef SLK_REPORT_PAPER_H
#define SLK_REPORT_PAPER_H

#define SLK_PAPER_NAME "Gekhman et al. 2024"

/* Natural shares of the four categories, in %. */
static const double slk_paper_shares[4] = {24, 23, 17, 36};

/* In, out of distribution: b0, b_kn, b_unk, R2. */
static const double slk_paper_table1[2][4] = {{36.9, 7.3, -8.3, 0.86}, {36.2, 3.2, -3.0, 0.95}};

/* D_HighlyKnown .. D_Natural; EARLY_STOP, CONVERGENCE; full, Hkn, Mkn, Wkn, Unk. */
static const double slk_paper_table2[5][2][5] = {
    {{40.5, 98.7, 60.1, 9.0, 0.6}, {40.0, 98.4, 58.8, 8.5, 0.7}},
    {{43.6, 98.4, 69.9, 12.1, 1.0}, {43.2, 97.5, 68.2, 12.9, 1.3}},
    {{39.2, 95.0, 59.2, 8.6, 0.4}, {35.4, 73.5, 55.8, 17.2, 2.2}},
    {{37.5, 95.6, 52.9, 6.5, 0.6}, {25.8, 55.8, 36.6, 12.2, 3.2}},
    {{43.5, 98.0, 67.6, 14.1, 1.8}, {41.8, 95.5, 61.7, 14.8, 2.5}},
};

/* D, D_IDK; EARLY_STOP, CONVERGENCE: accuracy on answered questions, and share answered. */
static const double slk_paper_table8[2][2] = {{43.0, 38.8}, {61.8, 61.8}};
static const double slk_paper_table8_answered[2][2] = {{100, 100}, {58.7, 55.6}};

#endif
