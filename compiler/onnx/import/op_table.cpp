// SPDX-License-Identifier: Apache-2.0
#include "compiler/onnx/import/op_table.h"

#include <cmath>
#include <set>

#include "compiler/onnx/model_file.h"

namespace tessera {
namespace {

namespace h = handlers;

constexpr std::string_view kReduceAttrs = "axes:ints keepdims:int noop_with_empty_axes:int";
constexpr std::string_view kGemmAttrs = "alpha:float beta:float transA:int transB:int";

constexpr std::string_view kFusedMatMulAttrs =
    "alpha:float transA:int transB:int transBatchA:int transBatchB:int";
constexpr std::string_view kAveragePoolAttrs =
    "auto_pad:string ceil_mode:int count_include_pad:int dilations:ints kernel_shape:ints "
    "pads:ints strides:ints";
constexpr std::string_view kMaxPoolAttrs =
    "auto_pad:string ceil_mode:int dilations:ints kernel_shape:ints pads:ints storage_order:int "
    "strides:ints";
constexpr std::string_view kResizeAttrs =
    "antialias:int axes:ints coordinate_transformation_mode:string cubic_coeff_a:float "
    "exclude_outside:int extrapolation_value:float keep_aspect_ratio_policy:string mode:string "
    "nearest_mode:string";

constexpr std::string_view kGroupQueryAttrs =
    "causal:int do_rotary:int k_norm_epsilon:float k_quant_type:string kv_cache_bit_width:int "
    "kv_num_heads:int local_window_size:int num_heads:int q_norm_epsilon:float "
    "qk_norm_epsilon:float qk_output:int rotary_interleaved:int scale:float "
    "sliding_window_cache:int smooth_softmax:int softcap:float v_quant_type:string";

constexpr unsigned kMovesBytes = kMovesValues | kTakesBytes;
constexpr unsigned kOfBytes = kTakesBytes | kTakesNarrow | kSetsType;

constexpr std::string_view kMs = "com.microsoft";
constexpr std::string_view kGc = "ai.graphcore";

// clang-format off
constexpr OnnxOp kOps[] = {
    // Elementwise; those that the Graph has too follow at the end.
    {"",  "BitShift",           2,  2, 1, "direction:string",     kTakesNarrow, h::bit_shift},
    {"",  "Cast",               1,  1, 1, "to:int saturate:int round_mode:string",
                                                   kMovesValues | kSetsType, h::cast},
    {"",  "CastLike",           2,  2, 1, "saturate:int round_mode:string",
                                                   kMovesValues | kSetsType, h::cast_like},
    {"",  "Ceil",               1,  1, 1, "",                     kPlain,       h::ceil},
    {"",  "Clip",               1,  3, 1, "min:real max:real",
                                                   kMovesValues | kTakesBounds, h::clip},
    {"",  "Cos",                1,  1, 1, "",                     kPlain,       h::cosine},
    {"",  "Dropout",            1,  3, 2, "ratio:float seed:int", kPlain,       h::dropout},
    {"",  "Greater",            2,  2, 1, "",                     kPlain,       h::greater},
    {"",  "GreaterOrEqual",     2,  2, 1, "",                     kPlain,       h::greater_or_equal},
    {"",  "Identity",           1,  1, 1, "",                     kMovesBytes, h::identity},
    {"",  "IsInf",              1,  1, 1, "detect_negative:int detect_positive:int",
                                                                  kPlain,       h::is_inf},
    {"",  "IsNaN",              1,  1, 1, "",                     kPlain,       h::is_nan},
    {"",  "LessOrEqual",        2,  2, 1, "",                     kPlain,       h::less_or_equal},
    {"",  "Max",                1, -1, 1, "",                     kTakesNarrow, h::variadic<Op::Max>},
    {"",  "Mean",               1, -1, 1, "",                     kPlain,       h::mean},
    {"",  "Min",                1, -1, 1, "",                     kTakesNarrow, h::variadic<Op::Min>},
    {"",  "Mod",                2,  2, 1, "fmod:int",             kPlain,       h::mod},
    {"",  "Neg",                1,  1, 1, "",                     kPlain,       h::neg},
    {"",  "Or",                 2,  2, 1, "",                     kPlain,       h::or_},
    {"",  "Pow",                2,  2, 1, "",                     kPlain,       h::pow},
    {"",  "Reciprocal",         1,  1, 1, "",                     kPlain,       h::reciprocal},
    {"",  "Relu",               1,  1, 1, "",                     kPlain,       h::relu},
    {"",  "Sigmoid",            1,  1, 1, "",                     kPlain,       h::sigmoid},
    {"",  "Sign",               1,  1, 1, "",                     kPlain,       h::sign},
    {"",  "Sin",                1,  1, 1, "",                     kPlain,       h::sine},
    {"",  "Sum",                1, -1, 1, "",                     kPlain,       h::variadic<Op::Add>},
    {"",  "Where",              3,  3, 1, "",                     kMovesValues, h::where},
    {"",  "Xor",                2,  2, 1, "",                     kPlain,       h::xor_},

    // Activations.
    {"",  "Celu",               1,  1, 1, "alpha:float",          kPlain,       h::celu},
    {"",  "Elu",                1,  1, 1, "alpha:float",          kPlain,       h::elu},
    {"",  "HardSigmoid",        1,  1, 1, "alpha:float beta:float", kPlain,     h::hard_sigmoid},
    {"",  "HardSwish",          1,  1, 1, "",                     kPlain,       h::hard_swish},
    {"",  "LeakyRelu",          1,  1, 1, "alpha:float",          kPlain,       h::leaky_relu},
    {"",  "Mish",               1,  1, 1, "",                     kPlain,       h::mish},
    {"",  "PRelu",              2,  2, 1, "",                     kPlain,       h::leaky_relu},
    {"",  "Selu",               1,  1, 1, "alpha:float gamma:float", kPlain,    h::selu},
    {"",  "Shrink",             1,  1, 1, "bias:float lambd:float", kPlain,     h::shrink},
    {"",  "Softplus",           1,  1, 1, "",                     kPlain,       h::softplus},
    {"",  "Softsign",           1,  1, 1, "",                     kPlain,       h::softsign},
    {"",  "Swish",              1,  1, 1, "alpha:float",          kPlain,       h::swish},
    {"",  "ThresholdedRelu",    1,  1, 1, "alpha:float",          kPlain,       h::thresholded_relu},

    // Where elements stand.
    {"",  "Concat",             1, -1, 1, "axis:int",             kMovesBytes, h::concat},
    {"",  "Expand",             2,  2, 1, "",                     kMovesBytes, h::expand},
    {"",  "Flatten",            1,  1, 1, "axis:int",             kMovesBytes, h::flatten},
    {"",  "Gather",             2,  2, 1, "axis:int",             kMovesBytes, h::gather},
    {"",  "GatherElements",     2,  2, 1, "axis:int",             kMovesValues, h::gather_elements},
    {"",  "GatherND",           2,  2, 1, "batch_dims:int",       kMovesValues, h::gather_nd},
    {"",  "Pad",                1,  4, 1, "mode:string pads:ints value:real", kTakesNarrow, h::pad},
    {"",  "Reshape",            2,  2, 1, "allowzero:int",        kMovesBytes, h::reshape},
    {"",  "ScatterElements",    3,  3, 1, "axis:int reduction:string",
                                                                  kMovesValues, h::scatter_elements},
    {"",  "ScatterND",          3,  3, 1, "reduction:string",     kMovesValues, h::scatter_nd},
    {"",  "Slice",              1,  5, 1, "axes:ints starts:ints ends:ints",
                                                   kMovesBytes | kTakesBounds, h::slice},
    {"",  "Split",              1,  2, -1, "axis:int split:ints num_outputs:int",
                                                                  kMovesBytes, h::split},
    {"",  "Squeeze",            1,  2, 1, "axes:ints",            kMovesBytes, h::squeeze},
    {"",  "Tile",               2,  2, 1, "",                     kMovesBytes, h::tile},
    {"",  "Transpose",          1,  1, 1, "perm:ints",            kMovesBytes, h::transpose},
    {"",  "Trilu",              1,  2, 1, "upper:int",
                                                   kMovesValues | kTakesBounds, h::trilu},
    {"",  "Unsqueeze",          1,  2, 1, "axes:ints",            kMovesBytes, h::unsqueeze},

    // Known once shapes are.
    {"",  "Constant",           0,  0, 1, "value:tensor value_float:real value_floats:floats "
                                          "value_int:int value_ints:ints sparse_value:sparse", kPlain, h::constant},
    {"",  "ConstantOfShape",    1,  1, 1, "value:tensor",         kTakesNarrow, h::constant_of_shape},
    {"",  "EyeLike",            1,  1, 1, "dtype:int k:int",      kTakesNarrow, h::eye_like},
    {"",  "NonZero",            1,  1, 1, "",                     kTakesNarrow, h::non_zero},
    {"",  "OneHot",             3,  3, 1, "axis:int",             kMovesValues, h::one_hot},
    {"",  "Range",              3,  3, 1, "stash_type:int",       kPlain,       h::range},
    {"",  "Shape",              1,  1, 1, "start:int end:int",    kTakesBounds, h::shape},
    {"",  "Size",               1,  1, 1, "",                     kTakesBounds, h::size},

    // Sums of many elements, and their largest.
    {"",  "ArgMax",             1,  1, 1, "axis:int keepdims:int select_last_index:int",
                                                                  kTakesNarrow, h::arg_extreme},
    {"",  "ArgMin",             1,  1, 1, "axis:int keepdims:int select_last_index:int",
                                                                  kTakesNarrow, h::arg_extreme},
    {"",  "TopK",               1,  2, 2, "axis:int k:int largest:int sorted:int",
                                                                  kTakesNarrow, h::top_k},
    {"",  "CumSum",             2,  2, 1, "exclusive:int reverse:int", kPlain,  h::cum_sum},
    {"",  "LogSoftmax",         1,  1, 1, "axis:int",             kPlain,       h::log_softmax},
    {"",  "ReduceL1",           1,  2, 1, kReduceAttrs,           kPlain,       h::reduce},
    {"",  "ReduceL2",           1,  2, 1, kReduceAttrs,           kPlain,       h::reduce},
    {"",  "ReduceLogSum",       1,  2, 1, kReduceAttrs,           kPlain,       h::reduce},
    {"",  "ReduceLogSumExp",    1,  2, 1, kReduceAttrs,           kPlain,       h::reduce},
    {"",  "ReduceMax",          1,  2, 1, kReduceAttrs,           kTakesNarrow, h::reduce},
    {"",  "ReduceMean",         1,  2, 1, kReduceAttrs,           kPlain,       h::reduce},
    {"",  "ReduceMin",          1,  2, 1, kReduceAttrs,           kTakesNarrow, h::reduce},
    {"",  "ReduceProd",         1,  2, 1, kReduceAttrs,           kPlain,       h::reduce_prod},
    {"",  "ReduceSum",          1,  2, 1, kReduceAttrs,           kPlain,       h::reduce},
    {"",  "ReduceSumSquare",    1,  2, 1, kReduceAttrs,           kPlain,       h::reduce},
    {"",  "Softmax",            1,  1, 1, "axis:int",             kPlain,       h::softmax},

    // Quantized numbers.
    {"",  "ConvInteger",        2,  4, 1, "auto_pad:string dilations:ints group:int "
                                          "kernel_shape:ints pads:ints strides:ints",
                                                                  kOfBytes,     h::conv_integer},
    {"",  "DequantizeLinear",   2,  3, 1, "axis:int block_size:int output_dtype:int",
                                                                  kOfBytes,     h::dequantize_linear},
    {"",  "DynamicQuantizeLinear", 1, 1, 3, "",                   kOfBytes,     h::dynamic_quantize_linear},
    {"",  "MatMulInteger",      2,  4, 1, "",                     kOfBytes,     h::matmul_integer},
    {"",  "QLinearMatMul",      8,  8, 1, "",                     kOfBytes,     h::qlinear_matmul},
    {"",  "QuantizeLinear",     2,  3, 1, "axis:int block_size:int output_dtype:int precision:int "
                                          "saturate:int",         kOfBytes,     h::quantize_linear},

    // Windows over images.
    {"",  "AveragePool",        1,  1, 1, kAveragePoolAttrs,            kPlain,       h::average_pool},
    {"",  "Conv",               2,  3, 1, "auto_pad:string dilations:ints group:int "
                                          "kernel_shape:ints pads:ints strides:ints",
                                                                  kPlain,       h::conv},
    {"",  "GlobalAveragePool",  1,  1, 1, "",                     kPlain,       h::global_average_pool},
    {"",  "GlobalMaxPool",      1,  1, 1, "",                     kTakesNarrow, h::global_max_pool},
    {"",  "MaxPool",            1,  1, 2, kMaxPoolAttrs,          kTakesNarrow, h::max_pool},

    // Both resize known values alone.
    {"",  "Resize",             1,  4, 1, kResizeAttrs,           kTakesNarrow, h::resize},
    {"",  "Upsample",           1,  2, 1, "mode:string scales:floats", kTakesNarrow, h::resize},

    // Products.
    {"",  "DFT",                1,  3, 1, "axis:int inverse:int onesided:int", kPlain, h::dft},
    {"",  "Einsum",             1, -1, 1, "equation:string",      kPlain,       h::einsum},
    {"",  "Gemm",               2,  3, 1, kGemmAttrs,             kPlain,       h::gemm},
    {"",  "MatMul",             2,  2, 1, "",                     kPlain,       h::matmul},

    // Fused ones. LayerNormalization stands in ONNX's own domain before its opset 17 too: ONNX
    // Runtime's optimizer writes it so.
    {"",  "Attention",          3,  7, 4, "is_causal:int kv_num_heads:int left_window_size:int "
                                          "q_num_heads:int qk_matmul_output_mode:int "
                                          "right_window_size:int scale:float softcap:float "
                                          "softmax_precision:int", kTakesNarrow, h::onnx_attention},
    {"",  "BatchNormalization", 5,  5, 5, "epsilon:float momentum:float spatial:int training_mode:int",
                                                                  kPlain,       h::batch_norm},
    {"",  "InstanceNormalization", 3, 3, 1, "epsilon:float",      kPlain,       h::instance_norm},
    {"",  "Gelu",               1,  1, 1, "approximate:string",   kPlain,       h::gelu},
    {"",  "GroupNormalization", 3,  3, 1, "epsilon:float num_groups:int stash_type:int",
                                                                  kPlain,       h::group_norm},
    {"",  "LayerNormalization", 2,  3, 3, "axis:int epsilon:float stash_type:int",
                                                                  kPlain,       h::layer_norm},
    {"",  "RMSNormalization",   2,  2, 1, "axis:int epsilon:float stash_type:int",
                                                                  kPlain,       h::rms_norm},
    {"",  "RotaryEmbedding",    3,  4, 1, "interleaved:int num_heads:int "
                                          "rotary_embedding_dim:int", kPlain,   h::rotary_embedding},
    {"",  "SimplifiedLayerNormalization", 2, 2, 2, "axis:int epsilon:float stash_type:int",
                                                                  kPlain,       h::simplified_layer_norm},
    {kMs, "Attention",          2,  7, 2, "num_heads:int unidirectional:int scale:float "
                                          "mask_filter_value:float qkv_hidden_sizes:ints "
                                          "do_rotary:int past_present_share_buffer:int "
                                          "rotary_embedding_dim:int", kPlain,   h::ms_attention},
    {kMs, "BiasAdd",            3,  3, 1, "",                     kPlain,       h::bias_add},
    {kMs, "BiasGelu",           2,  2, 1, "",                     kPlain,       h::bias_gelu},
    {kMs, "BiasSoftmax",        2,  2, 1, "axis:int is_inner_broadcast:int",
                                                                  kPlain,       h::bias_softmax},
    {kMs, "DequantizeLinear",   2,  3, 1, "axis:int block_size:int output_dtype:int",
                                                                  kOfBytes,     h::dequantize_linear},
    {kMs, "DynamicQuantizeMatMul", 3, 5, 1, "",                   kOfBytes,     h::dynamic_quantize_matmul},
    {kMs, "EmbedLayerNormalization", 7, 9, 3, "epsilon:float mask_index_type:int",
                                                                  kLeavesOut,   h::embed_layer_norm},
    {kMs, "FastGelu",           1,  2, 1, "",                     kPlain,       h::fast_gelu},
    {kMs, "FusedGemm",          2,  3, 1, "alpha:float beta:float transA:int transB:int "
                                          "activation:string activation_alpha:float "
                                          "activation_beta:float activation_gamma:float",
                                                                  kPlain,       h::fused_gemm},
    {kMs, "FusedMatMul",        2,  2, 1, kFusedMatMulAttrs,      kPlain,       h::fused_matmul},
    {kMs, "Gelu",               1,  1, 1, "",                     kPlain,       h::gelu},
    {kMs, "GemmFastGelu",       2,  3, 1, "",                     kPlain,       h::gemm_fast_gelu},
    {kMs, "GroupQueryAttention", 7, 17, 4, kGroupQueryAttrs,      kLeavesOut,   h::group_query_attention},
    {kMs, "LayerNormalization", 2,  3, 3, "axis:int epsilon:float stash_type:int",
                                                                  kPlain,       h::layer_norm},
    {kMs, "MatMulIntegerToFloat", 4, 7, 1, "",                    kOfBytes,     h::matmul_integer_to_float},
    {kMs, "MultiHeadAttention", 1, 10, 4, "num_heads:int mask_filter_value:float scale:float "
                                          "unidirectional:int",   kPlain,       h::multi_head_attention},
    {kMs, "PackedAttention",    5,  6, 1, "num_heads:int qkv_hidden_sizes:ints scale:float",
                                                                  kPlain,       h::packed_attention},
    {kMs, "PackedMultiHeadAttention", 6, 7, 1, "mask_filter_value:float num_heads:int scale:float",
                                                                  kLeavesOut,   h::packed_multi_head_attention},
    {kMs, "QAttention",         5,  9, 2, "do_rotary:int mask_filter_value:float num_heads:int "
                                          "past_present_share_buffer:int scale:float "
                                          "unidirectional:int",   kOfBytes,     h::quantized_attention},
    {kMs, "QLinearAdd",         7,  8, 1, "",            kOfBytes | kLeavesOut, h::qlinear_add},
    {kMs, "QLinearMul",         7,  8, 1, "",            kOfBytes | kLeavesOut, h::qlinear_mul},
    {kMs, "QLinearSigmoid",     4,  5, 1, "",            kOfBytes | kLeavesOut, h::qlinear_sigmoid},
    {kMs, "QLinearSoftmax",     5,  5, 1, "axis:int opset:int",
                                                         kOfBytes | kLeavesOut, h::qlinear_softmax},
    {kMs, "QuantizeLinear",     2,  3, 1, "axis:int block_size:int output_dtype:int precision:int "
                                          "saturate:int",         kOfBytes,     h::quantize_linear},
    {kMs, "QuickGelu",          1,  1, 1, "alpha:float",          kPlain,       h::quick_gelu},
    {kMs, "RelativePositionBias", 3, 3, 1, "is_bidirectional:int max_distance:int",
                                                                  kPlain,       h::relative_position_bias},
    {kMs, "RemovePadding",      2,  2, 4, "",                     kPlain,       h::remove_padding},
    {kMs, "RestorePadding",     2,  2, 1, "",                     kPlain,       h::restore_padding},
    {kMs, "RotaryEmbedding",    4,  4, 1, "interleaved:int is_packed_batching:int num_heads:int "
                                          "rotary_embedding_dim:int scale:float",
                                                                  kPlain,       h::ms_rotary_embedding},
    {kMs, "SimplifiedLayerNormalization", 2, 2, 2, "axis:int epsilon:float stash_type:int",
                                                                  kPlain,       h::simplified_layer_norm},
    {kMs, "SkipLayerNormalization", 3, 5, 4, "epsilon:float",     kPlain,       h::skip_layer_norm},
    {kMs, "SkipSimplifiedLayerNormalization", 3, 4, 4, "epsilon:float",
                                                                  kPlain,       h::skip_simplified_layer_norm},
    {kMs, "TransposeMatMul",    2,  2, 1, kFusedMatMulAttrs,      kPlain,       h::fused_matmul},
    {kMs, "Trilu",              1,  2, 1, "upper:int",
                                                   kMovesValues | kTakesBounds, h::trilu},

    // From ir/ops.def: operations that are an op of the Graph in every respect, and the Graph's own,
    // as export_onnx writes them.
#define ROW_None(...)
#define ROW_Wider(...)
#define ROW_Different(...)
#define ROW_Same(id, name, min, max, attrs) {"",  name, min, max, 1, attrs, kPlain, h::same<Op::id>},
#define ROW_Own(id, name, min, max, attrs)  {kGc, name, min, max, 1, attrs, kOfBytes, h::own<Op::id>},
#define OP(id, text, min, max, elements, how, half, values, form, name, attrs) ROW_##form(id, name, min, max, attrs)
#include "ir/ops.def"
#undef OP
#undef ROW_None
#undef ROW_Wider
#undef ROW_Different
#undef ROW_Same
#undef ROW_Own
};
// clang-format on

// Rows of form Same have no attributes, and their operands have one shape.
#define OP(id, text, min, max, elements, how, half, values, form, name, attrs) \
  static_assert(                                                               \
      std::string_view(#form) != "Same" ||                                     \
      (std::string_view(#elements) == "elementwise" && std::string_view(attrs).empty()));
#include "ir/ops.def"
#undef OP

// "int" of "axis:int perm:ints" for "axis"; "" if the list has no such name.
std::string_view kind_of(std::string_view attrs, const std::string& name) {
  const std::string wanted = " " + name + ":";
  const std::string list = " " + std::string(attrs) + " ";
  const size_t at = list.find(wanted);
  if (at == std::string::npos || name.empty()) return "";
  const size_t begin = at + wanted.size() - 1;  // within attrs, which has no leading space
  return attrs.substr(begin, attrs.find(' ', begin) - begin);
}

std::string_view kind_name(const ::onnx::AttributeProto& attribute) {
  switch (attribute.type()) {
    case ::onnx::AttributeProto::INT: return "int";
    case ::onnx::AttributeProto::FLOAT: return "float";
    case ::onnx::AttributeProto::STRING: return "string";
    case ::onnx::AttributeProto::INTS: return "ints";
    case ::onnx::AttributeProto::FLOATS: return "floats";
    case ::onnx::AttributeProto::TENSOR: return "tensor";
    case ::onnx::AttributeProto::SPARSE_TENSOR: return "sparse";
    default: return "another kind";
  }
}

Error count_error(const char* what, int has, int least, int most) {
  const std::string allowed = most < 0 ? "at least " + std::to_string(least)
                              : least == most
                                  ? std::to_string(least)
                                  : "from " + std::to_string(least) + " to " + std::to_string(most);
  return Error{"has " + std::to_string(has) + " " + what + ", must have " + allowed};
}

Status check_attributes(const OnnxOp& op, const ::onnx::NodeProto& node,
                        std::vector<std::string>& warnings) {
  std::set<std::string> seen;
  for (const auto& attribute : node.attribute()) {
    const std::string name = "attribute '" + printable(attribute.name()) + "' ";
    std::string_view kind = kind_of(op.attrs, attribute.name());
    if (kind == "float" && op.domain == kGc) kind = "number";
    if (kind.empty() && op.domain.empty()) {
      // ONNX's own attributes are all in the table, so this one is a vendor's or a misspelling.
      add_warning(warnings, name + "is not known, ignored");
      continue;
    }
    if (kind.empty()) return Error{name + "is not known, must be left out"};
    // A double that a float does not hold stands in a tensor.
    const bool is_float = attribute.type() == ::onnx::AttributeProto::FLOAT;
    const bool number =
        kind == "number" && (is_float || attribute.type() == ::onnx::AttributeProto::TENSOR);
    const bool real = kind == "real" && is_float;
    if (kind != kind_name(attribute) && !number && !real)
      return Error{name + "is of " + std::string(kind_name(attribute)) + ", must be of " +
                   std::string(kind == "real" ? "float" : kind)};
    if (is_float && !real && !std::isfinite(attribute.f()))
      return Error{name + "is " + std::to_string(attribute.f()) + ", must be finite"};
    if (!seen.insert(attribute.name()).second) return Error{name + "is given twice"};
  }
  return {};
}

}  // namespace

std::span<const OnnxOp> all_onnx_ops() { return kOps; }

const OnnxOp* find_onnx_op(const std::string& domain, const std::string& name) {
  for (const OnnxOp& op : kOps)
    if (op.name == name && (op.domain == domain || (op.domain.empty() && domain == "ai.onnx")))
      return &op;
  return nullptr;
}

Status check_call(const OnnxOp& op, const ::onnx::NodeProto& node,
                  std::vector<std::string>& warnings) {
  const int inputs = node.input_size();
  if (inputs < op.min_inputs || (op.max_inputs >= 0 && inputs > op.max_inputs))
    return count_error("inputs", inputs, op.min_inputs, op.max_inputs);
  for (int i = 0; i < op.min_inputs && !(op.flags & kLeavesOut); ++i)
    if (node.input(i).empty())
      return Error{"input " + std::to_string(i) + " is left out, must be given"};
  const int outputs = node.output_size();
  if (outputs < 1 || (op.max_outputs >= 0 && outputs > op.max_outputs))
    return count_error("outputs", outputs, 1, op.max_outputs);
  return check_attributes(op, node, warnings);
}

}  // namespace tessera
