// SPDX-License-Identifier: Apache-2.0
#include "compiler/sharding_text.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <sstream>

#include "program/bounds.h"
#include "support/file.h"
#include "support/file_names.h"
#include "support/numbers.h"

namespace tessera {
namespace {

constexpr size_t kMostBytes = size_t{1} << 20;  // of a YAML file
constexpr size_t kMostEntries = 4096;
constexpr int64_t kMostDevices = kMaxTiles;  // an IPU has at least one tile

Error usage(std::string message) { return {std::move(message), ErrorKind::Usage}; }

Expected<int64_t> number(const std::string& where, const std::string& text) {
  int64_t value = 0;
  if (parse_number(text, value) && value >= 0 && value < kMostDevices) return value;
  return usage(
      fmt::format("{}: '{}', must be a whole number from 0 to {}", where, text, kMostDevices - 1));
}

// A scalar of an entry; none where the key is not there.
Expected<std::string> scalar(const std::string& where, const YAML::Node& entry, const char* key) {
  const YAML::Node value = entry[key];
  if (!value) return std::string();
  if (value.IsScalar()) return value.Scalar();
  return usage(fmt::format("{}: {} must be one word", where, key));
}

Expected<ShardEntry> entry_of(const std::string& where, const YAML::Node& entry) {
  if (!entry.IsMap()) return usage(where + ": is not a map, must have node, device and stage");
  for (const auto& field : entry) {
    const std::string key = field.first.IsScalar() ? field.first.Scalar() : "";
    if (key != "node" && key != "device" && key != "stage")
      return usage(fmt::format("{}: '{}', must be node, device or stage", where, key));
  }
  ShardEntry read;
  read.node = TRY(scalar(where, entry, "node"));
  if (read.node.empty()) return usage(where + ": node is missing, must be given");
  read.device = TRY(number(where + ": device", TRY(scalar(where, entry, "device"))));
  if (entry["stage"])
    read.stage = TRY(number(where + ": stage", TRY(scalar(where, entry, "stage"))));
  return read;
}

Expected<ManualSharding> sharding_of(const std::string& where, const YAML::Node& list) {
  if (!list.IsSequence())
    return usage(where + ": is not a list, must be one of node, device and stage");
  if (list.size() == 0 || list.size() > kMostEntries)
    return usage(
        fmt::format("{}: has {} entries, must have 1 to {}", where, list.size(), kMostEntries));
  ManualSharding sharding;
  for (const YAML::Node& entry : list)
    sharding.entries.push_back(
        TRY(entry_of(fmt::format("{}: entry {}", where, sharding.entries.size()), entry)));
  return sharding;
}

Expected<ShardEntry> entry_of_word(const std::string& where, const std::string& word) {
  const size_t equals = word.rfind('=');
  if (equals == std::string::npos || equals == 0)
    return usage(fmt::format("{}: '{}', must be NODE=DEVICE:STAGE", where, word));
  const std::string place = word.substr(equals + 1);
  const size_t colon = place.find(':');
  ShardEntry entry{.node = unescaped(word.substr(0, equals))};
  entry.device = TRY(number(where + " " + entry.node, place.substr(0, colon)));
  if (colon != std::string::npos)
    entry.stage = TRY(number(where + " " + entry.node, place.substr(colon + 1)));
  return entry;
}

}  // namespace

// The library throws; nothing of it leaves here.
Expected<ManualSharding> parse_sharding_yaml(const std::string& where, const std::string& text) {
  try {
    return sharding_of(where, YAML::Load(text));
  } catch (const YAML::Exception& error) {
    return usage(
        fmt::format("{}: line {}: {}, must be YAML", where, error.mark.line + 1, error.msg));
  }
}

Expected<ManualSharding> parse_sharding(const std::string& where,
                                        const std::vector<std::string>& words) {
  if (words.size() == 1 && words[0].find('=') == std::string::npos) {
    const std::string text = TRY(read_text_file(words[0], kMostBytes));
    return parse_sharding_yaml(words[0], text);
  }
  ManualSharding sharding;
  for (const std::string& word : words) {
    std::istringstream parts(word);
    for (std::string part; std::getline(parts, part, ',');)
      sharding.entries.push_back(TRY(entry_of_word(where, part)));
  }
  return sharding;
}

std::string to_string(const ManualSharding& sharding) {
  std::string text;
  for (const ShardEntry& entry : sharding.entries)
    text += fmt::format("{}{}={}:{}", text.empty() ? "" : ",", name_in_word(entry.node),
                        entry.device, entry.stage);
  return text;
}

}  // namespace tessera
