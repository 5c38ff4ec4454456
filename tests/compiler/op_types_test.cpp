// SPDX-License-Identifier: Apache-2.0
#include "compiler/op_types.h"

#include <gtest/gtest.h>

namespace tessera {
namespace {

TEST(OpTypes, are_known_by_their_names_in_onnx_and_in_the_graph) {
  EXPECT_EQ(op_of_type("LayerNormalization"), Op::LayerNorm);
  EXPECT_EQ(op_of_type("LayerNorm"), Op::LayerNorm);
  EXPECT_EQ(op_of_type("RMSNormalization"), Op::RmsNorm);
  EXPECT_EQ(op_of_type("RotaryEmbedding"), Op::Rotary);
  EXPECT_EQ(op_of_type("Where"), Op::Select);
  EXPECT_EQ(op_of_type("Softmax"), Op::Softmax);
}

TEST(OpTypes, have_poprts_name_for_a_layer_norm) {
  EXPECT_EQ(op_of_type("GroupNormalization"), Op::LayerNorm);
}

TEST(OpTypes, of_another_name_or_of_none_are_unknown) {
  EXPECT_EQ(op_of_type("Gelyu"), std::nullopt);
  EXPECT_EQ(op_of_type(""), std::nullopt);
}

}  // namespace
}  // namespace tessera
