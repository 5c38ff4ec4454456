// SPDX-License-Identifier: Apache-2.0
#include "compiler/replicas.h"

#include <fmt/format.h>

namespace tessera {
namespace {

Error usage(int64_t replicas, const std::string& message) {
  return {fmt::format("replication_factor: is {}, {}", replicas, message), ErrorKind::Usage};
}

}  // namespace

Expected<CompileOptions> options_of_share(const CompileOptions& options) {
  const int64_t replicas = options.replication_factor;
  CompileOptions share = options;
  if (replicas == 1) return share;
  if (options.input_shape.empty())
    return usage(replicas, "must be 1 where --input_shape does not give the batch to share");
  for (auto& [name, shape] : share.input_shape) {
    if (shape.empty() || shape[0] % replicas != 0)
      return usage(replicas, fmt::format("must divide the rows of {}, {}", name, to_string(shape)));
    shape[0] /= replicas;
  }
  return share;
}

Status check_shares(const Converted& share, int64_t replicas) {
  if (replicas == 1) return {};
  const PackingContract& packing = share.packing;
  if (packing.form == PackingForm::A)
    return usage(replicas,
                 "must be 1 in packing form A, where a request may go on in the next row");
  if (!packing.unpack_info_input.empty())
    return usage(replicas, "must be 1 where heads answer per request, of the whole batch");
  if (packing.request_size == RequestSize::Batch)
    return usage(replicas, "must be 1, because rows are not proved to be independent: " +
                               (packing.why_no_less.empty() ? "the model may mix them"
                                                            : packing.why_no_less));
  const auto rows_of = [](const Node* node) {
    return node->type.shape.empty() ? 0 : node->type.shape[0];
  };
  const int64_t rows = rows_of(share.graph.inputs.front());
  std::vector<const Node*> all(share.graph.inputs.begin(), share.graph.inputs.end());
  for (const Output& output : share.graph.outputs) all.push_back(output.node);
  for (const Node* node : all)
    if (rows_of(node) != rows || rows == 0)
      return usage(replicas, fmt::format("must be 1, because '{}' is {}, not {} rows", node->name,
                                         to_string(node->type), rows));
  return {};
}

void join_shares(Metadata& metadata, int64_t replicas) {
  metadata.replication_factor = replicas;
  metadata.num_ipus *= replicas;
  for (Anchor& anchor : metadata.anchors)
    anchor.shape = of_all_replicas(std::move(anchor.shape), replicas);
  metadata.packing.rows *= replicas;
  metadata.packing.max_valid_num *= replicas;
}

}  // namespace tessera
