// SPDX-License-Identifier: Apache-2.0
// Events as JSON lines, written and read.
#include <nlohmann/json.hpp>
#include <optional>

#include "session/event_fields.h"
#include "session/event_reader.h"
#include "session/events.h"
#include "support/lines.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kEventSchema = "recompile/1";

class Writer {
 public:
  explicit Writer(Json& json) : json_(json) {}

  template <class T>
  void operator()(const char* name, const T& value) {
    json_[name] = json_of(value);
  }
  void id_or_null(const char* name, int64_t value) {
    json_[name] = value < 0 ? Json() : Json(value);
  }
  template <class Body>
  void object(const char* name, Body body) {
    Json& inner = json_[name];
    if (inner.is_null()) inner = Json::object();
    Writer writer(inner);
    body(writer);
  }
  void optional_from_here() {}

 private:
  template <class T>
  static Json json_of(const T& value) {
    return Json(value);
  }
  template <EventEnum T>
  static Json json_of(const T& value) {
    return std::string(to_string(value));
  }
  static Json json_of(const std::optional<Cause>& cause) { return std::string(to_string(cause)); }
  static Json json_of(const std::vector<Cause>& causes) { return Json(to_words(causes)); }
  static Json json_of(const InputShapes& shapes) {
    Json json = Json::object();
    for (const auto& [name, shape] : shapes) json[name] = shape;
    return json;
  }
  static Json json_of(const std::vector<std::pair<std::string, double>>& phases) {
    Json json = Json::object();
    for (const auto& [name, ms] : phases) json[name] = ms;
    return json;
  }
  static Json json_of(const std::map<std::string, std::string>& texts) {
    Json json = Json::object();
    for (const auto& [name, text] : texts) json[name] = text;
    return json;
  }
  template <class T>
    requires requires(Writer& writer, T& item) { each_field(writer, item); }
  static Json json_of(const std::vector<T>& items) {
    Json json = Json::array();
    for (const T& item : items) {
      Json one = Json::object();
      Writer writer(one);
      each_field(writer, item);
      json.push_back(std::move(one));
    }
    return json;
  }

  Json& json_;
};

}  // namespace

std::string to_json_line(const RecompileEvent& event) {
  Json json = {
      {"schema", kEventSchema}
  };
  Writer writer(json);
  first_fields(writer, event);
  later_fields(writer, event);
  // Names come from models: they need not be UTF-8, and a log is looked at in terminals.
  return json.dump(-1, ' ', true, Json::error_handler_t::replace);
}

Expected<RecompileEvent> parse_event(const std::string& line) {
  TRY(check_line(line, 1));
  TRY(check_json(line));
  const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded())
    return Error{"event is not JSON, must be one object a line", ErrorKind::BadFile};
  EventReader reader(json, "");
  std::string schema;
  reader("schema", schema);
  if (reader.error()) return *reader.error();
  if (schema != kEventSchema)
    return Error{"schema is '" + schema + "', must be '" + std::string(kEventSchema) + "'",
                 ErrorKind::BadFile};
  RecompileEvent event;
  first_fields(reader, event);
  reader.optional_from_here();
  later_fields(reader, event);
  if (reader.error()) return *reader.error();
  return event;
}

}  // namespace tessera
