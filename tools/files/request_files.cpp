// SPDX-License-Identifier: Apache-2.0
#include "tools/files/request_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <utility>

namespace tessera::tools {

Expected<std::vector<std::string>> request_folders(const std::string& folder) {
  std::error_code error;
  std::vector<std::string> names;
  bool has_arrays = false;
  for (const std::filesystem::directory_entry& entry :
       std::filesystem::directory_iterator(folder, error)) {
    if (entry.is_directory()) names.push_back(entry.path().filename());
    has_arrays |= entry.path().extension() == ".npy";
  }
  if (error) return Error{folder + ": " + error.message() + ", must be a folder of requests"};
  if (has_arrays && !names.empty())
    return Error{folder +
                 ": holds arrays and folders, must hold the arrays of one batch or a "
                 "folder per request"};
  if (has_arrays) return std::vector<std::string>{""};
  if (names.empty()) return Error{folder + ": holds no folder, must hold one per request"};
  std::sort(names.begin(), names.end());
  return names;
}

// No array of requests is larger: a batch has at most this many bytes.
constexpr int64_t kMostBytes = int64_t{1} << 30;

Status add_tokens(NpyArray given, const std::string& path, const std::string& name,
                  Request& request) {
  NpyArray array = widened(std::move(given));
  if (array.descr == "|b1") array.descr = "|u1", array = widened(std::move(array));
  if (array.shape.empty() || (array.descr != "<i4" && array.descr != "<i8"))
    return Error{fmt::format("{}: is {} {}, must be whole numbers or bool, with an axis of tokens",
                             path, array.descr, to_string(array.shape))};
  request.shapes[name] = array.shape;
  std::vector<int32_t>& tokens = request.tokens[name];
  tokens.resize(static_cast<size_t>(elements(array.shape)));
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (array.descr == "<i4") {
      std::memcpy(&tokens[i], array.bytes.data() + i * 4, 4);
      continue;
    }
    int64_t wide;
    std::memcpy(&wide, array.bytes.data() + i * 8, 8);
    if (wide != static_cast<int32_t>(wide))
      return Error{fmt::format("{}: value {} at [{}], must fit int32", path, wide, i)};
    tokens[i] = static_cast<int32_t>(wide);
  }
  return {};
}

Status read_tokens(const std::string& path, const std::string& name, Request& request) {
  return add_tokens(TRY(read_npy(path, kMostBytes)), path, name, request);
}

Expected<Request> by_input(Request request, const TensorFiles& files) {
  Request named;
  for (auto& [file, tokens] : request.tokens) {
    const std::string name = files.name_of(file);
    if (!named.tokens.emplace(name, std::move(tokens)).second)
      return Error{"'" + name + "': is there in two spellings, must be in one"};
    named.shapes[name] = request.shapes.at(file);
  }
  return named;
}

std::string answer_folder(const std::string& outputs, const std::string& name) {
  return name.empty() ? outputs : outputs + "/" + name;
}

}  // namespace tessera::tools
