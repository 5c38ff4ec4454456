// SPDX-License-Identifier: Apache-2.0
// The ONNX operations that import understands, each with the function that says it in the Graph's
// ops: one table (op_table.cpp), looked up by domain and name.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "compiler/onnx/import/call.h"

namespace tessera {

// The properties of a row beyond its handler.
enum OpFlags : unsigned {
  kPlain = 0,
  kMovesValues = 1,  // results hold elements of the operands and no others
  kTakesBounds = 2,  // operands behind the first are bounds: more than int32 means "to the end"
  kTakesNarrow = 4,  // gives of 8-bit integers what 8 bits hold; so do those that move values
  kSetsType = 8,     // the node says of which type its result is, and not the operands
  kTakesBytes = 32,  // takes operands of i8 and u8 as they are; others get them as i32
  kLeavesOut = 16,   // operands below the least number may be left out too; the handler asks
};

struct OnnxOp {
  std::string_view domain;  // "": ONNX's own
  std::string_view name;
  int min_inputs;
  int max_inputs;   // -1: any number
  int max_outputs;  // -1: any number
  // "axis:int perm:ints eps:float mode:string value:tensor", all optional. A float or number is
  // finite; one of kind "real" may be infinite or NaN too. A number, as every float of domain
  // ai.graphcore, may also be a tensor of one double.
  std::string_view attrs;
  unsigned flags;
  Status (*handler)(Call& call);
};

std::span<const OnnxOp> all_onnx_ops();
const OnnxOp* find_onnx_op(const std::string& domain, const std::string& name);
// Whether the node has as many operands and results as the row allows, and only attributes of it.
Status check_call(const OnnxOp& op, const ::onnx::NodeProto& node,
                  std::vector<std::string>& warnings);

// The handlers, by file.
namespace handlers {
// ops_arithmetic.cpp
Status same(Call& call, Op op);
template <Op op>
Status same(Call& call) {
  return same(call, op);
}
Status variadic(Call& call, Op op);
template <Op op>
Status variadic(Call& call) {
  return variadic(call, op);
}
Status ceil(Call& call);
Status clip(Call& call);
Status greater(Call& call);
Status greater_or_equal(Call& call);
Status identity(Call& call);
Status less_or_equal(Call& call);
Status mean(Call& call);
Status neg(Call& call);
Status or_(Call& call);
Status pow(Call& call);
Status reciprocal(Call& call);
Status relu(Call& call);
Status sigmoid(Call& call);
Status sign(Call& call);
Status where(Call& call);
Status xor_(Call& call);
Status bit_shift(Call& call);
Status cast(Call& call);
Status cast_like(Call& call);
Status cosine(Call& call);
Status is_inf(Call& call);
Status is_nan(Call& call);
Status mod(Call& call);
Status sine(Call& call);
Status dropout(Call& call);
// ops_shape.cpp
Status concat(Call& call);
Status expand(Call& call);
Status flatten(Call& call);
Status reshape(Call& call);
Status slice(Call& call);
Status split(Call& call);
Status squeeze(Call& call);
Status tile(Call& call);
Status transpose(Call& call);
Status unsqueeze(Call& call);
// ops_gather.cpp
Status gather(Call& call);
Status gather_elements(Call& call);
Status gather_nd(Call& call);
Status scatter_elements(Call& call);
Status scatter_nd(Call& call);
// ops_index.cpp
Status arg_extreme(Call& call);
Status top_k(Call& call);
Status dft(Call& call);
Status eye_like(Call& call);
Status one_hot(Call& call);
Status trilu(Call& call);
// ops_activation.cpp
Status celu(Call& call);
Status elu(Call& call);
Status hard_sigmoid(Call& call);
Status hard_swish(Call& call);
Status leaky_relu(Call& call);
Status mish(Call& call);
Status selu(Call& call);
Status shrink(Call& call);
Status softplus(Call& call);
Status softsign(Call& call);
Status swish(Call& call);
Status thresholded_relu(Call& call);
// ops_constant.cpp
Status constant(Call& call);
Status constant_of_shape(Call& call);
Status non_zero(Call& call);
Status range(Call& call);
Status shape(Call& call);
Status size(Call& call);
// ops_reduce.cpp
Status cum_sum(Call& call);
Status log_softmax(Call& call);
Status reduce(Call& call);
Status reduce_prod(Call& call);
Status softmax(Call& call);
// ops_quantize.cpp
Status dequantize_linear(Call& call);
Status dynamic_quantize_linear(Call& call);
Status dynamic_quantize_matmul(Call& call);
Status matmul_integer(Call& call);
Status matmul_integer_to_float(Call& call);
Status qlinear_add(Call& call);
Status qlinear_matmul(Call& call);
Status qlinear_mul(Call& call);
Status qlinear_sigmoid(Call& call);
Status qlinear_softmax(Call& call);
Status quantize_linear(Call& call);
// ops_pad.cpp
Status pad(Call& call);
// ops_resize.cpp
Status resize(Call& call);
// ops_conv.cpp
Status conv(Call& call);
Status conv_integer(Call& call);
// ops_pool.cpp
Status average_pool(Call& call);
Status global_average_pool(Call& call);
Status global_max_pool(Call& call);
Status max_pool(Call& call);
// ops_image_norm.cpp
Status batch_norm(Call& call);
Status instance_norm(Call& call);
// ops_matmul.cpp
Status fused_gemm(Call& call);
Status fused_matmul(Call& call);
Status gemm(Call& call);
Status matmul(Call& call);
// ONNX's MatMul, vectors and leading axes that broadcast included.
Expected<Node*> multiply(Call& call, Node* a, Node* b);
// Leading axes of both made the same; a right side that has but one matrix stays one.
Status align_matrices(Call& call, Node*& a, Node*& b);
// The last two axes exchanged.
Expected<Node*> transposed(Call& call, Node* x);
// ops_einsum.cpp
Status einsum(Call& call);
// ops_fused.cpp
Status bias_add(Call& call);
Status bias_gelu(Call& call);
Status bias_softmax(Call& call);
Status embed_layer_norm(Call& call);
Status fast_gelu(Call& call);
Status gelu(Call& call);
Status gemm_fast_gelu(Call& call);
Status layer_norm(Call& call);
Status quick_gelu(Call& call);
Status simplified_layer_norm(Call& call);
Status skip_layer_norm(Call& call);
Status skip_simplified_layer_norm(Call& call);
// ops_ms_attention.cpp
Status ms_attention(Call& call);
Status multi_head_attention(Call& call);
Status quantized_attention(Call& call);
// ops_ms_bias.cpp
Status relative_position_bias(Call& call);
// ops_ms_decoder.cpp
Status group_query_attention(Call& call);
Status ms_rotary_embedding(Call& call);
// ops_ms_packed.cpp
Status packed_attention(Call& call);
Status packed_multi_head_attention(Call& call);
Status remove_padding(Call& call);
Status restore_padding(Call& call);
// ops_attention.cpp
Status onnx_attention(Call& call);
// ops_norm.cpp
Status group_norm(Call& call);
Status rms_norm(Call& call);
// ops_rotary.cpp
Status rotary_embedding(Call& call);
// ops_graphcore.cpp
Status own(Call& call, Op op);
template <Op op>
Status own(Call& call) {
  return own(call, op);
}
}  // namespace handlers

}  // namespace tessera
