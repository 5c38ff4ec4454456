// SPDX-License-Identifier: Apache-2.0
#include "server/infer_sax.h"

#include <fmt/format.h>

#include "support/type.h"

namespace tessera::server {
namespace {

using Json = nlohmann::json;

constexpr size_t kDeepest = 32;
constexpr size_t kMostParameters = 64;

Error malformed(std::string what) {
  return {"request: " + std::move(what), ErrorKind::Failed, refusal::kMalformed};
}

// nlohmann's SAX interface. Where it is in the body is a stack of places; a value belongs to the
// place on top and the key that was last read there.
class Reader {
 public:
  Reader(const JsonLimits& limits, JsonCall& call) : limits_(limits), call_(call) {}

  Error error;  // after a false

  bool null() { return scalar({}); }
  bool boolean(bool value) { return scalar(value); }
  bool number_integer(int64_t value) { return scalar(value); }
  bool number_unsigned(uint64_t value) {
    return value <= INT64_MAX ? scalar(static_cast<int64_t>(value)) : scalar(value);
  }
  bool number_float(double value, const std::string&) { return scalar(value); }
  bool string(std::string& value) { return scalar(std::move(value)); }
  bool binary(Json::binary_t&) { return false; }
  bool key(std::string& name) {
    key_ = std::move(name);
    return true;
  }
  bool start_object(size_t) { return enter(object_at()); }
  bool end_object() { return leave(); }
  bool start_array(size_t) { return enter(array_at()); }
  bool end_array() { return place() == Place::Data ? end_list() && leave() : leave(); }
  bool parse_error(size_t at, const std::string&, const Json::exception&) {
    return fail(malformed(fmt::format("its body is not JSON, at byte {}", at)));
  }

 private:
  enum class Place : uint8_t {
    Start,
    Call,
    Parameters,
    Inputs,
    Outputs,
    Tensor,
    Shape,
    Data,
    TensorParameters,
    Skipped
  };

  bool fail(Error what) {
    error = std::move(what);
    return false;
  }
  Place place() const { return places_.empty() ? Place::Start : places_.back(); }
  JsonTensor& tensor() { return is_output_ ? call_.outputs.back() : call_.inputs.back(); }

  bool enter(Place next) {
    if (places_.size() >= kDeepest)
      return fail(malformed(fmt::format("its JSON is nested deeper than {}", kDeepest)));
    if (next == Place::Start) return false;  // failed already
    places_.push_back(next);
    return true;
  }
  bool leave() {
    places_.pop_back();
    return true;
  }

  Place refuse(const char* what) {
    fail(malformed(what));
    return Place::Start;
  }

  Place object_at() {
    switch (place()) {
      case Place::Start: return Place::Call;
      case Place::Call: return key_ == "parameters" ? Place::Parameters : skipped("inputs");
      case Place::Inputs: return new_tensor(false);
      case Place::Outputs: return new_tensor(true);
      case Place::Tensor: return key_ == "parameters" ? Place::TensorParameters : skipped("data");
      case Place::Shape:
      case Place::Data: return refuse("a tensor's shape and data must be lists of numbers");
      case Place::Parameters:
      case Place::TensorParameters:
        return refuse("a parameter must be a word, a number or a truth");
      case Place::Skipped: break;
    }
    return Place::Skipped;
  }

  Place array_at() {
    switch (place()) {
      case Place::Start: return refuse("its body is a list, must be an object");
      case Place::Call:
        if (key_ == "inputs") call_.has_inputs = true;
        if (key_ == "inputs") return Place::Inputs;
        return key_ == "outputs" ? Place::Outputs : Place::Skipped;
      case Place::Tensor:
        if (key_ == "shape") {
          tensor().shape.emplace();
          return Place::Shape;
        }
        return key_ == "data" ? begin_data() : Place::Skipped;
      case Place::Data: return begin_list();
      case Place::Inputs:
      case Place::Outputs: return refuse("a tensor must be an object");
      case Place::Shape: return refuse("a tensor's shape must be a list of whole numbers");
      case Place::Parameters:
      case Place::TensorParameters:
        return refuse("a parameter must be a word, a number or a truth");
      case Place::Skipped: break;
    }
    return Place::Skipped;
  }

  // An object, where one of the keys that we know must be something else.
  Place skipped(std::string_view list) {
    const bool is_wrong = key_ == list || key_ == "outputs" || key_ == "shape" || key_ == "id";
    return is_wrong ? refuse("inputs, outputs, shape and data must be lists, an id a word")
                    : Place::Skipped;
  }

  Place new_tensor(bool is_output) {
    is_output_ = is_output;
    std::vector<JsonTensor>& tensors = is_output ? call_.outputs : call_.inputs;
    if (std::ssize(tensors) >= limits_.tensors) {
      fail({fmt::format("request: has more than {} {}, must have fewer", limits_.tensors,
                        is_output ? "outputs" : "inputs"),
            ErrorKind::Failed, refusal::kTooLarge});
      return Place::Start;
    }
    tensors.emplace_back();
    return Place::Tensor;
  }

  Place begin_data() {
    if (tensor().data.is_given) return refuse("a tensor has data twice, must have it once");
    tensor().data.is_given = true;
    counts_.assign(1, 0);
    return Place::Data;
  }
  Place begin_list() {
    if (counts_.size() >= kMaxRank)
      return refuse("a tensor's data is nested deeper than its 8 dimensions");
    ++counts_.back();
    counts_.push_back(0);
    return Place::Data;
  }
  // Lists of one depth must have one length.
  bool end_list() {
    std::vector<int64_t>& lengths = tensor().data.lengths;
    const size_t depth = counts_.size() - 1;
    if (lengths.size() <= depth) lengths.resize(depth + 1, kUnknown);
    if (lengths[depth] == kUnknown)
      lengths[depth] = counts_.back();
    else if (lengths[depth] != counts_.back())
      lengths[depth] = -1;
    counts_.pop_back();
    return true;
  }

  bool scalar(JsonScalar value) {
    switch (place()) {
      case Place::Call: return of_call(std::move(value));
      case Place::Parameters: return parameter(call_.parameters, std::move(value));
      case Place::TensorParameters: return parameter(tensor().parameters, std::move(value));
      case Place::Tensor: return of_tensor(std::move(value));
      case Place::Shape: {
        const auto* size = std::get_if<int64_t>(&value);
        if (size == nullptr || tensor().shape->size() > kMaxRank)
          return fail(malformed("a tensor's shape must be a list of at most 8 whole numbers"));
        tensor().shape->push_back(*size);
        return true;
      }
      case Place::Data: return element(value);
      case Place::Inputs:
      case Place::Outputs: return fail(malformed("a tensor must be an object"));
      case Place::Start: return fail(malformed("its body is one value, must be an object"));
      case Place::Skipped: break;
    }
    return true;
  }

  bool of_call(JsonScalar value) {
    if (key_ == "inputs" || key_ == "outputs")
      return fail(malformed(key_ + " must be a list of tensors"));
    if (key_ != "id") return true;
    const auto* id = std::get_if<std::string>(&value);
    if (id == nullptr) return fail(malformed("an id must be a word"));
    call_.id = *id;
    return true;
  }

  bool of_tensor(JsonScalar value) {
    auto* text = std::get_if<std::string>(&value);
    if (key_ == "shape" || key_ == "data") return fail(malformed(key_ + " must be a list"));
    if (key_ != "name" && key_ != "datatype") return true;
    if (text == nullptr) return fail(malformed("a tensor's " + key_ + " must be a word"));
    (key_ == "name" ? tensor().name : tensor().datatype) = std::move(*text);
    return true;
  }

  bool parameter(JsonParameters& parameters, JsonScalar value) {
    if (parameters.size() >= kMostParameters)
      return fail(malformed(fmt::format("has more than {} parameters", kMostParameters)));
    parameters.emplace_back(key_, std::move(value));
    return true;
  }

  bool element(const JsonScalar& value) {
    if (++elements_ > limits_.elements) {
      return fail({fmt::format("request: has more than {} numbers, must have fewer or send them as "
                               "binary tensors",
                               limits_.elements),
                   ErrorKind::Failed, refusal::kTooLarge});
    }
    ++counts_.back();
    JsonData& data = tensor().data;
    if (const auto* whole = std::get_if<int64_t>(&value))
      put(data, *whole);
    else if (const auto* truth = std::get_if<bool>(&value))
      put(data, int64_t{*truth});
    else if (const auto* real = std::get_if<double>(&value))
      put_real(data, *real);
    else if (const auto* large = std::get_if<uint64_t>(&value))
      put_real(data, static_cast<double>(*large));
    else
      (std::holds_alternative<std::string>(value) ? data.has_texts : data.has_nothing) = true;
    return true;
  }

  static void put(JsonData& data, int64_t value) {
    if (data.is_real)
      data.real.push_back(static_cast<double>(value));
    else
      data.whole.push_back(value);
  }
  static void put_real(JsonData& data, double value) {
    if (!data.is_real) {
      data.is_real = true;
      data.real.assign(data.whole.begin(), data.whole.end());
      data.whole = {};
    }
    data.real.push_back(value);
  }

  static constexpr int64_t kUnknown = -2;

  const JsonLimits& limits_;
  JsonCall& call_;
  std::vector<Place> places_;
  std::vector<int64_t> counts_;  // of the lists of data that are open
  std::string key_;
  bool is_output_ = false;
  int64_t elements_ = 0;
};

}  // namespace

const JsonScalar* find_parameter(const JsonParameters& parameters, std::string_view name) {
  for (const auto& [key, value] : parameters)
    if (key == name) return &value;
  return nullptr;
}

Expected<JsonCall> read_json_call(std::string_view text, const JsonLimits& limits) {
  JsonCall call;
  Reader reader(limits, call);
  if (Json::sax_parse(text.begin(), text.end(), &reader)) return call;
  if (reader.error.message.empty()) return malformed("its body is not JSON");
  return std::move(reader.error);
}

}  // namespace tessera::server
