// SPDX-License-Identifier: Apache-2.0
#include "executor/jit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/codelets/vertex_runner.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

Jit::Request softmax_request(DType dtype) {
  const std::vector<VertexArray> operands = {output(dtype, {1, 1}), output(dtype, {1, 1})};
  const std::vector<Param> params;
  const Codelet* codelet = find_codelet("softmax");
  return {codelet, codelet->constants(shape_of(params, operands))};
}

TEST(Jit, compiles_equal_requests_once) {
  const std::unique_ptr<Jit> jit = Jit::create().take();
  const std::vector<Jit::Request> requests = {
      softmax_request(DType::F32), softmax_request(DType::F16), softmax_request(DType::F32)};
  Expected<std::vector<Kernel>> kernels = jit->compile(requests, 2);
  ASSERT_TRUE(kernels) << kernels.error().message;
  EXPECT_EQ((*kernels)[0].run, (*kernels)[2].run);
  EXPECT_NE((*kernels)[0].run, (*kernels)[1].run);
  Expected<std::vector<Kernel>> again = jit->compile(requests, 1);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ((*again)[1].run, (*kernels)[1].run);
}

TEST(Jit, makes_the_same_kernels_on_several_threads) {
  std::vector<Jit::Request> requests;
  for (const DType dtype : {DType::F32, DType::F16}) {
    requests.push_back(softmax_request(dtype));
    requests.push_back(softmax_request(dtype));
  }
  const std::unique_ptr<Jit> jit = Jit::create().take();
  Expected<std::vector<Kernel>> kernels = jit->compile(requests, 4);
  ASSERT_TRUE(kernels) << kernels.error().message;
  float x[] = {0, 0, 0, 0};
  float out[4];
  VertexOperand operands[2] = {};
  operands[0] = {
      .data = x, .size = {1, 4, 1, 1, 1, 1, 1, 1},
           .stride = {0, 1},
           .begin = {}
  };
  operands[1] = operands[0];
  operands[1].data = out;
  for (const size_t k : {0, 1}) {
    out[3] = 0;
    (*kernels)[k].run(operands, nullptr);
    EXPECT_EQ(out[3], 0.25F);
  }
}

TEST(Jit, refuses_a_cpu_that_llvm_does_not_know) {
  Expected<std::unique_ptr<Jit>> jit = Jit::create({.cpu = "abacus"});
  ASSERT_FALSE(jit);
  EXPECT_EQ(jit.error().message,
            "jit: cpu is 'abacus', must be a name that LLVM knows, such as x86-64-v3");
}

TEST(Jit, refuses_a_cpu_with_more_than_this_host_has) {
  Expected<std::unique_ptr<Jit>> jit = Jit::create({.cpu = "sapphirerapids"});
  if (jit) GTEST_SKIP() << "this host runs code for sapphirerapids: nothing was refused";
  EXPECT_THAT(jit.error().message, HasSubstr("jit: cpu is 'sapphirerapids', which has "));
  EXPECT_THAT(jit.error().message, HasSubstr("must be one that this host can run"));
}

TEST(Jit, refuses_constants_of_another_size) {
  const std::unique_ptr<Jit> jit = Jit::create().take();
  Jit::Request request = softmax_request(DType::F32);
  request.constants += "x";
  Expected<std::vector<Kernel>> kernels = jit->compile({&request, 1}, 1);
  ASSERT_FALSE(kernels);
  EXPECT_EQ(kernels.error().message, "jit: softmax_constants is 17 bytes, must be 16");
}

TEST(Jit, refuses_bitcode_that_is_none) {
  const std::unique_ptr<Jit> jit = Jit::create().take();
  Codelet broken = *find_codelet("softmax");
  broken.bitcode = broken.bitcode.subspan(0, 100);
  const Jit::Request request{&broken, softmax_request(DType::F32).constants};
  Expected<std::vector<Kernel>> kernels = jit->compile({&request, 1}, 1);
  ASSERT_FALSE(kernels);
  EXPECT_THAT(kernels.error().message, HasSubstr("jit: codelet softmax: "));
}

}  // namespace
}  // namespace tessera
