# wasmtime::wasmtime, the Wasmtime engine's C library as deploy/install-deps fetched it. The library carries no SONAME,
# so programs ask for "libwasmtime.so" by run path: the cache directory in the build tree, the private library
# directory (WASI_NETD_PRIVATE_LIBDIR, see deploy/CMakeLists.txt) once installed.
file(STRINGS ${PROJECT_SOURCE_DIR}/deploy/wasmtime-requirements.txt wasmtime_pin REGEX "^wasmtime==")
string(REGEX REPLACE "^wasmtime==([0-9.]+).*" "\\1" WASI_NETD_WASMTIME_VERSION "${wasmtime_pin}")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/deploy/wasmtime-requirements.txt)

set(WASI_NETD_WASMTIME_DIR "" CACHE PATH "Directory of libwasmtime.so; empty: where deploy/install-deps puts it")
if(WASI_NETD_WASMTIME_DIR)
  set(wasmtime_dir ${WASI_NETD_WASMTIME_DIR})
else()
  set(wasmtime_dir ${PROJECT_SOURCE_DIR}/build/cache/wasmtime-${WASI_NETD_WASMTIME_VERSION})
endif()
if(NOT EXISTS ${wasmtime_dir}/libwasmtime.so)
  message(FATAL_ERROR "${wasmtime_dir}/libwasmtime.so is not there; run: deploy/install-deps wasmtime")
endif()

add_library(wasmtime::wasmtime SHARED IMPORTED GLOBAL)
set_target_properties(wasmtime::wasmtime PROPERTIES
  IMPORTED_LOCATION ${wasmtime_dir}/libwasmtime.so
  IMPORTED_NO_SONAME TRUE)
