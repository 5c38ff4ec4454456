// SPDX-License-Identifier: Apache-2.0
#include "compiler/onnx/import/inputs.h"

#include <algorithm>
#include <set>

#include "compiler/onnx/model_file.h"
#include "compiler/onnx/tensor.h"

namespace tessera {
namespace {

using ::onnx::GraphProto;
using ::onnx::TensorShapeProto;
using ::onnx::ValueInfoProto;

std::string called(const std::string& path, const std::string& name) {
  return path + ": input '" + printable(name) + "': ";
}

std::string list_of(const std::vector<const ValueInfoProto*>& inputs) {
  constexpr size_t kMostListed = 64;
  std::string names;
  for (size_t i = 0; i < std::min(inputs.size(), kMostListed); ++i)
    names += (i == 0 ? "" : ", ") + printable(inputs[i]->name());
  return inputs.size() > kMostListed ? names + " …" : names;
}

// The given shape of an input against what the model says of it.
Status check_given(const std::string& path, const ValueInfoProto& input, const Shape& given) {
  const std::string where = called(path, input.name());
  if (!is_valid_shape(given))
    return Error{where + "shape is given as " + to_string(given) +
                     ", must have at most 8 axes and no negative one",
                 ErrorKind::Usage};
  const auto& type = input.type().tensor_type();
  if (!type.has_shape()) return {};
  if (type.shape().dim_size() != static_cast<int>(given.size()))
    return Error{where + "shape is given as " + to_string(given) + ", must have the " +
                     std::to_string(type.shape().dim_size()) + " axes that the model declares",
                 ErrorKind::Usage};
  for (int axis = 0; axis < type.shape().dim_size(); ++axis) {
    const auto& dim = type.shape().dim(axis);
    if (has_size(dim) && dim.dim_value() != given[axis])
      return Error{where + "axis " + std::to_string(axis) + " is given as " +
                       std::to_string(given[axis]) + ", must be " +
                       std::to_string(dim.dim_value()) + " as the model declares",
                   ErrorKind::Usage};
  }
  return {};
}

// Is [rows,length] given for integers [batch,choices,length]?
bool is_of_choices(const ValueInfoProto& input, const Shape& given) {
  const auto& type = input.type().tensor_type();
  const bool whole = dtype_of(type.elem_type()) == DType::I32;
  if (!whole || given.size() != 2 || type.shape().dim_size() != 3) return false;
  const auto& choices = type.shape().dim(1);
  return !has_size(choices) || choices.dim_value() == 1;
}

bool is_open(const ValueInfoProto& input, int axes) {
  const TensorShapeProto& shape = input.type().tensor_type().shape();
  if (shape.dim_size() != axes) return false;
  return std::none_of(shape.dim().begin(), shape.dim().end(), has_size);
}

Shape with_choices(const Shape& rows) { return {rows[0], 1, rows[1]}; }

// Sizes of symbolic dimensions, from the inputs whose shapes are given.
using Symbols = std::map<std::string, int64_t>;

void learn_symbols(const std::string& path, const ValueInfoProto& input, const Shape& given,
                   Symbols& symbols, std::vector<std::string>& warnings) {
  const auto& type = input.type().tensor_type();
  for (int axis = 0; axis < type.shape().dim_size(); ++axis) {
    const std::string& symbol = type.shape().dim(axis).dim_param();
    if (has_size(type.shape().dim(axis)) || symbol.empty()) continue;
    const auto [known, added] = symbols.emplace(symbol, given[axis]);
    if (added || known->second == given[axis]) continue;
    add_warning(warnings, called(path, input.name()) + "axis " + std::to_string(axis) + " is '" +
                              printable(symbol) + "', which is " + std::to_string(known->second) +
                              " elsewhere and " + std::to_string(given[axis]) + " here");
  }
}

// Some exporters name the batch apart for each input. An input without a given shape takes its
// first axis from the given inputs of equal rank, if they agree and all leave it open.
void learn_batches(const std::string& path, const std::vector<const ValueInfoProto*>& declared,
                   const std::map<std::string, Shape>& given, Symbols& symbols,
                   std::vector<std::string>& warnings) {
  for (const ValueInfoProto* input : declared) {
    const TensorShapeProto& shape = input->type().tensor_type().shape();
    if (given.contains(input->name()) || shape.dim_size() < 2 || has_size(shape.dim(0))) continue;
    const std::string& symbol = shape.dim(0).dim_param();
    if (symbol.empty() || symbols.contains(symbol)) continue;
    std::set<int64_t> sizes;
    for (const ValueInfoProto* other : declared) {
      const auto own = given.find(other->name());
      const TensorShapeProto& open = other->type().tensor_type().shape();
      if (own == given.end() || open.dim_size() != shape.dim_size()) continue;
      sizes.insert(has_size(open.dim(0)) ? -1 : own->second[0]);
    }
    if (sizes.size() != 1 || *sizes.begin() < 0) continue;
    symbols[symbol] = *sizes.begin();
    add_warning(warnings, called(path, input->name()) + "axis 0 is '" + printable(symbol) +
                              "', taken as the batch of " + std::to_string(*sizes.begin()) +
                              " of the inputs whose shapes are given");
  }
}

// "N,N": as many as the input has axes.
std::string example_shape(int axes) {
  std::string text = "N";
  for (int i = 1; i < axes; ++i) text += ",N";
  return text;
}

Expected<Shape> fixed_shape(const std::string& path, const ValueInfoProto& input,
                            const Symbols& symbols) {
  const auto& type = input.type().tensor_type();
  const std::string flag = "give --input_shape " + printable(input.name()) + "=";
  if (!type.has_shape())
    return Error{
        called(path, input.name()) + "its shape is not declared, must be fixed: " + flag + "N,N",
        ErrorKind::Usage};
  Shape shape;
  for (int axis = 0; axis < type.shape().dim_size(); ++axis) {
    const auto& dim = type.shape().dim(axis);
    const auto symbol = symbols.find(dim.dim_param());
    if (has_size(dim)) {
      shape.push_back(dim.dim_value());
    } else if (!dim.dim_param().empty() && symbol != symbols.end()) {
      shape.push_back(symbol->second);
    } else {
      const std::string name =
          dim.dim_param().empty() ? "variable" : "'" + printable(dim.dim_param()) + "'";
      return Error{called(path, input.name()) + "axis " + std::to_string(axis) + " is " + name +
                       ", must be fixed: " + flag + example_shape(type.shape().dim_size()),
                   ErrorKind::Usage};
    }
  }
  return shape;
}

Expected<ModelInput> read_input(const std::string& path, const ValueInfoProto& input,
                                const std::map<std::string, Shape>& given, const Symbols& symbols,
                                bool as_stored) {
  const std::string where = called(path, input.name());
  if (input.name().empty()) return Error{where + "has no name, must have one"};
  if (!input.type().has_tensor_type()) return Error{where + "is not a tensor, must be a tensor"};
  const int32_t onnx_type = input.type().tensor_type().elem_type();
  const auto dtype = as_stored ? stored_dtype_of(onnx_type) : dtype_of(onnx_type);
  // A float64 constant may lose bits, a caller's data may not.
  if (!dtype || onnx_type == ::onnx::TensorProto::DOUBLE || (is_fp8(*dtype) && !as_stored))
    return Error{where + "is of " + element_type_name(onnx_type) +
                 ", must be of float32, float16, bfloat16, int32, int64 or bool"};
  const auto own = given.find(input.name());
  const Shape shape = own != given.end() ? own->second : TRY(fixed_shape(path, input, symbols));
  if (!is_valid_shape(shape))
    return Error{where + "is " + to_string(shape) + ", must have at most 8 axes and 2^40 elements"};
  return ModelInput{
      input.name(), {*dtype, shape},
       onnx_type
  };
}

}  // namespace

bool has_size(const TensorShapeProto::Dimension& dim) {
  return dim.has_dim_value() && dim.dim_value() >= 0;
}

std::vector<const ValueInfoProto*> declared_inputs(const GraphProto& graph) {
  std::set<std::string> initialized;
  for (const auto& tensor : graph.initializer()) initialized.insert(tensor.name());
  std::vector<const ValueInfoProto*> inputs;
  for (const ValueInfoProto& input : graph.input())
    if (!initialized.contains(input.name())) inputs.push_back(&input);
  return inputs;
}

Expected<std::vector<ModelInput>> read_inputs(const GraphProto& graph, const std::string& path,
                                              const std::map<std::string, Shape>& asked,
                                              std::vector<std::string>& warnings, bool as_stored) {
  const std::vector<const ValueInfoProto*> declared = declared_inputs(graph);
  std::map<std::string, Shape> given = asked;
  std::set<std::string> names;
  for (const ValueInfoProto* input : declared)
    if (!names.insert(input->name()).second)
      return Error{called(path, input->name()) + "is declared twice, must have its name alone"};
  for (const auto& [name, shape] : given)
    if (!names.contains(name))
      return Error{
          path + ": has no input '" + printable(name) + "', must be one of " + list_of(declared),
          ErrorKind::Usage};

  Symbols symbols;
  std::set<Shape> of_choices;
  for (const ValueInfoProto* input : declared)
    if (const auto own = given.find(input->name());
        own != given.end() && is_of_choices(*input, own->second))
      of_choices.insert(own->second = with_choices(own->second));
  // An exporter that names every axis apart would want the same shape for each input.
  for (const ValueInfoProto* input : declared)
    if (of_choices.size() == 1 && is_open(*input, 3))
      given.emplace(input->name(), *of_choices.begin());
  for (const ValueInfoProto* input : declared) {
    const auto own = given.find(input->name());
    if (own == given.end()) continue;
    TRY(check_given(path, *input, own->second));
    learn_symbols(path, *input, own->second, symbols, warnings);
  }
  learn_batches(path, declared, given, symbols, warnings);
  std::vector<ModelInput> inputs;
  for (const ValueInfoProto* input : declared) {
    ModelInput read = TRY(read_input(path, *input, given, symbols, as_stored));
    const Shape& shape = read.type.shape;
    if (read.type.dtype == DType::I32 && of_choices.contains(shape))
      read.rows = Shape{shape[0], shape[2]};
    inputs.push_back(std::move(read));
  }
  return inputs;
}

}  // namespace tessera
