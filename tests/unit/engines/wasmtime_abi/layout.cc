// Prints what wasmtime_abi.h says of sizes, offsets and constants, for check.py to hold against the wheel's own words.
#include <cstdio>

#include "engines/wasmtime/wasmtime_abi.h"

#define SIZE(type) std::printf("size %s %zu\n", #type, sizeof(type##_t))
#define OFFSET(type, field) std::printf("offset %s %s %zu\n", #type, #field, offsetof(type##_t, field))
#define CONSTANT(name) std::printf("constant %s %d\n", #name, static_cast<int>(name))

int main() {
  SIZE(wasm_byte_vec);
  OFFSET(wasm_byte_vec, size);
  OFFSET(wasm_byte_vec, data);
  SIZE(wasm_valtype_vec);
  OFFSET(wasm_valtype_vec, size);
  OFFSET(wasm_valtype_vec, data);
  SIZE(wasm_importtype_vec);
  OFFSET(wasm_importtype_vec, size);
  OFFSET(wasm_importtype_vec, data);
  SIZE(wasmtime_func);
  OFFSET(wasmtime_func, store_id);
  SIZE(wasmtime_memory);
  SIZE(wasmtime_extern);
  OFFSET(wasmtime_extern, kind);
  OFFSET(wasmtime_extern, of);
  SIZE(wasmtime_instance);
  OFFSET(wasmtime_instance, store_id);
  SIZE(wasmtime_val_raw);
  CONSTANT(WASM_I32);
  CONSTANT(WASM_I64);
  CONSTANT(WASMTIME_EXTERN_FUNC);
  CONSTANT(WASMTIME_EXTERN_MEMORY);
}
