// SPDX-License-Identifier: Apache-2.0
// The pages say of this folder what is so.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>

#include "codelets/codelet.h"
#include "program/blobs.h"
#include "program/text.h"
#include "program/verify.h"
#include "support/file.h"
#include "tests/helpers/paths.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

std::string page(const std::string& name) {
  auto text = read_text_file(tessera::test::source_dir() + "/docs/" + name);
  EXPECT_TRUE(text.ok()) << text.error().message;
  return text.ok() ? text.take() : "";
}

TEST(Docs, every_program_parses_verifies_and_prints_the_same) {
  const std::string text = page("program.md");
  const std::string fence = "```program\n";
  int programs = 0;
  for (size_t at = text.find(fence); at != std::string::npos; at = text.find(fence, at)) {
    at += fence.size();
    const std::string block = text.substr(at, text.find("```", at) - at);
    const auto program = parse_program(block);
    ASSERT_TRUE(program.ok()) << program.error().message;
    const Status status = verify_program(*program, check_compute_set);
    EXPECT_TRUE(status.ok()) << status.error().message;
    EXPECT_EQ(print(*program), block);
    ++programs;
  }
  EXPECT_GT(programs, 0);
}

TEST(Docs, header_fields_stand_where_the_page_says) {
  const std::string text = page("popef.md");
  const auto row = [](size_t at, std::string_view field) {
    return fmt::format("\n| {} | `{}` | ", at, field);
  };
  EXPECT_THAT(text, HasSubstr(row(offsetof(BlobHeader, magic), "magic")));
  EXPECT_THAT(text, HasSubstr(row(offsetof(BlobHeader, version), "version")));
  EXPECT_THAT(text, HasSubstr(row(offsetof(BlobHeader, type), "type")));
  EXPECT_THAT(text, HasSubstr(row(offsetof(BlobHeader, index), "index")));
  EXPECT_THAT(text, HasSubstr(row(offsetof(BlobHeader, count), "count")));
  EXPECT_THAT(text, HasSubstr(row(offsetof(BlobHeader, name_bytes), "name_bytes")));
  EXPECT_THAT(text, HasSubstr(row(offsetof(BlobHeader, total_bytes), "total_bytes")));
  EXPECT_THAT(text, HasSubstr(row(offsetof(BlobHeader, content_bytes), "content_bytes")));
  EXPECT_THAT(text, HasSubstr(row(offsetof(BlobHeader, content_sha256), "content_sha256")));
  EXPECT_THAT(text, HasSubstr(row(offsetof(BlobHeader, header_sha256), "header_sha256")));
}

TEST(Docs, every_number_of_a_target_has_its_source) {
  const Target target;
  const auto has_row_in = [](const std::string& text) {
    return [&text](const char* name, auto) {
      EXPECT_THAT(text, HasSubstr(fmt::format("\n| `{}` | ", name)));
    };
  };
  const std::string of_one = page("model.md"), of_several = page("ipus.md");
  for_each_ipu_field(target, has_row_in(of_one));
  for_each_link_field(target, has_row_in(of_several));
}

}  // namespace
}  // namespace tessera
