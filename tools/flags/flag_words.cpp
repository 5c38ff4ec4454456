// SPDX-License-Identifier: Apache-2.0
#include "tools/flags/flag_words.h"

#include <algorithm>

#include "compiler/option_text.h"

namespace tessera::tools {
namespace {

// Whether the flag means true where it stands alone.
bool is_of_truth(const std::string& name, const po::options_description& flags) {
  const po::option_description* flag = flags.find_nothrow(name, /*approx=*/false);
  return flag && flag->format_parameter().starts_with("[=arg(=true)]");
}

bool is_truth(const std::string& word) {
  bool value = false;
  return parse_option("", {word}, value).ok();
}

}  // namespace

std::vector<std::string> normal_words(const std::vector<std::string>& words,
                                      const po::options_description& flags) {
  std::vector<std::string> normal;
  for (size_t i = 0; i < words.size(); ++i) {
    std::string word = words[i];
    if (word == "--") {
      normal.insert(normal.end(), words.begin() + static_cast<std::ptrdiff_t>(i), words.end());
      break;
    }
    if (word.starts_with("--")) {
      const size_t equals = std::min(word.find('='), word.size());
      std::replace(word.begin() + 2, word.begin() + static_cast<std::ptrdiff_t>(equals), '-', '_');
      if (equals == word.size() && is_of_truth(word.substr(2), flags)) {
        const bool has_value = i + 1 < words.size() && is_truth(words[i + 1]);
        word += has_value ? "=" + words[++i] : "=true";
      }
    }
    normal.push_back(std::move(word));
  }
  return normal;
}

}  // namespace tessera::tools
