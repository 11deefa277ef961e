# Every library slick needs, each from a Debian package (tools/install-deps.sh installs them).
find_package(PkgConfig REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS C)
pkg_check_modules(SQLITE3 REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(LIBARCHIVE REQUIRED IMPORTED_TARGET libarchive)
pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)

# find_package(dnnl) fails on Debian (its configuration wants OpenCL), so look for the two files themselves.
find_path(DNNL_INCLUDE_DIR oneapi/dnnl/dnnl.h REQUIRED)
find_library(DNNL_LIBRARY dnnl REQUIRED)

add_library(slick_deps INTERFACE)
target_include_directories(slick_deps SYSTEM INTERFACE ${DNNL_INCLUDE_DIR})
target_link_libraries(slick_deps INTERFACE ${DNNL_LIBRARY} OpenMP::OpenMP_C PkgConfig::SQLITE3 PkgConfig::JANSSON
                      PkgConfig::PCRE2 PkgConfig::UTF8PROC PkgConfig::YAML PkgConfig::XXHASH PkgConfig::LIBARCHIVE m)
