#pragma once
// How the process gives up what it does not need, in named stages. Each says when it runs and what is gone afterwards.
//
// Called by main() on its only thread: flags and capabilities belong to a thread, and threads started later inherit
// them, so a stage that ran after the first start of a thread would leave that thread as it was.
//
// early - first thing in main(), before any file is read.
//   umask 077: what we make is ours alone, but where a mode is set on purpose.
//   Descriptors: 0, 1 and 2 are open (/dev/null where they were not), so that no socket of ours ever gets a number that
//     somebody prints to; those passed by the service manager (LISTEN_FDS) are kept, close-on-exec; all others close.
//   Not dumpable: no core file and no debugger of the same user sees memory with tenants' data (unless `debuggable`).
//   SIGPIPE ignored: a peer that left is an error number.
//   RLIMIT_NOFILE: soft limit raised to the hard one; it takes nothing up, and a guest's connections are descriptors.
//
// late - configuration and policies are read; before the first thread, socket and RPC.
//   no_new_privs: no exec, of anything, gives a privilege back.
//   Capabilities: all dropped but CAP_NET_BIND_SERVICE, which is kept where the process holds it (tenants may have
//     rules for ports below 1024), from the permitted, effective, inheritable, ambient and bounding sets.
//   A daemon started as root stays uid 0 without root's powers: file permissions count for it from here on.
#include "daemon/base/error.h"

namespace wasi_netd {

// Errors name the call that failed.
Status isolate_early(bool debuggable);
Status isolate_late();

}  // namespace wasi_netd
