#pragma once
// The JSON Schema (draft 07) of policy files, printed from the loader's own key table, for editors and other tools.
// policy/schema/tenant.schema.json is a copy; a test holds the two equal. Pure, any thread.
#include <string>
#include <string_view>

namespace wasi_netd::policy {

std::string json_schema();

// `text` as a JSON string with its quotes. Invalid UTF-8 is passed through.
std::string json_quote(std::string_view text);

}  // namespace wasi_netd::policy
