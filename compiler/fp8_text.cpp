// SPDX-License-Identifier: Apache-2.0
#include "compiler/fp8_text.h"

#include <fmt/format.h>

#include <charconv>
#include <sstream>

#include "support/file_names.h"

namespace tessera {
namespace {

Error not_fp8(const std::string& where, const std::string& is, const std::string& must) {
  return {fmt::format("{}: '{}', must be {}", where, is, must), ErrorKind::Usage};
}

std::vector<std::string> parts_of(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

Expected<DType> fp8_format_of(const std::string& where, const std::string& text) {
  if (text == "F143") return DType::F143;
  if (text == "F152") return DType::F152;
  return not_fp8(where, text, "F143 or F152");
}
const char* fp8_text_of(DType fp8) { return fp8 == DType::F143 ? "F143" : "F152"; }

Expected<int64_t> fp8_scale_of(const std::string& where, const std::string& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  if (whole && value >= kLeastFp8Scale && value <= kMostFp8Scale) return value;
  return not_fp8(where, text,
                 fmt::format("a whole number from {} to {}", kLeastFp8Scale, kMostFp8Scale));
}

Expected<Fp8Params> parse_four(const std::string& where, const std::string& text, char separator) {
  const std::vector<std::string> parts = parts_of(text, separator);
  if (parts.size() != 4)
    return not_fp8(where, text,
                   fmt::format("INPUT_FORMAT{0}WEIGHT_FORMAT{0}INPUT_SCALE{0}WEIGHT_SCALE, as "
                               "F143{0}F143{0}-1{0}-1",
                               separator));
  return Fp8Params{.input = TRY(fp8_format_of(where + " input format", parts[0])),
                   .weight = TRY(fp8_format_of(where + " weight format", parts[1])),
                   .input_scale = TRY(fp8_scale_of(where + " input scale", parts[2])),
                   .weight_scale = TRY(fp8_scale_of(where + " weight scale", parts[3]))};
}

std::string fp8_text_of(const Fp8Params& params, char separator) {
  return fmt::format("{1}{0}{2}{0}{3}{0}{4}", separator, fp8_text_of(params.input),
                     fp8_text_of(params.weight), params.input_scale, params.weight_scale);
}

}  // namespace

Expected<Fp8Params> parse_fp8_params(const std::string& where, const std::string& text) {
  return parse_four(where, text, ',');
}

std::string to_string(const Fp8Params& params) { return fp8_text_of(params, ','); }

Expected<Fp8ByName> parse_fp8_by_name(const std::string& where,
                                      const std::vector<std::string>& words) {
  Fp8ByName all;
  for (const std::string& word : words) {
    for (const std::string& part : parts_of(word, ',')) {
      const size_t equals = part.rfind('=');
      if (equals == std::string::npos || equals == 0)
        return not_fp8(where, part, "NAME=INPUT_FORMAT:WEIGHT_FORMAT:INPUT_SCALE:WEIGHT_SCALE");
      const std::string name = unescaped(part.substr(0, equals));
      if (!all.emplace(name, TRY(parse_four(where + " " + name, part.substr(equals + 1), ':')))
               .second)
        return Error{fmt::format("{} {}: given twice, must be given once", where, name),
                     ErrorKind::Usage};
    }
  }
  return all;
}

std::string to_string(const Fp8ByName& params) {
  std::string text;
  for (const auto& [name, is] : params)
    text +=
        fmt::format("{}{}={}", text.empty() ? "" : ",", name_in_word(name), fp8_text_of(is, ':'));
  return text;
}

}  // namespace tessera
