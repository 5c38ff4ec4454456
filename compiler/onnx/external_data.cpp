// SPDX-License-Identifier: Apache-2.0
#include "compiler/onnx/external_data.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>
#include <utility>

#include "compiler/onnx/contained_file.h"
#include "compiler/onnx/model_file.h"
#include "support/descriptor.h"

namespace tessera {
namespace {

std::string called(const std::string& location) {
  return "external data '" + printable(location) + "'";
}

// Whether a location is as "a/b.bin", which cannot lead out of a folder but by links.
bool is_plain(const std::string& location) {
  if (location.find('\0') != std::string::npos) return false;
  bool names_something = false;
  for (size_t begin = 0; begin <= location.size();) {
    const size_t end = std::min(location.find('/', begin), location.size());
    const std::string part = location.substr(begin, end - begin);
    if (part.empty() || part == "..") return false;
    names_something |= part != ".";
    begin = end + 1;
  }
  return names_something;
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

ExternalData::ExternalData(const std::string& model_path, std::vector<std::string> trusted)
    : folder_(std::filesystem::path(model_path).parent_path()), trusted_(std::move(trusted)) {
  if (folder_.empty()) folder_ = ".";
}

Expected<std::shared_ptr<const MappedFile>> ExternalData::open(const std::string& location) {
  if (!is_plain(location))
    return Error{called(location) + ": leads out of the model's folder, must be a path below it",
                 ErrorKind::BadFile};
  const Descriptor file = TRY(open_contained(folder_, location, trusted_, called(location)));
  return MappedFile::map(file.get(), called(location));
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

std::string ExternalData::sha256_with(const Sha256& model) const {
  if (files_.empty()) return to_hex(model);
  Sha256Stream hash;
  hash.add(std::as_bytes(std::span(model)));
  for (const auto& [name, file] : files_) {
    hash.add(std::as_bytes(std::span(name)));
    hash.add(file->bytes());
  }
  return to_hex(hash.finish());
}

}  // namespace tessera
