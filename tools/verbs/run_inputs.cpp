// SPDX-License-Identifier: Apache-2.0
#include "tools/verbs/run_inputs.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>

#include "executor/batch_arrays.h"
#include "serving/request_contract.h"
#include "support/file_names.h"
#include "tools/files/array_stores.h"
#include "tools/flags/flags.h"

namespace tessera::tools {
namespace fs = std::filesystem;
namespace {

using Words = std::vector<std::string>;

Expected<Words> arrays_in(const std::string& folder) {
  std::error_code error;
  Words files;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error))
    if (entry.path().extension() == ".npy") files.push_back(entry.path().filename().string());
  if (error)
    return Error{folder + ": " + error.message() +
                 ", must be a folder of NAME.npy, or an archive NAME.npz"};
  std::sort(files.begin(), files.end());
  return files;
}

Expected<Source> source_at(const std::string& path, const ModelNames* model, const Limits& limits) {
  Source source;
  source.path = path;
  if (is_archive(path)) {
    source.archive = TRY(read_archive(path, limits));
    for (const auto& [name, array] : *source.archive) source.files.push_back(name);
  } else {
    source.files = TRY(arrays_in(path));
  }
  if (!model) return source;
  const TensorFiles files(model->inputs);
  if (source.archive)
    for (const auto& [name, array] : *source.archive)
      source.shapes[files.name_of(name)] = array.shape;
  else
    source.shapes = TRY(input_shapes_of(path, files));
  return source;
}

// Words behind --random; of an executable "yes" says nothing more than no word.
Expected<InputShapes> random_shapes(const std::string& word, bool onnx) {
  if (!onnx && word == "yes") return InputShapes();
  auto shapes = parse_shapes({word});
  if (!shapes.ok())
    return Error{fmt::format("--random: '{}', must be NAME=D,D{}", word,
                             onnx ? "" : " with the executable's own shape, or stand alone"),
                 ErrorKind::Usage};
  return shapes;
}

// Shapes that were asked for must be those that there are.
Status check_shapes(const Metadata& metadata, const InputShapes& asked) {
  for (const auto& [name, shape] : asked) {
    const Anchor* input = find_input(metadata, name);
    if (!input)
      return Error{fmt::format("--random: there is no input '{}', must be one of {}", name,
                               fmt::join(anchor_names(metadata, AnchorKind::Input), ", ")),
                   ErrorKind::Usage};
    if (shape != input->shape)
      return Error{fmt::format("--random: {} is {}, must be {} as this executable was compiled",
                               name, to_string(shape), to_string(input->shape)),
                   ErrorKind::Usage};
  }
  return {};
}

// A file that no input takes is a slip, and would be left out without a word.
Status check_files(const Metadata& metadata, const Source& source) {
  const Words names = anchor_names(metadata, AnchorKind::Input);
  const TensorFiles files(names);
  for (const std::string& file : source.files)
    if (!find_input(metadata, files.name_of(file)))
      return Error{fmt::format("{}/{}: is not an input of this model, which has {}", source.path,
                               file, fmt::join(names, ", "))};
  return {};
}

}  // namespace

Expected<std::vector<Source>> sources(const po::variables_map& flags, const ModelNames* model,
                                      const Limits& limits, bool may_be_none) {
  std::vector<Source> all;
  if (flags.count("inputs"))
    for (const std::string& path : flags["inputs"].as<Words>())
      all.push_back(TRY(source_at(path, model, limits)));
  if (flags.count("random")) {
    Words words = flags["random"].as<Words>();
    if (words.empty() && !model) words.push_back("yes");
    for (const std::string& word : words) {
      Source& source = all.emplace_back();
      source.shapes = TRY(random_shapes(word, model != nullptr));
    }
  }
  if (all.empty() && !may_be_none)
    return Error{"run: no inputs, must be --inputs FOLDER or --random", ErrorKind::Usage};
  return all;
}

Expected<std::map<std::string, NpyArray>> load_inputs(const Source& source, const Serving& serving,
                                                      size_t batch, const ReadArray& read) {
  Metadata metadata;
  metadata.anchors = serving.anchors();
  if (source.path.empty()) {
    TRY(check_shapes(metadata, source.shapes));
    return random_inputs(metadata, batch);
  }
  TRY(check_files(metadata, source));
  return read_inputs(source.path, anchor_names(metadata, AnchorKind::Input),
                     source.archive ? read_from(*source.archive, source.path) : read);
}

}  // namespace tessera::tools
