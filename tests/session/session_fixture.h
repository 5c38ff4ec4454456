// SPDX-License-Identifier: Apache-2.0
// A folder with a tiny model in it, and sessions over that model.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "compiler/onnx/make/make_model.h"
#include "executor/jit.h"
#include "session/session.h"
#include "tests/helpers/temp_folder.h"

namespace tessera {

// Sessions come and go; codelets are compiled once in this test program.
inline std::shared_ptr<Jit> shared_jit() {
  static const std::shared_ptr<Jit> jit = Jit::create().take();
  return jit;
}

class SessionTest : public ::testing::Test {
 protected:
  SessionTest() {
    make_model(2023);
    options_.compile.target = target_preset("test").take();
    options_.machine.threads = 1;
    options_.machine.jit = shared_jit();
    options_.events_path = folder_ / "events.jsonl";
    options_.tell = [this](const std::string& line) { told_.push_back(line); };
  }
  // The same graph with other weights, by seed.
  void make_model(uint64_t seed) {
    MakeModelOptions model = make_model_preset("tiny").take();
    model.seed = seed;
    const auto made = tessera::make_model(model, model_);
    EXPECT_TRUE(made.ok()) << made.error().message;
  }
  std::unique_ptr<Session> open() {
    auto session = Session::open(model_, options_);
    EXPECT_TRUE(session.ok()) << session.error().message;
    return session.ok() ? session.take() : nullptr;
  }
  static InputShapes shapes(int64_t rows, int64_t length) {
    return {
        {"attention_mask", {rows, length}},
        {"input_ids",      {rows, length}},
        {"token_type_ids", {rows, length}}
    };
  }
  static std::shared_ptr<ModelRunner> runner(Session& session, const InputShapes& shapes) {
    auto runner = session.runner(shapes);
    EXPECT_TRUE(runner.ok()) << runner.error().message;
    return runner.ok() ? runner.take() : nullptr;
  }

  const TempFolder folder_;
  const std::string model_ = folder_ / "bert.onnx";
  SessionOptions options_;
  std::vector<std::string> told_;
};

}  // namespace tessera
