// SPDX-License-Identifier: Apache-2.0
#include "compiler/onnx/external_data.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <optional>
#include <vector>

#include "compiler/onnx/model_file.h"
#include "support/descriptor.h"

namespace tessera {
namespace {

std::string called(const std::string& location) {
  return "external data '" + printable(location) + "'";
}

// "a/b.bin" as its parts; nothing if it could lead out of the folder.
std::optional<std::vector<std::string>> plain_path(const std::string& location) {
  if (location.find('\0') != std::string::npos) return std::nullopt;
  std::vector<std::string> parts;
  size_t begin = 0;
  while (begin <= location.size()) {
    const size_t end = std::min(location.find('/', begin), location.size());
    const std::string part = location.substr(begin, end - begin);
    if (part.empty() || part == "..") return std::nullopt;
    if (part != ".") parts.push_back(part);
    begin = end + 1;
  }
  if (parts.empty()) return std::nullopt;
  return parts;
}

// A number of bytes as the format writes it: decimal digits.
Expected<size_t> parse_bytes(const std::string& key, const std::string& text) {
  size_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem == std::errc{} && end == text.data() + text.size()) return value;
  return Error{"external data: " + key + " is '" + printable(text) +
               "', must be a number of bytes"};
}

}  // namespace

ExternalData::ExternalData(const std::string& model_path)
    : folder_(std::filesystem::path(model_path).parent_path()) {
  if (folder_.empty()) folder_ = ".";
}

Expected<std::shared_ptr<const MappedFile>> ExternalData::open(const std::string& location) {
  const auto parts = plain_path(location);
  if (!parts)
    return Error{called(location) + ": leads out of the model's folder, must be a path below it",
                 ErrorKind::BadFile};
  Descriptor at(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (size_t i = 0; i < parts->size() && at.is_open(); ++i) {
    const bool last = i + 1 == parts->size();
    const int kind = last ? O_NONBLOCK : O_DIRECTORY;
    at.reset(::openat(at.get(), (*parts)[i].c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | kind));
  }
  if (!at.is_open() && (errno == ELOOP || errno == ENOTDIR))
    return Error{called(location) + ": is reached through a link, must be a plain file",
                 ErrorKind::BadFile};
  if (!at.is_open()) return Error{called(location) + ": cannot open: " + std::strerror(errno)};

  struct stat status;
  if (::fstat(at.get(), &status) == 0 && S_ISREG(status.st_mode) && status.st_nlink > 1)
    return Error{called(location) + ": has " + std::to_string(status.st_nlink) +
                     " names (hard links), must have one, below the model's folder",
                 ErrorKind::BadFile};
  return MappedFile::map(at.get(), called(location));
}

Expected<ExternalData::Region> ExternalData::region(const ::onnx::TensorProto& tensor) {
  std::string location;
  size_t offset = 0;
  std::optional<size_t> length;
  for (const auto& entry : tensor.external_data()) {
    if (entry.key() == "location") location = entry.value();
    if (entry.key() == "offset") offset = TRY(parse_bytes("offset", entry.value()));
    if (entry.key() == "length") length = TRY(parse_bytes("length", entry.value()));
  }
  auto& file = files_[location];
  if (!file) {
    auto opened = open(location);
    if (!opened.ok()) {
      files_.erase(location);
      return opened.error();
    }
    file = *opened;
  }
  const std::span<const std::byte> bytes = file->bytes();
  if (offset > bytes.size() || length.value_or(0) > bytes.size() - offset)
    return Error{called(location) + ": bytes from " + std::to_string(offset) + ", " +
                     std::to_string(length.value_or(0)) + " of them, must lie within its " +
                     std::to_string(bytes.size()),
                 ErrorKind::BadFile};
  return Region{file, bytes.subspan(offset, length.value_or(bytes.size() - offset))};
}

void ExternalData::add_to(Sha256Stream& hash) const {
  for (const auto& [name, file] : files_) {
    hash.add(std::as_bytes(std::span(name)));
    hash.add(file->bytes());
  }
}

}  // namespace tessera
