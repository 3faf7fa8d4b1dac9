# Flags that every target shares, as the interface library annulus_options.
find_package(PkgConfig REQUIRED)
find_package(OpenSSL 3 REQUIRED COMPONENTS Crypto)
find_package(ZLIB REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(PROTOBUF_C REQUIRED IMPORTED_TARGET libprotobuf-c)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)

add_library(annulus_options INTERFACE)
target_include_directories(annulus_options INTERFACE ${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR}/src)
target_compile_definitions(annulus_options INTERFACE _GNU_SOURCE)
target_compile_options(annulus_options INTERFACE
  -Wall -Wextra -Wconversion -Wshadow -Werror
  $<$<CONFIG:Release>:-O3> -fno-math-errno -fno-trapping-math
  -ffile-prefix-map=${CMAKE_SOURCE_DIR}=.)
if(ANNULUS_SANITIZE)
  target_compile_options(annulus_options INTERFACE -fsanitize=${ANNULUS_SANITIZE} -fno-omit-frame-pointer -gline-tables-only
    $<$<CONFIG:Debug>:-O1>) # at -O0 every intrinsic is a checked call: the suites take three to eight times as long
  if(ANNULUS_NO_SANITIZE)
    target_compile_options(annulus_options INTERFACE -fno-sanitize=${ANNULUS_NO_SANITIZE})
  endif()
  target_link_options(annulus_options INTERFACE -fsanitize=${ANNULUS_SANITIZE})
endif()
if(ANNULUS_OPENMP)
  find_package(OpenMP REQUIRED COMPONENTS C)
  target_link_libraries(annulus_options INTERFACE OpenMP::OpenMP_C)
endif()
target_link_libraries(annulus_options INTERFACE m)
