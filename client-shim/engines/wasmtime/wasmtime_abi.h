/* The part of Wasmtime's C API that the binding uses: functions, and the structs whose layout it must know.
 *
 * The library is the one of the `wasmtime` wheel, version 50.0.1, which brings no C headers; its _bindings.py states
 * every function and struct. This file declares what is used of it, and the test wasmtime_abi_matches_the_wheel holds
 * the two equal: names, parameter counts, sizes, offsets and constants. Another version of the wheel means running that
 * test. Why the wheel: docs/decisions/0002-wasmtime-from-the-wheel.md.
 *
 * Ownership, as the API has it: an error or trap that is returned belongs to the caller; wasm_functype_new takes its
 * two vectors, wasm_valtype_vec_new its elements, wasm_engine_new_with_config its config; the names and types that
 * wasm_importtype_* return are borrowed. Handles by value (func, memory, instance) are good as long as their store. */
#ifndef WASI_NETD_WASMTIME_ABI_H
#define WASI_NETD_WASMTIME_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wasm_config_t wasm_config_t;
typedef struct wasm_engine_t wasm_engine_t;
typedef struct wasm_functype_t wasm_functype_t;
typedef struct wasm_valtype_t wasm_valtype_t;
typedef struct wasm_externtype_t wasm_externtype_t;
typedef struct wasm_importtype_t wasm_importtype_t;
typedef struct wasm_trap_t wasm_trap_t;
typedef struct wasmtime_error wasmtime_error_t;
typedef struct wasmtime_module wasmtime_module_t;
typedef struct wasmtime_store wasmtime_store_t;
typedef struct wasmtime_context wasmtime_context_t;
typedef struct wasmtime_linker wasmtime_linker_t;
typedef struct wasmtime_instance_pre wasmtime_instance_pre_t;
typedef struct wasmtime_caller wasmtime_caller_t;
typedef struct wasmtime_val wasmtime_val_t; /* _start has neither arguments nor results: never made */

typedef struct wasm_byte_vec_t {
  size_t size;
  uint8_t* data;
} wasm_byte_vec_t;
typedef struct wasm_valtype_vec_t {
  size_t size;
  wasm_valtype_t** data;
} wasm_valtype_vec_t;
typedef struct wasm_importtype_vec_t {
  size_t size;
  wasm_importtype_t** data;
} wasm_importtype_vec_t;

enum { WASM_I32 = 0, WASM_I64 = 1 };                           /* wasm_valtype_new's kinds */
enum { WASMTIME_EXTERN_FUNC = 0, WASMTIME_EXTERN_MEMORY = 3 }; /* wasmtime_extern_t.kind */

typedef struct wasmtime_func {
  uint64_t store_id;
  void* hidden;
} wasmtime_func_t;
typedef struct wasmtime_memory {
  struct {
    uint64_t store_id;
    uint32_t hidden1;
  } first;
  uint32_t hidden2;
} wasmtime_memory_t;
typedef struct wasmtime_extern {
  uint8_t kind;
  union {
    wasmtime_func_t func;
    wasmtime_memory_t memory;
    uint64_t widest[3];
  } of;
} wasmtime_extern_t;
typedef struct wasmtime_instance {
  uint64_t store_id;
  size_t hidden;
} wasmtime_instance_t;
typedef union wasmtime_val_raw {
  int32_t i32;
  int64_t i64;
  uint8_t v128[16];
} wasmtime_val_raw_t;

typedef void (*wasmtime_finalizer_t)(void* data);
/* Parameters come in args[0..], the result goes to args[0]; a trap that is returned ends the guest. */
typedef wasm_trap_t* (*wasmtime_func_unchecked_callback_t)(void* env, wasmtime_caller_t* caller,
                                                           wasmtime_val_raw_t* args, size_t count);
/* Called when the deadline passed: an error ends the guest; NULL lets it run on until `*delta` more ticks, as long as
 * `*kind` is left as it is. */
typedef wasmtime_error_t* (*wasmtime_epoch_callback_t)(wasmtime_context_t* context, void* data, uint64_t* delta,
                                                       uint8_t* kind);

wasm_config_t* wasm_config_new(void);
void wasmtime_config_epoch_interruption_set(wasm_config_t*, bool);
void wasmtime_config_max_wasm_stack_set(wasm_config_t*, size_t);
void wasmtime_config_wasm_threads_set(wasm_config_t*, bool);
void wasmtime_config_shared_memory_set(wasm_config_t*, bool);
void wasmtime_config_wasm_memory64_set(wasm_config_t*, bool);
void wasmtime_config_wasm_component_model_set(wasm_config_t*, bool);
wasm_engine_t* wasm_engine_new_with_config(wasm_config_t*);
void wasm_engine_delete(wasm_engine_t*);
void wasmtime_engine_increment_epoch(wasm_engine_t*);

void wasm_byte_vec_delete(wasm_byte_vec_t*);
wasm_valtype_t* wasm_valtype_new(uint8_t kind);
void wasm_valtype_vec_new(wasm_valtype_vec_t*, size_t, wasm_valtype_t* const*);
uint8_t wasm_valtype_kind(const wasm_valtype_t*);
wasm_functype_t* wasm_functype_new(wasm_valtype_vec_t* params, wasm_valtype_vec_t* results);
void wasm_functype_delete(wasm_functype_t*);
const wasm_valtype_vec_t* wasm_functype_params(const wasm_functype_t*);
const wasm_valtype_vec_t* wasm_functype_results(const wasm_functype_t*);
const wasm_functype_t* wasm_externtype_as_functype_const(const wasm_externtype_t*);
const wasm_byte_vec_t* wasm_importtype_module(const wasm_importtype_t*);
const wasm_byte_vec_t* wasm_importtype_name(const wasm_importtype_t*);
const wasm_externtype_t* wasm_importtype_type(const wasm_importtype_t*);
void wasm_importtype_vec_delete(wasm_importtype_vec_t*);

wasmtime_error_t* wasmtime_error_new(const char*);
void wasmtime_error_delete(wasmtime_error_t*);
void wasmtime_error_message(const wasmtime_error_t*, wasm_byte_vec_t* message);
wasm_trap_t* wasmtime_trap_new(const char*, size_t);
void wasm_trap_delete(wasm_trap_t*);
void wasm_trap_message(const wasm_trap_t*, wasm_byte_vec_t* message);

wasmtime_error_t* wasmtime_module_new(wasm_engine_t*, const uint8_t*, size_t, wasmtime_module_t**);
void wasmtime_module_delete(wasmtime_module_t*);
void wasmtime_module_imports(const wasmtime_module_t*, wasm_importtype_vec_t*);
wasmtime_linker_t* wasmtime_linker_new(wasm_engine_t*);
void wasmtime_linker_delete(wasmtime_linker_t*);
void wasmtime_linker_allow_shadowing(wasmtime_linker_t*, bool);
wasmtime_error_t* wasmtime_linker_define_func_unchecked(wasmtime_linker_t*, const char* module, size_t module_len,
                                                        const char* name, size_t name_len, const wasm_functype_t*,
                                                        wasmtime_func_unchecked_callback_t, void* env,
                                                        wasmtime_finalizer_t);
wasmtime_error_t* wasmtime_linker_instantiate_pre(const wasmtime_linker_t*, const wasmtime_module_t*,
                                                  wasmtime_instance_pre_t**);
void wasmtime_instance_pre_delete(wasmtime_instance_pre_t*);
wasmtime_error_t* wasmtime_instance_pre_instantiate(const wasmtime_instance_pre_t*, wasmtime_context_t*,
                                                    wasmtime_instance_t*, wasm_trap_t**);

wasmtime_store_t* wasmtime_store_new(wasm_engine_t*, void* data, wasmtime_finalizer_t);
void wasmtime_store_delete(wasmtime_store_t*);
wasmtime_context_t* wasmtime_store_context(wasmtime_store_t*);
void wasmtime_store_limiter(wasmtime_store_t*, int64_t memory_size, int64_t table_elements, int64_t instances,
                            int64_t tables, int64_t memories);
void wasmtime_store_epoch_deadline_callback(wasmtime_store_t*, wasmtime_epoch_callback_t, void* data,
                                            wasmtime_finalizer_t);
void wasmtime_context_set_epoch_deadline(wasmtime_context_t*, uint64_t ticks_beyond_current);
void* wasmtime_context_get_data(const wasmtime_context_t*);
bool wasmtime_instance_export_get(wasmtime_context_t*, const wasmtime_instance_t*, const char* name, size_t name_len,
                                  wasmtime_extern_t*);
bool wasmtime_caller_export_get(wasmtime_caller_t*, const char* name, size_t name_len, wasmtime_extern_t*);
wasmtime_context_t* wasmtime_caller_context(wasmtime_caller_t*);
uint8_t* wasmtime_memory_data(const wasmtime_context_t*, const wasmtime_memory_t*);
size_t wasmtime_memory_data_size(const wasmtime_context_t*, const wasmtime_memory_t*);
void wasmtime_extern_delete(wasmtime_extern_t*);
wasm_functype_t* wasmtime_func_type(const wasmtime_context_t*, const wasmtime_func_t*);
wasmtime_error_t* wasmtime_func_call(wasmtime_context_t*, const wasmtime_func_t*, const wasmtime_val_t* args,
                                     size_t args_count, wasmtime_val_t* results, size_t result_count, wasm_trap_t**);

#ifdef __cplusplus
} /* extern "C" */
static_assert(sizeof(wasm_byte_vec_t) == 16 && sizeof(wasm_valtype_vec_t) == 16);
static_assert(sizeof(wasmtime_func_t) == 16 && offsetof(wasmtime_func_t, hidden) == 8);
static_assert(sizeof(wasmtime_memory_t) == 24 && offsetof(wasmtime_memory_t, hidden2) == 16);
static_assert(sizeof(wasmtime_extern_t) == 32 && offsetof(wasmtime_extern_t, of) == 8);
static_assert(sizeof(wasmtime_instance_t) == 16 && offsetof(wasmtime_instance_t, hidden) == 8);
static_assert(sizeof(wasmtime_val_raw_t) == 16 && alignof(wasmtime_val_raw_t) == 8);
#endif
#endif
