#define KERNELS      slk_kernels_avx512
#define KERNELS_NAME "avx512"
#define BF16         0
#include "compute/dnnl/vec_avx512.inc"
#include "compute/dnnl/kernels.inc"
