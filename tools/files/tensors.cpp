// SPDX-License-Identifier: Apache-2.0
#include "tools/files/tensors.h"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <utility>

#include "executor/host_tuning.h"
#include "tools/print/print.h"

namespace tessera::tools {
namespace fs = std::filesystem;

std::vector<std::string> anchor_names(const Metadata& metadata, AnchorKind kind) {
  std::vector<std::string> names;
  for (const Anchor& anchor : metadata.anchors)
    if (anchor.kind == kind) names.push_back(anchor.name);
  return names;
}

namespace {

// To people, once, where a model is large enough for a few percent to matter.
void offer_tuning(const ModelRunner& runner, const MachineOptions& machine) {
  constexpr int64_t kLarge = int64_t{100} << 20;
  static bool offered = false;
  int64_t bytes = 0;
  for (const Blob& constant : runner.executable().constants) bytes += std::ssize(constant.bytes);
  if (bytes < kLarge || ::isatty(STDERR_FILENO) == 0 || std::exchange(offered, true)) return;
  if (machine.cache_folder.empty() || read_tuning(machine.cache_folder, machine.cpu)) return;
  print_error("tessera: note: this host was not measured; 'tessera tune' takes 20 s, once\n");
}

}  // namespace

Expected<std::unique_ptr<ModelRunner>> load_runner(const PopefFile& file,
                                                   const MachineOptions& machine) {
  static bool told = false;
  auto runner = TRY(ModelRunner::load(file, machine));
  const std::string& problem = runner->machine().cache_problem();
  if (!problem.empty() && !std::exchange(told, true))
    print_error("tessera: warning: no cache of compiled codelets: {}\n", problem);
  if (problem.empty()) offer_tuning(*runner, machine);
  return runner;
}

TensorFiles input_files(const Metadata& metadata) {
  return TensorFiles(anchor_names(metadata, AnchorKind::Input));
}

TensorFiles output_files(const Metadata& metadata) {
  return TensorFiles(anchor_names(metadata, AnchorKind::Output),
                     anchor_names(metadata, AnchorKind::Input));
}

ReadArray read_within(const Limits& limits) {
  return [most = limits.memory](const std::string& path) { return read_npy(path, most); };
}

ReadArray read_before(const std::vector<std::string>& folders, const Limits& limits) {
  std::map<fs::path, Expected<NpyArray>> arrays;
  int64_t left = limits.memory;
  for (const std::string& folder : folders) {
    std::error_code error;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
      if (entry.path().extension() != ".npy") continue;
      Expected<NpyArray> array = read_npy(entry.path(), left);
      if (array) left -= std::ssize(array->bytes);
      arrays.emplace(entry.path().lexically_normal(), std::move(array));
    }
  }
  return [arrays = std::move(arrays)](const std::string& path) -> Expected<NpyArray> {
    const auto found = arrays.find(fs::path(path).lexically_normal());
    if (found != arrays.end()) return found->second;
    return Error{path + ": is not there, must be a tensor's file"};
  };
}

// The file has the spelling that the model's names leave it, or the escape.
Expected<NpyArray> read_tensor(const std::string& folder, const TensorFiles& files,
                               const std::string& name, const ReadArray& read) {
  const std::string usual = files.file_of(name), other = escaped_file(name);
  Expected<NpyArray> array = read(folder + "/" + usual);
  if (usual == other) return array.ok() ? Expected<NpyArray>(widened(array.take())) : array;
  Expected<NpyArray> again = read(folder + "/" + other);
  if (array.ok() && again.ok())
    return Error{fmt::format("{}: holds {} and {} for '{}', must hold one of them", folder, usual,
                             other, name)};
  Expected<NpyArray>& found = again.ok() ? again : array;
  return found.ok() ? Expected<NpyArray>(widened(found.take())) : found;
}

std::map<std::string, NpyArray> by_file(std::map<std::string, NpyArray> arrays,
                                        const TensorFiles& files) {
  std::map<std::string, NpyArray> named;
  for (auto& [name, array] : arrays) named[files.file_of(name)] = std::move(array);
  return named;
}

Expected<std::map<std::string, NpyArray>> read_inputs(const std::string& folder,
                                                      const std::vector<std::string>& names,
                                                      const ReadArray& read) {
  const TensorFiles files(names);
  std::map<std::string, NpyArray> arrays;
  for (const std::string& name : names)
    arrays.emplace(name, TRY(read_tensor(folder, files, name, read)));
  return arrays;
}

Expected<std::map<std::string, Shape>> input_shapes_of(const std::string& folder,
                                                       const TensorFiles& files) {
  std::error_code error;
  std::map<std::string, Shape> shapes;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error))
    if (entry.path().extension() == ".npy")
      shapes[files.name_of(entry.path().filename().string())] = TRY(read_npy(entry.path())).shape;
  if (error) return Error{folder + ": " + error.message() + ", must be a folder of NAME.npy"};
  return shapes;
}

Status write_outputs(const std::map<std::string, NpyArray>& arrays, const std::string& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return Error{folder + ": " + error.message()};
  for (const auto& [file, array] : arrays) {
    if (!is_tensor_file(file))
      return Error{fmt::format("{}: '{}' must be the name of a tensor's file", folder, file)};
    TRY(write_npy(folder + "/" + file, array));
  }
  return {};
}

}  // namespace tessera::tools
