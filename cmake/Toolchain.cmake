# Compiler settings of our own code: C++20, all warnings are errors, asserts stay on in Release.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE OFF)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

set(SLUICE_SANITIZE "" CACHE STRING "Comma-separated sanitizers, for example address,undefined")
option(SLUICE_PCH "Use precompiled headers" ON)

set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1")
set(CMAKE_CXX_FLAGS_DEBUG "-Og -g1")
if(SLUICE_SANITIZE)
  add_compile_options(-fsanitize=${SLUICE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${SLUICE_SANITIZE})
  if(SLUICE_SANITIZE MATCHES thread)
    add_compile_options(-Wno-tsan)  # Asio's fences: GCC says that it does not model them
  endif()
endif()

add_library(sluice_warnings INTERFACE)
# -Wno-restrict: GCC 12 warns about std::string's own memcpy once it is inlined (GCC bug 105651).
target_compile_options(sluice_warnings INTERFACE -Wall -Wextra -Wconversion -Wshadow -Werror -Wno-restrict)

find_program(CCACHE ccache)
if(CCACHE)
  # Precompiled headers are cacheable only with these relaxations (ccache manual, "Precompiled headers").
  set(_launcher ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      ${CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${_launcher})
  set(CMAKE_C_COMPILER_LAUNCHER ${_launcher})
  add_compile_options($<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fpch-preprocess>)
endif()

find_program(MOLD mold)
if(MOLD)
  add_link_options(-fuse-ld=mold)
endif()
