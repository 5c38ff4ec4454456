// SPDX-License-Identifier: Apache-2.0
#include "tools/files/sample_files.h"

#include <filesystem>
#include <map>

#include "compiler/onnx/import/import.h"
#include "support/file_names.h"
#include "tools/files/npz.h"
#include "tools/files/request_files.h"

namespace tessera::tools {
namespace {

namespace fs = std::filesystem;

Expected<Sample> sample_of(const std::string& name, std::map<std::string, NpyArray> arrays,
                           const TensorFiles& files) {
  Sample sample{name, {}};
  for (const auto& [file, array] : arrays) {
    const std::string input = files.name_of(file);
    const auto [at, is_new] =
        sample.arrays.emplace(input, TRY(array_of(array, name + ": '" + file + "'")));
    if (!is_new) return Error{name + ": '" + input + "' is there in two spellings, must be in one"};
  }
  return sample;
}

Expected<std::map<std::string, NpyArray>> arrays_in(const fs::path& folder, const Limits& limits) {
  std::map<std::string, NpyArray> arrays;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error))
    if (entry.path().extension() == ".npy")
      arrays[entry.path().filename()] = TRY(read_npy(entry.path(), limits.memory));
  if (error) return Error{folder.string() + ": " + error.message()};
  return arrays;
}

Status read_path(const std::string& path, const TensorFiles& files, const Limits& limits,
                 std::vector<Sample>& samples) {
  if (!fs::is_directory(path)) {
    samples.push_back(TRY(sample_of(path, TRY(read_npz(path, limits.memory)), files)));
    return {};
  }
  std::map<std::string, NpyArray> own = TRY(arrays_in(path, limits));
  if (!own.empty()) {
    samples.push_back(TRY(sample_of(path, std::move(own), files)));
    return {};
  }
  for (const std::string& name : TRY(request_folders(path)))
    samples.push_back(TRY(sample_of(name, TRY(arrays_in(path + "/" + name, limits)), files)));
  return {};
}

}  // namespace

Expected<std::vector<Sample>> read_samples(const std::vector<std::string>& paths,
                                           const std::string& model, const Limits& limits) {
  std::vector<Sample> samples;
  const TensorFiles files(TRY(model_names(model, limits)).inputs);
  for (const std::string& path : paths) TRY(read_path(path, files, limits, samples));
  return samples;
}

}  // namespace tessera::tools
