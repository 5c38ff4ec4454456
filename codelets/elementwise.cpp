// SPDX-License-Identifier: Apache-2.0
#include "codelets/elementwise.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "codelets/charges.h"
#include "codelets/constants.h"
#include "codelets/host_side.h"
#include "codelets/rules.h"
#include "codelets/work.h"

namespace tessera::codelets {
namespace {

struct OpcodeInfo {
  Tape opcode;
  int operands;
  bool in_i32;             // the i32 domain has it
  int half, single, sets;  // issues and compute sets
};

enum class Domains { Float, Both };

constexpr auto kOpcodes = std::to_array<OpcodeInfo>({
#define OPCODE(name, number, operands, domains, half, single, sets, ...) \
  {Tape::name, operands, Domains::domains == Domains::Both, half, single, sets},
#include "codelets/opcodes.def"
#undef OPCODE
});
#define OPCODE(name, number, ...)                      \
  static_assert(kOpcodes[number].opcode == Tape::name, \
                "rows stand in the order of their "    \
                "numbers");
#include "codelets/opcodes.def"
#undef OPCODE

const std::vector<double>& values(const VertexShape& shape, std::string_view name) {
  return *find_param(*shape.params, name);
}

bool is_int(double value, double low, double high) {
  return value >= low && value <= high && std::trunc(value) == value;
}

bool in_i32(const VertexShape& shape) { return values(shape, "domain")[0] == 1; }

// --- What it asks ---

Status check_operands(const VertexShape& shape) {
  const size_t count = shape.operands.size();
  if (count < 1 || count > kMaxTapeInputs + 1)
    return violation("elementwise", fmt::format("there are {} operands, must be 1..{}", count,
                                                kMaxTapeInputs + 1));
  const Shape& out = shape.operands[count - 1].size;
  TRY(check_operand("elementwise", shape, count - 1,
                    {Accept::Any, Shape(out.size(), kAnySize), true}));
  for (size_t i = 0; i + 1 < count; ++i) {
    Shape wanted = out;
    const Shape& is = shape.operands[i].size;
    for (size_t d = 0; is.size() == out.size() && d < is.size(); ++d)
      if (is[d] == 1) wanted[d] = 1;
    TRY(check_operand("elementwise", shape, i, {Accept::Any, wanted}));
  }
  return {};
}

Status check_constants(const VertexShape& shape) {
  const std::vector<double>& constants = values(shape, "constants");
  if (constants.size() > kMaxTapeConstants)
    return violation("elementwise", fmt::format("there are {} constants, must be at most {}",
                                                constants.size(), kMaxTapeConstants));
  for (const double value : constants) {
    if (!in_i32(shape) || is_int(value, INT32_MIN, INT32_MAX)) continue;
    return violation("elementwise", fmt::format("constant is {}, must be an i32", value));
  }
  return {};
}

Status check_row(const VertexShape& shape, size_t row, double registers) {
  const double* tape = &values(shape, "tape")[4 * row];
  if (!is_int(tape[0], 0, kTapeOpcodes - 1))
    return violation("elementwise", fmt::format("row {} has opcode {}, must be an integer in 0..{}",
                                                row, tape[0], kTapeOpcodes - 1));
  const OpcodeInfo& opcode = kOpcodes[static_cast<size_t>(tape[0])];
  if (in_i32(shape) && !opcode.in_i32)
    return violation(
        "elementwise",
        fmt::format("row {} has opcode {}, which domain 1 does not have", row, tape[0]));
  for (int i = 1; i <= opcode.operands; ++i) {
    if (is_int(tape[i], 0, registers - 1)) continue;
    return violation("elementwise", fmt::format("row {} reads register {}, must be one of the {} "
                                                "before it",
                                                row, tape[i], registers));
  }
  return {};
}

Status check_tape(const VertexShape& shape) {
  const std::vector<double>& tape = values(shape, "tape");
  if (tape.size() % 4 != 0 || tape.size() / 4 > kMaxTapeRows)
    return violation("elementwise", fmt::format("tape has {} numbers, must be four a row and at "
                                                "most {} rows",
                                                tape.size(), kMaxTapeRows));
  const size_t given = shape.operands.size() - 1 + values(shape, "constants").size();
  for (size_t row = 0; row < tape.size() / 4; ++row)
    TRY(check_row(shape, row, static_cast<double>(given + row)));
  if (given == 0) return violation("elementwise", "there are no inputs and no constants");
  return {};
}

Status check(const VertexShape& shape) {
  if (find_param(*shape.params, "within") == nullptr) {
    TRY(check_params("elementwise", shape, {"domain", "tape", "constants"}, true));
  } else {
    TRY(check_params("elementwise", shape, {"domain", "tape", "constants", "within"}, true));
    const std::vector<double>& within = values(shape, "within");
    if (within.size() != 1 || !is_int(within[0], 1, INT32_MAX))
      return violation("elementwise", "within must be one whole number in 1..2147483647");
  }
  const std::vector<double>& domain = values(shape, "domain");
  if (domain.size() != 1 || !is_int(domain[0], 0, 1))
    return violation("elementwise",
                     fmt::format("domain is [{}], must be 0 or 1", fmt::join(domain, ",")));
  TRY(check_operands(shape));
  TRY(check_constants(shape));
  return check_tape(shape);
}

// --- What it costs ---

// Numbers of fp8 count too: Poplar computes with them as halves.
bool is_all_half(const VertexShape& shape) {
  return std::ranges::all_of(shape.operands, [](const OperandShape& o) {
    return o.dtype == DType::F16 || is_fp8(o.dtype);
  });
}

// An operand of another type than the domain's is converted: one issue for two elements.
int64_t conversions(const VertexShape& shape, bool half) {
  if (half)
    return std::ranges::count_if(shape.operands,
                                 [](const OperandShape& o) { return is_fp8(o.dtype); });
  const DType domain = in_i32(shape) ? DType::I32 : DType::F32;
  return std::ranges::count_if(shape.operands,
                               [=](const OperandShape& o) { return o.dtype != domain; });
}

// poplibs ElementWiseInternal.cpp, optimise(): powers that are other operations.
struct NamedPower {
  double exponent;
  int half, single;
};
constexpr NamedPower kNamedPowers[] = {
    {1,    2,  2 },
    {2,    2,  2 },
    {0.5,  23, 10},
    {-0.5, 19, 8 },
    {-1,   15, 6 },
};

// A whole power above 2, which PopRT before 1.1.0 left to PopART. Its published runs of gelu with a
// cube show a sixth of poplibs' power where a tile has up to some 4400 elements, and all of it from
// 8700 on, the same in fp16 and fp8; why is not known (docs/codelets.md).
bool is_whole_power(double exponent) {
  return exponent > 2 && exponent <= 8 && std::trunc(exponent) == exponent;
}
constexpr int64_t kMostAtASixth = 8192;

// One operand is one value for all: popopsCycleEstimators.hpp, broadcastOpPerfInfo.
struct ScalarOperand {
  Tape opcode;
  int half, single;
};
constexpr ScalarOperand kScalarOperands[] = {
    {Tape::Add, 2,  2},
    {Tape::Sub, 2,  2},
    {Tape::Mul, 2,  2},
    {Tape::Div, 16, 6},
    {Tape::Max, 3,  3},
    {Tape::Min, 3,  3},
};

// The constant that operand `i` of a row is; none: an input or a row's result.
const double* constant_of(const VertexShape& shape, const double* row, int i) {
  const std::vector<double>& constants = values(shape, "constants");
  const auto inputs = static_cast<double>(shape.operands.size() - 1);
  const double at = row[1 + i] - inputs;
  return at >= 0 && at < static_cast<double>(constants.size()) ? &constants[static_cast<size_t>(at)]
                                                               : nullptr;
}

int issues_of_row(const VertexShape& shape, size_t row, bool half) {
  const double* tape = &values(shape, "tape")[4 * row];
  const OpcodeInfo& opcode = kOpcodes[static_cast<size_t>(tape[0])];
  if (opcode.opcode == Tape::Mul && tape[1] == tape[2]) return 2;  // a square
  const double* second = opcode.operands == 2 ? constant_of(shape, tape, 1) : nullptr;
  const bool scalar = opcode.operands == 2 && (second || constant_of(shape, tape, 0));
  for (const NamedPower& power : kNamedPowers)
    if (opcode.opcode == Tape::Pow && second && *second == power.exponent)
      return half ? power.half : power.single;
  if (opcode.opcode == Tape::Pow && second && is_whole_power(*second) &&
      elements(shape.operands.back().size) <= kMostAtASixth)
    return (half ? opcode.half : opcode.single) / 6;
  for (const ScalarOperand& with : kScalarOperands)
    if (scalar && opcode.opcode == with.opcode) return half ? with.half : with.single;
  return half ? opcode.half : opcode.single;
}

// x ? x : x, which lowering writes where the result is a mere cast.
bool is_move(const double* row) {
  return row[0] == static_cast<double>(Tape::Select) && row[1] == row[2] && row[2] == row[3];
}

// As Poplar's library takes it, a compute set for every row of the tape and every conversion: 11
// for the supervisor; each worker a prologue of 26 (halves) or 29, then its vectors. A tape without
// either moves a vector: a load and a store. Halves become fp8, or come of it, in four issues for
// eight (popops inlineAssemblerCast.hpp; a flat cast of ipu-stack's measured the same).
Cycles cycles(const VertexShape& shape, const Target& target) {
  const std::vector<double>& tape = values(shape, "tape");
  const bool half = is_all_half(shape);
  int64_t sets = conversions(shape, half), issues = half ? 2 * sets : sets;
  for (size_t row = 0; row < tape.size() / 4; ++row) {
    if (is_move(&tape[4 * row])) continue;
    issues += issues_of_row(shape, row, half);
    sets += kOpcodes[static_cast<size_t>(tape[4 * row])].sets;
  }
  if (issues == 0) issues = 2;
  sets = std::max<int64_t>(sets, 1);
  const int64_t elements = tessera::elements(shape.operands.back().size);
  const int64_t vectors = ceil_div(per_worker(elements, target), half ? 4 : 2);
  return tile_cycles(11 * sets, (half ? 26 : 29) * sets + vectors * issues, target) +
         launch_cycles(sets, target);
}

int64_t state_bytes(const VertexShape& shape) {
  return 8 + 4 * static_cast<int64_t>(shape.operands.size() + values(shape, "constants").size());
}

// --- What the vertex is told ---

std::string constants(const VertexShape& shape) {
  ElementwiseConstants constants{};
  constants.inputs = static_cast<int64_t>(shape.operands.size()) - 1;
  constants.in_i32 = in_i32(shape);
  for (size_t i = 0; i + 1 < shape.operands.size(); ++i)
    constants.input[i] = element_of(shape.operands[i].dtype);
  constants.out = element_of(shape.operands.back().dtype);
  for (const double value : values(shape, "constants"))
    constants.values[constants.constants++] =
        in_i32(shape) ? static_cast<int32_t>(value)
                      : std::bit_cast<int32_t>(static_cast<float>(value));
  const std::vector<double>& tape = values(shape, "tape");
  for (size_t row = 0; row < tape.size() / 4; ++row) {
    const int operands = kOpcodes[static_cast<size_t>(tape[4 * row])].operands;
    const auto number = [&](int i) {
      return i <= operands ? static_cast<uint8_t>(tape[4 * row + static_cast<size_t>(i)])
                           : uint8_t{0};
    };
    constants.tape[row] = {number(0), number(1), number(2), number(3)};
    constants.opcodes |= int64_t{1} << number(0);
    ++constants.rows;
  }
  return bytes_of(constants);
}

int64_t scratch_bytes(const VertexShape& shape) {
  const size_t registers = shape.operands.size() - 1 + values(shape, "constants").size() +
                           values(shape, "tape").size() / 4;
  return static_cast<int64_t>(registers) * kTapeChunk * 4;
}

// A vector of floats takes the host about half as long as it takes the tile. Pow is the exception:
// the tile takes its elements one at a time, and the host sixteen.
constexpr int64_t kHostWeightOfPow = 52;
int64_t host_weight(const OpcodeInfo& opcode) {
  return opcode.opcode == Tape::Pow ? kHostWeightOfPow : opcode.single / 2;
}

int64_t weight(const VertexShape& shape) {
  const std::vector<double>& tape = values(shape, "tape");
  int64_t weight = Extents::kElementWeight;
  for (size_t row = 0; row < tape.size() / 4; ++row)
    weight += host_weight(kOpcodes[static_cast<size_t>(tape[4 * row])]);
  return weight;
}

Extents extents(const VertexShape& shape) {
  constexpr std::string_view kLetters = "ABCDEFGH";
  const size_t rank = shape.operands.back().size.size();
  Extents extents{
      std::vector<std::string>(shape.operands.size(), std::string(kLetters.substr(0, rank))),
      {},
      weight(shape)};
  for (size_t d = 0; d < rank; ++d) {
    extents.cuts.push_back({kLetters[d], d + 1 < rank ? 1 : kTapeChunk});
  }
  return extents;
}

}  // namespace

Codelet elementwise() {
  return {.check = check,
          .cycles = cycles,
          .code_bytes = 1536,
          .state_bytes = state_bytes,
          .constants = constants,
          .scratch_bytes = scratch_bytes,
          .extents = extents};
}

}  // namespace tessera::codelets
