// SPDX-License-Identifier: Apache-2.0
// Weights beside the model: read where they are, and from nowhere that the model's folder does not
// hold.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "compiler/onnx/export/export.h"
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
    Limits limits;
    limits.trusted_folders = trusted_;
    return import_onnx(m.save(folder_, model_), {}, limits);
  }

  std::string refusal(const std::string& location, const std::string& offset = "8",
                      const std::string& length = "8") {
    const auto model = import_with(location, offset, length);
    return model.ok() ? "taken" : model.error().message;
  }

  TempFolder folder_;
  std::string model_ = "model/m.onnx";
  std::vector<std::string> trusted_;
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

constexpr const char* kOut = "is a link out of the model's folder";

TEST_F(ExternalData, links_out_of_the_folder_are_refused) {
  fs::create_symlink("../secret.bin", folder_ / "model/soft.bin");
  fs::create_symlink(fs::absolute(folder_ / "secret.bin"), folder_ / "model/absolute.bin");
  fs::create_symlink("soft.bin", folder_ / "model/data/again.bin");
  fs::create_symlink("../soft.bin", folder_ / "model/data/twice.bin");
  fs::create_directory_symlink("..", folder_ / "model/up");
  fs::create_hard_link(folder_ / "secret.bin", folder_ / "model/hard.bin");
  for (const char* name : {"soft.bin", "absolute.bin", "data/twice.bin", "up/secret.bin"})
    EXPECT_THAT(refusal(name), HasSubstr(kOut)) << name;
  EXPECT_THAT(refusal("data/again.bin"), HasSubstr("cannot open"));
  EXPECT_THAT(refusal("hard.bin"),
              HasSubstr("has 2 names (hard links), 1 of them in the model's folder"));
}

TEST_F(ExternalData, links_within_the_folder_are_followed) {
  fs::create_symlink("data/w.bin", folder_ / "model/soft.bin");
  fs::create_symlink(fs::absolute(folder_ / "model/data"), folder_ / "model/other");
  fs::create_symlink("../model/soft.bin", folder_ / "model/around.bin");
  for (const char* name : {"soft.bin", "other/w.bin", "around.bin"})
    EXPECT_EQ(refusal(name), "taken") << name;
  fs::create_hard_link(folder_ / "model/data/w.bin", folder_ / "model/hard.bin");
  EXPECT_EQ(refusal("hard.bin"), "taken");
  EXPECT_EQ(refusal("soft.bin"), "taken");
  fs::create_hard_link(folder_ / "model/data/w.bin", folder_ / "elsewhere.bin");
  EXPECT_THAT(refusal("hard.bin"),
              HasSubstr("has 3 names (hard links), 2 of them in the model's folder"));
}

TEST_F(ExternalData, links_that_lead_nowhere_are_refused) {
  fs::create_symlink("ring.bin", folder_ / "model/ring.bin");
  fs::create_symlink("none.bin", folder_ / "model/broken.bin");
  fs::create_symlink("data/..", folder_ / "model/back");
  EXPECT_THAT(refusal("ring.bin"), HasSubstr("cannot open: Too many levels"));
  EXPECT_THAT(refusal("broken.bin"), HasSubstr("cannot open: No such file"));
  EXPECT_THAT(refusal("back"), HasSubstr("is not a regular file"));
  EXPECT_EQ(refusal("back/data/w.bin"), "taken");
}

TEST_F(ExternalData, folders_that_the_user_names_are_trusted) {
  fs::create_directories(folder_ / "store/deep");
  write("store/deep/w.bin");
  fs::create_symlink("../store/deep/w.bin", folder_ / "model/soft.bin");
  fs::create_symlink("../secret.bin", folder_ / "model/secret.bin");
  fs::create_hard_link(folder_ / "store/deep/w.bin", folder_ / "model/hard.bin");
  EXPECT_THAT(refusal("soft.bin"), HasSubstr(kOut));
  trusted_ = {folder_ / "nowhere", folder_ / "store"};
  EXPECT_EQ(refusal("soft.bin"), "taken");
  EXPECT_EQ(refusal("hard.bin"), "taken");
  EXPECT_THAT(refusal("secret.bin"), HasSubstr(kOut));
  EXPECT_THAT(refusal("../store/deep/w.bin"), HasSubstr("leads out of the model's folder"));
}

// As snapshot_download lays it out.
TEST_F(ExternalData, a_hugging_face_cache_is_read_as_it_is) {
  fs::create_directories(folder_ / "hub/blobs");
  fs::create_directories(folder_ / "hub/snapshots/abc/onnx");
  write("hub/blobs/2222");
  write("hub/other");
  model_ = "hub/snapshots/abc/onnx/model.onnx";
  const fs::path folder = folder_ / "hub/snapshots/abc/onnx";
  fs::create_symlink("../../../blobs/2222", folder / "model.onnx_data");
  fs::create_symlink("../../../other", folder / "other");
  EXPECT_EQ(refusal("model.onnx_data"), "taken");
  EXPECT_THAT(refusal("other"), HasSubstr(kOut));
  // A link in the place of the blobs is not the cache's.
  fs::rename(folder_ / "hub/blobs", folder_ / "hub/elsewhere");
  fs::create_directory_symlink("elsewhere", folder_ / "hub/blobs");
  EXPECT_THAT(refusal("model.onnx_data"), HasSubstr(kOut));
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

TEST_F(ExternalData, that_is_cut_off_before_it_is_copied_is_an_error) {
  for (const uintmax_t rest : {15, 0}) {
    write("model/data/w.bin");
    const auto model = import_with("data/w.bin");
    ASSERT_TRUE(model.ok()) << model.error().message;
    fs::resize_file(folder_ / "model/data/w.bin", rest);
    const Status written = export_onnx(model->graph, model->model_dtypes, folder_ / "copy.onnx");
    ASSERT_FALSE(written.ok()) << rest;
    EXPECT_THAT(written.error().message, HasSubstr("was cut off"));
    EXPECT_EQ(written.error().kind, ErrorKind::BadFile);
    EXPECT_FALSE(fs::exists(folder_ / "copy.onnx"));
  }
}

}  // namespace
}  // namespace tessera::test
