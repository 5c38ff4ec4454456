// SPDX-License-Identifier: Apache-2.0
#include "compiler/option_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <sstream>

#include "compiler/fp8_text.h"
#include "compiler/option_values.h"
#include "compiler/sharding_text.h"
#include "compiler/target_text.h"
#include "support/file_names.h"
#include "support/numbers.h"

namespace tessera {
namespace {

Error usage(std::string message) { return {std::move(message), ErrorKind::Usage}; }

Error must_be(const std::string& where, const std::string& text, const std::string& must) {
  return usage(fmt::format("{}: '{}', must be {}", where, text, must));
}

OptionWords split(const std::string& text, char separator) {
  OptionWords parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

std::string joined(const OptionWords& words) { return fmt::format("{}", fmt::join(words, " ")); }

Expected<int64_t> positive(const std::string& where, const std::string& text) {
  int64_t value = 0;
  if (parse_number(text, value) && value > 0) return value;
  return must_be(where, text, "a positive whole number");
}

// PopRT's "13+51" are the longest first and second parts of a request.
Expected<int64_t> tokens_of_request(const std::string& where, const std::string& text) {
  int64_t sum = 0, parts = 0;
  for (const std::string& part : split(text, '+')) {
    int64_t value = 0;
    if (!parse_number(part, value) || value < 1 || value > INT32_MAX) return positive(where, text);
    sum += value;
    ++parts;
  }
  if (parts < 2) return positive(where, text);
  return must_be(where, text,
                 fmt::format("one number, because a request lies in one piece: give "
                             "segment_max_size={}, and tell its parts apart by token_type_ids",
                             sum));
}

template <class Enum>
struct WordOf {
  const char* word;
  Enum value;
};

template <class Enum, size_t N>
Status parse_word(const std::string& where, const OptionWords& words,
                  const WordOf<Enum> (&table)[N], Enum& value) {
  const std::string text = joined(words);
  std::string must;
  for (const auto& [word, meaning] : table) {
    must += (must.empty() ? "" : " or ") + std::string(word);
    if (text != word) continue;
    value = meaning;
    return {};
  }
  return must_be(where, text, must);
}

template <class Enum, size_t N>
OptionWords word_of(Enum value, const WordOf<Enum> (&table)[N]) {
  for (const auto& [word, meaning] : table)
    if (meaning == value) return {word};
  return {""};
}

template <class Enum, size_t N>
OptionWords all_words(const WordOf<Enum> (&table)[N]) {
  OptionWords words;
  for (const auto& row : table) words.emplace_back(row.word);
  return words;
}

constexpr WordOf<Precision> kPrecisions[] = {
    {"fp32",       Precision::Fp32     },
    {"fp16",       Precision::Fp16     },
    {"fp8",        Precision::Fp8      },
    {"fp8_weight", Precision::Fp8Weight}
};
constexpr WordOf<PartialsType> kPartialsTypes[] = {
    {"half",  PartialsType::Half },
    {"float", PartialsType::Float}
};
constexpr WordOf<Sharding> kShardings[] = {
    {"none",   Sharding::None  },
    {"auto",   Sharding::Auto  },
    {"tensor", Sharding::Tensor}
};
constexpr WordOf<Parallel> kParallels[] = {
    {"none", Parallel::None},
    {"auto", Parallel::Auto}
};
constexpr WordOf<ParallelGoal> kParallelGoals[] = {
    {"throughput", ParallelGoal::Throughput},
    {"latency",    ParallelGoal::Latency   }
};

// "ids=2,3", or in brackets, as the canonical text has it.
Status parse_shape(const std::string& where, const std::string& word, InputShapes& shapes) {
  const size_t equals = word.rfind('=');
  if (equals == std::string::npos || equals == 0) return must_be(where, word, "NAME=D,D …");
  const std::string name = unescaped(std::string_view(word).substr(0, equals));
  std::string dims = word.substr(equals + 1);
  if (dims.starts_with('[') && dims.ends_with(']')) dims = dims.substr(1, dims.size() - 2);
  Shape shape;
  for (const std::string& dim : split(dims, ','))
    shape.push_back(TRY(positive(where + " " + name, dim)));
  if (!is_valid_shape(shape))
    return usage(fmt::format("{} {}: {} is too large", where, name, to_string(shape)));
  if (!shapes.emplace(name, shape).second)
    return usage(fmt::format("{} {}: given twice, must be given once", where, name));
  return {};
}

// A preset's name, and the numbers that are not the preset's.
OptionWords target_words(const std::string& line) {
  const OptionValues fields = parse_target_values(line);
  if (fields.empty()) return {};
  std::string word = fields.front().value;
  Expected<Target> preset = parse_target({word});
  if (!preset.ok()) word = Target().name;
  const OptionValues usual = target_values(preset.ok() ? *preset : Target());
  for (const OptionValue& field : fields)
    if (field.name != fields.front().name && std::ranges::find(usual, field) == usual.end())
      word += fmt::format(",{}={}", field.name, field.value);
  return {word};
}

}  // namespace

Error option_must_be(std::string_view name, const std::string& is, const std::string& must) {
  return usage(fmt::format("{}: {}, must be {}", name, is, must));
}

std::string_view to_string(OptionKind kind) {
  switch (kind) {
    case OptionKind::Truth: return "truth";
    case OptionKind::Whole: return "whole";
    case OptionKind::Real: return "real";
    case OptionKind::Word: return "word";
    case OptionKind::Names: return "names";
    case OptionKind::Shapes: return "shapes";
    case OptionKind::Fields: return "fields";
    case OptionKind::Target: return "target";
  }
  return "";
}

OptionWords lines_of(bool value) { return {value ? "true" : "false"}; }
OptionWords lines_of(int64_t value) { return {fmt::format("{}", value)}; }
OptionWords lines_of(double value) { return {fmt::format("{}", value)}; }
OptionWords lines_of(const std::string& value) { return {value}; }
OptionWords choices_of(Precision) { return all_words(kPrecisions); }
OptionWords choices_of(PartialsType) { return all_words(kPartialsTypes); }
OptionWords choices_of(Sharding) { return all_words(kShardings); }
OptionWords choices_of(Parallel) { return all_words(kParallels); }
OptionWords choices_of(ParallelGoal) { return all_words(kParallelGoals); }

OptionWords lines_of(Precision value) { return word_of(value, kPrecisions); }
OptionWords lines_of(PartialsType value) { return word_of(value, kPartialsTypes); }
OptionWords lines_of(Sharding value) { return word_of(value, kShardings); }
OptionWords lines_of(Parallel value) { return word_of(value, kParallels); }
OptionWords lines_of(ParallelGoal value) { return word_of(value, kParallelGoals); }
OptionWords lines_of(const ManualSharding& value) { return {to_string(value)}; }

OptionWords lines_of(const Fp8Params& value) { return {to_string(value)}; }
OptionWords lines_of(const Fp8ByName& value) { return {to_string(value)}; }

// Order and repetition of names do not matter.
OptionWords lines_of(const Names& value) {
  Names names = value;
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  for (std::string& name : names) name = name_in_word(name);
  return {fmt::format("{}", fmt::join(names, ","))};
}

OptionWords lines_of(const InputShapes& value) {
  OptionWords lines;
  for (const auto& [name, shape] : value)
    lines.push_back(fmt::format("{}={}", name_in_word(name), to_string(shape)));
  return lines;
}

OptionWords lines_of(const std::optional<PackArgs>& value) {
  if (!value) return {""};
  std::string line = fmt::format("max_valid_num={}", value->max_valid_num);
  if (value->segment_max_size != 0)
    line += fmt::format(" segment_max_size={}", value->segment_max_size);
  return {line};
}

OptionWords lines_of(const Target& value) { return {target_text(target_values(value))}; }

Status parse_option(const std::string& where, const OptionWords& words, bool& value) {
  const std::string text = joined(words);
  for (const auto& [word, meaning] : {
           std::pair("true", true),
           {"false", false},
           {"1",     true },
           {"0",     false},
           {"yes",   true },
           {"no",    false},
           {"on",    true },
           {"off",   false}
  }) {
    if (text != word) continue;
    value = meaning;
    return {};
  }
  return must_be(where, text, "true or false");
}

Status parse_option(const std::string& where, const OptionWords& words, int64_t& value) {
  const std::string text = joined(words);
  if (parse_number(text, value)) return {};
  return must_be(where, text, "a whole number");
}

Status parse_option(const std::string& where, const OptionWords& words, double& value) {
  const std::string text = joined(words);
  if (parse_number(text, value)) return {};
  return must_be(where, text, "a number");
}

Status parse_option(const std::string&, const OptionWords& words, std::string& value) {
  value = joined(words);
  return {};
}

Status parse_option(const std::string& where, const OptionWords& words, Precision& value) {
  return parse_word(where, words, kPrecisions, value);
}

Status parse_option(const std::string& where, const OptionWords& words, PartialsType& value) {
  return parse_word(where, words, kPartialsTypes, value);
}

Status parse_option(const std::string& where, const OptionWords& words, Sharding& value) {
  return parse_word(where, words, kShardings, value);
}

Status parse_option(const std::string& where, const OptionWords& words, Parallel& value) {
  return parse_word(where, words, kParallels, value);
}

Status parse_option(const std::string& where, const OptionWords& words, ParallelGoal& value) {
  return parse_word(where, words, kParallelGoals, value);
}

Status parse_option(const std::string& where, const OptionWords& words, ManualSharding& value) {
  const bool is_empty = std::ranges::all_of(words, &std::string::empty);
  value = is_empty ? ManualSharding{} : TRY(parse_sharding(where, words));
  return {};
}

Status parse_option(const std::string& where, const OptionWords& words, Fp8Params& value) {
  value = TRY(parse_fp8_params(where, joined(words)));
  return {};
}

Status parse_option(const std::string& where, const OptionWords& words, Fp8ByName& value) {
  value = TRY(parse_fp8_by_name(where, words));
  return {};
}

Status parse_option(const std::string&, const OptionWords& words, Names& value) {
  value.clear();
  for (const std::string& word : words)
    for (std::string& name : split(word, ','))
      if (!name.empty()) value.push_back(unescaped(name));
  return {};
}

Status parse_option(const std::string& where, const OptionWords& words, InputShapes& value) {
  value.clear();
  for (const std::string& word : words) TRY(parse_shape(where, word, value));
  return {};
}

Status parse_option(const std::string& where, const OptionWords& words,
                    std::optional<PackArgs>& value) {
  PackArgs args;
  for (const std::string& word : words) {
    const size_t equals = word.find('=');
    const std::string key = word.substr(0, equals);
    int64_t* field = key == "max_valid_num"      ? &args.max_valid_num
                     : key == "segment_max_size" ? &args.segment_max_size
                                                 : nullptr;
    if (!field || equals == std::string::npos)
      return must_be(where, word, "max_valid_num=N or segment_max_size=N");
    const std::string number = word.substr(equals + 1);
    *field = TRY(key == "max_valid_num" ? positive(where + " " + key, number)
                                        : tokens_of_request(where + " " + key, number));
  }
  if (!args.max_valid_num)
    return usage(where + ": must give max_valid_num=N, and in form A segment_max_size=N");
  value = args;
  return {};
}

Status parse_option(const std::string&, const OptionWords& words, Target& value) {
  value = TRY(parse_target(words));
  return {};
}

OptionWords words_of(OptionKind kind, const std::string& line) {
  switch (kind) {
    case OptionKind::Fields: return split(line, ' ');
    case OptionKind::Target: return target_words(line);
    case OptionKind::Shapes: {
      std::string word = line;
      std::erase_if(word, [](char c) { return c == '[' || c == ']'; });
      return {word};
    }
    case OptionKind::Truth:
    case OptionKind::Whole:
    case OptionKind::Real:
    case OptionKind::Word:
    case OptionKind::Names: break;
  }
  return line.empty() ? OptionWords() : OptionWords{line};
}

}  // namespace tessera
