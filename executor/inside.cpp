// SPDX-License-Identifier: Apache-2.0
#include "executor/inside.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "codelets/matmul.h"
#include "support/fault.h"

namespace tessera {
namespace {

std::string to_string(const Box& box) {
  std::string text;
  for (const Range& range : box)
    text += fmt::format("{}{}:{}", text.empty() ? "" : ",", range.begin, range.end);
  return "[" + text + "]";
}

bool is_inside(const Shape& view, const Box& box) {
  if (view.size() != box.size()) return false;
  for (size_t d = 0; d < view.size(); ++d)
    if (box[d].begin < 0 || box[d].begin >= box[d].end || box[d].end > view[d]) return false;
  return true;
}

// The codelet's own check does not know the parameters that the machine added.
std::vector<Param> of_program(std::vector<Param> params) {
  std::erase_if(params, [](const Param& param) {
    return std::ranges::find(kAddedParams, param.name) != std::end(kAddedParams);
  });
  return params;
}

}  // namespace

Status check_inside(const Program& program, VariableId variable, const Shape& view, const Box& box,
                    size_t operand) {
  if (variable < 0 || static_cast<size_t>(variable) >= program.variables.size())
    return Error{fmt::format("operand {}: is variable {}, must be one of the program's {}", operand,
                             variable, program.variables.size())};
  const Variable& is = program.variables[static_cast<size_t>(variable)];
  if (!is_valid_shape(view) || elements(view) != elements(is.shape))
    return Error{fmt::format("operand {}: view of '{}' is {}, must have the elements of {}",
                             operand, is.name, tessera::to_string(view),
                             tessera::to_string(is.shape))};
  if (is_inside(view, box)) return {};
  return Error{fmt::format("operand {}: {} of '{}' as {}, must lie inside", operand, to_string(box),
                           is.name, tessera::to_string(view))};
}

Status check_inside(const Program& program, const JoinedVertex& vertex) {
  for (size_t i = 0; i < vertex.operands.size(); ++i) {
    const JoinedOperand& operand = vertex.operands[i];
    TRY(check_inside(program, operand.variable, operand.view, operand.box, i));
  }
  VertexShape shape = vertex.shape();
  const std::vector<Param> params = of_program(vertex.params);
  shape.params = &params;
  return vertex.codelet->check(shape);
}

Error fault_in(const Superstep& step, int signal) {
  return in_superstep(step, fmt::format("its compiled code ended with {}, must stay inside its "
                                        "operands; this batch has no answer",
                                        signal_name(signal)));
}

Error in_superstep(const Superstep& step, std::string_view what) {
  return {fmt::format("superstep '{}': {}", step.name, what), ErrorKind::BadFile};
}

}  // namespace tessera
