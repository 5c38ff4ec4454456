// SPDX-License-Identifier: Apache-2.0
#include "compiler/onnx/import/identity.h"

#include <sys/stat.h>

#include <algorithm>
#include <set>

#include "compiler/onnx/external_data.h"
#include "compiler/onnx/import/inputs.h"
#include "compiler/onnx/model_file.h"
#include "compiler/onnx/tensor.h"

namespace tessera {
namespace {

using ::onnx::GraphProto;
using ::onnx::TensorProto;

// A stamp changes when a file is written or replaced.
struct Stamp {
  std::string path;
  dev_t device = 0;
  ino_t number = 0;
  off_t bytes = 0;
  timespec modified = {}, changed = {};

  static Stamp of(const std::string& path) {
    Stamp stamp{.path = path};
    struct stat status;
    if (::stat(path.c_str(), &status) != 0) return stamp;
    stamp.device = status.st_dev;
    stamp.number = status.st_ino;
    stamp.bytes = status.st_size;
    stamp.modified = status.st_mtim;
    stamp.changed = status.st_ctim;
    return stamp;
  }
  bool operator==(const Stamp& other) const {
    const auto same = [](const timespec& a, const timespec& b) {
      return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
    };
    return device == other.device && number == other.number && bytes == other.bytes &&
           same(modified, other.modified) && same(changed, other.changed);
  }
};

// A part with its length before it, so that no two lists of parts are the same bytes.
void add_part(Sha256Stream& hash, std::span<const std::byte> bytes) {
  const uint64_t length = bytes.size();
  hash.add(std::as_bytes(std::span(&length, 1)));
  hash.add(bytes);
}
void add_part(Sha256Stream& hash, std::string_view text) {
  add_part(hash, std::as_bytes(std::span(text)));
}

void add_type(Sha256Stream& hash, const TensorProto& tensor) {
  add_part(hash, tensor.name());
  add_part(hash, std::to_string(tensor.data_type()));
  for (int64_t size : tensor.dims()) add_part(hash, std::to_string(size));
}

Status add_values(Sha256Stream& hash, const TensorProto& tensor, ExternalData& external) {
  if (tensor.data_location() == TensorProto::EXTERNAL) {
    add_part(hash, TRY(external.region(tensor)).bytes);
  } else if (tensor.has_raw_data()) {
    add_part(hash, tensor.raw_data());
  } else {
    add_part(hash, tensor.SerializeAsString());
  }
  return {};
}

std::string graph_digest(const ::onnx::ModelProto& model) {
  Sha256Stream hash;
  for (const auto& opset : model.opset_import()) add_part(hash, opset.SerializeAsString());
  for (const auto& property : model.metadata_props())
    if (property.key() == kSettledKey) add_part(hash, property.SerializeAsString());
  const GraphProto& graph = model.graph();
  add_part(hash, graph.name());
  for (const auto& node : graph.node()) add_part(hash, node.SerializeAsString());
  for (const auto& output : graph.output()) add_part(hash, output.SerializeAsString());
  // Import believes these of no model but those that export_onnx wrote.
  for (const auto& value : graph.value_info()) add_part(hash, value.SerializeAsString());
  for (const auto& tensor : graph.initializer()) add_type(hash, tensor);
  return to_hex(hash.finish());
}

Expected<std::string> weights_digest(const GraphProto& graph, ExternalData& external) {
  Sha256Stream hash;
  for (const auto& tensor : graph.initializer()) TRY(add_values(hash, tensor, external));
  return to_hex(hash.finish());
}

// The files beside the model that its initializers name.
std::set<std::string> external_files(const GraphProto& graph) {
  std::set<std::string> names;
  for (const auto& tensor : graph.initializer())
    for (const auto& entry : tensor.external_data())
      if (tensor.data_location() == TensorProto::EXTERNAL && entry.key() == "location")
        names.insert(entry.value());
  return names;
}

}  // namespace

struct ModelIdentity::Impl {
  std::string path, graph, weights;
  GraphProto inputs;  // nothing but the inputs that have no initializer
  std::vector<Stamp> files;
};

ModelIdentity::ModelIdentity() : impl_(std::make_unique<Impl>()) {}
ModelIdentity::~ModelIdentity() = default;

Expected<std::shared_ptr<const ModelIdentity>> ModelIdentity::of(const std::string& path,
                                                                 const Limits& limits) {
  std::shared_ptr<ModelIdentity> identity(new ModelIdentity);
  Impl& impl = *identity->impl_;
  impl.path = path;
  // Before the reading: a file that changes meanwhile is then another.
  impl.files.push_back(Stamp::of(path));
  const ModelFile file = TRY(read_model_file(path, limits));
  const GraphProto& graph = file.model->graph();
  const std::string folder = path.substr(0, path.find_last_of('/') + 1);
  for (const std::string& name : external_files(graph))
    impl.files.push_back(Stamp::of(folder + name));
  ExternalData external(path, limits.trusted_folders);
  Expected<std::string> weights = weights_digest(graph, external);
  if (!weights.ok()) return Error{path + ": " + weights.error().message, weights.error().kind};
  impl.weights = weights.take();
  impl.graph = graph_digest(*file.model);
  for (const auto* input : declared_inputs(graph)) *impl.inputs.add_input() = *input;
  return std::shared_ptr<const ModelIdentity>(std::move(identity));
}

const std::string& ModelIdentity::graph() const { return impl_->graph; }
const std::string& ModelIdentity::weights() const { return impl_->weights; }

Expected<std::vector<InputSignature>> ModelIdentity::signature(
    const std::map<std::string, Shape>& given) const {
  std::vector<std::string> warnings;  // import says them again
  std::vector<InputSignature> all;
  for (const ModelInput& input : TRY(read_inputs(impl_->inputs, impl_->path, given, warnings)))
    all.push_back({input.name, caller_type_name(input.onnx_type), input.type.shape});
  std::ranges::sort(all, {}, &InputSignature::name);
  return all;
}

bool ModelIdentity::is_current() const {
  return std::ranges::all_of(impl_->files,
                             [](const Stamp& file) { return file == Stamp::of(file.path); });
}

}  // namespace tessera
