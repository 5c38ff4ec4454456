// SPDX-License-Identifier: Apache-2.0
// An operation of domain ai.graphcore in ONNX's own operations: the body of the function
// (FunctionProto) that export_onnx writes for it, so that any runtime of ONNX can run the
// file. Import never reads a body of ours: it takes the operation itself.
//
// Shapes are static, so a body holds them as numbers. Operations of equal bodies share a function.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "ir/tensor.h"
#include "onnx.pb.h"

namespace tessera {

inline constexpr int64_t kExportOpset = 19;  // the first with floats of 8 bits

class FunctionBody {
 public:
  using Values = std::vector<std::string>;
  using Attrs = std::map<std::string, Attr>;

  // Declares the next operand of the function.
  std::string input(const std::string& name);
  // A node of ONNX's own domain; its result.
  std::string add(const std::string& op, const Values& in, const Attrs& attrs = {});

  std::string constant(const Array& array);
  std::string number(double value);  // f32, a scalar
  // i32 first, first + step …, `count` of them, in a shape of that number of elements.
  std::string counter(int64_t first, int64_t step, int64_t count, const Shape& shape);
  std::string reshape(const std::string& x, const Shape& shape);
  std::string cast(const std::string& x, DType dtype);
  // Along one axis, which stays with 1 element.
  std::string greatest(const std::string& x, int64_t axis);
  std::string sum(const std::string& x, int64_t axis);
  std::string mean(const std::string& x, int64_t axis);

  // f16 as f32, which bodies compute in, as the interpreter rounds once; f32 as it is. Both ways.
  std::string widened(const std::string& x, DType from);
  std::string narrowed(const std::string& x, DType to);

  // The function, whose result is that of the last node.
  ::onnx::FunctionProto finish();

 private:
  std::string listed(const std::vector<int64_t>& values);
  std::string reduced(const std::string& op, const std::string& x, int64_t axis);

  ::onnx::FunctionProto function_;
};

// Writes the body of a node. Each row of ir/ops.def of form Own asks the linker for one, in
// bodies_*.cpp.
using WriteBody = void (*)(FunctionBody& body, const Node& node);
namespace bodies {
#define BODY_None(id)
#define BODY_Same(id)
#define BODY_Wider(id)
#define BODY_Different(id)
#define BODY_Own(id) void id(FunctionBody& body, const Node& node);
#define OP(id, text, min, max, elements, how, half, values, form, ...) BODY_##form(id)
#include "ir/ops.def"
#undef OP
#undef BODY_Own
#undef BODY_Different
#undef BODY_Wider
#undef BODY_Same
#undef BODY_None
}  // namespace bodies

}  // namespace tessera
