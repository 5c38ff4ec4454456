// SPDX-License-Identifier: Apache-2.0
// Models that nobody in this project wrote, against outputs that others recorded, on the reference
// interpreter. Cases that are refused are listed with the words of their errors.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "ir/interpreter.h"
#include "ir/verify.h"
#include "tests/helpers/onnx_case.h"
#include "tests/helpers/paths.h"

namespace tessera::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr Tolerance kFp32 = {1e-5, 1e-5, 0};

struct Refused {
  const char* folder;
  const char* reason;
};

Expected<std::vector<Array>> on_reference(const Graph& graph,
                                          const std::map<std::string, Array>& inputs) {
  TRY(verify(graph));
  return interpret(graph, inputs);
}

void expect_verdicts(const fs::path& folder, const Tolerance& tolerance,
                     const std::vector<Refused>& refused) {
  const std::vector<fs::path> cases = cases_in(folder);
  EXPECT_FALSE(cases.empty()) << folder;
  for (const fs::path& path : cases) {
    SCOPED_TRACE(path.string());
    const auto row = std::find_if(refused.begin(), refused.end(), [&](const Refused& one) {
      return path.filename() == one.folder;
    });
    const Verdict verdict = run_case(path, on_reference, tolerance);
    EXPECT_EQ(verdict.kind, row == refused.end() ? Verdict::Passed : Verdict::Refused)
        << verdict.reason;
    EXPECT_THAT(verdict.reason, HasSubstr(row == refused.end() ? "" : row->reason));
  }
}

fs::path shared_models(const char* folder) {
  const auto shared = shared_folder();
  return shared ? *shared / "models" / folder : fs::path();
}
#define SHARED_OR_SKIP(folder) \
  if (!shared_folder()) GTEST_SKIP() << "no shared folder: the models of " folder " are left out"

TEST(Conformance, models_in_the_tests_own_folder_agree) {
  expect_verdicts(fs::path(tessera::test::source_dir()) / "tests" / "data", kFp32, {});
}

TEST(Conformance, exported_models_agree_with_pytorch) {
  SHARED_OR_SKIP("generated");
  expect_verdicts(shared_models("generated"), kFp32, {});
}

TEST(Conformance, models_from_public_repositories_agree) {
  SHARED_OR_SKIP("fetched");
  // One of them is of float16 throughout: ONNX Runtime rounds after each operation, as we do.
  expect_verdicts(shared_models("fetched"), kFp32, {});
}

TEST(Conformance, patterns_of_exporters_agree) {
  SHARED_OR_SKIP("ort_patterns");
  constexpr Tolerance kSingle = {1e-5, 1e-5, 1e-5};
  const std::vector<Refused> refused = {
      {"matmul_scale_int32",            "(MatMul): matmul: inputs are i32[2,4,4]"},
      {"matmul_scale_with_scale_input", "must have the 0 axes"                   }
  };
  expect_verdicts(shared_models("ort_patterns"), kSingle, refused);
}

TEST(Conformance, fused_operations_agree) {
  SHARED_OR_SKIP("contrib");
  constexpr Tolerance kSingle = {1e-5, 1e-5, 1e-5};
  const std::vector<Refused> refused = {
      {"attention_test_unidirectional_masked_multi_head", "(Attention): takes past"}
  };
  expect_verdicts(shared_models("contrib"), kSingle, refused);
}

struct Irregular {
  const char* folder;
  std::map<std::string, Shape> shapes;
  const char* refusal;  // "" if it is taken
};

TEST(Conformance, irregular_models_are_taken_or_refused_with_a_reason) {
  SHARED_OR_SKIP("irregular");
  const std::map<std::string, Shape> ids = {
      {"input_ids", {2, 8}}
  };
  const std::map<std::string, Shape> ten = {
      {"input_ids", {2, 10}}
  };
  const std::map<std::string, Shape> tags = {
      {"input_ids_tensor:0",                         {2, 8}  },
      {"external_feature_multihot_vectors_tensor:0", {2, 552}}
  };
  const char* rank0 = "(Concat): concat: inputs are i32[1] and i32[]";
  const std::vector<Irregular> rows = {
      {"ort_add_opset_314159",                         {},              "is of opset 314159, must be from 7 to 28"},
      {"ort_bert_toy_unsorted_op12",                   ids,             ""                                        },
      {"ort_invalid_dim_param_value_repetition",       {{"X", {2, 8}}}, "(Scan): is not supported"                },
      {"ort_model_with_invalid_ort_config_json",       {},              ""                                        },
      {"ort_mul_1_noopset",                            {},              "imports no opset"                        },
      {"ort_pytorch13_bert_fp16_rank0_op11",           ids,             rank0                                     },
      {"ort_pytorch13_bert_rank0_concat_op11",         ten,             rank0                                     },
      {"ort_subgraph_input_shadows_outer_scope_value", {},              "(Loop): is not supported"                },
      {"ort_tf2onnx_bert_slice_types_op11",            tags,
       "(Reshape): input is f32[2,8,8] and shape is [-1,768]"                                                     },
      {"ort_winml_bad_names",                          {},              "has no IR version"                       },
      {"ort_winml_corrupt_model",                      {},              "must be an ONNX model"                   },
  };
  EXPECT_EQ(cases_in(shared_models("irregular")).size(), rows.size());
  for (const Irregular& row : rows) {
    SCOPED_TRACE(row.folder);
    const auto model =
        import_onnx(shared_models("irregular") / row.folder / "model.onnx", row.shapes);
    EXPECT_EQ(model.ok(), std::string(row.refusal).empty());
    if (!model.ok()) {
      EXPECT_THAT(model.error().message, HasSubstr(row.refusal));
    }
  }
}

TEST(Conformance, an_unsorted_model_agrees_with_its_recorded_outputs) {
  SHARED_OR_SKIP("irregular");
  const Verdict verdict =
      run_case(shared_models("irregular") / "ort_bert_toy_unsorted_op12", on_reference, kFp32);
  EXPECT_EQ(verdict.kind, Verdict::Passed) << verdict.reason;
}

}  // namespace
}  // namespace tessera::test
