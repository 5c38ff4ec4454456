// SPDX-License-Identifier: Apache-2.0
#include "support/file_names.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <climits>
#include <set>

#include "support/sha256.h"

namespace tessera {
namespace {

constexpr std::string_view kExtension = ".npy";
constexpr size_t kLongestStem = NAME_MAX - kExtension.size();

bool is_ordinary(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.' || c == '-';
}

bool needs_no_escape(std::string_view name) {
  return !name.empty() && name[0] != '.' && std::ranges::all_of(name, is_ordinary);
}

// One '_' for each character, of as many bytes as its UTF-8 has; "" where a file cannot be called
// so.
std::string plain_spelling(std::string_view name) {
  std::string plain;
  for (const char c : name) {
    const bool continues = (static_cast<unsigned char>(c) & 0xc0) == 0x80;
    if (!continues) plain += is_ordinary(c) ? c : '_';
  }
  return plain.starts_with('.') ? "" : plain;
}

std::string_view stem_of(std::string_view file) {
  if (file.ends_with(kExtension)) file.remove_suffix(kExtension.size());
  return file;
}

// The two digits, or nothing, behind each '%' of an escape tell it from "%%".
std::string stem_for(std::string_view name) {
  std::string stem = escaped(name);
  if (stem.size() <= kLongestStem) return stem;
  const std::string end = "%%" + to_hex(sha256(std::string(name)));
  stem.resize(kLongestStem - end.size());
  return stem + end;
}

}  // namespace

std::string escaped(std::string_view name) {
  if (name.empty()) return "%";
  std::string file;
  for (size_t i = 0; i < name.size(); ++i) {
    if (is_ordinary(name[i]) && (i > 0 || name[i] != '.'))
      file += name[i];
    else
      file += fmt::format("%{:02X}", static_cast<unsigned char>(name[i]));
  }
  return file;
}

std::string unescaped(std::string_view file) {
  if (file == "%") return "";
  std::string name;
  for (size_t i = 0; i < file.size(); ++i) {
    unsigned char byte = 0;
    if (file[i] == '%' && i + 2 < file.size()) {
      const char* const digits = file.data() + i + 1;
      if (std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2) {
        name += static_cast<char>(byte);
        i += 2;
        continue;
      }
    }
    name += file[i];
  }
  return escaped(name) == file ? name : std::string(file);
}

std::string name_in_word(std::string_view name) {
  constexpr std::string_view kSeparators = "=,;[] \t\n";
  const bool clear = !name.empty() && name.find_first_of(kSeparators) == name.npos;
  return clear && unescaped(name) == name ? std::string(name) : escaped(name);
}

std::string escaped_file(std::string_view name) { return stem_for(name) + std::string(kExtension); }

bool is_tensor_file(std::string_view file) {
  return file.size() > kExtension.size() && file.size() <= NAME_MAX && file.ends_with(kExtension) &&
         file[0] != '.' &&
         std::ranges::all_of(file, [](char c) { return is_ordinary(c) || c == '%'; });
}

TensorFiles::TensorFiles(std::span<const std::string> names, std::span<const std::string> others) {
  const std::set<std::string> own(names.begin(), names.end());
  std::map<std::string, int> uses;
  for (const std::string& name : own) ++uses[plain_spelling(name)];
  for (const std::string& name : others)
    if (!own.contains(name)) ++uses[plain_spelling(name)];
  for (const std::string& name : own) {
    const std::string plain = plain_spelling(name);
    const bool clear = needs_no_escape(name) || (!plain.empty() && uses[plain] == 1);
    stems_[name] = clear && plain.size() <= kLongestStem ? plain : stem_for(name);
    names_[stems_[name]] = name;
    names_[stem_for(name)] = name;
  }
}

std::string TensorFiles::file_of(const std::string& name) const {
  const auto found = stems_.find(name);
  return found == stems_.end() ? escaped_file(name) : found->second + std::string(kExtension);
}

std::string TensorFiles::name_of(std::string_view file) const {
  const std::string stem(stem_of(file));
  const auto found = names_.find(stem);
  return found == names_.end() ? unescaped(stem) : found->second;
}

Expected<std::string> find_tensor_file(const std::string& folder, const TensorFiles& files,
                                       const std::string& name) {
  const std::string usual = folder + "/" + files.file_of(name);
  const std::string other = folder + "/" + escaped_file(name);
  if (usual == other || ::access(other.c_str(), F_OK) != 0) return usual;
  if (::access(usual.c_str(), F_OK) != 0) return other;
  return Error{
      fmt::format("{}: and {} are both there for '{}', must be one of them", usual, other, name)};
}

}  // namespace tessera
