// SPDX-License-Identifier: Apache-2.0
#include "compiler/padding.h"

#include "compiler/onnx/import/import.h"
#include "passes/match.h"
#include "passes/packable.h"
#include "passes/pipeline.h"

namespace tessera {
namespace {

Status check_masked(const Packable& model) {
  for (const Node* attention : model.attentions)
    if (attention->string_attr("mask") == "none")
      return Error{called(*attention) +
                   ": has no mask, must have the model's attention_mask to hide padded tokens"};
  return {};
}

}  // namespace

Expected<PaddingRule> padding_rule(const std::string& model_path, const CompileOptions& options) {
  const Deadline deadline(options.limits);
  ImportedModel model =
      TRY(import_onnx(model_path, options.input_shape, options.limits, &deadline));
  PassState state;
  state.limits = options.limits;
  state.deadline = &deadline;
  // Places in a row are not numbers that vary from token to token, once they are an input.
  state.options.position_ids = true;
  const std::set<std::string> skip(options.skip_passes.begin(), options.skip_passes.end());
  const auto prove = [&]() -> Expected<Packable> {
    TRY(run_passes(model.graph, state, {}, skip, ""));
    Packable packable = TRY(prove_packable(model.graph, state));
    TRY(check_masked(packable));
    return packable;
  };
  Expected<Packable> proof = prove();
  if (!proof.ok()) return Error{model_path + ": " + proof.error().message, proof.error().kind};
  PaddingRule rule{
      .mask_input = state.packing.mask_input, .per_row_outputs = {}, .per_token_outputs = {}};
  for (const Output& output : model.graph.outputs) {
    const bool by_row = proof->axes.at(output.node).kind == TokenAxes::Kind::Row;
    (by_row ? rule.per_row_outputs : rule.per_token_outputs).insert(output.name);
  }
  return rule;
}

}  // namespace tessera
