// SPDX-License-Identifier: Apache-2.0
// Compile options as text: each type has one, and a parser that reads the text back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/options.h"
#include "support/expected.h"

namespace tessera {

// The words that follow a flag: the value of an option of any type, as a caller writes it.
using OptionWords = std::vector<std::string>;

// How an option is given: Truth, Whole, Real and Word in one word, Names in words or joined by
// commas, Shapes and Fields in words NAME=VALUE, Target as parse_target has it.
enum class OptionKind : uint8_t { Truth, Whole, Real, Word, Names, Shapes, Fields, Target };

constexpr OptionKind kind_of(const bool&) { return OptionKind::Truth; }
constexpr OptionKind kind_of(const int64_t&) { return OptionKind::Whole; }
constexpr OptionKind kind_of(const double&) { return OptionKind::Real; }
constexpr OptionKind kind_of(const std::string&) { return OptionKind::Word; }
constexpr OptionKind kind_of(const Precision&) { return OptionKind::Word; }
constexpr OptionKind kind_of(const PartialsType&) { return OptionKind::Word; }
constexpr OptionKind kind_of(const Sharding&) { return OptionKind::Word; }
constexpr OptionKind kind_of(const Parallel&) { return OptionKind::Word; }
constexpr OptionKind kind_of(const ParallelGoal&) { return OptionKind::Word; }
constexpr OptionKind kind_of(const ManualSharding&) { return OptionKind::Names; }
constexpr OptionKind kind_of(const Fp8Params&) { return OptionKind::Word; }
constexpr OptionKind kind_of(const Fp8ByName&) { return OptionKind::Names; }
constexpr OptionKind kind_of(const Names&) { return OptionKind::Names; }
constexpr OptionKind kind_of(const InputShapes&) { return OptionKind::Shapes; }
constexpr OptionKind kind_of(const std::optional<PackArgs>&) { return OptionKind::Fields; }
constexpr OptionKind kind_of(const Target&) { return OptionKind::Target; }
std::string_view to_string(OptionKind kind);  // "truth", …

// All words of an option of a few words, in the order of help; none for other types.
template <class T>
OptionWords choices_of(const T&) {
  return {};
}
OptionWords choices_of(Precision);
OptionWords choices_of(PartialsType);
OptionWords choices_of(Sharding);
OptionWords choices_of(Parallel);
OptionWords choices_of(ParallelGoal);

// The canonical text: equal values have equal text. Shapes have a line for each input, all others
// have one line, "" where nothing is set.
OptionWords lines_of(bool value);
OptionWords lines_of(int64_t value);
OptionWords lines_of(double value);
OptionWords lines_of(const std::string& value);
OptionWords lines_of(Precision value);
OptionWords lines_of(PartialsType value);
OptionWords lines_of(Sharding value);
OptionWords lines_of(Parallel value);
OptionWords lines_of(ParallelGoal value);
OptionWords lines_of(const ManualSharding& value);
OptionWords lines_of(const Fp8Params& value);
OptionWords lines_of(const Fp8ByName& value);
OptionWords lines_of(const Names& value);
OptionWords lines_of(const InputShapes& value);
OptionWords lines_of(const std::optional<PackArgs>& value);
OptionWords lines_of(const Target& value);

// Usage errors are "WHERE: what is, what must be".
Status parse_option(const std::string& where, const OptionWords& words, bool& value);
Status parse_option(const std::string& where, const OptionWords& words, int64_t& value);
Status parse_option(const std::string& where, const OptionWords& words, double& value);
Status parse_option(const std::string& where, const OptionWords& words, std::string& value);
Status parse_option(const std::string& where, const OptionWords& words, Precision& value);
Status parse_option(const std::string& where, const OptionWords& words, PartialsType& value);
Status parse_option(const std::string& where, const OptionWords& words, Sharding& value);
Status parse_option(const std::string& where, const OptionWords& words, Parallel& value);
Status parse_option(const std::string& where, const OptionWords& words, ParallelGoal& value);
Status parse_option(const std::string& where, const OptionWords& words, ManualSharding& value);
Status parse_option(const std::string& where, const OptionWords& words, Fp8Params& value);
Status parse_option(const std::string& where, const OptionWords& words, Fp8ByName& value);
Status parse_option(const std::string& where, const OptionWords& words, Names& value);
Status parse_option(const std::string& where, const OptionWords& words, InputShapes& value);
Status parse_option(const std::string& where, const OptionWords& words,
                    std::optional<PackArgs>& value);
Status parse_option(const std::string& where, const OptionWords& words, Target& value);

// The Usage error of a value: "NAME: IS, must be MUST".
Error option_must_be(std::string_view name, const std::string& is, const std::string& must);

// The words that a flag of this kind takes for a line of the canonical text.
OptionWords words_of(OptionKind kind, const std::string& line);

}  // namespace tessera
