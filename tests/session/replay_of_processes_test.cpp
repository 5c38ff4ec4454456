// SPDX-License-Identifier: Apache-2.0
// Promised seconds against those that are saved, of processes with one log.
#include <gmock/gmock.h>

#include <functional>

#include "onnx.pb.h"
#include "session/key.h"
#include "support/file.h"
#include "tests/session/replay_fixture.h"

namespace tessera {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

// The sessions of one log have this in common: processes that serve the same batches one after the
// other. `each` makes of the nth what it is to be.
class ReplayOfProcesses : public Replay {
 protected:
  int processes_ = 4;
  std::vector<int64_t> lengths_ = lengths_between(20, 32);
  void in_turn(const std::function<void(int)>& each) {
    for (int n = 0; n < processes_; ++n) {
      each(n);
      serve(lengths_);
    }
  }
};

TEST_F(ReplayOfProcesses, a_cache_saves_what_was_promised) {
  processes_ = 8;
  lengths_ = lengths_between(20, 27);
  EXPECT_LE(best_of_ten([&] {
              options_ = plain_;
              return error_of_slip(
                  AdviceRule::NoCache, [&] { in_turn([](int) {}); },
                  [&](const CompileSlip& without) {
                    EXPECT_THAT(without.command, EndsWith("--cache_dir FOLDER"));
                    follow(without.command);
                  });
            }),
            0.1);
}

TEST_F(ReplayOfProcesses, a_cache_that_works_saves_what_was_promised) {
  processes_ = 8;
  lengths_ = lengths_between(20, 27);
  EXPECT_LE(best_of_ten([&] {
              options_ = plain_;
              options_.cache_dir = "/proc/no/such/cache";
              return error_of_slip(
                  AdviceRule::CacheFailed, [&] { in_turn([](int) {}); },
                  [&](const CompileSlip& failed) {
                    EXPECT_THAT(failed.text, HasSubstr("/proc/no"));
                    options_.cache_dir = cache();
                  },
                  std::ssize(lengths_));  // the first process still compiles
            }),
            0.1);
}

// Each process is called with other flags.
TEST_F(ReplayOfProcesses, the_same_flags_for_all_save_what_was_promised) {
  const auto other_options = [](int n, CompileOptions& options) {
    if (n == 1) options.partials_type = PartialsType::Float;
    if (n == 2) options.available_memory_proportion = 0.5;
    if (n == 3) options.skip_passes = {"fuse_gelu"};
  };
  const auto other_target = [](int n, CompileOptions& options) { options.target.sync_cycles += n; };
  for (const auto& other : {std::function(other_options), std::function(other_target)})
    EXPECT_LE(best_of_ten([&] {
                options_ = plain_;
                options_.cache_dir = cache();
                std::string advised;
                const auto sessions = [&] {
                  in_turn([&](int n) {
                    options_.compile = plain_.compile;
                    advised.empty() ? other(n, options_.compile) : follow(advised);
                  });
                };
                return error_of_slip(
                    AdviceRule::OptionSlip, sessions, [&](const CompileSlip& option) {
                      EXPECT_EQ(option.command, "tessera run bert.onnx --target test");
                      advised = option.command;
                    });
              }),
              0.1);
}

// Each process comes with an export of its own.
class ReplayOfExports : public ReplayOfProcesses {
 protected:
  ReplayOfExports() {
    const std::string bytes = read_text_file(model_).take();
    EXPECT_TRUE(exported_.ParseFromString(bytes));
    options_.cache_dir = cache();
  }
  void export_model(const ::onnx::ModelProto& model) {
    ASSERT_TRUE(write_file_atomic(model_, model.SerializeAsString()).ok());
  }
  static ::onnx::TensorProto& weight(::onnx::ModelProto& model, const std::string& name) {
    for (auto& tensor : *model.mutable_graph()->mutable_initializer())
      if (tensor.name() == name) return tensor;
    ADD_FAILURE() << "no weight " << name;
    return *model.mutable_graph()->add_initializer();
  }

  // The weight is what a caller sends.
  static ::onnx::ModelProto with_input(::onnx::ModelProto model, const std::string& name) {
    ::onnx::GraphProto& graph = *model.mutable_graph();
    const ::onnx::TensorProto tensor = weight(model, name);
    ::onnx::ValueInfoProto& input = *graph.add_input();
    input.set_name(name);
    auto& type = *input.mutable_type()->mutable_tensor_type();
    type.set_elem_type(tensor.data_type());
    for (const int64_t size : tensor.dims()) type.mutable_shape()->add_dim()->set_dim_value(size);
    auto& weights = *graph.mutable_initializer();
    for (int i = weights.size() - 1; i >= 0; --i)
      if (weights[i].name() == name) weights.DeleteSubrange(i, 1);
    return model;
  }

  ::onnx::ModelProto exported_;
};

TEST_F(ReplayOfExports, one_dtype_saves_what_was_promised) {
  // The nth has int32 for n of its inputs, where this one has int64.
  const auto other = [&](int n) {
    ::onnx::ModelProto model = exported_;
    for (int i = 0; i < n; ++i)
      model.mutable_graph()->mutable_input(i)->mutable_type()->mutable_tensor_type()->set_elem_type(
          ::onnx::TensorProto::INT32);
    return model;
  };
  EXPECT_LE(best_of_ten([&] {
              bool one_dtype = false;
              const auto sessions = [&] {
                in_turn([&](int n) { export_model(one_dtype ? exported_ : other(n)); });
              };
              return error_of_slip(AdviceRule::DtypeSlip, sessions, [&](const CompileSlip& dtype) {
                EXPECT_THAT(dtype.text, HasSubstr("input_ids int64 -> int32"));
                EXPECT_EQ(dtype.command, "tessera run bert.onnx --target test");
                one_dtype = true;
              });
            }),
            0.1);
  // Callers that sent the one to a model of its own send it to the other now.
  const auto session = open();
  const std::vector<int32_t> narrow(80, 1);
  const std::vector<int64_t> wide(80, 1);
  InputViews one, two;
  for (const auto& [name, shape] : shapes(4, 20)) {
    one.emplace(name, InputView{DType::I32, false, shape, std::as_bytes(std::span(narrow))});
    two.emplace(name, InputView{DType::I32, true, shape, std::as_bytes(std::span(wide))});
  }
  const auto from_narrow = session->run(one), from_wide = session->run(two);
  ASSERT_TRUE(from_narrow.ok()) << from_narrow.error().message;
  ASSERT_TRUE(from_wide.ok()) << from_wide.error().message;
  for (const auto& [name, tensor] : *from_narrow)
    EXPECT_EQ(tensor.bytes, from_wide->at(name).bytes);
}

// A bias that each run has another of, and then as an input.
TEST_F(ReplayOfExports, an_input_in_place_of_a_baked_constant_saves_what_was_promised) {
  const std::string name = "qa_outputs.bias";
  EXPECT_LE(best_of_ten([&] {
              bool as_input = false;
              const auto sessions = [&] {
                in_turn([&](int n) {
                  ::onnx::ModelProto model = exported_;
                  const float numbers[2] = {static_cast<float>(n), 1};
                  weight(model, name).set_raw_data(numbers, sizeof numbers);
                  export_model(as_input ? with_input(model, name) : model);
                });
              };
              return error_of_slip(AdviceRule::BakedConstant, sessions,
                                   [&](const CompileSlip& baked) {
                                     EXPECT_THAT(baked.text, HasSubstr("changed 3 times"));
                                     as_input = true;
                                   });
            }),
            0.1);
}

}  // namespace
}  // namespace tessera
