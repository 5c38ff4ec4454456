// SPDX-License-Identifier: Apache-2.0
#include "server/rest_paths.h"

#include <optional>
#include <span>
#include <vector>

namespace tessera::server {
namespace {

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> decoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? digit(text[i + 2]) : -1;
    if (high < 0 || low < 0) return {};
    out += static_cast<char>(16 * high + low);
    i += 2;
  }
  return out;
}

// The words between slashes; a slash that is spelled %2F is part of a word.
std::optional<std::vector<std::string>> words_of(std::string_view path) {
  std::vector<std::string> words;
  if (path.empty() || path[0] != '/') return {};
  path.remove_prefix(1);
  if (path.ends_with('/')) path.remove_suffix(1);
  constexpr size_t kMostWords = 8;
  while (words.size() < kMostWords) {
    const size_t slash = path.find('/');
    auto word = decoded(path.substr(0, slash));
    if (!word) return {};
    words.push_back(std::move(*word));
    if (slash == std::string_view::npos) return words;
    path.remove_prefix(slash + 1);
  }
  return {};
}

RestPage page_of_model(const std::string& word) {
  if (word == "ready") return RestPage::ModelReady;
  if (word == "stats") return RestPage::ModelStats;
  if (word == "infer") return RestPage::Infer;
  if (word == "generate" || word == "generate_stream" || word == "infer_stream")
    return RestPage::Stream;
  return RestPage::None;
}

// Behind v2/models: M[/versions/V][/PAGE].
RestPath model_path(std::span<const std::string> words) {
  if (words.size() == 1 && words[0] == "stats") return {RestPage::AllStats, {}, {}};
  RestPath path{RestPage::Model, words[0], {}};
  words = words.subspan(1);
  if (words.size() >= 2 && words[0] == "versions") {
    path.version = words[1];
    words = words.subspan(2);
  }
  if (words.size() > 1) return {};
  if (words.size() == 1) path.page = page_of_model(words[0]);
  return path.page == RestPage::None ? RestPath{} : path;
}

RestPath repository_path(std::span<const std::string> words) {
  if (words.size() == 1 && words[0] == "index") return {RestPage::Index, {}, {}};
  if (words.size() != 3 || words[0] != "models") return {};
  if (words[2] == "load") return {RestPage::Load, words[1], {}};
  if (words[2] == "unload") return {RestPage::Unload, words[1], {}};
  return {};
}

}  // namespace

RestPath parse_path(std::string_view target) {
  const auto words = words_of(target.substr(0, target.find('?')));
  if (!words) return {};
  if (words->size() == 1 && (*words)[0] == "metrics") return {RestPage::Metrics, {}, {}};
  if ((*words)[0] != "v2") return {};
  const auto rest = std::span(*words).subspan(1);
  if (rest.empty()) return {RestPage::Server, {}, {}};
  if (rest.size() == 2 && rest[0] == "health" && rest[1] == "live") return {RestPage::Live, {}, {}};
  if (rest.size() == 2 && rest[0] == "health" && rest[1] == "ready")
    return {RestPage::Ready, {}, {}};
  if (rest.size() >= 2 && rest[0] == "models") return model_path(rest.subspan(1));
  if (rest[0] == "repository") return repository_path(rest.subspan(1));
  return {};
}

const char* method_of(RestPage page) {
  const bool posts = page == RestPage::Infer || page == RestPage::Stream ||
                     page == RestPage::Index || page == RestPage::Load || page == RestPage::Unload;
  return posts ? "POST" : "GET";
}

}  // namespace tessera::server
