// SPDX-License-Identifier: Apache-2.0
// Writes the committed corpus: every op as a Graph, a Program, an executable and a model, and one
// small file of each other kind. Run where formats change: fuzz_make_corpus SOURCE_DIR. Files that
// a person wrote (corpus/*/by_hand*) are left alone.
#include <fmt/format.h>

#include <cstdio>
#include <filesystem>

#include "codelets/codelet.h"
#include "compiler/compile.h"
#include "compiler/convert.h"
#include "compiler/lower/lower.h"
#include "compiler/onnx/export/export.h"
#include "compiler/onnx/make/make_model.h"
#include "compiler/option_values.h"
#include "ir/text.h"
#include "packing/offline.h"
#include "packing/plan.h"
#include "program/text.h"
#include "program/write_popef.h"
#include "session/events.h"
#include "session/key.h"
#include "session/key_record.h"
#include "support/file.h"
#include "support/npy.h"
#include "tests/fuzz/onnx_seeds.h"
#include "tests/fuzz/server_seeds.h"
#include "tests/helpers/echo.h"
#include "tests/helpers/small_program.h"

namespace tessera::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostBytes = 8192;  // of one file

std::string corpus;  // the folder

std::string path_of(const std::string& target, const std::string& name) {
  fs::create_directories(corpus + "/" + target);
  return corpus + "/" + target + "/" + name;
}

Status write(const std::string& target, const std::string& name, std::string_view bytes) {
  if (bytes.size() > kMostBytes) return {};
  return write_file_atomic(path_of(target, name), bytes, Sync::No);
}

Status drop_if_large(const std::string& path) {
  if (fs::file_size(path) > kMostBytes) fs::remove(path);
  return {};
}

struct Story {
  std::string name, text;
};

// tests/compiler/lower/ops.ir: graphs one after the other.
Expected<std::vector<Story>> stories(const std::string& source) {
  const std::string all = TRY(read_text_file(source + "/tests/compiler/lower/ops.ir"));
  std::vector<Story> found;
  constexpr std::string_view kHead = "graph @";
  for (size_t at = all.find(kHead); at != std::string::npos;) {
    const size_t next = all.find("\ngraph @", at);
    const size_t name = at + kHead.size();
    found.push_back(
        {all.substr(name, all.find('(', name) - name), all.substr(at, next - at) + "\n"});
    at = next == std::string::npos ? next : next + 1;
  }
  return found;
}

Status write_story(const Story& story, size_t number) {
  TRY(write("graph_text", story.name + ".ir", story.text));
  const Graph graph = TRY(parse_graph(story.text));
  CompileOptions options;
  options.target = target_preset("test").take();
  const Lowered lowered = TRY(lower(graph, {.target = options.target}));
  TRY(write("program", story.name + ".txt", print(lowered.program)));
  if (number % 4 == 0) TRY(write("program_text", story.name + ".txt", print(lowered.program)));
  const std::string model = path_of("onnx", story.name + ".onnx");
  TRY(export_onnx(graph, {}, model));
  TRY(drop_if_large(model));
  if (number % 6 != 0) return {};
  Converted converted;
  converted.graph = graph.clone();
  CompileResult compiled = TRY(compile_graph(std::move(converted), options));
  const std::string file = path_of("popef", story.name + ".popef");
  TRY(write_popef(compiled.executable, file, Sync::No));
  return drop_if_large(file);
}

Status write_models() {
  const std::string bert = path_of("onnx", "bert.onnx");
  TRY(make_model({1, 4, 2, 4, 5, 8, 1}, bert));
  MakeModelOptions roformer{1, 4, 2, 4, 5, 8, 1};
  roformer.family = ModelFamily::RoFormerV2;
  TRY(make_model(roformer, path_of("onnx", "roformer.onnx")));
  for (const auto& [name, bytes] : onnx_seeds()) TRY(write("onnx", name + ".onnx", bytes));
  for (const auto& [name, bytes] : tensor_seeds()) TRY(write("tensor_pb", name + ".pb", bytes));
  return {};
}

Status write_programs() {
  TRY(write("program", "priced.txt", kPricedProgram));
  TRY(write("program", "small.txt", kSmallProgram));
  TRY(write("program", "echo.txt", kEcho));
  TRY(write("program", "echo_unpacked.txt", kEchoUnpacked));
  return write("program_text", "small.txt", kSmallProgram);
}

Status write_calls() {
  for (const auto& [name, bytes] : infer_message_seeds())
    TRY(write("infer_message", name + ".pb", bytes));
  return {};
}

Status write_arrays() {
  const auto array = [](const std::string& descr, const Shape& shape, size_t size) {
    return NpyArray{descr, shape, std::vector<std::byte>(size, std::byte{1})};
  };
  TRY(write_npy(path_of("npy", "f4.npy"), array("<f4", {2, 3}, 24)));
  TRY(write_npy(path_of("npy", "i8.npy"), array("<i8", {5}, 40)));
  TRY(write_npy(path_of("npy", "scalar.npy"), array("<f2", {}, 2)));
  TRY(write_npy(path_of("npy", "empty.npy"), array("|b1", {0, 4}, 0)));
  return write_npy(path_of("lengths", "i4.npy"), array("<i4", {4}, 16));
}

Status write_plans() {
  PackPlan plan;
  plan.contract.form = PackingForm::B;
  plan.contract.rows = 2;
  plan.contract.row_length = 16;
  const std::vector<int64_t> lengths = {3, 9, 16, 1, 7, 7, 2};
  plan.requests = std::ssize(lengths);
  plan.batches = TRY(pack_offline(plan.contract, plan.rule, lengths));
  TRY(write_plan(path_of("plan", "form_b.json"), plan));
  plan.contract.form = PackingForm::A;
  plan.contract.max_valid_num = 4;
  plan.contract.segment_max_size = 16;
  plan.batches = TRY(pack_offline(plan.contract, plan.rule, lengths));
  return write_plan(path_of("plan", "form_a.json"), plan);
}

Status write_records() {
  KeyRecord record;
  record.key.graph = "graph";
  record.key.weights = "weights";
  record.key.inputs = {
      {"input_ids",      "int64", {4, 128}},
      {"attention_mask", "int64", {4, 128}}
  };
  record.key.options = parse_option_values("precision fp16\npartials_type half\n");
  record.key.target = parse_target_values("c600");
  record.key.compiler = "0.1.0";
  set_digests(record.key);
  record.model = "bert.onnx";
  record.compile_ms = 1500;
  TRY(write("key_record", "bert.json", to_text(record)));

  RecompileEvent event;
  event.model = "bert.onnx";
  event.kind = EventKind::ColdCompile;
  event.causes = {Cause::FirstSeen};
  event.shapes = shapes_of(record.key);
  event.phase_ms = {
      {"import", 12.5},
      {"lower",  80  }
  };
  event.wall_ms = 92.5;
  event.options = option_text(record.key.options);
  event.key = record.key.digests;
  std::string log = to_json_line(event) + "\n";
  event.id = 1;
  event.kind = EventKind::Recompile;
  event.causes = {Cause::InputShape};
  event.shapes["input_ids"] = {4, 100};
  event.nearest = 0;
  event.difference = {
      {"input_ids", 1, "seq", 128, 100}
  };
  event.served = {
      {shapes_of(record.key), 7}
  };
  return write("events", "two.jsonl", log + to_json_line(event) + "\n");
}

Status write_all(const std::string& source) {
  corpus = source + "/tests/fuzz/corpus";
  size_t number = 0;
  for (const Story& story : TRY(stories(source)))
    if (const Status written = write_story(story, number++); !written)
      return Error{story.name + ": " + written.error().message};
  TRY(write_models());
  TRY(write_programs());
  TRY(write_calls());
  TRY(write_arrays());
  TRY(write_plans());
  return write_records();
}

}  // namespace
}  // namespace tessera::fuzz

int main(int count, char** words) {
  const tessera::Status written =
      count == 2 ? tessera::fuzz::write_all(words[1])
                 : tessera::Status(tessera::Error{"usage: fuzz_make_corpus SOURCE_DIR"});
  if (!written) fmt::print(stderr, "{}\n", written.error().message);
  return written.ok() ? 0 : 1;
}
