// SPDX-License-Identifier: Apache-2.0
// All lowerings share this: where values lie so far, the Program as it grows, and Step, with which
// one superstep is said in a few lines.
//
// Nodes are lowered in order, but only when they compute: a constant, a reshape, a slice or a
// broadcast stands for part of another variable until somebody needs its bytes in one piece, and
// is copied then.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "compiler/lower/fuse.h"
#include "compiler/lower/index_range.h"
#include "compiler/lower/lower.h"
#include "compiler/lower/value.h"
#include "compiler/plan/matmul.h"
#include "ir/graph.h"
#include "program/popef.h"
#include "support/math.h"

namespace tessera {

// Names that are taken, and by name how often it was asked for again.
using UniqueNames = std::unordered_map<std::string, int64_t>;

struct Lowering {
  Lowering(const Graph& graph, const LowerOptions& options, const Deadline* deadline);

  const Graph& graph;
  const bool half_partials;
  const double available_memory_proportion;
  const int64_t replicas;
  const TensorSplit tensor;
  const Limits limits;
  // Null: none. Once it has passed, a planner takes the first cut that it finds: lower() will
  // refuse the model after the node.
  const Deadline* const deadline;
  Fusion fusion;
  Program program;  // its target is what everything is planned for
  std::vector<Blob> constants;
  std::map<MatmulShape, MatmulPlan> matmul_plans;
  std::optional<IndexRanges> index_ranges;  // once a gather has asked
  IntegerBounds integer_bounds;

  // Tiles of the IPU that is being planned for, and the first of them.
  int64_t tiles() const { return program.target.tiles; }
  TileId origin() const { return TileId{static_cast<uint32_t>(placement_.ipu * tiles())}; }
  const NodePlace& placement() const { return placement_; }
  // Everything that is lowered from here on is computed there.
  void move_to(const NodePlace& placement);
  // The region, of a copy on this IPU where the variable lies on another: copied once.
  Region landed(const Region& region);
  // IPUs that compute each operation together, and the largest part of `size` that one of them has.
  int64_t together() const { return tensor == TensorSplit::None ? 1 : program.target.ipus; }
  int64_t share(int64_t size) const { return ceil_div(size, together()); }
  // The dimension of a view that is dealt out to them; -1: none, the first computes it all. Blocks
  // are planned for share_of the view, on the tiles of one IPU.
  int32_t dealt(const Shape& view) const;
  Shape share_of(Shape view, int32_t dealt) const;
  // Bytes of a tile that one operation may fill with what it works on.
  int64_t working_bytes() const;
  mutable bool plans_by_share = false;  // somebody has asked for that
  int64_t vertices = 0;                 // of the supersteps so far, and their transfers' tiles
  Status problem;                       // what a lowering has met that no Program can have

  // Where a node's result lies: in its shape, or with one more dimension of 1 at the end.
  Value value(const Node* node);
  // Does the node stand for part of another variable until its bytes are asked for? All that
  // ir/ops.def calls lazy do, and those transposes and slices that need not move anything.
  static bool is_lazy(const Node* node);
  // The same, in one piece: a variable of its own, all of it.
  Value packed(const Node* node);
  // The same, seen as `shape`; copied first where no view has it.
  Value shaped(const Node* node, const Shape& shape);

  // The variable for a node's result, cut into blocks of a view, of which one dimension may be
  // dealt out; the anchor's own where the node is an output.
  VariableId result(const Node* node, const Shape& view, const std::vector<int64_t>& block,
                    int32_t dealt = -1);
  VariableId temporary(const std::string& name, DType dtype, const Shape& view,
                       const std::vector<int64_t>& block, int32_t dealt = -1);
  // Gives a constant its place on the tiles, if no earlier user has. Constants of one `role` and
  // layout begin on the same tile, so that equal layers have equal exchanges, whose code is kept
  // once; others begin on the run of tiles whose fullest tile holds least so far.
  bool has_place(const Node* node) const { return values_.contains(node); }
  void place(const Node* constant, const std::string& role, const Shape& view,
             const std::vector<int64_t>& block, int32_t dealt = -1,
             std::optional<TileId> first = {});
  // In few blocks, for many tiles to receive.
  void place_in_few_blocks(const Node* constant, const std::string& role);
  VariableId add_constant(const std::string& name, const Tensor& tensor, const Mapping& mapping);

  std::string step_name(const std::string& name);  // made unique
  // The anchors' variables that no lowering has made: copies.
  void finish_outputs();
  const Mapping& mapping(VariableId id) const { return program.variables[index(id)].mapping; }

 private:
  static size_t index(VariableId id) { return static_cast<size_t>(id); }
  VariableId add_variable(Variable variable);
  Mapping laid_out(const Shape& view, const std::vector<int64_t>& block, TileId first,
                   int32_t dealt) const;
  std::string variable_of(const Output& output);  // its name
  void claim_outputs();
  const Node* base(const Node* node) const;
  Value lazy_value(const Node* node);
  Value viewed(const Node* node);
  Value sliced(const Node* node);
  Value broadcast(const Node* node);
  TileId place_of(const std::string& role, const Node* constant, const Mapping& mapping);
  void add_load(const Mapping& mapping, int64_t bytes_per_element);

  using Values = std::unordered_map<const Node*, Value>;
  void keep_constants(Values& values, Values& kept) const;
  int64_t constants_alike(const Node* constant) const;
  void count_constants(const Placements& placements);

  Values values_, packed_;
  NodePlace placement_;
  // By IPU: values of constants that lie there, while another IPU is planned for. Each IPU has
  // its own copy of a constant.
  std::map<int64_t, std::pair<Values, Values>> constants_elsewhere_;
  std::map<std::pair<VariableId, int64_t>, VariableId> landed_;  // by variable and IPU
  std::unordered_map<const Node*, const Output*> claims_;  // whose result is an anchor's variable
  std::unordered_map<const Node*, const Node*> bases_;     // by view: what it is a view of
  UniqueNames variable_names_, step_names_;
  std::unordered_set<std::string_view> input_names_;
  struct Alike {  // constants of one type that an IPU reads
    int64_t ipu;
    DType dtype;
    Shape shape;
    auto operator<=>(const Alike&) const = default;
  };
  std::map<Alike, int64_t> constants_alike_;  // how many
  std::map<std::string, TileId> places_;
  std::vector<int64_t> load_;  // by tile: bytes of constants
};

// The ONNX nodes that these came from, each once, first to last; the last kMaxPerSuperstep of them.
std::vector<std::string> origins_of(const std::vector<const Node*>& nodes);

// One superstep in the making. Its grid is the block grid of the variable that it writes: axis i
// is dimension i of that variable's mapping. Operands are given in the codelet's order, the
// written one last; a transfer is added for each that does not lie on its tile already.
class Step {
 public:
  Step(Lowering& lowering, const std::string& name, const std::vector<std::string>& origin,
       std::string codelet, VariableId out);
  Step& param(std::string name, std::vector<double> values);
  // The node's value as `shape`, a region dimension each (whole_dim, along).
  Step& read(const Node* node, const Shape& shape, const std::vector<RegionDim>& dims);
  Step& read(const Value& value, const std::vector<RegionDim>& dims);  // blocks end with the box
  Step& read(const Region& wanted);
  Step& take(const Region& region);  // also from another IPU, over links
  // The step writes only element `at` of a dimension that the result's mapping does not cut.
  Step& only(size_t dim, int64_t at);
  void emit();

 private:
  Lowering& lowering_;
  Region written_;
  Superstep step_;
};

// Element i of the result, along dimension d, is element begin + i * step[d] of dimension perm[d]
// of `from`, where begin is that of its box; where the box is 1 it is repeated.
struct CopyFrom {
  Value from;
  std::vector<int64_t> perm, step;  // by the result's dimensions
};
// Makes the variable that a copy writes.
using MakeVariable =
    std::function<VariableId(const Shape& view, const std::vector<int64_t>& block, int32_t dealt)>;
VariableId emit_copy(Lowering& lowering, const std::string& name, const Node* node, CopyFrom copy,
                     Shape shape, const MakeVariable& make);

// The node's result, as the variable that a copy or a gather writes.
MakeVariable result_of(Lowering& lowering, const Node& node);
MakeVariable temporary_of(Lowering& lowering, const std::string& name, DType dtype);

// Rows of `from` by a list of numbers along one dimension: for a slice that runs backwards.
VariableId emit_take(Lowering& lowering, const std::string& name, const Node* node,
                     const Value& from, size_t dim, const std::vector<int32_t>& numbers,
                     const MakeVariable& make);
// Indices that count from the end when they are negative, as ones that count from the start.
Value emit_wrap(Lowering& lowering, const std::string& name, const Node* indices, int64_t size);

// The functions that ir/ops.def names, each in the file of its family: lower_attention and so on.
#define OP(id, text, min, max, elements, how, ...) \
  void lower_##how(Lowering& lowering, const Node& node);
#include "ir/ops.def"
#undef OP

}  // namespace tessera
