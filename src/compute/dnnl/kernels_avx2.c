#define KERNELS      slk_kernels_avx2
#define KERNELS_NAME "avx2"
#define BF16         0
#include "compute/dnnl/vec_avx2.inc"
#include "compute/dnnl/kernels.inc"
