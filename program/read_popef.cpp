// SPDX-License-Identifier: Apache-2.0
#include "program/read_popef.h"

#include <fmt/format.h>

#include "program/blobs.h"
#include "program/made_by.h"
#include "program/messages.h"
#include "program/metadata_check.h"
#include "program/popef_content.h"
#include "support/file.h"
#include "support/guard.h"
#include "support/lines.h"

namespace tessera {
namespace {

// A limit that is not enough is not the file's fault.
Error bad(const std::string& path, const Error& error) {
  const bool refused = error.kind == ErrorKind::Refused;
  return {path + ": " + error.message, refused ? ErrorKind::Refused : ErrorKind::BadFile,
          error.type};
}

// --- Reading, once the blobs are sound ---

class Reader {
 public:
  Reader(std::shared_ptr<const MappedFile> owner, const BlobFile& file, const Limits& limits)
      : owner_(std::move(owner)), file_(file), limits_(limits) {}

  Expected<Executable> run(const CheckComputeSet& check) {
    TRY(of_version(in_blob(read_program(check))));
    TRY(of_version(in_blob(read_metadata())));
    for (const Variable* variable : constants_of(executable_.program))
      TRY(in_blob(read_constant(*variable)));
    if (next_ < file_.blobs.size()) TRY(in_blob(read_report()));
    if (next_ < file_.blobs.size())
      return Error{fmt::format("{}: follows the last blob of the executable, must not be there",
                               blob_title(next_, file_.blobs[next_]))};
    executable_.sha256 = to_hex(file_.sha256);
    return std::move(executable_);
  }

 private:
  // Reads the blob at hand, and goes on to the next.
  Status in_blob(const Status& status) {
    const size_t index = next_++;
    if (status.ok()) return {};
    const std::string title = index < file_.blobs.size() ? blob_title(index, file_.blobs[index])
                                                         : fmt::format("blob {}", index);
    return Error{title + ": " + status.error().message, status.error().kind, status.error().type};
  }

  // A file that the version that made it reads is not a bad one there.
  Status of_version(const Status& status) const {
    if (status.ok() || status.error().kind == ErrorKind::Refused) return status;
    for (const BlobView& blob : file_.blobs) {
      if (blob.type != BlobType::Metadata) continue;
      return Error{status.error().message + another_version(blob.content), status.error().kind,
                   status.error().type};
    }
    return status;
  }

  Expected<std::span<const std::byte>> content(BlobType type, std::string_view name) const {
    if (next_ == file_.blobs.size())
      return Error{fmt::format("is missing, must be {} '{}'", to_string(type), name)};
    const BlobView& blob = file_.blobs[next_];
    if (blob.type == type && blob.name == name) return blob.content;
    return Error{fmt::format("must be {} '{}'", to_string(type), name)};
  }

  Status read_program(const CheckComputeSet& check) {
    const std::string name = to_hex(file_.blobs[0].content_sha256);
    executable_.program = TRY(program_from(TRY(content(BlobType::Executable, name)), limits_));
    return verify_program(executable_.program, check, limits_);
  }

  Status read_metadata() {
    ReadMetadata read =
        TRY(metadata_from(TRY(content(BlobType::Metadata, kMetadataName)), limits_));
    if (read.executable != file_.blobs[0].name)
      return Error{fmt::format("describes executable '{}', must describe '{}'", read.executable,
                               file_.blobs[0].name)};
    executable_.metadata = std::move(read.metadata);
    return check_metadata(executable_.program, executable_.metadata);
  }

  Status read_constant(const Variable& variable) {
    const auto bytes = TRY(content(BlobType::TensorData, variable.name));
    executable_.constants.push_back({owner_, bytes});
    return check_constant(variable, bytes);
  }

  Status read_report() {
    const auto bytes = TRY(content(BlobType::Opaque, kReportName));
    executable_.report.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return check_json(executable_.report);
  }

  std::shared_ptr<const MappedFile> owner_;
  const BlobFile& file_;
  const Limits& limits_;
  Executable executable_;
  size_t next_ = 0;  // the blob at hand
};

template <class T>
Expected<T> at(const std::string& path, Expected<T> result) {
  if (result.ok()) return result;
  return bad(path, result.error());
}

Expected<Executable> read_unguarded(const PopefFile& from, const CheckComputeSet& check,
                                    const Limits& limits) {
  TRY(check_limit(limits, &Limits::memory, std::ssize(from.file->bytes()), from.path));
  TRY(check_signature(from));
  const BlobFile file = TRY(at(from.path, walk_blobs(from.file->bytes())));
  TRY(at(from.path, check_contents(file)));
  auto read = at(from.path, Reader(from.file, file, limits).run(check));
  TRY(from.file->check());
  return read;
}

Expected<std::vector<BlobInfo>> list_unguarded(const PopefFile& from) {
  TRY(check_signature(from));
  Expected<BlobFile> walked = at(from.path, walk_blobs(from.file->bytes()));
  TRY(from.file->check());  // what was cut off reads as zeros, which its maker did not write
  const BlobFile file = TRY(walked);
  std::vector<BlobInfo> infos;
  for (const BlobView& blob : file.blobs)
    infos.push_back({std::string(to_string(blob.type)), blob.name, to_hex(blob.content_sha256),
                     blob.offset, blob.content.size()});
  return infos;
}

}  // namespace

Expected<Executable> read_popef(const PopefFile& from, const CheckComputeSet& check,
                                const Limits& limits) {
  return guarded(from.path, [&] { return read_unguarded(from, check, limits); });
}

Expected<Executable> read_popef(const std::string& path, const CheckComputeSet& check,
                                const Limits& limits) {
  return read_popef(TRY(open_popef(path)), check, limits);
}

Expected<std::vector<BlobInfo>> list_blobs(const PopefFile& from) {
  return guarded(from.path, [&] { return list_unguarded(from); });
}

Expected<std::vector<BlobInfo>> list_blobs(const std::string& path) {
  return list_blobs(TRY(open_popef(path)));
}

}  // namespace tessera
