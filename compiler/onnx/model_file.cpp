// SPDX-License-Identifier: Apache-2.0
#include "compiler/onnx/model_file.h"

#include "compiler/onnx/wire_scan.h"
#include "support/file.h"

namespace tessera {
namespace {

constexpr int kOldestOpset = 7;  // the first with today's broadcasting
constexpr int kNewestOpset = 28;

Error bad_file(const std::string& path, const std::string& what) {
  return Error{path + ": " + what, ErrorKind::BadFile};
}

Status check_model(const ModelFile& file) {
  const ::onnx::ModelProto& model = *file.model;
  if (!model.has_ir_version() || !model.has_graph())
    return bad_file(file.path, "has no IR version or no graph, must be an ONNX model");
  if (file.opset == 0)
    return bad_file(file.path, "imports no opset of ONNX's own domain, must import one from " +
                                   std::to_string(kOldestOpset) + " to " +
                                   std::to_string(kNewestOpset));
  if (file.opset < kOldestOpset || file.opset > kNewestOpset)
    return Error{file.path + ": is of opset " + std::to_string(file.opset) + ", must be from " +
                 std::to_string(kOldestOpset) + " to " + std::to_string(kNewestOpset)};
  return {};
}

}  // namespace

std::string graph_op_of(const std::string& function) {
  const size_t end = function.find_last_not_of("0123456789");
  const bool numbered = end != std::string::npos && end + 1 < function.size();
  return numbered && function[end] == '_' ? function.substr(0, end) : function;
}

int opset_of(const ::onnx::ModelProto& model, const std::string& domain) {
  int64_t version = 0;
  for (const auto& import : model.opset_import()) {
    const bool same = import.domain() == domain || (domain.empty() && import.domain() == "ai.onnx");
    if (same) version = std::max(version, import.version());
  }
  return static_cast<int>(std::clamp<int64_t>(version, 0, 1'000'000));
}

std::string printable(const std::string& name) {
  std::string text = name.substr(0, 200);
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return name.size() > 200 ? text + "…" : text;
}

void add_warning(std::vector<std::string>& warnings, std::string what) {
  constexpr size_t kMostWarnings = 1000;
  if (warnings.size() > kMostWarnings) return;
  if (warnings.size() == kMostWarnings) what = "more warnings are left out";
  warnings.push_back(std::move(what));
}

Expected<ModelFile> read_model_file(const std::string& path, const Limits& limits) {
  const auto mapped = TRY(MappedFile::open(path));
  const std::span<const std::byte> bytes = mapped->bytes();
  TRY(scan_wire(bytes, WireFile::Model, limits, path));
  auto model = std::make_shared<::onnx::ModelProto>();
  if (!model->ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return bad_file(path, "cannot be read, must be an ONNX model, whole and undamaged");
  TRY(mapped->check());

  ModelFile file;
  file.path = path;
  file.sha256 = sha256(bytes);
  file.opset = opset_of(*model, "");
  for (const auto& entry : model->metadata_props()) {
    if (entry.key() == kSettledKey) file.settled = true;
    if (entry.key() == kPackingKey) file.packing = entry.value();
  }
  file.model = std::move(model);
  TRY(check_model(file));
  return file;
}

}  // namespace tessera
