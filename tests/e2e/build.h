// SPDX-License-Identifier: Apache-2.0
// From a model to a runner, for tests: a failure on the way fails the test with its words.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "compiler/compile.h"
#include "executor/model_runner.h"

namespace tessera::e2e {

// A tiny BERT for questions, written once per test program: 2 layers, hidden 32, 2 heads,
// vocabulary 100, at most 64 positions.
std::string tiny_bert();

std::shared_ptr<const Executable> build(const std::string& model, const CompileOptions& options);
std::shared_ptr<ModelRunner> load(std::shared_ptr<const Executable> executable,
                                  const MachineOptions& options = {});

// Options for a model of [rows, length] inputs on the four tiles of the test target.
CompileOptions options_for(int64_t rows, int64_t length, Precision precision);
CompileOptions form_a(CompileOptions options, int64_t max_valid_num, int64_t segment_max_size);
CompileOptions form_b(CompileOptions options);

// The folder of a test's temporary files; removed when the program ends.
std::string scratch_folder();

}  // namespace tessera::e2e
