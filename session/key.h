// SPDX-License-Identifier: Apache-2.0
// The key of an executable: six ingredients, each with a digest of its own, so that two keys can be
// compared by ingredient and the difference put into words.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "compiler/onnx/import/identity.h"
#include "compiler/option_values.h"
#include "compiler/options.h"
#include "session/events.h"
#include "support/type.h"

namespace tessera {

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

struct KeyDifference {
  std::vector<Cause> causes;  // in the table's order; empty if the keys are equal
  std::vector<ShapeDifference> shapes;
  std::vector<KeyChange> changes;
  int64_t components = 0;  // number of ingredients that differ
};
KeyDifference compare_keys(const ExecutableKey& before, const ExecutableKey& after);

// The key that an event is about; parts that the log does not have are empty.
ExecutableKey key_of(const RecompileEvent& event);

// Where `after` differs from `before`, by input and axis.
std::vector<ShapeDifference> compare_shapes(const InputShapes& before, const InputShapes& after);

// The known key nearest to `wanted` among those of the same model (that share its graph or its
// weights): the fewest differing components, then dimensions, then the smallest total difference,
// then the earliest. -1 if there is none.
int64_t nearest_key(const std::vector<const ExecutableKey*>& known, const ExecutableKey& wanted);

}  // namespace tessera
