#pragma once
// How guests ended, for people and for programs.
#include <string>
#include <vector>

#include "host/guest_spec.h"
#include "host/runner.h"

namespace wasi_netd::host {

// A table: a line per guest, and a last one with the count of those that failed.
std::string table(const std::vector<GuestSpec>& guests, const std::vector<GuestReport>& reports);
// One line: {"guests":[{"label","name","socket","wasm","engine","ended","exit_code","message","seconds"},...]}.
// `ended` is "exit", "trap" or "error".
std::string json(const std::vector<GuestSpec>& guests, const std::vector<GuestReport>& reports);

}  // namespace wasi_netd::host
