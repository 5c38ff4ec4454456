// SPDX-License-Identifier: Apache-2.0
// Targets of REST requests, one a line: a page is found again by its own spelling.
#include <algorithm>
#include <array>
#include <string>

#include "server/rest_paths.h"
#include "tests/fuzz/target.h"
#include "tests/fuzz/text_mutator.h"

namespace tessera::fuzz {
namespace {

using server::parse_path;
using server::RestPage;
using server::RestPath;

bool same(const RestPath& a, const RestPath& b) {
  return a.page == b.page && a.model == b.model && a.version == b.version;
}

// Every byte as %XX, so that none of them is taken for a part of the path.
std::string spelled(std::string_view word, std::string_view digits) {
  std::string text;
  for (const char c : word) {
    const auto byte = static_cast<uint8_t>(c);
    text += {'%', digits[byte >> 4], digits[byte & 15]};
  }
  return text;
}

std::string path_of(const RestPath& path, std::string_view digits) {
  std::string model = "/v2/models/" + spelled(path.model, digits) + "/";
  if (!path.version.empty()) model += "versions/" + spelled(path.version, digits) + "/";
  const std::string control = "/v2/repository/models/" + spelled(path.model, digits) + "/";
  switch (path.page) {
    case RestPage::None: break;
    case RestPage::Server: return "/v2/";
    case RestPage::Live: return "/v2/health/live";
    case RestPage::Ready: return "/v2/health/ready";
    case RestPage::Model: return model;
    case RestPage::ModelReady: return model + "ready";
    case RestPage::ModelStats: return model + "stats/";
    case RestPage::AllStats: return "/v2/models/stats";
    case RestPage::Infer: return model + "infer";
    case RestPage::Stream: return model + "generate_stream";
    case RestPage::Index: return "/v2/repository/index";
    case RestPage::Load: return control + "load";
    case RestPage::Unload: return control + "unload/";
    case RestPage::Metrics: return "/metrics";
  }
  return "";
}

bool names_a_model(RestPage page) {
  constexpr std::array kPages = {RestPage::Model, RestPage::ModelReady, RestPage::ModelStats,
                                 RestPage::Infer, RestPage::Stream,     RestPage::Load,
                                 RestPage::Unload};
  return std::ranges::find(kPages, page) != kPages.end();
}

void check_line(std::string_view target) {
  const RestPath path = parse_path(target);
  demand(same(path, parse_path(target.substr(0, target.find('?')))), "a query changes the page");
  const std::string_view method = method_of(path.page);
  demand(method == "GET" || method == "POST", "a page has another method than GET and POST");
  demand(path.model.size() + path.version.size() <= target.size(), "names longer than the target");
  if (!names_a_model(path.page))
    demand(path.model.empty() && path.version.empty(), "a page without a model names one");
  if (path.page == RestPage::None) return;
  note("pages");
  for (const std::string_view digits : {"0123456789abcdef", "0123456789ABCDEF"})
    demand(same(path, parse_path(path_of(path, digits))), "spelled otherwise, it is another page");
}

}  // namespace

void run(std::string_view input) {
  while (!input.empty()) {
    const size_t end = std::min(input.find('\n'), input.size());
    check_line(input.substr(0, end));
    input.remove_prefix(std::min(end + 1, input.size()));
  }
}

std::string mutate(std::string_view input, Random& random) { return mutate_text(input, random); }

}  // namespace tessera::fuzz
