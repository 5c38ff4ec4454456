// SPDX-License-Identifier: Apache-2.0
// A small executable, written to a file of its own and read again.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "program/blobs.h"
#include "program/messages.h"
#include "program/popef.h"
#include "program/read_popef.h"
#include "program/text.h"
#include "tests/helpers/small_program.h"
#include "tests/helpers/temp_folder.h"

namespace tessera {

using ::testing::EndsWith;
using ::testing::StartsWith;

inline Status accept_all(const Program&, const ComputeSet&) { return {}; }

class Popef : public ::testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 48; ++i) weights_.push_back(static_cast<float>(i));
  }

  Executable small() const {
    Executable executable;
    executable.program = parse_program(kSmallProgram).take();
    executable.constants = {
        {nullptr, std::as_bytes(std::span(weights_))}
    };
    executable.report = R"({"phases":[]})";
    Metadata& metadata = executable.metadata;
    metadata.compiler_version = "0.1.0";
    metadata.model_name = "small";
    metadata.source_sha256 = "ab";
    metadata.options = "precision=fp32\ninput_shape=x=4,6";
    metadata.options_sha256 = "cd";
    metadata.anchors = {
        {"x", AnchorKind::Input, DType::F32, {4, 6}, "float32", 7, 5, -2, "square"},
        {"z", AnchorKind::Output, DType::F32, {4, 8}, "float32", 0}
    };
    metadata.memory = {1000, 2, "layer/gelu", 100, true};
    metadata.cycles = {10, 5, 1, 3, 1, 1e-6};
    return executable;
  }

  std::string written(Executable executable) const {
    const auto bytes = write_popef(executable, path_);
    EXPECT_TRUE(bytes.ok()) << bytes.error().message;
    const std::string content = contents();
    EXPECT_EQ(bytes.ok() ? *bytes : 0, content.size());
    return content;
  }

  std::string contents() const {
    std::stringstream all;
    all << std::ifstream(path_, std::ios::binary).rdbuf();
    return all.str();
  }
  void store(std::string_view content) const { std::ofstream(path_, std::ios::binary) << content; }

  std::string fault() const {
    const auto read = read_popef(path_, accept_all);
    if (read.ok()) return "";
    EXPECT_EQ(read.error().kind, ErrorKind::BadFile);
    EXPECT_THAT(read.error().message, StartsWith(path_ + ": "));
    return read.error().message.substr(path_.size() + 2);
  }

  // The blobs of the small executable; a test changes them before they are written, hashes and all.
  struct Blobs {
    std::vector<BlobView> views;
    std::vector<std::string> contents;
  };
  Blobs blobs_of(const Executable& executable) const {
    Blobs blobs;
    blobs.contents = {to_bytes(executable.program), "", std::string(192, '\0'), executable.report};
    const std::string name = to_hex(sha256(blobs.contents[0]));
    blobs.contents[1] = to_bytes(executable.metadata, name);
    blobs.views = {
        {BlobType::Executable, name,       {}, {}, 0},
        {BlobType::Metadata,   "metadata", {}, {}, 0},
        {BlobType::TensorData, "w",        {}, {}, 0},
        {BlobType::Opaque,     "report",   {}, {}, 0}
    };
    return blobs;
  }
  std::string fault(Blobs blobs) const {
    for (size_t i = 0; i < blobs.views.size(); ++i)
      blobs.views[i].content = std::as_bytes(std::span(blobs.contents[i]));
    std::string file;
    const auto sink = [&file](std::span<const std::byte> bytes) -> Status {
      file.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      return {};
    };
    EXPECT_TRUE(write_blobs(blobs.views, sink).ok());
    store(file);
    return fault();
  }
  // The error of reading the small executable with this metadata.
  std::string fault(const Metadata& metadata) const {
    Executable executable = small();
    executable.metadata = metadata;
    Executable same = executable;
    const auto refused = write_popef(same, path_);
    const std::string message = fault(blobs_of(executable));
    EXPECT_THAT(message, EndsWith(refused.ok() ? "refused when written" : refused.error().message));
    return message;
  }

  const TempFolder folder_;
  const std::string path_ = folder_ / "small.popef";
  std::vector<float> weights_;
};

}  // namespace tessera
