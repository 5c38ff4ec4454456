// SPDX-License-Identifier: Apache-2.0
// Events as JSON lines, written and read. each_field lists the fields once, for a Writer and for a
// Reader. A log may contain anything, so the Reader checks every field before it is used. It skips
// fields that this version does not know, and lets those be missing that earlier versions did not
// write.
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "session/events.h"
#include "support/lines.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kSchema = "recompile/1";

std::string in_quotes(const std::string& word) {
  constexpr size_t kMostShown = 40;
  return "'" + word.substr(0, kMostShown) + (word.size() > kMostShown ? "…" : "") + "'";
}

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
  static Json json_of(const std::vector<T>& items);

  Json& json_;
};

class Reader {
 public:
  Reader(const Json& json, std::string where) : json_(json), where_(std::move(where)) {
    if (!json.is_object()) fail(where_.empty() ? "event" : where_, "must be an object");
  }

  template <class T>
  void operator()(const char* name, T& value) {
    if (const Json* found = member(name)) read(*found, path(name), value);
  }
  void id_or_null(const char* name, int64_t& value) {
    const Json* found = member(name);
    if (found && found->is_null())
      value = -1;
    else if (found)
      read(*found, path(name), value);
  }
  template <class Body>
  void object(const char* name, Body body) {
    const Json* found = member(name);
    if (!found) return;
    Reader reader(*found, path(name));
    reader.optional_ = optional_;
    if (!reader.error_) body(reader);
    take_error(reader);
  }
  void optional_from_here() { optional_ = true; }
  const std::optional<Error>& error() const { return error_; }

 private:
  std::string path(const char* name) const { return where_.empty() ? name : where_ + "." + name; }
  void fail(const std::string& field, const std::string& what, std::string_view type = {}) {
    if (!error_) error_ = Error{field + " " + what, ErrorKind::BadFile, type};
  }
  void take_error(const Reader& reader) {
    if (!error_) error_ = reader.error_;
  }
  const Json* member(const char* name) {
    if (error_) return nullptr;
    const auto found = json_.find(name);
    if (found != json_.end()) return &*found;
    if (!optional_) fail(path(name), "is missing, must be there");
    return nullptr;
  }

  void read(const Json& json, const std::string& field, std::string& value) {
    if (!json.is_string()) return fail(field, "must be a string");
    value = json.get<std::string>();
  }
  template <EventEnum T>
  void read(const Json& json, const std::string& field, T& value) {
    std::string word;
    read(json, field, word);
    if (error_) return;
    const std::optional<T> known = parse_word<T>(word);
    if (!known)
      return fail(field, "is " + in_quotes(word) + ", must be " + list_of_words<T>(), kUnknownWord);
    value = *known;
  }
  void read(const Json& json, const std::string& field, std::optional<Cause>& cause) {
    if (json.is_string() && json.get_ref<const std::string&>().empty()) return;
    read(json, field, cause.emplace());
  }
  void read(const Json& json, const std::string& field, double& value) {
    if (!json.is_number()) return fail(field, "must be a number");
    value = json.get<double>();
  }
  void read(const Json& json, const std::string& field, int64_t& value) {
    const bool fits = json.is_number_unsigned()
                          ? json.get<uint64_t>() <= uint64_t{std::numeric_limits<int64_t>::max()}
                          : json.is_number_integer();
    if (!fits) return fail(field, "must be an integer");
    value = json.get<int64_t>();
  }
  void read(const Json& json, const std::string& field, uint64_t& value) {
    if (!json.is_number_unsigned()) return fail(field, "must be an integer of at least 0");
    value = json.get<uint64_t>();
  }
  void read(const Json& json, const std::string& field, Shape& shape) {
    if (!json.is_array()) return fail(field, "must be a list of sizes");
    for (const Json& size : json) {
      shape.push_back(0);
      read(size, field, shape.back());
    }
    if (!error_ && !is_valid_shape(shape)) fail(field, "must be a shape");
  }
  template <class T>
  void read(const Json& json, const std::string& field, std::map<std::string, T>& values) {
    if (!json.is_object()) return fail(field, "must be an object");
    for (const auto& [name, value] : json.items()) read(value, field + "." + name, values[name]);
  }
  void read(const Json& json, const std::string& field,
            std::vector<std::pair<std::string, double>>& phases) {
    if (!json.is_object()) return fail(field, "must be an object");
    for (const auto& [name, value] : json.items()) {
      phases.emplace_back(name, 0);
      read(value, field + "." + name, phases.back().second);
    }
  }
  template <class T>
    requires(!std::is_same_v<T, int64_t> && !std::is_same_v<T, std::pair<std::string, double>>)
  void read(const Json& json, const std::string& field, std::vector<T>& items) {
    if (!json.is_array()) return fail(field, "must be a list");
    for (size_t i = 0; i < json.size() && !error_; ++i) {
      const std::string where = field + "[" + std::to_string(i) + "]";
      items.emplace_back();
      read_item(json[i], where, items.back());
    }
  }
  void read(const Json& json, const std::string& field, std::vector<Cause>& causes) {
    if (!json.is_array()) return fail(field, "must be a list");
    std::vector<Cause> listed(json.size());
    for (size_t i = 0; i < json.size() && !error_; ++i)
      read(json[i], field + "[" + std::to_string(i) + "]", listed[i]);
    if (!listed.empty()) causes = std::move(listed);
  }
  template <class T>
  void read_item(const Json& json, const std::string& where, T& item);
  void check(const std::string& where, const ShapeDifference& d) {
    const auto is_size = [](int64_t n) { return n >= -1 && n <= kMaxElements; };
    if (!is_size(d.before) || !is_size(d.after))
      fail(where, "must have sizes of at least 0, or -1 for none");
  }
  void check(const std::string& where, const ServedShapes& served) {
    if (served.batches < 0) fail(where + ".batches", "must not be negative");
  }
  template <class T>
  void check(const std::string&, const T&) {}

  const Json& json_;
  std::string where_;
  bool optional_ = false;
  std::optional<Error> error_;
};

template <class Io, class E>
  requires std::is_same_v<std::remove_const_t<E>, ShapeDifference>
void each_field(Io& io, E& d) {
  io("input", d.input);
  io("axis", d.axis);
  io("axis_name", d.axis_name);
  io("before", d.before);
  io("after", d.after);
}

template <class Io, class E>
  requires std::is_same_v<std::remove_const_t<E>, KeyChange>
void each_field(Io& io, E& change) {
  io("component", change.component);
  io("what", change.what);
  io("before", change.before);
  io("after", change.after);
}

template <class Io, class E>
  requires std::is_same_v<std::remove_const_t<E>, ServedShapes>
void each_field(Io& io, E& served) {
  io("shapes", served.shapes);
  io("batches", served.batches);
}

template <class Io, class E>
  requires std::is_same_v<std::remove_const_t<E>, EventAdvice>
void each_field(Io& io, E& advice) {
  io("rule", advice.rule);
  io("text", advice.text);
  io("saved_s", advice.saved_s);
}

// The earliest versions wrote only the first cause. If a log has `causes` too, they count.
template <class Io>
void cause_field(Io& io, const RecompileEvent& event) {
  io("cause", event.cause());
}
void cause_field(Reader& reader, RecompileEvent& event) {
  std::optional<Cause> cause;
  reader("cause", cause);
  if (cause) event.causes = {*cause};
}

// The fields that every version has written, in their places.
template <class Io, class E>
void first_fields(Io& io, E& event) {
  io("event_id", event.id);
  io("ts_unix_ns", event.ts_unix_ns);
  io.object("model", [&](auto& model) {
    model("name", event.model);
    model("sha256", event.model_sha256);
  });
  io("kind", event.kind);
  cause_field(io, event);
  io("shapes", event.shapes);
  io.id_or_null("nearest", event.nearest);
  io("diff", event.difference);
  io.object("time", [&](auto& time) {
    time("phases_ms", event.phase_ms);
    time("wall_ms", event.wall_ms);
    time.optional_from_here();
    time("cpu_ms", event.cpu_ms);
    time("peak_rss_bytes", event.peak_rss_bytes);
  });
  io.object("impact", [&](auto& impact) {
    impact("requests_blocked", event.requests_blocked);
    impact.optional_from_here();
    impact("blocked_ms_sum", event.blocked_ms);
    impact("queue_depth", event.queue_depth);
    impact.id_or_null("request_id", event.request_id);
    impact("call_site", event.call_site);
  });
  io("error", event.error);
}

template <class Io, class E>
void cache_and_policy(Io& io, E& event) {
  io.object("cache", [&](auto& cache) {
    cache("tier", event.cache.tier);
    cache("outcome", event.cache.outcome);
    cache("entries", event.cache.entries);
    cache("bytes", event.cache.bytes);
    cache("path", event.cache.path);
    cache("lookup_ms", event.cache.lookup_ms);
    cache("load_ms", event.cache.load_ms);
    cache("wait_ms", event.cache.wait_ms);
    cache("saved_s", event.cache.saved_s);
    cache("error", event.cache.error);
  });
  io.object("policy", [&](auto& policy) {
    policy("stance", event.policy.stance);
    policy("action", event.policy.action);
    policy("padded_to", event.policy.padded_to);
    policy("budget_used", event.policy.budget_used);
    policy.id_or_null("budget", event.policy.budget);
    policy("why_not_padded", event.policy.why_not_padded);
  });
}

template <class Io, class E>
void later_fields(Io& io, E& event) {
  io("run_id", event.run_id);
  io("pid", event.pid);
  io("compile_id", event.compile_id);
  io("causes", event.causes);
  io("changes", event.changes);
  io("dtypes", event.dtypes);
  io.object("key", [&](auto& key) {
    key("sha256", event.key.total);
    key("graph", event.key.graph);
    key("weights", event.key.weights);
    key("inputs", event.key.inputs);
    key("options", event.key.options);
    key("target", event.key.target);
    key("compiler", event.key.compiler);
  });
  io("options", event.options);
  io("target", event.target);
  io("compiler", event.compiler);
  io("nearest_key", event.nearest_key);
  io("distance", event.distance);
  io.object("artifact", [&](auto& artifact) {
    artifact("bytes", event.artifact.bytes);
    artifact("tiles", event.artifact.tiles);
    artifact("max_tile_bytes", event.artifact.max_tile_bytes);
    artifact("est_cycles", event.artifact.cycles);
  });
  cache_and_policy(io, event);
  io("served", event.served);
  io("advice", event.advice);
}

template <class T>
  requires requires(Writer& writer, T& item) { each_field(writer, item); }
Json Writer::json_of(const std::vector<T>& items) {
  Json json = Json::array();
  for (const T& item : items) {
    Json one = Json::object();
    Writer writer(one);
    each_field(writer, item);
    json.push_back(std::move(one));
  }
  return json;
}

template <class T>
void Reader::read_item(const Json& json, const std::string& where, T& item) {
  Reader reader(json, where);
  if (!reader.error_) each_field(reader, item);
  if (!reader.error_) reader.check(where, item);
  take_error(reader);
}

}  // namespace

std::string to_json_line(const RecompileEvent& event) {
  Json json = {
      {"schema", kSchema}
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
  Reader reader(json, "");
  std::string schema;
  reader("schema", schema);
  if (reader.error()) return *reader.error();
  if (schema != kSchema)
    return Error{"schema is '" + schema + "', must be '" + std::string(kSchema) + "'",
                 ErrorKind::BadFile};
  RecompileEvent event;
  first_fields(reader, event);
  reader.optional_from_here();
  later_fields(reader, event);
  if (reader.error()) return *reader.error();
  return event;
}

}  // namespace tessera
