// SPDX-License-Identifier: Apache-2.0
// The codelets: for each, what it asks of its operands, what it costs on a tile, and its bitcode.
// One row in codelets.def, one foo.tile.cpp (the vertex) and one foo.cpp (this side) each, which
// together are all of a codelet.
//
// All functions are pure and thread-safe.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "program/program.h"
#include "program/target.h"
#include "support/expected.h"

namespace tessera {

// One operand of one vertex, as check and cost see it.
struct OperandShape {
  DType dtype;
  Shape size;  // of the vertex's box
  bool writes;
};

// One vertex: a codelet, its parameters and its operands' shapes.
struct VertexShape {
  const std::vector<Param>* params;
  std::vector<OperandShape> operands;
};

// A letter for each dimension of each operand. Dimensions of one letter are cut and joined
// together: `check` accepts no vertex in which two of them have different sizes, unless one is 1,
// and serves all. An operand that is written never has that size of 1. Along an upper-case letter
// vertices do not depend on each other: a vertex of the joined boxes computes, to the bit, what
// those of the parts do. A dot stands for a dimension that a vertex does not walk through, or not
// from end to end.
struct Extents {
  // The weight of an element that the host moves by itself, or spends a few operations on.
  static constexpr int64_t kElementWeight = 16;

  std::vector<std::string> letters;  // by operand
  // Letters to cut along, in this order. Each is upper-case and a letter of a written operand.
  // Every piece but the last is a multiple of `step` long; a piece of about `worth` is worth a
  // call.
  struct Cut {
    char letter;
    int64_t step;
    int64_t worth = step;
  };
  std::vector<Cut> cuts;
  // The most that the host takes for an element, where a term of a product takes 1. It keeps a call
  // from taking longer than a run may.
  int64_t weight = kElementWeight;
};

// The part that a codelet plays for the planner and the machine, and how it arranges its result:
// codelets.def.
enum class Role : uint8_t { Other, Product, PartialSum, Attention, Reduction, Packing, Unpacking };
enum class Written : uint8_t { Rows, Groups, Kept };

inline int64_t no_bytes(const VertexShape&) { return 0; }

struct Codelet {
  // Is this a vertex that the code can run without reading or writing outside its operands?
  // Errors: "matmul: operand 1 is f16[3,2], must be f16[2,*]".
  Status (*check)(const VertexShape&);
  // Tile cycles of one vertex.
  Cycles (*cycles)(const VertexShape&, const Target&);
  // Bytes on a tile beyond operands: code (once per codelet), vertex state (always), temporaries
  // (while the compute set runs).
  int64_t code_bytes;
  int64_t (*state_bytes)(const VertexShape&);
  int64_t (*temporary_bytes)(const VertexShape&) = no_bytes;
  // Host side: bytes of the constants struct for the JIT; the key of a specialisation together
  // with the name. Operand dtypes and presence belong to it, sizes need not.
  std::string (*constants)(const VertexShape&);
  // Host scratch that the vertex needs, in bytes.
  int64_t (*scratch_bytes)(const VertexShape&) = no_bytes;
  // How the vertex may be cut and joined: the host's direct machine chooses boxes of its own.
  Extents (*extents)(const VertexShape&);
  // Fused products of the matrix unit that one vertex takes; null: it does not use the unit.
  int64_t (*products)(const VertexShape&) = nullptr;

  // From the row: foo.cpp leaves them out.
  std::string_view name = {};
  std::string_view reads = {};
  Written writes = Written::Rows;
  Role role = Role::Other;
  std::span<const std::byte> bitcode = {};
};

// Null if there is none of that name.
const Codelet* find_codelet(std::string_view name);
std::span<const Codelet> all_codelets();

// The shape of vertex k of a compute set.
VertexShape vertex_shape(const Program& program, const ComputeSet& set, int64_t k);
// Runs `check` on every distinct vertex shape of the set. The `check` for verify_program.
Status check_compute_set(const Program& program, const ComputeSet& set);

// Params by name; the caller has checked that it is there (check does so for files).
double param(const std::vector<Param>& params, std::string_view name);
const std::vector<double>* find_param(const std::vector<Param>& params, std::string_view name);

}  // namespace tessera
