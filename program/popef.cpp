// SPDX-License-Identifier: Apache-2.0
#include "program/popef.h"

#include <fmt/format.h>

#include "support/file.h"
#include "support/guard.h"

namespace tessera {
namespace {

constexpr size_t kMostSignature = size_t{1} << 16;

std::string signature_path(const std::string& path) { return path + ".minisig"; }

Expected<std::string> read_signature(const std::string& path) {
  Expected<std::string> text = read_text_file(signature_path(path), kMostSignature);
  if (text.ok()) return text;
  return Error{
      path + ": has no signature, must have one by the required key: " + text.error().message,
      ErrorKind::BadFile};
}

Expected<PopefFile> open_unguarded(const std::string& path,
                                   const std::optional<PublicKey>& signed_by,
                                   const Limits& limits) {
  // Mapped first: a return out of the braces would leave the members that are made already.
  std::shared_ptr<const MappedFile> mapped = TRY(MappedFile::open(path));
  PopefFile file{path, std::move(mapped), signed_by, {}};
  if (!signed_by) return file;
  TRY(check_limit(limits, &Limits::memory, std::ssize(file.file->bytes()), path));
  file.file = TRY(MappedFile::copy(path, static_cast<size_t>(limits.memory)));
  file.signature = TRY(read_signature(path));
  return file;
}

}  // namespace

std::string Anchor::must_be(int32_t value) const {
  if (index_limit > 0 && (value < 0 || value >= index_limit))
    return fmt::format("0..{}", index_limit - 1);
  const int64_t least = size_least.value_or(-size_limit);
  if (size_limit == 0 || (value >= least && value <= size_limit)) return "";
  const bool is_mask = least == 0 && size_limit == 1;
  const std::string why = limited_by.empty() ? fmt::format("the model declares {}", model_dtype)
                                             : fmt::format("node '{}' {}", limited_by,
                                                           is_mask ? "takes it for a mask"
                                                                   : "computes with it in 32 bits");
  return fmt::format("{}..{}, as {}", least, size_limit, why);
}

Shape of_all_replicas(Shape shape, int64_t replicas) {
  if (!shape.empty()) shape[0] *= replicas;
  return shape;
}

Expected<PopefFile> open_popef(const std::string& path, const std::optional<PublicKey>& signed_by,
                               const Limits& limits) {
  return guarded(path, [&] { return open_unguarded(path, signed_by, limits); });
}

Expected<std::string> check_signature(const PopefFile& file) {
  if (!file.signed_by) return std::string();
  Expected<std::string> comment =
      check_signature(file.file->bytes(), file.signature, *file.signed_by);
  if (comment.ok()) return comment;
  return Error{file.path + ": " + signature_path(file.path) + ": " + comment.error().message,
               comment.error().kind};
}

}  // namespace tessera
