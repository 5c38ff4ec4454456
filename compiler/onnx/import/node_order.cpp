// SPDX-License-Identifier: Apache-2.0
#include "compiler/onnx/import/node_order.h"

#include <queue>
#include <set>
#include <unordered_map>

#include "compiler/onnx/import/call.h"
#include "compiler/onnx/model_file.h"

namespace tessera {
namespace {

using ::onnx::GraphProto;
using ::onnx::NodeProto;

using Names = std::set<std::string>;

Names reads_of(const NodeProto& node);

// The names that the nodes of a subgraph read from around it.
Names outer_reads(const GraphProto& graph) {
  Names reads, own;
  for (const auto& input : graph.input()) own.insert(input.name());
  for (const auto& tensor : graph.initializer()) own.insert(tensor.name());
  for (const auto& tensor : graph.sparse_initializer()) own.insert(tensor.values().name());
  for (const NodeProto& node : graph.node()) {
    reads.merge(reads_of(node));
    own.insert(node.output().begin(), node.output().end());
  }
  for (const auto& output : graph.output()) reads.insert(output.name());
  for (const std::string& name : own) reads.erase(name);
  return reads;
}

Names reads_of(const NodeProto& node) {
  Names reads(node.input().begin(), node.input().end());
  for (const auto& attribute : node.attribute())
    if (attribute.has_g()) reads.merge(outer_reads(attribute.g()));
  reads.erase("");
  return reads;
}

class Sorter {
 public:
  Sorter(const GraphProto& graph, const std::string& path,
         const std::function<bool(const std::string&)>& known)
      : graph_(graph), path_(path), known_(known) {}

  Expected<std::vector<const NodeProto*>> run() {
    TRY(find_producers());
    TRY(find_needed());
    return sorted();
  }

 private:
  Status find_producers() {
    for (int i = 0; i < graph_.node_size(); ++i) {
      for (const std::string& output : graph_.node(i).output()) {
        if (output.empty()) continue;
        if (known_(output) || !producer_.emplace(output, i).second)
          return Error{where(path_, graph_.node(i)) + "result '" + printable(output) +
                       "' exists already, must be the only one of its name"};
      }
    }
    return {};
  }

  // From the outputs back: what nobody reads is left out, and cannot be in the way.
  Status find_needed() {
    needed_.assign(static_cast<size_t>(graph_.node_size()), false);
    std::vector<int> open;
    const auto need = [&](const std::string& name) {
      const auto found = producer_.find(name);
      if (found == producer_.end()) return known_(name);
      if (!needed_[found->second]) open.push_back(found->second);
      needed_[found->second] = true;
      return true;
    };
    for (const auto& output : graph_.output())
      if (!need(output.name()))
        return Error{path_ + ": output '" + printable(output.name()) +
                     "' is produced by nothing, must be a node's result, an input or a constant"};
    while (!open.empty()) {
      const NodeProto& node = graph_.node(open.back());
      open.pop_back();
      for (const std::string& input : reads_of(node))
        if (!need(input))
          return Error{where(path_, node) + "input '" + printable(input) +
                       "' is produced by nothing, must be a node's result, an input or a constant"};
    }
    return {};
  }

  Expected<std::vector<const NodeProto*>> sorted() {
    const auto count = static_cast<size_t>(graph_.node_size());
    std::vector<int> waits_for(count, 0);
    std::vector<std::vector<int>> readers(count);
    for (int i = 0; i < graph_.node_size(); ++i) {
      if (!needed_[i]) continue;
      for (const std::string& name : reads_of(graph_.node(i))) {
        const auto found = producer_.find(name);
        if (found == producer_.end()) continue;
        readers[found->second].push_back(i);
        ++waits_for[i];
      }
    }
    return drain(std::move(waits_for), readers);
  }

  // The first in the file of those that wait for nothing, again and again.
  Expected<std::vector<const NodeProto*>> drain(std::vector<int> waits_for,
                                                const std::vector<std::vector<int>>& readers) {
    std::priority_queue<int, std::vector<int>, std::greater<>> ready;
    for (int i = 0; i < graph_.node_size(); ++i)
      if (needed_[i] && waits_for[i] == 0) ready.push(i);
    std::vector<const NodeProto*> order;
    while (!ready.empty()) {
      const int next = ready.top();
      ready.pop();
      order.push_back(&graph_.node(next));
      for (const int reader : readers[next])
        if (--waits_for[reader] == 0) ready.push(reader);
    }
    for (int i = 0; i < graph_.node_size(); ++i)
      if (needed_[i] && waits_for[i] > 0)
        return Error{where(path_, graph_.node(i)) +
                     "depends on its own result, must be part of no cycle"};
    return order;
  }

  const GraphProto& graph_;
  const std::string& path_;
  const std::function<bool(const std::string&)>& known_;
  std::unordered_map<std::string, int> producer_;
  std::vector<bool> needed_;
};

}  // namespace

Expected<std::vector<const NodeProto*>> order_nodes(
    const GraphProto& graph, const std::string& path,
    const std::function<bool(const std::string&)>& known) {
  return Sorter(graph, path, known).run();
}

}  // namespace tessera
