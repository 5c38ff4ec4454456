// SPDX-License-Identifier: Apache-2.0
#include "check/reference.h"

#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "check/samples.h"
#include "check/scratch_folder.h"
#include "compiler/onnx/import/import.h"
#include "ir/interpreter.h"
#include "support/npy.h"
#include "support/plain_text.h"

extern char** environ;

namespace tessera {
namespace {

namespace fs = std::filesystem;

class Interpreter final : public Reference {
 public:
  Interpreter(std::string path, Limits limits) : path_(std::move(path)), limits_(limits) {}
  std::string name() const override { return "the reference interpreter"; }

  Expected<std::vector<Arrays>> answers(const std::vector<Arrays>& inputs) override {
    std::vector<Arrays> all;
    for (const Arrays& one : inputs) all.push_back(TRY(answer(one)));
    return all;
  }

 private:
  // The import of the last shapes is kept: batches of one shape come together.
  Expected<Arrays> answer(const Arrays& inputs) {
    InputShapes shapes;
    for (const auto& [name, array] : inputs) shapes[name] = array.type.shape;
    if (!model_ || shapes != shapes_) model_ = TRY(import_onnx(path_, shapes, limits_));
    shapes_ = shapes;
    const std::vector<Array> results = TRY(interpret(model_->graph, inputs));
    Arrays outputs;
    for (size_t i = 0; i < results.size(); ++i) outputs[model_->graph.outputs[i].name] = results[i];
    return outputs;
  }

  const std::string path_;
  const Limits limits_;
  std::optional<ImportedModel> model_;
  InputShapes shapes_;
};

// Reads FOLDER/I/inK.npy, under the names of FOLDER/names.bin, and writes FOLDER/I/outK.npy in the
// order of the model's outputs. A row of a model of multiple choice is one choice.
constexpr const char* kScript = R"(
import pathlib, sys
import numpy, onnxruntime
folder = pathlib.Path(sys.argv[1])
options = onnxruntime.SessionOptions()
options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
options.log_severity_level = 3
session = onnxruntime.InferenceSession(sys.argv[2], options, providers=["CPUExecutionProvider"])
names = (folder / "names.bin").read_bytes().decode().split("\0")
axes = {given.name: len(given.shape) for given in session.get_inputs()}
for i in range(int(sys.argv[3])):
    feed = {name: numpy.load(folder / str(i) / f"in{k}.npy") for k, name in enumerate(names)}
    feed = {k: v[:, None] if (v.ndim, axes[k]) == (2, 3) else v for k, v in feed.items()}
    for k, value in enumerate(session.run(None, feed)):
        if value.dtype == numpy.float64:
            value = value.astype(numpy.float32)
        numpy.save(folder / str(i) / f"out{k}.npy", numpy.ascontiguousarray(value))
)";

template <class T>
void append(std::vector<std::byte>& bytes, T value) {
  const auto* begin = reinterpret_cast<const std::byte*>(&value);
  bytes.insert(bytes.end(), begin, begin + sizeof value);
}

// An array in the dtype that the model declares.
Expected<NpyArray> npy_of(const Array& array, const std::string& dtype) {
  NpyArray npy{"<f4", array.type.shape, {}};
  if (dtype == "int64" || dtype == "uint8" || dtype == "int32" || dtype == "float16" ||
      dtype == "float32" || dtype == "bool" || dtype.empty()) {
    const Tensor as_is = to_tensor(array);
    if (dtype == "int64") {
      npy.descr = "<i8";
      for (const double value : array.data) append(npy.bytes, static_cast<int64_t>(value));
      return npy;
    }
    npy.descr = npy_descr(array.type.dtype);
    npy.bytes.assign(as_is.bytes().begin(), as_is.bytes().end());
    return npy;
  }
  return Error{"the model declares an input as " + dtype +
               ", which is not handed to ONNX Runtime; the interpreter can be the reference"};
}

class OnnxRuntime final : public Reference {
 public:
  OnnxRuntime(std::string path, std::string python, std::map<std::string, std::string> dtypes)
      : path_(std::move(path)), python_(std::move(python)), dtypes_(std::move(dtypes)) {}
  std::string name() const override { return "ONNX Runtime without optimisations"; }

  Expected<std::vector<Arrays>> answers(const std::vector<Arrays>& inputs) override {
    std::vector<Arrays> all;
    if (inputs.empty()) return all;
    const ScratchFolder folder;
    if (folder.path().empty())
      return Error{"a folder for the inputs of ONNX Runtime cannot be made (" +
                   std::string(std::strerror(errno)) + "), must be: TMPDIR names where"};
    TRY(write(inputs, folder.path()));
    TRY(run(folder.path(), inputs.size()));
    const ModelNames names = TRY(model_names(path_));
    for (size_t i = 0; i < inputs.size(); ++i) {
      Arrays& outputs = all.emplace_back();
      for (size_t k = 0; k < names.outputs.size(); ++k)
        outputs[names.outputs[k]] =
            TRY(array_of(TRY(read_npy(fmt::format("{}/{}/out{}.npy", folder.path(), i, k))),
                         "ONNX Runtime's output " + names.outputs[k]));
    }
    return all;
  }

 private:
  Status write(const std::vector<Arrays>& inputs, const std::string& folder) const {
    std::string names;
    for (const auto& [name, array] : inputs[0])
      names += (names.empty() ? "" : std::string(1, '\0')) + name;
    std::ofstream(folder + "/names.bin", std::ios::binary) << names;
    for (size_t i = 0; i < inputs.size(); ++i) {
      const std::string one = fmt::format("{}/{}", folder, i);
      fs::create_directory(one);
      size_t k = 0;
      for (const auto& [name, array] : inputs[i]) {
        const auto dtype = dtypes_.find(name);
        const NpyArray npy = TRY(npy_of(array, dtype == dtypes_.end() ? "" : dtype->second));
        TRY(write_npy(fmt::format("{}/in{}.npy", one, k++), npy));
      }
    }
    return {};
  }

  Status run(const std::string& folder, size_t count) const {
    std::vector<std::string> words = {python_, "-c", kScript, folder, path_, std::to_string(count)};
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    pid_t child = 0;
    const int failed =
        posix_spawnp(&child, python_.c_str(), nullptr, nullptr, argv.data(), environ);
    if (failed != 0)
      return Error{python_ + ": cannot be started (" + std::strerror(failed) +
                   "), must be a Python with numpy and onnxruntime: --python names another"};
    int state = 0;
    while (waitpid(child, &state, 0) < 0 && errno == EINTR) {
    }
    if (WIFEXITED(state) && WEXITSTATUS(state) == 0) return {};
    return Error{path_ + ": ONNX Runtime did not answer (its words are above); must be a Python " +
                 "with numpy and onnxruntime, and a model that it runs"};
  }

  const std::string path_, python_;
  const std::map<std::string, std::string> dtypes_;
};

}  // namespace

std::unique_ptr<Reference> interpreter_reference(const std::string& model_path,
                                                 const Limits& limits) {
  return std::make_unique<Interpreter>(model_path, limits);
}

std::unique_ptr<Reference> onnxruntime_reference(const std::string& model_path,
                                                 const std::string& python,
                                                 std::map<std::string, std::string> dtypes) {
  return std::make_unique<OnnxRuntime>(model_path, python, std::move(dtypes));
}

}  // namespace tessera
