// SPDX-License-Identifier: Apache-2.0
#include "compiler/lower/tape.h"

#include <algorithm>
#include <bit>

#include "support/check.h"

namespace tessera {
namespace {

struct Row {
  Tape opcode;
  int operands[3];
};

// Casts are loads and stores, except where they lose what the tape's arithmetic would keep.
std::optional<Tape> opcode_of_cast(const Node& cast) {
  const DType from = cast.in[0]->type.dtype, to = cast.type.dtype;
  if (to == DType::Bool && from != DType::Bool) return Tape::NotZero;
  if (to == DType::I32 && is_float(from)) return Tape::Truncate;
  return std::nullopt;
}

std::optional<Tape> opcode_of(const Node& node) {
  switch (node.op) {
    case Op::Add: return Tape::Add;
    case Op::Sub: return Tape::Sub;
    case Op::Mul: return Tape::Mul;
    case Op::Div: return Tape::Div;
    case Op::Pow: return Tape::Pow;
    case Op::Max: return Tape::Max;
    case Op::Min: return Tape::Min;
    case Op::Equal: return Tape::Equal;
    case Op::Less: return Tape::Less;
    case Op::And: return Tape::And;
    case Op::Not: return Tape::Not;
    case Op::Abs: return Tape::Abs;
    case Op::Exp: return Tape::Exp;
    case Op::Log: return Tape::Log;
    case Op::Sqrt: return Tape::Sqrt;
    case Op::Floor: return Tape::Floor;
    case Op::Erf: return Tape::Erf;
    case Op::Tanh: return Tape::Tanh;
    case Op::Select: return Tape::Select;
    case Op::Gelu: return node.string_attr("form") == "erf" ? Tape::GeluErf : Tape::GeluTanh;
    case Op::Cast: return opcode_of_cast(node);
    default: break;
  }
  CHECK(false);
  return std::nullopt;
}

class Writer {
 public:
  explicit Writer(const TapeGroup& group) : group_(group) {
    tape_.inputs = group.leaves;
    // A tape reads something, if only to know that there is one result.
    if (tape_.inputs.empty()) tape_.inputs.push_back(group.nodes.front()->in[0]);
    tape_.integer = group.domain != Domain::Float;
    for (const Node* node : group.nodes) collect_constants(*node);
  }

  TapeProgram run() {
    for (const Node* node : group_.nodes) {
      if (const std::optional<Tape> opcode = opcode_of(*node)) {
        registers_[node] = add_row(*opcode, *node);
      } else {
        registers_[node] = register_of(node->in[0]);
      }
    }
    const int last = registers_.at(group_.root());
    // The result is what the last row makes, so a mere cast is a choice of x or x.
    if (last != next_register() - 1 || tape_.rows.empty())
      append({
          Tape::Select, {last, last, last}
      });
    return std::move(tape_);
  }

 private:
  int next_register() const {
    return static_cast<int>(tape_.inputs.size() + tape_.constants.size() + tape_.rows.size() / 4);
  }

  bool is_input(const Node* node) const {
    return std::ranges::find(tape_.inputs, node) != tape_.inputs.end();
  }

  void collect_constants(const Node& node) {
    for (const Node* operand : node.in) {
      const std::optional<double> value = splat_value(operand);
      if (value && !is_input(operand)) constant_index(*value);
    }
  }

  // Equal to the bit: 0 and -0 are two constants.
  size_t constant_index(double value) {
    const auto same = [value](double other) {
      return std::bit_cast<uint64_t>(value) == std::bit_cast<uint64_t>(other);
    };
    const auto found = std::ranges::find_if(tape_.constants, same);
    const auto index = static_cast<size_t>(found - tape_.constants.begin());
    if (found == tape_.constants.end()) tape_.constants.push_back(value);
    return index;
  }

  int register_of(const Node* node) {
    if (const auto made = registers_.find(node); made != registers_.end()) return made->second;
    const auto input = std::ranges::find(tape_.inputs, node);
    if (input != tape_.inputs.end()) return static_cast<int>(input - tape_.inputs.begin());
    return static_cast<int>(tape_.inputs.size() + constant_index(*splat_value(node)));
  }

  int add_row(Tape opcode, const Node& node) {
    Row row{
        opcode, {0, 0, 0}
    };
    for (size_t i = 0; i < node.in.size(); ++i) row.operands[i] = register_of(node.in[i]);
    return append(row);
  }

  int append(const Row& row) {
    const int made = next_register();
    tape_.rows.push_back(static_cast<double>(row.opcode));
    for (int operand : row.operands) tape_.rows.push_back(operand);
    return made;
  }

  const TapeGroup& group_;
  TapeProgram tape_;
  std::unordered_map<const Node*, int> registers_;
};

}  // namespace

std::vector<Param> TapeProgram::params() const {
  return {
      {"domain",    {integer ? 1.0 : 0.0}},
      {"tape",      rows                 },
      {"constants", constants            }
  };
}

TapeProgram write_tape(const TapeGroup& group) { return Writer(group).run(); }

}  // namespace tessera
