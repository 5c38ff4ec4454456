// SPDX-License-Identifier: Apache-2.0
#include "executor/verification.h"

#include "codelets/codelet.h"
#include "program/boxes.h"
#include "program/read_popef.h"
#include "support/file.h"
#include "support/guard.h"

namespace tessera {
namespace {

void count_program(const Program& program, Verification& is) {
  is.target = program.target.name;
  is.bytes_per_tile = program.target.bytes_per_tile;
  is.variables = std::ssize(program.variables);
  is.supersteps = std::ssize(program.supersteps);
  is.inputs = std::ssize(program.inputs);
  is.outputs = std::ssize(program.outputs);
  for (const Variable& variable : program.variables)
    is.constants += variable.kind == VariableKind::Constant ? 1 : 0;
  for (const Superstep& step : program.supersteps) {
    const int64_t vertices = vertex_count(step.compute.grid);
    is.vertices += vertices;
    is.operands += vertices * std::ssize(step.compute.operands);
    for (const Transfer& transfer : step.exchange) is.transfers += vertex_count(transfer.grid);
  }
}

Expected<Verification> verify_unguarded(const PopefFile& file, const Limits& limits) {
  Verification is;
  is.bytes = file.file->bytes().size();
  is.trusted_comment = TRY(check_signature(file));
  if (file.signed_by) is.signed_by = file.signed_by->number;
  const Executable executable = TRY(read_popef(file, check_compute_set, limits));
  is.blobs = TRY(list_blobs(file));
  is.sha256 = executable.sha256;
  is.model_name = executable.metadata.model_name;
  is.packing = executable.metadata.packing.form;
  count_program(executable.program, is);
  int64_t blocks = 0;
  for (const Variable& variable : executable.program.variables)
    blocks += block_count(variable.mapping);
  const MemoryReport memory = program_memory(executable.program);
  is.fits = memory.fits;
  is.peak_bytes = memory.peak_by_tile[memory.fullest.value];
  is.limits.push_back({"vertices", is.vertices + is.transfers, limits.vertices});
  is.limits.push_back({"blocks", blocks, limits.blocks});
  return is;
}

}  // namespace

Expected<Verification> verify_popef(const PopefFile& file, const Limits& limits) {
  return guarded(file.path, [&] { return verify_unguarded(file, limits); });
}

}  // namespace tessera
