// SPDX-License-Identifier: Apache-2.0
// Writes encoders as ONNX files, node by node as an exporter writes them, with seeded weights of a
// trained model's scale, because no trained ones come with the project. Inputs are input_ids,
// attention_mask and token_type_ids, int64 [batch, sequence].
//
// Bert is for question answering: the very nodes of Hugging Face's exporter at opset 11
// (transformers.onnx over torch 1.10 naming), positions computed inside, outputs start_logits and
// end_logits. RoFormerV2 is for classification: no biases, norms of the root mean square, rotary
// positions, relu; its output is [batch, 2]. Vit takes pixel_values, f32 [batch, 3, 224, 224], in
// patches of 16 by 16, and has logits [batch, 1000]; its norms stand before what they normalise.
#pragma once

#include <cstdint>
#include <string>

#include "support/expected.h"

namespace tessera {

// 0.5 x (1 + erf(x/√2)), as BERT has it, or its approximation by tanh, as BERT's first code had it.
enum class GeluForm : uint8_t { Erf, Tanh };

// Albert is Bert with the weights of one layer in all of them.
enum class ModelFamily : uint8_t { Bert, RoFormerV2, Albert, Vit };

struct MakeModelOptions {
  int64_t layers = 12;
  int64_t hidden = 768;
  int64_t heads = 12;
  int64_t ffn = 3072;
  int64_t vocab = 30522;
  int64_t max_position = 512;
  uint64_t seed = 2023;
  GeluForm gelu = GeluForm::Erf;  // Bert's
  ModelFamily family = ModelFamily::Bert;
};

// tiny, mini, minilm, base or large (Bert), albert, vit, or roformer-small; any other is a Usage
// error.
Expected<MakeModelOptions> make_model_preset(const std::string& name);

// Equal options give equal bytes, on any host. Errors: sizes that do not fit each other (Usage), a
// model over ONNX's 2 GiB, and those of writing.
Status make_model(const MakeModelOptions& options, const std::string& path);

}  // namespace tessera
