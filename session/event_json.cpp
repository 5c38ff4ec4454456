// SPDX-License-Identifier: Apache-2.0
// Events as JSON lines, out and in. Who reads a log may meet anything in it, so every field is
// looked at before it is used; fields that this version does not know are passed over.
#include <limits>
#include <nlohmann/json.hpp>

#include "session/events.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kSchema = "recompile/1";

Error wrong(const std::string& field, const std::string& what) {
  return Error{field + " " + what, ErrorKind::BadFile};
}

// The member of an object, which must be there.
Expected<const Json*> member(const Json& object, const std::string& where, const char* name) {
  if (!object.is_object()) return wrong(where.empty() ? "event" : where, "must be an object");
  const auto found = object.find(name);
  const std::string field = where.empty() ? name : where + "." + name;
  if (found == object.end()) return wrong(field, "is missing, must be there");
  return &*found;
}

Expected<std::string> text_of(const Json& value, const std::string& field) {
  if (!value.is_string()) return wrong(field, "must be a string");
  return value.get<std::string>();
}

Expected<int64_t> integer_of(const Json& value, const std::string& field) {
  const bool fits = value.is_number_unsigned()
                        ? value.get<uint64_t>() <= uint64_t{std::numeric_limits<int64_t>::max()}
                        : value.is_number_integer();
  if (!fits) return wrong(field, "must be an integer");
  return value.get<int64_t>();
}

Expected<double> number_of(const Json& value, const std::string& field) {
  if (!value.is_number()) return wrong(field, "must be a number");
  return value.get<double>();
}

Expected<Shape> shape_of(const Json& value, const std::string& field) {
  if (!value.is_array()) return wrong(field, "must be a list of sizes");
  Shape shape;
  for (const Json& size : value) shape.push_back(TRY(integer_of(size, field)));
  if (!is_valid_shape(shape)) return wrong(field, "must be a shape");
  return shape;
}

Expected<ShapeDifference> difference_of(const Json& value, const std::string& where) {
  ShapeDifference d;
  d.input = TRY(text_of(*TRY(member(value, where, "input")), where + ".input"));
  d.axis = TRY(integer_of(*TRY(member(value, where, "axis")), where + ".axis"));
  d.axis_name = TRY(text_of(*TRY(member(value, where, "axis_name")), where + ".axis_name"));
  d.before = TRY(integer_of(*TRY(member(value, where, "before")), where + ".before"));
  d.after = TRY(integer_of(*TRY(member(value, where, "after")), where + ".after"));
  const auto is_size = [](int64_t n) { return n >= -1 && n <= kMaxElements; };
  if (!is_size(d.before) || !is_size(d.after)) return wrong(where, "must be between two sizes");
  return d;
}

Status read_model(const Json& json, RecompileEvent& event) {
  const Json& model = *TRY(member(json, "", "model"));
  event.model = TRY(text_of(*TRY(member(model, "model", "name")), "model.name"));
  event.model_sha256 = TRY(text_of(*TRY(member(model, "model", "sha256")), "model.sha256"));
  return {};
}

Status read_shapes(const Json& json, RecompileEvent& event) {
  const Json& shapes = *TRY(member(json, "", "shapes"));
  if (!shapes.is_object()) return wrong("shapes", "must be an object");
  for (const auto& [name, shape] : shapes.items()) {
    event.shapes[name] = TRY(shape_of(shape, "shapes." + name));
  }
  const Json& nearest = *TRY(member(json, "", "nearest"));
  event.nearest = nearest.is_null() ? -1 : TRY(integer_of(nearest, "nearest"));
  const Json& diff = *TRY(member(json, "", "diff"));
  if (!diff.is_array()) return wrong("diff", "must be a list");
  for (size_t i = 0; i < diff.size(); ++i) {
    const std::string where = "diff[" + std::to_string(i) + "]";
    event.difference.push_back(TRY(difference_of(diff[i], where)));
  }
  return {};
}

Status read_price(const Json& json, RecompileEvent& event) {
  const Json& time = *TRY(member(json, "", "time"));
  const Json& phases = *TRY(member(time, "time", "phases_ms"));
  if (!phases.is_object()) return wrong("time.phases_ms", "must be an object");
  for (const auto& [name, ms] : phases.items()) {
    event.phase_ms.emplace_back(name, TRY(number_of(ms, "time.phases_ms." + name)));
  }
  event.wall_ms = TRY(number_of(*TRY(member(time, "time", "wall_ms")), "time.wall_ms"));
  const Json& impact = *TRY(member(json, "", "impact"));
  event.requests_blocked = TRY(
      integer_of(*TRY(member(impact, "impact", "requests_blocked")), "impact.requests_blocked"));
  return {};
}

}  // namespace

std::string to_json_line(const RecompileEvent& event) {
  Json phases = Json::object(), shapes = Json::object(), diff = Json::array();
  for (const auto& [name, ms] : event.phase_ms) phases[name] = ms;
  for (const auto& [name, shape] : event.shapes) shapes[name] = shape;
  for (const ShapeDifference& d : event.difference) {
    diff.push_back({
        {"input",     d.input    },
        {"axis",      d.axis     },
        {"axis_name", d.axis_name},
        {"before",    d.before   },
        {"after",     d.after    }
    });
  }
  Json json = {
      {"schema",     kSchema                                                },
      {"event_id",   event.id                                               },
      {"ts_unix_ns", event.ts_unix_ns                                       },
      {"model",      {{"name", event.model}, {"sha256", event.model_sha256}}},
      {"kind",       event.kind                                             },
      {"cause",      event.cause                                            },
      {"shapes",     shapes                                                 },
      {"nearest",    event.nearest < 0 ? Json() : Json(event.nearest)       },
      {"diff",       diff                                                   },
      {"time",       {{"phases_ms", phases}, {"wall_ms", event.wall_ms}}    },
      {"impact",     {{"requests_blocked", event.requests_blocked}}         },
      {"error",      event.error                                            },
  };
  // Names come from models, and need not be UTF-8.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Expected<RecompileEvent> parse_event(const std::string& line) {
  const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return wrong("event", "is not JSON, must be one object a line");
  const std::string schema = TRY(text_of(*TRY(member(json, "", "schema")), "schema"));
  if (schema != kSchema) {
    return wrong("schema", "is '" + schema + "', must be '" + std::string(kSchema) + "'");
  }
  RecompileEvent event;
  event.id = TRY(integer_of(*TRY(member(json, "", "event_id")), "event_id"));
  event.ts_unix_ns = TRY(integer_of(*TRY(member(json, "", "ts_unix_ns")), "ts_unix_ns"));
  event.kind = TRY(text_of(*TRY(member(json, "", "kind")), "kind"));
  event.cause = TRY(text_of(*TRY(member(json, "", "cause")), "cause"));
  event.error = TRY(text_of(*TRY(member(json, "", "error")), "error"));
  TRY(read_model(json, event));
  TRY(read_shapes(json, event));
  TRY(read_price(json, event));
  return event;
}

}  // namespace tessera
