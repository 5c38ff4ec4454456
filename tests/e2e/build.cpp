// SPDX-License-Identifier: Apache-2.0
#include "tests/e2e/build.h"

#include "compiler/onnx/make/make_model.h"
#include "tests/helpers/temp_folder.h"

namespace tessera::e2e {

std::string scratch_folder() {
  static const TempFolder folder;
  return folder.path();
}

std::string tiny_bert() {
  static const std::string path = [] {
    const std::string file = scratch_folder() + "/tiny_bert.onnx";
    const auto options = make_model_preset("tiny");
    EXPECT_TRUE(options.ok());
    const Status made = make_model(*options, file);
    EXPECT_TRUE(made.ok()) << made.error().message;
    return file;
  }();
  return path;
}

std::shared_ptr<const Executable> build(const std::string& model, const CompileOptions& options) {
  auto result = compile(model, options);
  if (!result.ok()) {
    ADD_FAILURE() << result.error().message;
    return nullptr;
  }
  return std::make_shared<const Executable>(std::move(result->executable));
}

std::shared_ptr<ModelRunner> load(std::shared_ptr<const Executable> executable,
                                  const MachineOptions& options) {
  if (!executable) return nullptr;
  auto runner = ModelRunner::create(std::move(executable), options);
  if (!runner.ok()) {
    ADD_FAILURE() << runner.error().message;
    return nullptr;
  }
  return runner.take();
}

CompileOptions options_for(int64_t rows, int64_t length, Precision precision) {
  CompileOptions options;
  options.input_shape = {
      {"input_ids", {rows, length}}
  };
  options.precision = precision;
  options.target = target_preset("test").take();
  return options;
}

CompileOptions form_a(CompileOptions options, int64_t max_valid_num, int64_t segment_max_size) {
  options.pack_args = PackArgs{max_valid_num, segment_max_size};
  return options;
}

CompileOptions form_b(CompileOptions options) {
  options.passes = {"insert_attention_mask"};
  return options;
}

}  // namespace tessera::e2e
