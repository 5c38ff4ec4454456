// SPDX-License-Identifier: Apache-2.0
#include "session/key.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "compiler/option_rows.h"
#include "compiler/option_values.h"
#include "session/compiler_id.h"
#include "support/sha256.h"

namespace tessera {
namespace {

// The usual names of the axes of token inputs.
std::string axis_name(size_t axis, size_t rank) {
  if (rank < 2) return "";
  if (axis == 0) return "batch";
  return axis == 1 && rank == 2 ? "seq" : "";
}

std::string digest_of_inputs(const std::vector<InputSignature>& inputs) {
  std::string text;
  for (const InputSignature& input : inputs)
    text += std::to_string(input.name.size()) + ":" + input.name + " " + input.dtype +
            to_string(input.shape) + "\n";
  return to_hex(sha256(text));
}

// By name; an option that stands nowhere and one that is set to nothing are alike.
using ByName = std::map<std::string, std::string>;

ByName by_name(const OptionValues& values) {
  ByName all;
  for (const OptionValue& value : values) all[value.name] = value.value;
  return all;
}

void compare_values(Ingredient component, const ByName& before, const ByName& after,
                    std::vector<KeyChange>& changes) {
  std::set<std::string> names;
  for (const auto& [name, value] : before) names.insert(name);
  for (const auto& [name, value] : after) names.insert(name);
  const auto value_in = [](const ByName& values, const std::string& name) {
    const auto found = values.find(name);
    if (found == values.end() || found->second.empty()) return std::string("none");
    return found->second;
  };
  for (const std::string& name : names) {
    const std::string was = value_in(before, name), is = value_in(after, name);
    if (was != is) changes.push_back({component, name, was, is});
  }
}

void compare_inputs(const ExecutableKey& before, const ExecutableKey& after,
                    KeyDifference& difference) {
  ByName was, is;
  for (const InputSignature& input : before.inputs) was[input.name] = input.dtype;
  for (const InputSignature& input : after.inputs) is[input.name] = input.dtype;
  const bool same_set = std::ranges::equal(
      was, is, {}, [](const auto& input) { return input.first; },
      [](const auto& input) { return input.first; });
  compare_values(Ingredient::Inputs, was, is, difference.changes);
  difference.shapes = compare_shapes(shapes_of(before), shapes_of(after));
  const bool same_dtypes = std::ranges::none_of(was, [&](const auto& input) {
    const auto other = is.find(input.first);
    return other != is.end() && other->second != input.second;
  });
  const bool same_shapes = std::ranges::none_of(difference.shapes, [&](const ShapeDifference& d) {
    return was.contains(d.input) && is.contains(d.input);
  });
  if (!same_set) difference.causes.push_back(Cause::InputSet);
  if (!same_dtypes) difference.causes.push_back(Cause::InputDtype);
  if (!same_shapes) difference.causes.push_back(Cause::InputShape);
}

// The beginning of a digest is enough to tell two of them apart.
std::string short_digest(const std::string& digest) { return digest.substr(0, 12); }

}  // namespace

std::string compiler_id() { return kCompilerId; }

ExecutableKey make_key(const ModelIdentity& model, std::vector<InputSignature> inputs,
                       const CompileOptions& options) {
  ExecutableKey key;
  key.graph = model.graph();
  key.weights = model.weights();
  key.inputs = std::move(inputs);
  key.options = option_values(options);
  std::erase_if(key.options, [](const OptionValue& value) {
    const OptionPlace place = find_option(value.name)->place;
    return place == OptionPlace::Inputs || place == OptionPlace::Target;
  });
  key.target = target_values(options.target);
  key.compiler = compiler_id();
  set_digests(key);
  return key;
}

void set_digests(ExecutableKey& key) {
  KeyDigests& digests = key.digests;
  digests.graph = key.graph;
  digests.weights = key.weights;
  digests.inputs = digest_of_inputs(key.inputs);
  digests.options = to_hex(sha256(option_text(key.options)));
  digests.target = to_hex(sha256(target_text(key.target)));
  digests.compiler = to_hex(sha256(key.compiler));
  digests.total = to_hex(sha256("tessera-key-1\n" + digests.graph + "\n" + digests.weights + "\n" +
                                digests.inputs + "\n" + digests.options + "\n" + digests.target +
                                "\n" + digests.compiler));
}

InputShapes shapes_of(const ExecutableKey& key) {
  InputShapes shapes;
  for (const InputSignature& input : key.inputs) shapes[input.name] = input.shape;
  return shapes;
}

int64_t elements_of(const InputShapes& shapes) {
  const auto ids = shapes.find("input_ids");
  if (ids != shapes.end()) return elements(ids->second);
  return shapes.empty() ? 0 : elements(shapes.begin()->second);
}

std::vector<ShapeDifference> compare_shapes(const InputShapes& before, const InputShapes& after) {
  std::set<std::string> names;
  for (const auto& [name, shape] : before) names.insert(name);
  for (const auto& [name, shape] : after) names.insert(name);
  std::vector<ShapeDifference> difference;
  for (const std::string& name : names) {
    const auto find = [&](const InputShapes& shapes) {
      const auto found = shapes.find(name);
      return found == shapes.end() ? Shape{} : found->second;
    };
    const Shape was = find(before), is = find(after);
    const size_t rank = std::max(was.size(), is.size());
    for (size_t axis = 0; axis < rank; ++axis) {
      const int64_t a = axis < was.size() ? was[axis] : -1;
      const int64_t b = axis < is.size() ? is[axis] : -1;
      if (a == b) continue;
      difference.push_back({name, static_cast<int64_t>(axis), axis_name(axis, rank), a, b});
    }
  }
  return difference;
}

KeyDifference compare_keys(const ExecutableKey& before, const ExecutableKey& after) {
  KeyDifference difference;
  compare_inputs(before, after, difference);
  const auto whole = [&](Ingredient component, Cause cause, const std::string& was,
                         const std::string& is) {
    if (was == is) return;
    difference.causes.push_back(cause);
    difference.changes.push_back({component, "", short_digest(was), short_digest(is)});
  };
  whole(Ingredient::Graph, Cause::Graph, before.graph, after.graph);
  whole(Ingredient::Weights, Cause::Weights, before.weights, after.weights);
  if (before.options != after.options) {
    difference.causes.push_back(Cause::Options);
    compare_values(Ingredient::Options, by_name(before.options), by_name(after.options),
                   difference.changes);
  }
  if (before.target != after.target) {
    difference.causes.push_back(Cause::Target);
    compare_values(Ingredient::Target, by_name(before.target), by_name(after.target),
                   difference.changes);
  }
  if (before.compiler != after.compiler) {
    difference.causes.push_back(Cause::CompilerVersion);
    difference.changes.push_back({Ingredient::Compiler, "", before.compiler, after.compiler});
  }
  const KeyDigests &a = before.digests, &b = after.digests;
  difference.components = (a.graph != b.graph) + (a.weights != b.weights) + (a.inputs != b.inputs) +
                          (a.options != b.options) + (a.target != b.target) +
                          (a.compiler != b.compiler);
  return difference;
}

int64_t nearest_key(const std::vector<const ExecutableKey*>& known, const ExecutableKey& wanted) {
  using Distance = std::tuple<int64_t, size_t, uint64_t>;
  int64_t best = -1;
  Distance least;
  for (size_t i = 0; i < known.size(); ++i) {
    if (known[i]->graph != wanted.graph && known[i]->weights != wanted.weights) continue;
    const KeyDifference difference = compare_keys(*known[i], wanted);
    uint64_t total = 0;
    for (const ShapeDifference& d : difference.shapes)
      total += static_cast<uint64_t>(std::max(d.before, d.after) - std::min(d.before, d.after));
    const Distance distance{difference.components, difference.shapes.size(), total};
    if (best >= 0 && distance >= least) continue;
    best = static_cast<int64_t>(i);
    least = distance;
  }
  return best;
}

ExecutableKey key_of(const RecompileEvent& event) {
  ExecutableKey key;
  key.graph = event.key.graph;
  key.weights = event.key.weights;
  for (const auto& [name, shape] : event.shapes) {
    const auto dtype = event.dtypes.find(name);
    key.inputs.push_back({name, dtype == event.dtypes.end() ? "" : dtype->second, shape});
  }
  key.options = parse_option_values(event.options);
  key.target = parse_target_values(event.target);
  key.compiler = event.compiler;
  set_digests(key);
  return key;
}

}  // namespace tessera
