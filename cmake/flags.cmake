# Compiler flags. No -ffast-math and no implicit contraction: a sum's bits are part of the result.
add_library(slick_flags INTERFACE)
target_compile_definitions(slick_flags INTERFACE _POSIX_C_SOURCE=200809L _DEFAULT_SOURCE _FILE_OFFSET_BITS=64
                           SLICK_VERSION="${PROJECT_VERSION}")
target_compile_options(slick_flags INTERFACE -Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes
                       -Wmissing-prototypes -Wvla -Wwrite-strings -ffp-contract=off -fno-math-errno
                       -fno-trapping-math $<$<CONFIG:Release>:-O3>)
if(SLICK_WERROR)
  target_compile_options(slick_flags INTERFACE -Werror)
endif()
if(SLICK_ASAN)
  target_compile_options(slick_flags INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=all
                         -fno-omit-frame-pointer)
  target_link_options(slick_flags INTERFACE -fsanitize=address,undefined)
endif()
if(SLICK_FUZZ)
  target_compile_options(slick_flags INTERFACE -fsanitize=fuzzer-no-link,address,undefined -fno-omit-frame-pointer)
  target_link_options(slick_flags INTERFACE -fsanitize=address,undefined)
endif()

# A file named *_avx2.c, *_avx512.c or *_avx512bf16.c under src/compute/ is built for that instruction set and
# chosen at run time; nothing else is, so the program starts on any x86-64.
function(slick_kernel_flags)
  foreach(file ${ARGN})
    if(file MATCHES "_avx2\\.c$")
      set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS "-mavx2;-mfma;-mf16c")
    elseif(file MATCHES "_avx512\\.c$")
      set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS
        "-mavx2;-mfma;-mf16c;-mavx512f;-mavx512bw;-mavx512dq;-mavx512vl;-mprefer-vector-width=512")
    elseif(file MATCHES "_avx512bf16\\.c$")
      set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS
        "-mavx2;-mfma;-mf16c;-mavx512f;-mavx512bw;-mavx512dq;-mavx512vl;-mavx512bf16;-mprefer-vector-width=512")
    endif()
  endforeach()
endfunction()
