// SPDX-License-Identifier: Apache-2.0
// External data: a tensor's bytes in a file beside the model.
//
// The model names that file, and the model is not trusted: so only a plain path below the model's
// own folder is opened, what it leads to must lie in that folder or in one that is trusted
// (contained_file.h), and the region must lie within the file.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "onnx.pb.h"
#include "support/expected.h"
#include "support/file.h"
#include "support/sha256.h"

namespace tessera {

class ExternalData {
 public:
  // `trusted`: folders that links may lead to, beside the model's own and its cache's.
  ExternalData(const std::string& model_path, std::vector<std::string> trusted);

  struct Region {
    std::shared_ptr<const MappedFile> file;
    std::span<const std::byte> bytes;
  };
  // Errors do not name the model.
  Expected<Region> region(const ::onnx::TensorProto& tensor);
  // The model's hash in hex: `model`, of its own file, where no other was used, as sha256sum prints
  // it; else over that and the files that were used, whole, in the order of their names.
  std::string sha256_with(const Sha256& model) const;

 private:
  Expected<std::shared_ptr<const MappedFile>> open(const std::string& location);

  std::string folder_;
  std::vector<std::string> trusted_;
  std::map<std::string, std::shared_ptr<const MappedFile>> files_;
};

}  // namespace tessera
