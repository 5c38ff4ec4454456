// SPDX-License-Identifier: Apache-2.0
#include "program/write_popef.h"

#include <functional>

#include "program/blobs.h"
#include "program/messages.h"
#include "program/metadata_check.h"
#include "program/popef_content.h"
#include "support/check.h"
#include "support/guard.h"

namespace tessera {
namespace {

// `put` makes a file of what it is given to write.
Expected<uint64_t> write_unguarded(Executable& executable,
                                   const std::function<Status(const WriteContent&)>& put) {
  const Program& program = executable.program;
  TRY(check_metadata(program, executable.metadata));
  const auto constants = constants_of(program);
  CHECK(constants.size() == executable.constants.size());

  const std::string program_bytes = to_bytes(program);
  const Sha256 program_sha256 = sha256(program_bytes);
  const std::string metadata_bytes = to_bytes(executable.metadata, to_hex(program_sha256));
  std::vector<BlobView> blobs;
  const auto add = [&blobs](BlobType type, std::string name, std::span<const std::byte> content) {
    blobs.push_back({type, std::move(name), content, {}, 0});
  };
  add(BlobType::Executable, to_hex(program_sha256), std::as_bytes(std::span(program_bytes)));
  add(BlobType::Metadata, std::string(kMetadataName), std::as_bytes(std::span(metadata_bytes)));
  for (size_t i = 0; i < constants.size(); ++i) {
    CHECK(check_constant(*constants[i], executable.constants[i].bytes).ok());
    add(BlobType::TensorData, constants[i]->name, executable.constants[i].bytes);
  }
  if (!executable.report.empty())
    add(BlobType::Opaque, std::string(kReportName), std::as_bytes(std::span(executable.report)));

  uint64_t bytes = 0;
  const auto write = [&](const Sink& sink) -> Status {
    const BlobFile file = TRY(write_blobs(std::move(blobs), sink));
    look_at_lengths();
    for (const Blob& constant : executable.constants)
      if (!is_whole(constant.bytes))
        return Error{"the file of a constant was cut off, must not be"};
    executable.sha256 = to_hex(file.sha256);
    bytes = file_bytes(file);
    return {};
  };
  TRY(put(write));
  return bytes;
}

}  // namespace

Expected<uint64_t> write_popef(Executable& executable, const std::string& path, Sync sync) {
  return guarded(path, [&] {
    return write_unguarded(executable, [&](const WriteContent& write) {
      return write_file_atomic(path, write, sync);
    });
  });
}

Expected<uint64_t> write_popef(Executable& executable, const std::string& path) {
  return write_popef(executable, path, Sync::Yes);
}

Expected<uint64_t> write_popef_in(Executable& executable, int folder, const std::string& name,
                                  const std::string& path, Sync sync, mode_t mode) {
  return guarded(path, [&] {
    return write_unguarded(executable, [&](const WriteContent& write) {
      return write_file_atomic_in(folder, name, path, write, sync, mode);
    });
  });
}

}  // namespace tessera
