# How everything is compiled: language, warnings, sanitizers, linker, compiler cache.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_LINK_DEPENDS_NO_SHARED ON)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

# A comma-separated list for -fsanitize. Any report ends the program, so that a test cannot pass over it. Not vptr: its
# check opens descriptors of its own, and takes an object for a bad one where a test lets them run out.
set(WASI_NETD_SANITIZE "" CACHE STRING "Sanitizers for everything, such as address,undefined")
if(WASI_NETD_SANITIZE)
  add_compile_options(-fsanitize=${WASI_NETD_SANITIZE} -fno-sanitize=vptr -fno-sanitize-recover=all
                      -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${WASI_NETD_SANITIZE})
endif()
if(WASI_NETD_SANITIZE MATCHES "thread")
  # Asio's scheduler uses atomic_thread_fence, which TSan does not model; g++ warns at each.
  add_compile_options(-Wno-tsan)
endif()

# Assertions stay on everywhere: a bug ends the process, it does not go on with a broken state.
add_compile_definitions(_GLIBCXX_ASSERTIONS)
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection)
  add_link_options(-Wl,-z,relro,-z,now)
endif()

# ccache and mold where they are, unless the caller chose otherwise: gRPC's objects link in seconds instead of minutes,
# and what one clone has compiled no other compiles again (ccache is told to leave out where the source lies).
find_program(WASI_NETD_CCACHE ccache)
mark_as_advanced(WASI_NETD_CCACHE)
if(WASI_NETD_CCACHE AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
  set(WASI_NETD_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1
                         ${WASI_NETD_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${WASI_NETD_LAUNCHER})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${WASI_NETD_LAUNCHER})
endif()
include(CheckLinkerFlag)
check_linker_flag(CXX -fuse-ld=mold WASI_NETD_HAVE_MOLD)
if(WASI_NETD_HAVE_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

# The root of the source tree is the include root: "policy/policy.h", "daemon/net/net.h".
add_library(wasi_netd_options INTERFACE)
target_include_directories(wasi_netd_options INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(wasi_netd_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor)
# g++ 12 takes the pair of operators that Asio gives its coroutine frames for a mismatch where it inlines only one of the
# two. The sanitizers see real ones.
target_compile_options(wasi_netd_options INTERFACE -Wno-mismatched-new-delete)
target_compile_definitions(wasi_netd_options INTERFACE WASI_NETD_VERSION="${PROJECT_VERSION}")
