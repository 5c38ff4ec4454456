// SPDX-License-Identifier: Apache-2.0
#include "session/key.h"

#include <algorithm>
#include <set>
#include <tuple>

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

// The lines of a text by their first word; a second line of the same word joins the first.
std::map<std::string, std::string> by_first_word(const std::string& text) {
  std::map<std::string, std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    const size_t space = std::min(line.find(' '), line.size());
    std::string& value = lines[line.substr(0, space)];
    value += (value.empty() ? "" : "; ") + line.substr(std::min(space + 1, line.size()));
  }
  return lines;
}

void compare_texts(Ingredient component, const std::map<std::string, std::string>& before,
                   const std::map<std::string, std::string>& after,
                   std::vector<KeyChange>& changes) {
  std::set<std::string> names;
  for (const auto& [name, value] : before) names.insert(name);
  for (const auto& [name, value] : after) names.insert(name);
  const auto value_in = [](const auto& values, const std::string& name) {
    const auto found = values.find(name);
    if (found == values.end() || found->second.empty()) return std::string("none");
    return found->second;
  };
  for (const std::string& name : names) {
    const std::string was = value_in(before, name), is = value_in(after, name);
    if (was != is) changes.push_back({component, name, was, is});
  }
}

// "c600 tiles=1472 …" by field, the name as "name".
std::map<std::string, std::string> target_fields(const std::string& text) {
  std::map<std::string, std::string> fields;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    const std::string word = text.substr(begin, end - begin);
    begin = end + 1;
    const size_t equals = word.find('=');
    if (equals == std::string::npos)
      fields["name"] = word;
    else
      fields[word.substr(0, equals)] = word.substr(equals + 1);
  }
  return fields;
}

void compare_inputs(const ExecutableKey& before, const ExecutableKey& after,
                    KeyDifference& difference) {
  std::map<std::string, std::string> was, is;
  for (const InputSignature& input : before.inputs) was[input.name] = input.dtype;
  for (const InputSignature& input : after.inputs) is[input.name] = input.dtype;
  const bool same_set = std::ranges::equal(
      was, is, {}, [](const auto& input) { return input.first; },
      [](const auto& input) { return input.first; });
  compare_texts(Ingredient::Inputs, was, is, difference.changes);
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
  const std::string text = to_string(options);
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    if (line.starts_with("input_shape ")) continue;  // the signature has all of them
    if (line.starts_with("target "))
      key.target = line.substr(7);
    else
      key.options += line + "\n";
  }
  key.compiler = compiler_id();
  set_digests(key);
  return key;
}

void set_digests(ExecutableKey& key) {
  KeyDigests& digests = key.digests;
  digests.graph = key.graph;
  digests.weights = key.weights;
  digests.inputs = digest_of_inputs(key.inputs);
  digests.options = to_hex(sha256(key.options));
  digests.target = to_hex(sha256(key.target));
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
    compare_texts(Ingredient::Options, by_first_word(before.options), by_first_word(after.options),
                  difference.changes);
  }
  if (before.target != after.target) {
    difference.causes.push_back(Cause::Target);
    compare_texts(Ingredient::Target, target_fields(before.target), target_fields(after.target),
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

}  // namespace tessera
