// SPDX-License-Identifier: Apache-2.0
// Weights beside the model: read where they are, and from nowhere that the model's folder does not
// hold.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/compiler/onnx/builder.h"

namespace tessera::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class ExternalData : public ::testing::Test {
 protected:
  ExternalData() {
    fs::create_directory(folder_ / "model");
    fs::create_directory(folder_ / "model/data");
    write("model/data/w.bin");
    write("secret.bin");
  }

  void write(const std::string& name) {
    const float values[] = {1, 2, 3, 4};
    std::ofstream(folder_ / name, std::ios::binary)
        .write(reinterpret_cast<const char*>(values), sizeof values);
  }

  // Imports x + w for a w of f32[2] whose data are in that file.
  Expected<ImportedModel> import_with(const std::string& location, const std::string& offset = "8",
                                      const std::string& length = "8") {
    ModelBuilder m;
    m.input("x", TensorProto::FLOAT, "2").output("y");
    m.node("Add", {"x", "w"}, {"y"});
    TensorProto& tensor = m.floats("w", {}, {2});
    tensor.set_data_location(TensorProto::EXTERNAL);
    for (const auto& [key, value] : std::vector<std::pair<std::string, std::string>>{
             {"location", location},
             {"offset",   offset  },
             {"length",   length  }
    }) {
      auto* entry = tensor.add_external_data();
      entry->set_key(key);
      entry->set_value(value);
    }
    return import_onnx(m.save(folder_, "model/m.onnx"), {});
  }

  std::string refusal(const std::string& location, const std::string& offset = "8",
                      const std::string& length = "8") {
    const auto model = import_with(location, offset, length);
    return model.ok() ? "taken" : model.error().message;
  }

  TempFolder folder_;
};

TEST_F(ExternalData, is_read_from_its_region) {
  const auto model = import_with("data/w.bin");
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_THAT(print(model->graph), HasSubstr("%w = constant {value=[3,4]} : f32[2]"));
}

TEST_F(ExternalData, is_part_of_the_hash) {
  const auto before = import_with("data/w.bin");
  std::ofstream(folder_ / "model/data/w.bin", std::ios::binary | std::ios::app) << "more";
  const auto after = import_with("data/w.bin");
  ASSERT_TRUE(before.ok() && after.ok());
  EXPECT_NE(before->sha256, after->sha256);
}

TEST_F(ExternalData, outside_the_folder_is_refused) {
  const std::string absolute = fs::absolute(folder_ / "secret.bin");
  for (const std::string& location :
       {std::string("../secret.bin"), std::string("data/../../secret.bin"), absolute,
        std::string(""), std::string("data//w.bin"), std::string("data/w.bin\0", 11)})
    EXPECT_THAT(refusal(location), HasSubstr("leads out of the model's folder")) << location;
}

TEST_F(ExternalData, links_are_refused) {
  fs::create_symlink("../secret.bin", folder_ / "model/soft.bin");
  fs::create_directory_symlink("..", folder_ / "model/up");
  fs::create_hard_link(folder_ / "secret.bin", folder_ / "model/hard.bin");
  EXPECT_THAT(refusal("soft.bin"), HasSubstr("is reached through a link"));
  EXPECT_THAT(refusal("up/secret.bin"), HasSubstr("is reached through a link"));
  EXPECT_THAT(refusal("hard.bin"), HasSubstr("has 2 names (hard links)"));
}

TEST_F(ExternalData, what_is_no_file_is_refused) {
  EXPECT_THAT(refusal("none.bin"), HasSubstr("external data 'none.bin': cannot open"));
  EXPECT_THAT(refusal("data"), HasSubstr("is not a regular file"));
}

TEST_F(ExternalData, regions_must_lie_within_the_file) {
  EXPECT_THAT(refusal("data/w.bin", "12", "8"), HasSubstr("must lie within its 16"));
  EXPECT_THAT(refusal("data/w.bin", "18446744073709551608", "16"),
              HasSubstr("must lie within its 16"));
  EXPECT_THAT(refusal("data/w.bin", "0", "16"), HasSubstr("holds 4 elements, must hold 2"));
  EXPECT_THAT(refusal("data/w.bin", "-8", "8"), HasSubstr("must be a number of bytes"));
  EXPECT_THAT(refusal("data/w.bin", "99999999999999999999999", "8"),
              HasSubstr("must be a number of bytes"));
}

TEST_F(ExternalData, an_unaligned_region_is_copied) {
  const auto model = import_with("data/w.bin", "1", "8");
  ASSERT_TRUE(model.ok()) << model.error().message;
}

}  // namespace
}  // namespace tessera::test
