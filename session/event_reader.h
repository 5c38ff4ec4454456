// SPDX-License-Identifier: Apache-2.0
// Reads an event's fields from JSON. A log may contain anything, so every field is checked before
// it is used. Fields that this version does not know are skipped, and those that earlier versions
// did not write may be missing. The first error is kept, and nothing is read after it.
#pragma once

#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "session/events.h"

namespace tessera {

class EventReader {
 public:
  using Json = nlohmann::ordered_json;

  EventReader(const Json& json, std::string where) : json_(json), where_(std::move(where)) {
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
    EventReader reader(*found, path(name));
    reader.optional_ = optional_;
    if (!reader.error_) body(reader);
    take_error(reader);
  }
  void optional_from_here() { optional_ = true; }
  const std::optional<Error>& error() const { return error_; }

 private:
  static std::string in_quotes(const std::string& word) {
    constexpr size_t kMostShown = 40;
    return "'" + word.substr(0, kMostShown) + (word.size() > kMostShown ? "…" : "") + "'";
  }
  std::string path(const char* name) const { return where_.empty() ? name : where_ + "." + name; }
  void fail(const std::string& field, const std::string& what, std::string_view type = {}) {
    if (!error_) error_ = Error{field + " " + what, ErrorKind::BadFile, type};
  }
  void take_error(const EventReader& reader) {
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
  void read_item(const Json& json, const std::string& where, T& item) {
    EventReader reader(json, where);
    if (!reader.error_) each_field(reader, item);
    if (!reader.error_) reader.check(where, item);
    take_error(reader);
  }
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

}  // namespace tessera
