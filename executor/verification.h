// SPDX-License-Identifier: Apache-2.0
// The facts about an executable's file that need no code made or run: every check that a load
// makes, and a count of what was proved.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cost/cost.h"
#include "program/popef.h"
#include "support/expected.h"
#include "support/limits.h"

namespace tessera {

struct LimitUse {
  std::string_view name;
  int64_t used = 0, limit = 0;
};

struct Verification {
  uint64_t bytes = 0;           // of the file
  std::string sha256;           // the last link of its chain (docs/popef.md)
  std::vector<BlobInfo> blobs;  // each with its SHA-256, which is right
  // The Program, which was proved: each operand's boxes lie inside their variables, and each
  // vertex reads and writes nothing but its own tile.
  std::string target;
  int64_t variables = 0, constants = 0, supersteps = 0;
  int64_t vertices = 0;
  int64_t operands = 0;   // boxes of all vertices
  int64_t transfers = 0;  // boxes that exchanges deliver
  // The metadata, which describes that Program.
  std::string model_name;
  int64_t inputs = 0, outputs = 0;
  PackingForm packing = PackingForm::None;
  // A Program that a tile does not hold is sound, but no load takes it.
  bool fits = true;
  int64_t peak_bytes = 0, bytes_per_tile = 0;
  std::optional<KeyNumber> signed_by;  // where a signature was required, and is right
  std::string trusted_comment;         // which is signed too
  std::vector<LimitUse> limits;
};

// Errors: as those of read_popef; Refused where a limit is not enough.
Expected<Verification> verify_popef(const PopefFile& file, const Limits& limits = {});

}  // namespace tessera
