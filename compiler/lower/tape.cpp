// SPDX-License-Identifier: Apache-2.0
#include "compiler/lower/tape.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace tessera {
namespace {

struct Row {
  Tape opcode;
  int operands[3];
};

constexpr std::optional<Tape> opcode_named(std::string_view op) {
#define OPCODE(name, ...) \
  if (op == #name) return Tape::name;
#include "codelets/opcodes.def"
#undef OPCODE
  return std::nullopt;
}

// Casts are loads and stores, except where they lose what the tape's arithmetic would keep.
std::optional<Tape> opcode_of_cast(const Node& cast) {
  const DType from = cast.in[0]->type.dtype, to = cast.type.dtype;
  if (is_fp8(to)) return to == DType::F143 ? Tape::AsF143 : Tape::AsF152;
  if (to == DType::Bool && from != DType::Bool) return Tape::NotZero;
  if ((to == DType::I32 || is_byte(to)) && is_float(from)) return Tape::Truncate;
  return std::nullopt;
}

// None: the operand as it is.
std::optional<Tape> opcode_of(const Node& node) {
  if (node.is(Op::Cast)) return opcode_of_cast(node);
  if (node.is(Op::Gelu)) return node.string_attr("form") == "erf" ? Tape::GeluErf : Tape::GeluTanh;
  return opcode_named(info(node.op).name);
}
#define OP(id, text, min, max, elements, how, ...)                                              \
  static_assert(std::string_view(#how) != "tape" || Op::id == Op::Cast || Op::id == Op::Gelu || \
                    Op::id == Op::Quantize || Op::id == Op::Dequantize ||                       \
                    Op::id == Op::ScaledCast || opcode_named(#id).has_value(),                  \
                "an op that is lowered to a tape needs an opcode of its name");
#include "ir/ops.def"
#undef OP

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
      if (node->is(Op::Quantize)) {
        registers_[node] = quantized(*node);
      } else if (node->is(Op::Dequantize)) {
        const int whole = row(Tape::Sub, register_of(node->in[0]), register_of(node->in[2]));
        registers_[node] = row(Tape::Mul, whole, register_of(node->in[1]));
      } else if (node->is(Op::ScaledCast)) {
        registers_[node] = scaled(*node);
      } else if (const std::optional<Tape> opcode = opcode_of(*node)) {
        registers_[node] = add_row(*opcode, *node);
      } else {
        registers_[node] = register_of(node->in[0]);
      }
      if (saturates(*node)) registers_[node] = within(node->type.dtype, registers_[node]);
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

  // A byte that the tape goes on with ends at its ends here; one that is stored does at the store.
  bool saturates(const Node& node) const {
    const bool makes_one = node.is(Op::Quantize) || node.is(Op::Cast);
    return makes_one && is_byte(node.type.dtype) && &node != group_.root();
  }
  int within(DType byte, int value) {
    const int inputs = static_cast<int>(tape_.inputs.size());
    const int above = row(Tape::Max, value, inputs + constant(least_of(byte)));
    return row(Tape::Min, above, inputs + constant(greatest_of(byte)));
  }
  int constant(double value) { return static_cast<int>(constant_index(value)); }

  int quantized(const Node& node) {
    const int quotient = row(Tape::Div, register_of(node.in[0]), register_of(node.in[1]));
    return row(Tape::Add, row(Tape::Round, quotient, quotient), register_of(node.in[2]));
  }

  static double factor_of(const Node& cast) {
    return std::ldexp(1.0, static_cast<int>(cast.int_attr("scale")));
  }
  // Fp8 that the tape goes on with is rounded here; what is stored is rounded by the store.
  int scaled(const Node& node) {
    int value = register_of(node.in[0]);
    if (factor_of(node) != 1)
      value = row(Tape::Scale, value,
                  static_cast<int>(tape_.inputs.size()) + constant(factor_of(node)));
    if (!is_fp8(node.type.dtype) || &node == group_.root()) return value;
    return row(node.type.dtype == DType::F143 ? Tape::AsF143 : Tape::AsF152, value, value);
  }

  void collect_constants(const Node& node) {
    if (node.is(Op::ScaledCast) && factor_of(node) != 1) constant_index(factor_of(node));
    if (saturates(node)) {
      constant_index(least_of(node.type.dtype));
      constant_index(greatest_of(node.type.dtype));
    }
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

  int row(Tape opcode, int a, int b) {
    return append({
        opcode, {a, b, 0}
    });
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
