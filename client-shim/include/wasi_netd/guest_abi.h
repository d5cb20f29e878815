/* The guest's imports as one engine-neutral table.
 *
 * An engine binding registers every entry that a module imports under (module, name) with the wasm type that
 * `signature` spells and, when the guest calls it, calls `call` with the guest's instance, a view of the guest's memory
 * made for this call, and the arguments widened to 64 bits (of an i32 only the low half counts). The functions validate
 * every guest pointer against that view (nested iovecs too) before anything is done, and never keep one.
 *
 * Threads: an instance and the guest it owns belong to one thread at a time; only wasi_netd_instance_request_exit and
 * wasi_netd_instance_exit_requested may come from another. Nothing here throws.
 *
 * Source: docs/guest-api.md for the modules networking and networking_ext, the witx of wasi_snapshot_preview1 for the
 * rest. */
#ifndef WASI_NETD_GUEST_ABI_H
#define WASI_NETD_GUEST_ABI_H

#include "wasi_netd/client.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wasi_netd_memory { /* the guest's linear memory as it is now: base and current size in bytes */
  uint8_t* base;
  uint64_t size;
} wasi_netd_memory;

/* What an import needs to know of the guest that calls it: fds, arguments, environment, exit status. */
typedef struct wasi_netd_instance wasi_netd_instance;

typedef struct wasi_netd_import {
  const char* module; /* "networking", "networking_ext", "wasi_snapshot_preview1" */
  const char* name;
  /* A letter per parameter: 'i' = i32, 'I' = i64; then ':' and 'i' (errno) or nothing. NULL in the stub that
   * wasi_netd_import_find gives: bind it to any type whose one result is an i32. */
  const char* signature;
  /* Returns the errno. After each call the engine asks wasi_netd_instance_exited and traps the guest if it is true:
   * proc_exit and a requested exit end a guest so, whatever the return value. */
  uint32_t (*call)(wasi_netd_instance* instance, wasi_netd_memory memory, const uint64_t* arguments);
} wasi_netd_import;

/* The most parameters any entry has: an engine may keep the arguments in an array of this length. */
enum { WASI_NETD_IMPORT_MAX_PARAMETERS = 9 };

/* The table; its length in *count. Static storage. */
WASI_NETD_API const wasi_netd_import* wasi_netd_imports(size_t* count);
/* The entry of an import. Of one the table does not name: NULL, or a stub that answers `nosys` when `module` is
 * wasi_snapshot_preview1 (a guest that only mentions a call still starts). Static storage. */
WASI_NETD_API const wasi_netd_import* wasi_netd_import_find(const char* module, const char* name);

/* On success takes the guest over: freeing the instance closes the guest in order. argv and envp are NULL-terminated
 * (or NULL: none) and copied; WASI_NETD_PROTOCOLS=name:fd,... is added to the environment, in place of one that envp
 * has. `toobig`: the strings together exceed 1 MiB; `nomem`. */
WASI_NETD_API wasi_netd_errno wasi_netd_instance_new(wasi_netd_guest* guest, const char* const* argv,
                                                     const char* const* envp, wasi_netd_instance** out);
WASI_NETD_API void wasi_netd_instance_free(wasi_netd_instance* instance);
/* True once the guest called proc_exit or met a requested exit; the code then in *out_code (which may be NULL). */
WASI_NETD_API int wasi_netd_instance_exited(const wasi_netd_instance* instance, uint32_t* out_code);
/* From any thread: the import call that the guest is in, or else its next one, ends the guest with `code` (the first
 * request counts). To end a guest that waits in a call use wasi_netd_guest_interrupt as well; to end one that computes,
 * the engine's own means. */
WASI_NETD_API void wasi_netd_instance_request_exit(wasi_netd_instance* instance, uint32_t code);
/* From any thread: whether an exit was requested, met or not. */
WASI_NETD_API int wasi_netd_instance_exit_requested(const wasi_netd_instance* instance, uint32_t* out_code);
WASI_NETD_API wasi_netd_guest* wasi_netd_instance_guest(wasi_netd_instance* instance);

#ifdef __cplusplus
}
#endif
#endif
