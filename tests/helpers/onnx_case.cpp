// SPDX-License-Identifier: Apache-2.0
#include "tests/helpers/onnx_case.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <set>

#include "compiler/onnx/tensor_file.h"
#include "tests/helpers/paths.h"
#include "tests/helpers/temp_folder.h"

namespace tessera::test {
namespace {

namespace fs = std::filesystem;

// "input_3.pb" is 3.
size_t number_of(const fs::path& file) {
  const std::string stem = file.stem();
  return static_cast<size_t>(std::atoi(stem.c_str() + stem.find('_') + 1));
}

// "input" or "output" files by their numbers.
Expected<std::map<size_t, TensorFile>> read_files(const fs::path& set, const std::string& kind) {
  std::map<size_t, TensorFile> files;
  for (const auto& entry : fs::directory_iterator(set))
    if (entry.path().filename().string().starts_with(kind + "_"))
      files.emplace(number_of(entry.path()), TRY(read_tensor_file(entry.path())));
  return files;
}

// A tensor's own name wins over its number: keras2onnx counts in another order than the graph.
std::string name_of(size_t number, const TensorFile& file, const std::vector<std::string>& names) {
  const bool named = std::find(names.begin(), names.end(), file.name) != names.end();
  return named ? file.name : number < names.size() ? names[number] : "";
}

Expected<std::map<std::string, Array>> by_name(const std::map<size_t, TensorFile>& files,
                                               const std::vector<std::string>& names) {
  std::map<std::string, Array> arrays;
  for (const auto& [number, file] : files) {
    const std::string name = name_of(number, file, names);
    if (name.empty())
      return Error{"file " + std::to_string(number) + " is of no input or output of the model"};
    arrays[name] = to_array(file.tensor);
  }
  return arrays;
}

std::vector<fs::path> sets_in(const fs::path& folder) {
  std::vector<fs::path> sets;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().filename().string().starts_with("test_data_set_")) sets.push_back(entry);
  std::sort(sets.begin(), sets.end());
  return sets;
}

double deviation(const std::vector<double>& values) {
  double sum = 0, squares = 0;
  for (const double value : values) sum += value;
  const double mean = values.empty() ? 0 : sum / static_cast<double>(values.size());
  for (const double value : values) squares += (value - mean) * (value - mean);
  const double result =
      values.empty() ? 0 : std::sqrt(squares / static_cast<double>(values.size()));
  return std::isfinite(result) ? result : 0;
}

// Import takes bfloat16 for float32, so a recorded one may be rounded to 8 bits some times where
// ours is not.
Tolerance tolerance_of(const std::string& output, const DataSet& set, Tolerance tolerance) {
  if (!set.of_bfloat16.contains(output)) return tolerance;
  tolerance.relative = std::max(tolerance.relative, 0x1p-7);
  tolerance.of_deviation = std::max(tolerance.of_deviation, 0x1p-8);
  return tolerance;
}

// The mask, if it says of this output which rows of it count.
const Array* mask_of(const Array& output, const DataSet& set) {
  const auto mask = set.inputs.find("attention_mask");
  if (mask == set.inputs.end()) return nullptr;
  const Shape& shape = mask->second.type.shape;
  const bool leads = shape.size() == 2 && output.type.shape.size() >= 2 &&
                     std::equal(shape.begin(), shape.end(), output.type.shape.begin());
  return leads ? &mask->second : nullptr;
}

void append_varint(std::string& bytes, size_t value) {
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  bytes += static_cast<char>(value);
}
std::string field(char tag, const std::string& bytes) {
  std::string text(1, tag);
  append_varint(text, bytes.size());
  return text + bytes;
}

std::string read_bytes(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The model with one input made an initializer. In the wire format of protobuf a second graph
// appended to the model is merged with the first, and a second name replaces the first.
void make_constant(const fs::path& model, const fs::path& tensor, const std::string& name) {
  constexpr char kModelGraph = 7 << 3 | 2, kGraphInitializer = 5 << 3 | 2, kTensorName = 8 << 3 | 2;
  const std::string named = read_bytes(tensor) + field(kTensorName, name);
  std::ofstream(model, std::ios::binary | std::ios::app)
      << field(kModelGraph, field(kGraphInitializer, named));
}

// The input that an import refused because it must be constant, or must not be float64 unless it
// is. A message counts the node's inputs, which in a test of one node are the model's.
std::optional<size_t> refused_input(const std::string& message, const ModelNames& names) {
  const size_t at = message.find(" (input ");
  if (at != std::string::npos && message.ends_with("must be constant"))
    return static_cast<size_t>(std::atoi(message.c_str() + at + 8));
  for (size_t i = 0; i < names.inputs.size(); ++i)
    if (message.find("input '" + names.inputs[i] + "': is of float64") != std::string::npos)
      return i;
  return std::nullopt;
}

std::map<std::string, Shape> shapes_of(const DataSet& set, const ModelNames& names) {
  std::map<std::string, Shape> shapes;
  for (const auto& [name, array] : set.inputs)
    if (std::find(names.inputs.begin(), names.inputs.end(), name) != names.inputs.end())
      shapes[name] = array.type.shape;
  return shapes;
}

// ONNX's node tests give as inputs what in a model is constant: shapes, axes, bounds. Those that
// import asks to be constant are made so.
Expected<ImportedModel> import_with_constants(const fs::path& folder, const fs::path& data,
                                              const DataSet& set) {
  fs::path path = folder / "model.onnx";
  const ModelNames all = TRY(model_names(path));
  const TempFolder temporary;
  const fs::path copy = temporary / "model.onnx";
  auto model = import_onnx(path, shapes_of(set, all));
  std::set<size_t> constants;
  while (!model.ok()) {
    auto refused = refused_input(model.error().message, all);
    // A Resize leaves some operands out, and its last ones are the model's last inputs.
    if (refused && model.error().message.find("(Resize)") != std::string::npos)
      *refused = std::min(*refused, all.inputs.size() - 1);
    while (refused && constants.contains(*refused)) ++*refused;
    if (!refused || *refused >= all.inputs.size()) break;
    constants.insert(*refused);
    if (path != copy) fs::copy_file(path, copy, fs::copy_options::overwrite_existing);
    path = copy;
    const std::string file = "input_" + std::to_string(*refused) + ".pb";
    make_constant(copy, data / file, all.inputs[*refused]);
    model = import_onnx(copy, shapes_of(set, TRY(model_names(copy))));
  }
  return model;
}

Verdict compare_outputs(const Graph& graph, const std::vector<Array>& got, const DataSet& set,
                        const Tolerance& tolerance) {
  for (size_t i = 0; i < got.size(); ++i) {
    const std::string& name = graph.outputs[i].name;
    const auto wanted = set.outputs.find(name);
    if (wanted == set.outputs.end())
      return {Verdict::Failed, "no recorded output is called '" + name + "'"};
    const std::string differs = difference(got[i], wanted->second, mask_of(wanted->second, set),
                                           tolerance_of(name, set, tolerance));
    if (!differs.empty()) return {Verdict::Failed, "output '" + name + "': " + differs};
  }
  return {Verdict::Passed, ""};
}

}  // namespace

std::optional<fs::path> shared_folder() {
  const fs::path folder = tessera::test::shared_dir();
  if (fs::is_directory(folder / "models")) return folder;
  return std::nullopt;
}

std::vector<fs::path> cases_in(const fs::path& folder) {
  std::vector<fs::path> cases;
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(folder, missing))
    if (fs::exists(entry.path() / "model.onnx")) cases.push_back(entry.path());
  std::sort(cases.begin(), cases.end());
  return cases;
}

Expected<std::vector<DataSet>> read_data_sets(const fs::path& folder) {
  const ModelNames names = TRY(model_names(folder / "model.onnx"));
  std::vector<DataSet> sets;
  for (const fs::path& set : sets_in(folder)) {
    DataSet data;
    data.inputs = TRY(by_name(TRY(read_files(set, "input")), names.inputs));
    const auto outputs = TRY(read_files(set, "output"));
    data.outputs = TRY(by_name(outputs, names.outputs));
    for (const auto& [number, file] : outputs)
      if (file.onnx_type == "bfloat16")
        data.of_bfloat16.insert(name_of(number, file, names.outputs));
    sets.push_back(std::move(data));
  }
  return sets;
}

std::string difference(const Array& got, const Array& wanted, const Array* mask,
                       const Tolerance& tolerance) {
  if (got.type.shape != wanted.type.shape)
    return "is of shape " + to_string(got.type.shape) + ", recorded " +
           to_string(wanted.type.shape);
  const double allowed = tolerance.absolute + tolerance.of_deviation * deviation(wanted.data);
  const size_t group = mask && !mask->data.empty() ? wanted.data.size() / mask->data.size() : 1;
  for (size_t i = 0; i < wanted.data.size(); ++i) {
    if (mask && mask->data[i / group] == 0) continue;
    const double a = got.data[i], b = wanted.data[i];
    if (a == b || (std::isnan(a) && std::isnan(b))) continue;
    if (!(std::abs(a - b) <= allowed + tolerance.relative * std::abs(b)))
      return "element " + std::to_string(i) + " is " + std::to_string(a) + ", recorded " +
             std::to_string(b) + " (allowed difference " + std::to_string(allowed) + ")";
  }
  return "";
}

Verdict run_case(const fs::path& folder, const Runner& runner, const Tolerance& tolerance) {
  auto sets = read_data_sets(folder);
  if (!sets.ok()) return {Verdict::Refused, sets.error().message};
  if (sets->empty()) return {Verdict::Failed, "records no data"};
  for (size_t i = 0; i < sets->size(); ++i) {
    const DataSet& set = (*sets)[i];
    auto model = import_with_constants(folder, sets_in(folder)[i], set);
    if (!model.ok()) return {Verdict::Refused, model.error().message};
    auto got = runner(model->graph, set.inputs);
    if (!got.ok()) return {Verdict::Failed, got.error().message};
    const Verdict verdict = compare_outputs(model->graph, *got, set, tolerance);
    if (verdict.kind != Verdict::Passed) return verdict;
  }
  return {Verdict::Passed, ""};
}

}  // namespace tessera::test
