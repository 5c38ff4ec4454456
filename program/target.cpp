// SPDX-License-Identifier: Apache-2.0
#include "program/target.h"

namespace tessera {
namespace {

// The second generation is one design at three clocks; the C600 is what the defaults describe.
Target clocked(std::string_view name, double clock_hz) {
  Target target;
  target.name = name;
  target.clock_hz = clock_hz;
  return target;
}

// Few tiles, so that a whole Program can be read, and room enough for any small model.
Target small() {
  Target target;
  target.name = "test";
  target.tiles = 4;
  target.bytes_per_tile = int64_t{16} << 20;
  return target;
}

}  // namespace

Expected<Target> target_preset(std::string_view name) {
  if (name == "c600") return Target{};
  if (name == "gc200") return clocked("gc200", 1.33e9);
  if (name == "bow") return clocked("bow", 1.85e9);
  if (name == "test") return small();
  return Error{"target '" + std::string(name) + "' is not known, must be c600, gc200, bow or test",
               ErrorKind::Usage};
}

}  // namespace tessera
