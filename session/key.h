// SPDX-License-Identifier: Apache-2.0
// What an executable depends on: six ingredients, each with a digest of its own, so that two keys
// can be compared by ingredient and the difference put into words.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "compiler/onnx/import/identity.h"
#include "compiler/options.h"
#include "session/event_words.h"
#include "support/type.h"

namespace tessera {

// SHA-256 in hex: of each ingredient, and of all six together.
struct KeyDigests {
  std::string graph, weights, inputs, options, target, compiler;
  std::string total;
  bool operator==(const KeyDigests&) const = default;
};

struct ExecutableKey {
  std::string graph, weights;          // digests of the model (compiler/onnx/import/identity.h)
  std::vector<InputSignature> inputs;  // by name
  OptionValues options;                // without the input shapes and the target
  OptionValues target;                 // its name and its numbers
  std::string compiler;                // compiler_id()
  KeyDigests digests;                  // of the members above; make_key computes them
  bool operator==(const ExecutableKey&) const = default;
};

// The key of this model at these options, which fix every input.
ExecutableKey make_key(const ModelIdentity& model, std::vector<InputSignature> inputs,
                       const CompileOptions& options);
// Computes the digests of a key whose other members are set.
void set_digests(ExecutableKey& key);
InputShapes shapes_of(const ExecutableKey& key);
// Elements of input_ids, or of the first input if there are none: rows times tokens of a batch.
int64_t elements_of(const InputShapes& shapes);

// The compiler's version, and the digest of the sources that decide what it makes.
std::string compiler_id();

// One dimension that differs from the nearest known executable.
struct ShapeDifference {
  std::string input;
  int64_t axis = 0;
  std::string axis_name;          // "batch" or "seq" where the position tells it, else ""
  int64_t before = 0, after = 0;  // -1 where there is no such axis or input
  bool operator==(const ShapeDifference&) const = default;
};

// One difference other than a dimension: {Ingredient::Options, "precision", "fp16", "fp32"}.
struct KeyChange {
  Ingredient component = Ingredient::Graph;
  std::string what;  // input, option or field of the target; "" where the component has no parts
  std::string before, after;
  bool operator==(const KeyChange&) const = default;
};

struct KeyDifference {
  std::vector<Cause> causes;  // in the table's order; empty if the keys are equal
  std::vector<ShapeDifference> shapes;
  std::vector<KeyChange> changes;
  int64_t components = 0;  // number of ingredients that differ
};
KeyDifference compare_keys(const ExecutableKey& before, const ExecutableKey& after);

// Where `after` differs from `before`, by input and axis.
std::vector<ShapeDifference> compare_shapes(const InputShapes& before, const InputShapes& after);

// The known key nearest to `wanted` among those of the same model (that share its graph or its
// weights): the fewest differing components, then dimensions, then the smallest total difference,
// then the earliest. -1 if there is none.
int64_t nearest_key(const std::vector<const ExecutableKey*>& known, const ExecutableKey& wanted);

}  // namespace tessera
