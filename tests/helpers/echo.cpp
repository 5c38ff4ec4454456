// SPDX-License-Identifier: Apache-2.0
#include "tests/helpers/echo.h"

#include <gtest/gtest.h>

namespace tessera {

Executable echo_executable(PackingForm form) {
  const bool unpacked = form == PackingForm::A;
  Executable executable = tiny_executable(unpacked ? kEchoUnpacked : kEcho);
  for (Anchor& anchor : executable.metadata.anchors) {
    if (anchor.name == "input_ids") anchor.index_limit = 10000;
  }
  PackingContract& contract = executable.metadata.packing;
  contract.form = form;
  contract.request_size = RequestSize::Tokens;
  contract.outputs = {
      {"echo", false}
  };
  if (form == PackingForm::None) return executable;
  contract.rows = 2;
  contract.row_length = 8;
  contract.token_inputs = {"input_ids"};
  contract.ids_input = "input_ids";
  contract.mask_input = "attention_mask";
  contract.position_input = "position_ids";
  if (!unpacked) return executable;
  contract.max_valid_num = 5;
  contract.segment_max_size = 6;
  contract.unpack_info_input = "unpack_info";
  return executable;
}

std::shared_ptr<ModelRunner> echo_runner(PackingForm form) {
  auto runner = ModelRunner::create(std::make_shared<const Executable>(echo_executable(form)),
                                    {.threads = 1, .jit = shared_jit()});
  EXPECT_TRUE(runner.ok()) << runner.error().message;
  return runner.ok() ? runner.take() : nullptr;
}

std::vector<int32_t> echo_of(const std::vector<int32_t>& ids, int32_t ordinal) {
  std::vector<int32_t> echo;
  for (size_t i = 0; i < ids.size(); ++i) {
    echo.push_back(1000 * ids[i] + 100 * ordinal + static_cast<int32_t>(i));
  }
  return echo;
}

}  // namespace tessera
