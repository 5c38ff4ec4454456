// SPDX-License-Identifier: Apache-2.0
// Random encoders, padded and packed as far as the compiler says that it may be done, and in a
// session: every request gets the answer that the imported model has for it alone. Bounded here;
// TESSERA_FUZZ_ENCODERS=N tries N of them from TESSERA_FUZZ_SEED on, TESSERA_FUZZ_MACHINES=N as
// many on the machine. With TESSERA_FUZZ_PYTHON, a Python that has numpy and onnxruntime, ONNX
// Runtime without optimisations is what the machine is held against.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <random>

#include "check/check.h"
#include "compiler/convert.h"
#include "compiler/onnx/import/import.h"
#include "ir/interpreter.h"
#include "packing/offline.h"
#include "session/session.h"
#include "tests/fuzz/random_encoder.h"

namespace tessera {
namespace {

using Arrays = std::map<std::string, Array>;

constexpr int64_t kRows = 3, kLength = fuzz::kMostTokens;

struct TokenRequest {
  std::map<std::string, std::vector<int32_t>> tokens;
  int64_t length = 0;
};

std::vector<TokenRequest> draw_requests(uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<TokenRequest> requests;
  for (const int64_t length : {kLength, int64_t{1}, int64_t{3}, int64_t{2}, kLength - 1}) {
    TokenRequest one{.tokens = {}, .length = length};
    for (int64_t i = 0; i < length; ++i) {
      // Padding ids stand in some requests only.
      const uint64_t first = random() % 8 == 0 ? 0 : 2;
      one.tokens["input_ids"].push_back(
          static_cast<int32_t>(first + random() % (fuzz::kVocabulary - first)));
      one.tokens["token_type_ids"].push_back(static_cast<int32_t>(random() % 2));
    }
    std::vector<int32_t>& ids = one.tokens["input_ids"];
    ids[random() % ids.size()] = 5;  // one that no model hides
    requests.push_back(std::move(one));
  }
  return requests;
}

// One cell of an input: by what the model calls it, as these models do.
double cell_of(const std::string& name, const TokenRequest& request, int64_t t) {
  const auto given = request.tokens.find(name);
  if (given != request.tokens.end()) return given->second[static_cast<size_t>(t)];
  if (name == "key_padding_mask") return 0;
  return name == "position_ids" ? static_cast<double>(t) : 1;
}

class Trial {
 public:
  explicit Trial(uint64_t seed)
      : seed_(seed),
        requests_(draw_requests(seed)),
        path_(fuzz::random_encoder(seed).save(folder_)) {}

  struct Counts {
    int64_t padded = 0, rows = 0, form_a = 0, form_b = 0, whole = 0, wrong = 0;
  };

  void run(Counts& counts) {
    answer_alone();
    if (::testing::Test::HasFatalFailure()) return;
    CompileOptions options;
    options.input_shape["input_ids"] = {kRows, kLength};
    try_padded(options, counts);
    CompileOptions a = options;
    a.pack_args = PackArgs{5, kLength};
    try_packed(a, counts.form_a);
    CompileOptions b = options;
    b.passes = {"insert_attention_mask"};
    try_packed(b, counts.form_b);
  }

  // Each request as a batch of its own, in a session that pads to the longest where that is exact,
  // and refuses where it is not.
  void run_in_session(int64_t& answered) {
    answer_alone();
    if (::testing::Test::HasFatalFailure()) return;
    SessionOptions options;
    options.compile.target = *target_preset("test");
    options.machine.threads = 1;
    options.on_recompile = OnRecompile::Pad;
    options.warm_up = {{{"input_ids", {kRows, kLength}}}};
    options.tell = [](const std::string&) {};
    const auto session = Session::open(path_, options);
    ASSERT_TRUE(session.ok()) << where() << ": " << session.error().message;
    for (size_t i = 0; i < requests_.size(); ++i) {
      std::map<std::string, Tensor> held;
      InputViews views;
      for (const auto& [name, array] : given_[i]) {
        const Tensor& tensor = held.emplace(name, to_tensor(array)).first->second;
        views[name] = {array.type.dtype, false, array.type.shape, tensor.bytes()};
      }
      const auto outputs = (*session)->run(views);
      if (!outputs.ok() && outputs.error().kind == ErrorKind::Refused) continue;
      // Where nothing shows that the mask hides, a request without 1s in it has no token.
      if (!outputs.ok() && outputs.error().message.starts_with("key_padding_mask: ")) continue;
      ASSERT_TRUE(outputs.ok()) << where() << ": " << outputs.error().message;
      for (const auto& [name, got] : *outputs) expect_near(name, i, got);
      ++answered;
    }
  }

 private:
  void expect_near(const std::string& name, size_t request, const HostTensor& got) const {
    const Array& wanted = alone_[request].at(name);
    ASSERT_EQ(got.shape, wanted.type.shape) << where() << ", output " << name;
    for (size_t k = 0; k < wanted.data.size(); ++k) {
      const auto value = [&]<class T>(T number) {
        std::memcpy(&number, got.bytes.data() + k * sizeof number, sizeof number);
        return static_cast<double>(number);
      };
      const double is = got.dtype == DType::I32 ? value(int32_t{}) : value(float{});
      if (is == wanted.data[k] || (std::isnan(is) && std::isnan(wanted.data[k]))) continue;
      ASSERT_LE(std::abs(is - wanted.data[k]), 1e-4 * (1 + std::abs(wanted.data[k])))
          << where() << ", output " << name << " of request " << request << " at " << k
          << " in a session";
    }
  }

  std::string where() const { return "seed " + std::to_string(seed_); }

  void answer_alone() {
    for (const TokenRequest& request : requests_) {
      InputShapes shapes;
      shapes["input_ids"] = {1, request.length};
      const auto model = import_onnx(path_, shapes);
      ASSERT_TRUE(model.ok()) << where() << ": " << model.error().message;
      Arrays inputs;
      for (const Node* input : model->graph.inputs) {
        Array& array = inputs[input->name] = {input->type, {}};
        for (int64_t t = 0; t < request.length; ++t)
          array.data.push_back(cell_of(input->name, request, t));
      }
      const auto outputs = interpret(model->graph, inputs);
      ASSERT_TRUE(outputs.ok()) << where() << ": " << outputs.error().message;
      given_.push_back(inputs);
      Arrays& named = alone_.emplace_back();
      for (size_t i = 0; i < outputs->size(); ++i)
        named[model->graph.outputs[i].name] = (*outputs)[i];
    }
  }

  void try_padded(const CompileOptions& options, Counts& counts) {
    const auto converted = convert(path_, options);
    ASSERT_TRUE(converted.ok()) << where() << ": " << converted.error().message;
    PackingContract contract = converted->packing;
    if (contract.request_size == RequestSize::Batch) {
      ++counts.whole;
      return;
    }
    const bool any_length = contract.request_size == RequestSize::Tokens;
    ++(any_length ? counts.padded : counts.rows);
    std::vector<size_t> fitting;
    for (size_t i = 0; i < requests_.size(); ++i)
      if (any_length || requests_[i].length == kLength) fitting.push_back(i);
    compare(*converted, contract, fitting);
  }

  void try_packed(const CompileOptions& options, int64_t& count) {
    const auto converted = convert(path_, options);
    if (!converted.ok()) {
      ASSERT_EQ(converted.error().message.find("internal error"), std::string::npos)
          << where() << ": " << converted.error().message;
      return;
    }
    ++count;
    std::vector<size_t> fitting;
    for (size_t i = 0; i < requests_.size(); ++i) {
      const auto& ids = requests_[i].tokens.at("input_ids");
      if (std::ranges::find(ids, converted->packing.padding_id) == ids.end()) fitting.push_back(i);
    }
    compare(*converted, converted->packing, fitting);
  }

  void compare(const Converted& converted, const PackingContract& contract,
               const std::vector<size_t>& which) {
    // Where nothing shows that the mask hides, a request has 1s for it, and other answers.
    if (contract.mask_input == "key_padding_mask" && !contract.mask_hides) return;
    std::vector<int64_t> lengths;
    for (const size_t i : which) lengths.push_back(requests_[i].length);
    if (lengths.empty()) return;
    const auto batches = pack_offline(contract, PackPolicy::FirstFit, lengths);
    ASSERT_TRUE(batches.ok()) << where() << ": " << batches.error().message;
    for (const PackedBatch& batch : *batches) {
      const auto outputs =
          interpret(converted.graph, batch_inputs(converted, contract, batch, which));
      ASSERT_TRUE(outputs.ok()) << where() << ": " << outputs.error().message;
      for (size_t o = 0; o < outputs->size(); ++o)
        for (size_t p = 0; p < batch.placements.size(); ++p)
          expect_own(contract, converted.graph.outputs[o].name, (*outputs)[o], batch, p,
                     which[batch.placements[p].request]);
    }
  }

  Arrays batch_inputs(const Converted& converted, const PackingContract& contract,
                      const PackedBatch& batch, const std::vector<size_t>& which) const {
    Arrays inputs;
    for (const Node* input : converted.graph.inputs) {
      Array& array = inputs[input->name] = {input->type, {}};
      array.data.resize(static_cast<size_t>(elements(input->type.shape)));
      const auto put = [&](const std::vector<int32_t>& cells) {
        array.data.assign(cells.begin(), cells.end());
      };
      if (input->name == contract.mask_input)
        put(packed_mask(contract, batch));
      else if (input->name == contract.position_input)
        put(packed_positions(contract, batch));
      else if (input->name == contract.unpack_info_input)
        put(packed_unpack_info(contract, batch));
      else
        for (const Placement& place : batch.placements)
          for (int64_t t = 0; t < place.length; ++t)
            array.data[static_cast<size_t>(place.start + t)] =
                cell_of(input->name, requests_[which[place.request]], t);
    }
    return inputs;
  }

  void expect_own(const PackingContract& contract, const std::string& name, const Array& whole,
                  const PackedBatch& batch, size_t ordinal, size_t request) const {
    const Array& wanted = alone_[request].at(name);
    const auto rule = std::ranges::find(contract.outputs, name, &PackingContract::OutputRule::name);
    ASSERT_NE(rule, contract.outputs.end()) << where();
    const Placement& place = batch.placements[ordinal];
    const auto items = std::ssize(wanted.data) / (rule->per_request ? 1 : place.length);
    OutputSlice slice = output_slice(contract, *rule, batch, ordinal, items);
    if (contract.form == PackingForm::None && rule->per_request)
      slice = {place.start / kLength * items, items};
    ASSERT_EQ(slice.bytes, std::ssize(wanted.data)) << where() << ", output " << name;
    for (int64_t i = 0; i < slice.bytes; ++i) {
      const double got = whole.data[static_cast<size_t>(slice.offset + i)];
      const double want = wanted.data[static_cast<size_t>(i)];
      if (got == want || (std::isnan(got) && std::isnan(want))) continue;
      ASSERT_LE(std::abs(got - want), 1e-4 * (1 + std::abs(want)))
          << where() << ", output " << name << " of request " << request << " at " << i << " in "
          << (contract.form == PackingForm::None ? "padded" : to_string(contract.form));
    }
  }

  const uint64_t seed_;
  const TempFolder folder_;
  const std::vector<TokenRequest> requests_;
  const std::string path_;
  std::vector<Arrays> given_, alone_;  // by request, at its own length
};

uint64_t number_of(const char* variable, uint64_t usual) {
  const char* text = std::getenv(variable);
  return text ? std::strtoull(text, nullptr, 10) : usual;
}

// Two rows of the longest request, on the test target.
CheckOptions two_rows(Precision precision) {
  CheckOptions options;
  options.compile.input_shape["input_ids"] = {2, kLength};
  options.compile.precision = precision;
  options.compile.target = *target_preset("test");
  return options;
}

Expected<CheckReport> check_encoder(uint64_t seed, const CheckOptions& options) {
  const TempFolder folder;
  return check_model(fuzz::random_encoder(seed).save(folder), options);
}

TEST(RandomEncoder, every_request_is_answered_as_alone) {
  const uint64_t first = number_of("TESSERA_FUZZ_SEED", 1);
  const uint64_t count = number_of("TESSERA_FUZZ_ENCODERS", 300);
  Trial::Counts counts;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    Trial(seed).run(counts);
    if (HasFailure()) return;
  }
  std::cout << count << " encoders from seed " << first << ": " << counts.padded << " padded, "
            << counts.rows << " in whole rows, " << counts.whole << " as whole batches, "
            << counts.form_a << " packed in form A, " << counts.form_b << " in form B\n";
  // The generator reaches every answer.
  EXPECT_GT(counts.padded, 0);
  EXPECT_GT(counts.rows, 0);
  EXPECT_GT(counts.whole, 0);
  EXPECT_GT(counts.form_a, 0);
  EXPECT_GT(counts.form_b, 0);
}

// Causal, with a mask of ids: a first token that its id hides sees no key, and padding then would
// be part of its answer.
TEST(RandomEncoder, a_token_may_see_nothing) {
  for (const uint64_t seed : {546, 1112}) {
    Trial::Counts counts;
    Trial(seed).run(counts);
    EXPECT_EQ(counts.padded, 0);
    EXPECT_EQ(counts.rows, 1);
  }
}

// In fp16 a pass makes a %broadcast_1 of this one that is not the importer's.
TEST(RandomEncoder, layers_of_one_name_are_compared_where_they_are_one_value) {
  CheckOptions options = two_rows(Precision::Fp16);
  options.by_layer = true;
  const auto report = check_encoder(7, options);
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_GT(report->layers.size(), 10u);
  for (const LayerError& layer : report->layers) EXPECT_NE(layer.node, "broadcast_1");
}

// A bias, and a mask of keys that shows none: the sum stays in f32, and so does what is added.
TEST(RandomEncoder, a_query_that_sees_no_key_gets_in_fp16_what_it_gets_in_fp32) {
  const auto report = check_encoder(7, two_rows(Precision::Fp16));
  ASSERT_TRUE(report.ok()) << report.error().message;
  ASSERT_FALSE(report->outputs.empty());
  for (const OutputError& error : report->outputs)
    EXPECT_TRUE(error.within) << error.output << ": " << error.largest << " of " << error.magnitude;
}

// Compiled and run: the batch, padded, and in both forms, in fp32 and in fp16.
TEST(RandomEncoder, the_machine_answers_as_the_interpreter) {
  const uint64_t first = number_of("TESSERA_FUZZ_SEED", 1);
  const uint64_t count = number_of("TESSERA_FUZZ_MACHINES", 6);
  const char* const python = std::getenv("TESSERA_FUZZ_PYTHON");
  int64_t answered = 0;  // in sessions
  for (uint64_t seed = first; seed < first + count; ++seed) {
    Trial(seed).run_in_session(answered);
    if (HasFailure()) return;
    for (const Precision precision : {Precision::Fp32, Precision::Fp16}) {
      if (python != nullptr && precision == Precision::Fp16) continue;
      CheckOptions options = two_rows(precision);
      options.machine.threads = 1;
      options.random_requests = 4;
      if (python != nullptr) {
        options.reference = ReferenceKind::OnnxRuntime;
        options.python = python;
      }
      const auto report = check_encoder(seed, options);
      ASSERT_TRUE(report.ok()) << "seed " << seed << ": " << report.error().message;
      for (const OutputError& error : report->outputs)
        ASSERT_TRUE(error.within) << "seed " << seed << ", " << word_of_form(error.form) << " in "
                                  << (precision == Precision::Fp32 ? "fp32" : "fp16") << ", output "
                                  << error.output << ": " << error.largest << " of "
                                  << error.magnitude;
    }
  }
  EXPECT_GT(answered, 0);
}

}  // namespace
}  // namespace tessera
