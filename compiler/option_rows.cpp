// SPDX-License-Identifier: Apache-2.0
#include "compiler/option_rows.h"

#include <fmt/format.h>

#include <algorithm>

#include "compiler/op_types.h"
#include "program/bounds.h"

namespace tessera {
namespace {

// --- The checks of options.def: of a value, beside all others ---

template <class T>
Status any(std::string_view, const T&, const CompileOptions&) {
  return {};
}

template <int64_t least, int64_t most>
Status from_to(std::string_view name, int64_t value, const CompileOptions&) {
  if (value >= least && value <= most) return {};
  return option_must_be(name, fmt::format("is {}", value),
                        fmt::format("from {} to {}", least, most));
}

Status above_0_to_1(std::string_view name, double value, const CompileOptions&) {
  if (value > 0 && value <= 1) return {};
  return option_must_be(name, fmt::format("is {}", value), "above 0 and at most 1");
}

Status fewer_than_tiles(std::string_view name, int64_t value, const CompileOptions& options) {
  const int64_t tiles = options.target.tiles;
  if (value >= 0 && value < tiles) return {};
  return option_must_be(
      name, fmt::format("is {}", value),
      fmt::format("from 0 to {}, which leaves one of {} tiles", tiles - 1, tiles));
}

bool asks_for_fp8(const CompileOptions& options) {
  return options.precision == Precision::Fp8 || options.precision == Precision::Fp8Weight;
}

Status the_target_has(std::string_view name, Precision value, const CompileOptions& options) {
  if (!asks_for_fp8(options)) return {};
  const std::string is = fmt::format("is {}", lines_of(value).front());
  if (!has_fp8(options.target))
    return option_must_be(name, is,
                          fmt::format("fp32 or fp16 on {}, whose tiles do not have fp8; c600 has",
                                      options.target.name));
  if (value == Precision::Fp8 && options.partials_type == PartialsType::Float)
    return option_must_be(name, is,
                          "fp32, fp16 or fp8_weight with partials_type float: sums of products "
                          "of fp8 are stored as half");
  return {};
}

template <class T>
Status with_fp8(std::string_view name, const T& value, const CompileOptions& options) {
  if (value == T() || asks_for_fp8(options)) return {};
  return option_must_be(name, "is given", "left out unless precision is fp8 or fp8_weight");
}

Status types_of_operations(std::string_view name, const Names& types, const CompileOptions&) {
  for (const std::string& type : types) {
    if (op_of_type(type)) continue;
    return option_must_be(name, fmt::format("there is no '{}'", type),
                          "a type of operation such as Gelu, LayerNormalization or Softmax");
  }
  return {};
}

Status of_its_form(std::string_view name, const std::optional<PackArgs>& args,
                   const CompileOptions& options) {
  if (!args) return {};
  const auto [requests, longest] = *args;
  if (requests < 1)
    return option_must_be(name, fmt::format("max_valid_num is {}", requests), "at least 1");
  if (is_form_b(options)) {
    if (longest == 0) return {};
    return option_must_be(name, fmt::format("segment_max_size is {}", longest),
                          "left out in form B, where a request may be as long as a row");
  }
  if (longest == 0)
    return option_must_be(name, "segment_max_size is left out",
                          "given in form A; form B (--passes insert_attention_mask) takes "
                          "max_valid_num alone");
  if (longest < 1)
    return option_must_be(name, fmt::format("segment_max_size is {}", longest), "at least 1");
  return {};
}

Status within_tile_limit(std::string_view name, int64_t value, const CompileOptions& options) {
  const int64_t most = kMaxTiles / options.target.tiles;
  if (value < 1 || value > most || options.target.ipus > most)
    return option_must_be(
        name, fmt::format("is {}", std::max(value, options.target.ipus)),
        fmt::format("from 1 to {} with {} tiles each", most, options.target.tiles));
  return {};
}

Status nothing_by_hand(std::string_view name, Parallel value, const CompileOptions& options) {
  const bool by_hand =
      is_cut(options) || options.enable_pipelining || options.replication_factor > 1;
  if (value == Parallel::None || !by_hand) return {};
  return option_must_be(name, "is auto",
                        "none where --sharding, --manual_sharding_config, --enable_pipelining or "
                        "--replication_factor is given");
}

Status one_sharding(std::string_view name, const ManualSharding& value,
                    const CompileOptions& options) {
  if (value.entries.empty() || options.sharding == Sharding::None) return {};
  return option_must_be(name, "is given", "left out with --sharding");
}

std::string first_line(const OptionWords& lines) { return lines.empty() ? "" : lines.front(); }

bool is_set(const OptionRow& row, const CompileOptions& options) {
  return first_line(row.lines(options)) != row.usual;
}

bool stands_in_text(const OptionRow& row, const CompileOptions& options) {
  switch (row.place) {
    case OptionPlace::Inputs:
    case OptionPlace::Always:
    case OptionPlace::Target: return true;
    case OptionPlace::IfSet: return is_set(row, options);
    case OptionPlace::Host:
      return std::ranges::any_of(option_rows(), [&](const OptionRow& other) {
        return other.place == OptionPlace::Host && is_set(other, options);
      });
    case OptionPlace::Nowhere: return false;
  }
  return false;
}

}  // namespace

const std::vector<OptionRow>& option_rows() {
  static const std::vector<OptionRow> rows = {
#define OPTION(type, name, usual, check, place, converter, compiler, help) \
  {#name,                                                                  \
   kind_of(CompileOptions().name),                                         \
   OptionPlace::place,                                                     \
   converter,                                                              \
   compiler,                                                               \
   help,                                                                   \
   first_line(lines_of(CompileOptions().name)),                            \
   choices_of(CompileOptions().name),                                      \
   [](const OptionWords& words, CompileOptions& options) {                 \
     return parse_option(#name, words, options.name);                      \
   },                                                                      \
   [](const CompileOptions& options) { return lines_of(options.name); },   \
   [](const CompileOptions& options) { return check(#name, options.name, options); }},
#include "compiler/options.def"
#undef OPTION
  };
  return rows;
}

const OptionRow* find_option(std::string_view name) {
  const auto row = std::ranges::find(option_rows(), name, &OptionRow::name);
  return row == option_rows().end() ? nullptr : &*row;
}

Expected<const OptionRow*> find_compiler_option(const std::string& name) {
  std::string known;
  for (const OptionRow& row : option_rows()) {
    if (row.compiler.empty()) continue;
    if (row.compiler == name) return &row;
    known += (known.empty() ? "" : ", ") + std::string(row.compiler);
  }
  return Error{fmt::format("compiler_options: '{}', must be one of {}", name, known),
               ErrorKind::Usage};
}

OptionValues option_values(const CompileOptions& options) {
  OptionValues values;
  for (const OptionRow& row : option_rows()) {
    if (!stands_in_text(row, options)) continue;
    for (std::string& line : row.lines(options))
      values.push_back({std::string(row.name), std::move(line)});
  }
  return values;
}

OptionWords flag_words(const OptionValues& values) {
  OptionWords flags;
  for (const OptionValue& value : values) {
    const OptionRow* row = find_option(value.name);
    if (!row) continue;
    const OptionWords words = words_of(row->kind, value.value);
    if (words.empty() || words == words_of(row->kind, row->usual)) continue;
    flags.push_back("--" + value.name);
    flags.insert(flags.end(), words.begin(), words.end());
  }
  return flags;
}

}  // namespace tessera
