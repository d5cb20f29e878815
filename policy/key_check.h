#pragma once
// Holds a file's tree against the key table. Internal. Pure, any thread.
#include "policy/key_table.h"
#include "policy/yaml_tree.h"

namespace wasi_netd::policy {

// Reports every unknown, repeated or missing key and every value of the wrong type, form or range, and marks the nodes
// it reported as rejected, so that what follows reads only what is well-formed.
void check_keys(const Type&, Node& root, Problems&);

// The word closest to `word`, for "did you mean"; empty: none is close.
std::string_view nearest(std::string_view word, std::span<const std::string_view> words);

}  // namespace wasi_netd::policy
