/* Speed of this machine at what slick is made of: the measure that rates are given as shares of. */
#ifndef SLK_COMPUTE_BENCH_H
#define SLK_COMPUTE_BENCH_H

#include "compute/compute.h"

typedef struct slk_bench_gemm {
    int64_t n_rows, n_out, n_in;
    bool packed;   /* weights in the library's own layout, where it has one */
    double gflops; /* best of the repetitions; 2 * n_rows * n_out * n_in operations each */
} slk_bench_gemm;

/* Products of one shape with c's compute type and threads, f32 output, the weights from a set of matrices that does not
 * fit the caches of a core; repeated for at least min_seconds and 5 times. Fill b->gflops. Errors: SLK_E_MEMORY,
 * SLK_E_SHAPE, those of slk_compute_matmul. */
slk_status slk_compute_bench_shape(slk_compute *c, slk_bench_gemm *b, double min_seconds, slk_err *err);

/* The peak: best GFLOP/s over a few large shapes (1024 and 2048 rows, 512 to 4096 in and out), about two seconds.
 * Errors: as slk_compute_bench_shape. */
slk_status slk_compute_bench_gemm(slk_compute *c, double *gflops, slk_err *err);

#endif
