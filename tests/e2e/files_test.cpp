// SPDX-License-Identifier: Apache-2.0
// The bytes of an executable's file, blob by blob, as they were when somebody last looked
// (tests/e2e/files/*.txt): the same model and the same options give the same file on every host,
// and a change of what is written does not go unseen.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "program/popef.h"
#include "tests/e2e/build.h"
#include "tests/helpers/golden.h"

namespace tessera::e2e {
namespace {

std::string blobs_of(const Executable& executable, const std::string& path) {
  Executable written = executable;
  const auto bytes = write_popef(written, path);
  EXPECT_TRUE(bytes.ok()) << bytes.error().message;
  const auto blobs = list_blobs(path);
  EXPECT_TRUE(blobs.ok()) << blobs.error().message;
  std::string text = fmt::format("{} bytes, sha256 {}\n", *bytes, written.sha256);
  // The name of the executable's blob is its hash.
  for (const BlobInfo& blob : *blobs)
    text += fmt::format("{:<12} {:>8} {:>8} {}{}\n", blob.type, blob.offset, blob.bytes,
                        blob.sha256, blob.name == blob.sha256 ? "" : " " + blob.name);
  return text;
}

class Files : public ::testing::TestWithParam<Precision> {};

TEST_P(Files, of_a_tiny_bert_have_the_bytes_that_were_written_down) {
  const CompileOptions padded = options_for(4, 16, GetParam());
  const std::string name = GetParam() == Precision::Fp32 ? "fp32" : "fp16";
  for (const auto& [form, options] : {
           std::pair("padded", padded), {"A", form_a(padded, 12, 16)},
             {"B", form_b(padded)}
  }) {
    const auto executable = build(tiny_bert(), options);
    ASSERT_NE(executable, nullptr);
    check_text_golden(fmt::format("e2e/files/{}_{}.txt", name, form),
                      blobs_of(*executable, scratch_folder() + "/golden.popef"));
  }
}

INSTANTIATE_TEST_SUITE_P(Precisions, Files, ::testing::Values(Precision::Fp32, Precision::Fp16),
                         [](const auto& info) {
                           return info.param == Precision::Fp32 ? "fp32" : "fp16";
                         });

}  // namespace
}  // namespace tessera::e2e
