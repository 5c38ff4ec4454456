// SPDX-License-Identifier: Apache-2.0
#include "check/meaning.h"

#include <algorithm>
#include <map>

#include "passes/packable.h"

namespace tessera {
namespace {

class Finder {
 public:
  Finder(const Graph& graph, TokenInputs& inputs) : graph_(graph), inputs_(inputs) {}

  std::vector<InputMeaning> find() {
    if (const Node* ids = find_ids(graph_)) {
      inputs_.batch = ids->type.shape;
      inputs_.ids = ids->name;
      how_[ids->name] = {"ids", "the longest table of floats is looked up by it"};
      find_mask(ids);
      find_positions(ids);
    }
    inputs_.only_these = true;
    for (const Node* input : graph_.inputs) {
      const bool by_token = !inputs_.batch.empty() && is_by_token(input->type, inputs_.batch);
      if (by_token) inputs_.all.push_back(input->name);
      if (by_token)
        inputs_.of_token[input->name] = {input->type.shape.begin() + 2, input->type.shape.end()};
      inputs_.only_these = inputs_.only_these && by_token;
    }
    std::vector<InputMeaning> meanings;
    for (const Node* input : graph_.inputs) meanings.push_back(meaning_of(*input));
    return meanings;
  }

 private:
  bool by_token(const std::string& name) const {
    return std::ranges::find(inputs_.all, name) != inputs_.all.end();
  }

  void find_mask(const Node* ids) {
    const Node* mask = tessera::find_mask(graph_, ids);
    if (!mask) return;
    const bool by_name = std::ranges::none_of(graph_.nodes(), [](const auto& node) {
      return node->is(Op::Attention) && node->in.size() == 4;
    });
    how_[mask->name] = {"mask", by_name ? "by its name" : "the masks of attentions are made of it"};
    inputs_.mask = mask->name;
  }

  void find_positions(const Node* ids) {
    const Node* positions = tessera::find_positions(graph_, ids);
    if (!positions) return;
    how_[positions->name] = {"positions", "by its name"};
    inputs_.positions = positions->name;
  }

  InputMeaning meaning_of(const Node& input) const {
    const auto found = how_.find(input.name);
    if (found != how_.end())
      return {input.name, to_string(input.type), found->second.first, found->second.second};
    if (by_token(input.name))
      return {input.name, to_string(input.type), "token input",
              input.type.shape == inputs_.batch
                  ? "has the shape of the ids; a request brings it, 0 if it does not"
                  : "has the axes of the ids in front; a request brings it, 0 if it does not"};
    return {input.name, to_string(input.type), "not by token",
            inputs_.ids.empty() ? "no input is looked up in a table, so none holds ids"
                                : "has another type than the ids"};
  }

  const Graph& graph_;
  TokenInputs& inputs_;
  std::map<std::string, std::pair<std::string, std::string>> how_;  // meaning and how, by name
};

}  // namespace

TokenInputs find_token_inputs(const Graph& graph, std::vector<InputMeaning>& meanings) {
  TokenInputs inputs;
  meanings = Finder(graph, inputs).find();
  return inputs;
}

}  // namespace tessera
