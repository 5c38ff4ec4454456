// SPDX-License-Identifier: Apache-2.0
// The executable file. A list of blobs, each with a small fixed header and a SHA-256: one
// executable (the Program), one metadata (what a runner must know), one tensor data blob per
// constant (64-byte aligned, used where it is mapped), opaque blobs (the compile report as JSON).
// It holds no machine code and no paths. Bytes: docs/popef.md.
//
// Writing is deterministic and atomic. ModelRunner (executor/model_runner.h) reads one and runs it.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "program/packing_contract.h"
#include "program/program.h"
#include "support/expected.h"
#include "support/limits.h"
#include "support/minisign.h"

namespace tessera {

class MappedFile;  // support/file.h

inline constexpr std::string_view kPopefVersion = "tessera-popef-1";

enum class AnchorKind : uint8_t { Input, Output };

struct Anchor {
  std::string name;
  AnchorKind kind = AnchorKind::Input;
  DType dtype = DType::F32;  // of the program's variable
  Shape shape;
  std::string
      model_dtype;  // as the ONNX model declares it: "int64", "float32"; what outputs.npy use
  // Inputs whose values index a table: each must be in [0, index_limit). 0: no limit.
  int64_t index_limit = 0;
  // Inputs that whole numbers are computed from: each must be in -size_limit..size_limit, so that
  // the node of this name stays within 32 bits; where it is "", because the model's type holds no
  // more. A mask of keys is in 0..1, where that node attends. 0: no limit.
  int64_t size_limit = 0;
  std::optional<int64_t> size_least = {};  // in place of -size_limit
  std::string limited_by = {};

  // The rule that a value of the input breaks, in words; empty: none.
  std::string must_be(int32_t value) const;
};

struct MemorySummary {
  int64_t peak_bytes = 0;  // on the fullest tile
  int64_t peak_tile = 0;
  std::string peak_superstep;
  int64_t always_live_bytes = 0;  // on that tile
  bool fits = true;
};

struct CycleSummary {
  uint64_t total = 0, compute = 0, rearrange = 0, exchange = 0, sync = 0;  // per batch
  double seconds_per_batch = 0;  // modelled, at the target's clock
};

struct Metadata {
  std::string compiler_version;
  std::string model_name;     // of its graph
  std::string label;          // whatever the one who compiled it wants to say; "" for nothing
  std::string source_sha256;  // of the ONNX model, weights included
  std::string options;        // canonical text of the compile options
  std::string options_sha256;
  std::vector<Anchor> anchors;
  PackingContract packing;
  MemorySummary memory;
  CycleSummary cycles;
  int64_t num_ipus = 1, replication_factor = 1, device_iterations = 1;
};

// Constants' bytes: owned by the compiler's graph, or by the file that is mapped.
struct Blob {
  std::shared_ptr<const void> owner;
  std::span<const std::byte> bytes;
};

struct Executable {
  Program program;
  Metadata metadata;
  std::vector<Blob> constants;  // by Variable::constant
  std::string report;           // opaque blob "report": JSON, "" if none
  std::string sha256;           // stands for the whole file (docs/popef.md), once written or read
};

// The shape of an anchor whose variable has `shape`: each replica has as many of the rows.
Shape of_all_replicas(Shape shape, int64_t replicas);

struct BlobInfo {
  std::string type, name, sha256;
  uint64_t offset = 0, bytes = 0;
};

// Total bytes written. Errors: a full disk, a missing folder; the target is then as it was.
Expected<uint64_t> write_popef(Executable& executable, const std::string& path);

// An executable's file, opened and not yet looked at: it may be read where nothing can be opened
// any more. Every loader comes through here, so that there is one place where a signature is asked
// for.
struct PopefFile {
  std::string path;  // for messages
  std::shared_ptr<const MappedFile> file;
  // If a signature is required: the signer, and the text of PATH.minisig. `file` is then a copy in
  // memory, so that what was checked is what is loaded, whoever writes to the file meanwhile.
  std::optional<PublicKey> signed_by;
  std::string signature;
};

// Errors: the file is missing, or not a regular one; with a key, BadFile where PATH.minisig is not
// there; Refused where the copy would take more than limits.memory.
Expected<PopefFile> open_popef(const std::string& path,
                               const std::optional<PublicKey>& signed_by = {},
                               const Limits& limits = {});
// The trusted comment, once the signature is found to be the key's over these bytes; "" where none
// is required. BadFile: "PATH: PATH.minisig: is signed by key X, must be by Y".
Expected<std::string> check_signature(const PopefFile& file);
// Blobs of a file whose headers are sound, for inspection; the signature is checked first.
Expected<std::vector<BlobInfo>> list_blobs(const PopefFile& file);
Expected<std::vector<BlobInfo>> list_blobs(const std::string& path);

}  // namespace tessera
