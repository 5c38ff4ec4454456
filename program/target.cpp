// SPDX-License-Identifier: Apache-2.0
#include "program/target.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

namespace tessera {
namespace {

constexpr int64_t kC600Links = 4, kPodLinks = 10;

struct Preset {
  const char* name;
  double clock_hz;
  int64_t ipus, links;
};

// The second generation is one design at three clocks. A Pod's machines have four IPUs each.
constexpr Preset kPresets[] = {
    {"c600",      1.5e9,  1,  kC600Links},
    {"gc200",     1.33e9, 1,  kPodLinks },
    {"bow",       1.85e9, 1,  kPodLinks },
    {"test",      1.5e9,  1,  kC600Links},
    {"c600x2",    1.5e9,  2,  kC600Links},
    {"c600x4",    1.5e9,  4,  kC600Links},
    {"c600x8",    1.5e9,  8,  kC600Links},
    {"pod4",      1.33e9, 4,  kPodLinks },
    {"pod16",     1.33e9, 16, kPodLinks },
    {"bow-pod4",  1.85e9, 4,  kPodLinks },
    {"bow-pod16", 1.85e9, 16, kPodLinks },
    {"testx2",    1.5e9,  2,  kC600Links},
    {"testx4",    1.5e9,  4,  kC600Links},
};

}  // namespace

bool Target::operator==(const Target& other) const {
  if (name != other.name || ipus != other.ipus) return false;
  std::vector<double> numbers, others;
  const auto into = [](std::vector<double>& all) {
    return [&all](const char*, auto value) { all.push_back(static_cast<double>(value)); };
  };
  for_each_field(*this, into(numbers));
  for_each_field(other, into(others));
  return numbers == others;
}

bool has_fp8(const Target& target) {
  return target.name.starts_with("c600") || target.name.starts_with("test");
}

Expected<Target> target_preset(std::string_view name) {
  const auto* preset = std::ranges::find(kPresets, name, &Preset::name);
  if (preset == std::end(kPresets)) {
    std::vector<const char*> known;
    for (const Preset& one : kPresets) known.push_back(one.name);
    return Error{
        fmt::format("target '{}' is not known, must be one of {}", name, fmt::join(known, ", ")),
        ErrorKind::Usage};
  }
  Target target;
  target.name = preset->name;
  target.clock_hz = preset->clock_hz;
  target.ipus = preset->ipus;
  target.links = preset->links;
  if (name.starts_with("test")) {
    // Few tiles, so that a whole Program can be read, and room enough for any small model.
    target.tiles = 4;
    target.bytes_per_tile = int64_t{16} << 20;
  }
  return target;
}

}  // namespace tessera
