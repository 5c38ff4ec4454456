// SPDX-License-Identifier: Apache-2.0
// A model file on its way in: parsed, within limits, and of a version that we know.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "onnx.pb.h"
#include "support/expected.h"
#include "support/limits.h"
#include "support/sha256.h"

namespace tessera {

struct ModelFile {
  std::string path;
  std::shared_ptr<const ::onnx::ModelProto> model;  // holds the bytes of its initializers
  Sha256 sha256;                                    // of the file
  int opset = 0;                                    // of ONNX's own domain
  bool settled = false;  // export_onnx wrote it: its nodes are read one for one, nothing is folded
  std::string packing;   // what kPackingKey holds
};

// Errors start with the path; of kind BadFile if it is not an ONNX model, Refused if it is above a
// limit (wire_scan.h), which is known before protobuf reads it.
Expected<ModelFile> read_model_file(const std::string& path, const Limits& limits);

// The version of a domain that the model asks for, or 0.
int opset_of(const ::onnx::ModelProto& model, const std::string& domain);

// How export_onnx marks its files.
inline constexpr char kSettledKey[] = "tessera.graph";
// Where it keeps how the model is packed (compiler/packing_text.h).
inline constexpr char kPackingKey[] = "tessera.packing";

// The domain of the Graph's own operations.
inline constexpr char kGraphcoreDomain[] = "ai.graphcore";
// The operation behind a name that export gave to one of several functions: Attention_2 is
// Attention.
std::string graph_op_of(const std::string& function);

// A name from a file as it may stand in a message: printable, and not endless.
std::string printable(const std::string& name);

// The first thousand warnings of a model are kept, and one that says that there were more.
void add_warning(std::vector<std::string>& warnings, std::string what);

}  // namespace tessera
