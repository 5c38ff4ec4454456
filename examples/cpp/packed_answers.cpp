// SPDX-License-Identifier: Apache-2.0
// From a model to packed answers in C++: compiles a question-answering BERT in form B of packing,
// serves requests of several lengths, and prints where each answer begins.
//
//   packed_answers MODEL.onnx      a model with input_ids [batch, sequence], as BERT's are
//   packed_answers                 the same with a tiny model of its own making
#include <tessera/tessera.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace {

using namespace tessera;

// A model with random weights, for those who have none at hand.
Expected<std::string> tiny_model() {
  const std::string path =
      (std::filesystem::temp_directory_path() / "packed_answers.onnx").string();
  MakeModelOptions options = TRY(make_model_preset("tiny"));
  TRY(make_model(options, path));
  return path;
}

// The token that a request's start_logits favour: one f32 for each of its own tokens.
size_t best_token(const std::vector<std::byte>& logits) {
  std::vector<float> values(logits.size() / sizeof(float));
  std::memcpy(values.data(), logits.data(), logits.size());
  return static_cast<size_t>(std::ranges::max_element(values) - values.begin());
}

Status answer(const std::string& model) {
  CompileOptions options;
  options.input_shape["input_ids"] = {4, 32};  // four rows of 32 tokens
  options.passes = {"insert_attention_mask"};  // form B: whole requests share a row
  options.target = TRY(target_preset("c600"));
  CompileResult compiled = TRY(compile(model, options));
  if (compiled.out_of_memory) return *compiled.out_of_memory;
  std::cout << compiled.executable.program.supersteps.size() << " supersteps, "
            << compiled.executable.metadata.cycles.total << " modelled cycles a batch\n";

  std::shared_ptr<ModelRunner> runner =
      TRY(ModelRunner::create(std::make_shared<const Executable>(std::move(compiled.executable))));
  const std::unique_ptr<PackRunner> server = TRY(PackRunner::create(runner));

  std::mt19937 random(7);
  std::vector<PackRunner::Submission> submitted;
  for (const size_t length : {9, 20, 5, 31, 12, 3, 17, 8}) {
    Request request;
    std::vector<int32_t>& ids = request.tokens["input_ids"];
    for (size_t i = 0; i < length; ++i) ids.push_back(static_cast<int32_t>(random() % 90));
    submitted.push_back(TRY(server->submit(std::move(request))));
  }
  server->flush();  // no more requests are coming: do not wait for them

  for (PackRunner::Submission& one : submitted) {
    const Answer answer = TRY(one.answer.get());
    const std::vector<std::byte>& logits = answer.outputs.at("start_logits");
    std::cout << "request " << one.id << ": " << logits.size() / sizeof(float)
              << " tokens, rode in batch " << answer.batch << ", begins at token "
              << best_token(logits) << "\n";
  }
  return {};
}

Status run(int argc, char** argv) {
  return answer(argc > 1 ? std::string(argv[1]) : TRY(tiny_model()));
}

}  // namespace

int main(int argc, char** argv) {
  const Status status = run(argc, argv);
  if (!status.ok()) std::cerr << status.error().message << "\n";
  return status.ok() ? 0 : 1;
}
