// SPDX-License-Identifier: Apache-2.0
#include "tools/requests.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "executor/pack_runner.h"
#include "tools/tensors.h"
#include "tools/verb.h"

namespace tessera::tools {
namespace fs = std::filesystem;
namespace {

Expected<std::vector<std::string>> folders_in(const std::string& folder) {
  std::error_code error;
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error))
    if (entry.is_directory()) names.push_back(entry.path().filename());
  if (error) return Error{folder + ": " + error.message() + ", must be a folder of requests"};
  if (names.empty()) return Error{folder + ": holds no folder, must hold one per request"};
  std::sort(names.begin(), names.end());
  return names;
}

Expected<std::vector<int32_t>> read_tokens(const std::string& path) {
  const NpyArray array = TRY(read_npy(path));
  if (array.shape.size() != 1 || (array.descr != "<i4" && array.descr != "<i8"))
    return Error{fmt::format("{}: is {} {}, must be one-dimensional <i4 or <i8", path, array.descr,
                             to_string(array.shape))};
  std::vector<int32_t> tokens(static_cast<size_t>(array.shape[0]));
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
  return tokens;
}

Expected<Request> read_request(const std::string& folder) {
  Request request;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error))
    if (entry.path().extension() == ".npy")
      request.tokens[entry.path().stem()] = TRY(read_tokens(entry.path()));
  if (error) return Error{folder + ": " + error.message()};
  return request;
}

std::map<std::string, NpyArray> answer_arrays(const Answer& answer, const Metadata& metadata) {
  std::map<std::string, NpyArray> arrays;
  for (const Anchor& anchor : metadata.anchors) {
    const auto found = answer.outputs.find(anchor.name);
    if (anchor.kind != AnchorKind::Output || found == answer.outputs.end()) continue;
    // A request has items of the anchor's trailing dimensions: one a token, or one in all.
    Shape shape(anchor.shape.begin() + std::min<ptrdiff_t>(2, std::ssize(anchor.shape)),
                anchor.shape.end());
    const int64_t item = elements(shape) * size_of(anchor.dtype);
    shape.insert(shape.begin(), static_cast<int64_t>(found->second.size()) / item);
    arrays[anchor.name] = {npy_descr(anchor.dtype), shape, found->second};
  }
  return arrays;
}

}  // namespace

Status run_requests(std::shared_ptr<ModelRunner> runner, const std::string& requests,
                    const std::string& outputs) {
  const Metadata& metadata = runner->executable().metadata;
  const std::vector<std::string> names = TRY(folders_in(requests));
  const std::unique_ptr<PackRunner> pack_runner = TRY(PackRunner::create(runner, {}));
  std::vector<std::pair<std::string, std::future<Expected<Answer>>>> waiting;
  int64_t refused = 0;
  const double start = now_seconds();
  for (const std::string& name : names) {
    auto request = read_request(requests + "/" + name);
    auto future = request.ok() ? pack_runner->submit(request.take())
                               : Expected<PackRunner::Submission>(request.error());
    if (future.ok()) {
      waiting.emplace_back(name, std::move(future->answer));
    } else {
      fmt::print(stderr, "tessera: request '{}': {}\n", name, future.error().message);
      ++refused;
    }
  }
  pack_runner->flush();
  for (auto& [name, future] : waiting) {
    const Answer answer = TRY(future.get());
    if (!outputs.empty()) TRY(write_outputs(answer_arrays(answer, metadata), outputs + "/" + name));
  }
  pack_runner->close();
  fmt::print("answered {} of {} requests in {} batches, {} on the host; modelled {} on the IPU\n",
             waiting.size(), names.size(), pack_runner->records().size(),
             human_seconds(now_seconds() - start),
             human_seconds(static_cast<double>(pack_runner->records().size()) *
                           metadata.cycles.seconds_per_batch));
  if (refused)
    return Error{fmt::format("run: {} of {} requests were refused", refused, names.size())};
  return {};
}

}  // namespace tessera::tools
