/* The guest's imports as one engine-neutral table.
 *
 * An engine binding registers every entry under (module, name) with the wasm type that `signature` spells and, when
 * the guest calls it, calls `call` with the guest's context, a view of the guest's memory made for this call, and the
 * arguments widened to 64 bits. The functions validate every guest pointer against that view (nested iovecs too) and
 * never keep one. */
#ifndef WASI_NETD_GUEST_ABI_H
#define WASI_NETD_GUEST_ABI_H

#include "wasi_netd/client.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wasi_netd_memory {   /* the guest's linear memory as it is now: base and current size in bytes */
  uint8_t* base;
  uint64_t size;
} wasi_netd_memory;

/* What an import needs to know of the guest that calls it: fds, arguments, environment, exit status. */
typedef struct wasi_netd_instance wasi_netd_instance;

typedef struct wasi_netd_import {
  const char* module;       /* "networking", "networking_ext", "wasi_snapshot_preview1" */
  const char* name;
  const char* signature;    /* a letter per parameter: 'i' = i32, 'I' = i64; then ':' and 'i' (errno) or nothing */
  /* Returns the errno, or for proc_exit any value, after which wasi_netd_instance_exited is true and the engine must
   * trap the guest. */
  uint32_t (*call)(wasi_netd_instance* instance, wasi_netd_memory memory, const uint64_t* arguments);
} wasi_netd_import;

/* The table; its length in *count. Static storage. */
WASI_NETD_API const wasi_netd_import* wasi_netd_imports(size_t* count);
/* The entry for an import the table does not name: NULL, or a stub that answers `nosys` when `module` is
 * wasi_snapshot_preview1 (a guest that only mentions a call still starts). */
WASI_NETD_API const wasi_netd_import* wasi_netd_import_find(const char* module, const char* name);

/* Takes the guest over: freeing the instance closes the guest in order. argv and envp are NULL-terminated and copied;
 * WASI_NETD_PROTOCOLS=name:fd,... is added to the environment. */
WASI_NETD_API wasi_netd_errno wasi_netd_instance_new(wasi_netd_guest* guest, const char* const* argv,
                                                     const char* const* envp, wasi_netd_instance** out);
WASI_NETD_API void wasi_netd_instance_free(wasi_netd_instance* instance);
WASI_NETD_API int wasi_netd_instance_exited(const wasi_netd_instance* instance, uint32_t* out_code);
/* After this the next import call makes the guest exit with `code`; with wasi_netd_guest_interrupt, kills a guest. */
WASI_NETD_API void wasi_netd_instance_request_exit(wasi_netd_instance* instance, uint32_t code);
WASI_NETD_API wasi_netd_guest* wasi_netd_instance_guest(wasi_netd_instance* instance);

#ifdef __cplusplus
}
#endif
#endif
