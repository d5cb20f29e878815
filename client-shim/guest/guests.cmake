# wasi_netd_add_guest(NAME SOURCE): compiles one C file with clang and wasi-libc to <build>/guests/NAME.wasm, as part of
# the target `guests`.
find_program(WASI_NETD_WASM_CC NAMES clang-14 clang REQUIRED DOC "A clang that compiles for wasm32-wasi")
set(WASI_NETD_WASM_SYSROOT /usr CACHE PATH "Where include/wasm32-wasi and lib/wasm32-wasi are")
set(WASI_NETD_GUEST_DIR ${PROJECT_BINARY_DIR}/guests)

if(NOT TARGET guests)
  add_custom_target(guests ALL)
endif()

function(wasi_netd_add_guest name source)
  set(wasm ${WASI_NETD_GUEST_DIR}/${name}.wasm)
  cmake_path(ABSOLUTE_PATH source OUTPUT_VARIABLE path)
  add_custom_command(
    OUTPUT ${wasm}
    DEPFILE ${wasm}.d
    DEPENDS ${path}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${WASI_NETD_GUEST_DIR}
    COMMAND ${WASI_NETD_WASM_CC} --target=wasm32-wasi --sysroot=${WASI_NETD_WASM_SYSROOT} -std=gnu11 -O2 -Wall -Wextra
            -Werror -MD -MF ${wasm}.d -MT ${wasm} -I${PROJECT_SOURCE_DIR}/client-shim/guest
            -I${PROJECT_SOURCE_DIR}/client-shim/guest/examples -I${PROJECT_SOURCE_DIR}/proto
            # The stack below the data, so that an overflow traps; wasi-libc's own 64 KiB are few.
            -Wl,--stack-first -Wl,-z,stack-size=1048576 -Wl,--strip-debug -o ${wasm} ${path}
    COMMENT "Compiling guest ${name}.wasm"
    VERBATIM)
  add_custom_target(guest_${name} DEPENDS ${wasm})
  add_dependencies(guests guest_${name})
endfunction()
