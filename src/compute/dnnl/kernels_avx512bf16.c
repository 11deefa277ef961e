#define KERNELS      slk_kernels_avx512bf16
#define KERNELS_NAME "avx512bf16"
#define BF16         1
#include "compute/dnnl/vec_avx512.inc"
#include "compute/dnnl/kernels.inc"
