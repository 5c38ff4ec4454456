// SPDX-License-Identifier: Apache-2.0
// External data: a tensor's bytes in a file beside the model.
//
// The model names that file, and the model is not trusted: so only a plain path below the model's
// own folder is opened, one folder at a time and through no link of any kind, and the region must
// lie within the file.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>

#include "onnx.pb.h"
#include "support/expected.h"
#include "support/file.h"
#include "support/sha256.h"

namespace tessera {

class ExternalData {
 public:
  explicit ExternalData(const std::string& model_path);

  struct Region {
    std::shared_ptr<const MappedFile> file;
    std::span<const std::byte> bytes;
  };
  // Errors do not name the model.
  Expected<Region> region(const ::onnx::TensorProto& tensor);
  bool empty() const { return files_.empty(); }
  // The files that were used, whole, in the order of their names.
  void add_to(Sha256Stream& hash) const;

 private:
  Expected<std::shared_ptr<const MappedFile>> open(const std::string& location);

  std::string folder_;
  std::map<std::string, std::shared_ptr<const MappedFile>> files_;
};

}  // namespace tessera
