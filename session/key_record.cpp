// SPDX-License-Identifier: Apache-2.0
#include "session/key_record.h"

#include <nlohmann/json.hpp>

#include "compiler/option_values.h"
#include "support/lines.h"
#include "support/sha256.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kEntrySchema = "tessera-cache-entry/1";

Error damaged(const std::string& what) { return Error{"key record: " + what, ErrorKind::BadFile}; }

// Whether the record has the fields of its schema. Another program may have written the digest.
bool has_fields(const Json& json) {
  const auto all = [](const Json& object, const std::vector<const char*>& names, auto is) {
    return std::ranges::all_of(
        names, [&](const char* name) { return object.contains(name) && is(object[name]); });
  };
  const auto is_text = [](const Json& value) { return value.is_string(); };
  const auto is_number = [](const Json& value) { return value.is_number(); };
  const auto is_integer = [](const Json& value) { return value.is_number_integer(); };
  return json.is_object() &&
         all(json,
             {"schema", "model", "graph", "weights", "options", "target", "compiler", "sha256",
              "executable_sha256"},
             is_text) &&
         all(json, {"executable_bytes"}, is_integer) && all(json, {"compile_ms"}, is_number) &&
         json.contains("inputs") && json["inputs"].is_array() &&
         std::ranges::all_of(json["inputs"], [&](const Json& input) {
           return input.is_object() && all(input, {"name", "dtype"}, is_text) &&
                  input.contains("shape") && input["shape"].is_array() &&
                  std::ranges::all_of(input["shape"], is_integer);
         });
}

}  // namespace

std::string to_text(const KeyRecord& record) {
  Json inputs = Json::array();
  for (const InputSignature& input : record.key.inputs)
    inputs.push_back({
        {"name",  input.name },
        {"dtype", input.dtype},
        {"shape", input.shape}
    });
  const Json json = {
      {"schema",            kEntrySchema                   },
      {"model",             record.model                   },
      {"sha256",            record.key.digests.total       },
      {"graph",             record.key.graph               },
      {"weights",           record.key.weights             },
      {"inputs",            inputs                         },
      {"options",           option_text(record.key.options)},
      {"target",            target_text(record.key.target) },
      {"compiler",          record.key.compiler            },
      {"executable_sha256", record.executable_sha256       },
      {"executable_bytes",  record.executable_bytes        },
      {"compile_ms",        record.compile_ms              }
  };
  const std::string line = json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  return line + to_hex(sha256(line)) + "\n";
}

Expected<KeyRecord> parse_record(const std::string& text) {
  const size_t end = text.find('\n');
  if (end == std::string::npos)
    return damaged("has one line, must have a second one with its SHA-256");
  const std::string line = text.substr(0, end + 1);
  if (text.substr(end + 1) != to_hex(sha256(line)) + "\n")
    return damaged("was changed, must have the SHA-256 of its second line");
  TRY(check_json(line));
  const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded() || !has_fields(json))
    return damaged("lacks fields, must have those of " + std::string(kEntrySchema));
  if (json["schema"] != kEntrySchema)
    return damaged("is of schema '" + json["schema"].get<std::string>() + "', must be '" +
                   kEntrySchema + "'");
  KeyRecord record;
  record.model = json["model"];
  record.key.graph = json["graph"];
  record.key.weights = json["weights"];
  for (const Json& input : json["inputs"])
    record.key.inputs.push_back({input["name"], input["dtype"], input["shape"].get<Shape>()});
  record.key.options = parse_option_values(json["options"].get<std::string>());
  record.key.target = parse_target_values(json["target"].get<std::string>());
  record.key.compiler = json["compiler"];
  record.executable_sha256 = json["executable_sha256"];
  record.executable_bytes = json["executable_bytes"];
  record.compile_ms = json["compile_ms"];
  set_digests(record.key);
  if (record.key.digests.total != json["sha256"].get<std::string>())
    return damaged("has another digest than its key, must have the key's");
  return record;
}

}  // namespace tessera
