// SPDX-License-Identifier: Apache-2.0
#include "session/saved_seconds.h"

#include <string_view>

namespace tessera {
namespace {

double phase_ms(const RecompileEvent& event, std::string_view name) {
  double sum = 0;
  for (const auto& [phase, ms] : event.phase_ms)
    if (phase == name) sum += ms;
  return sum;
}

}  // namespace

double seconds_of_load(const RecompileEvent& compile) {
  const double load = phase_ms(compile, "load"), import = phase_ms(compile, "import");
  if (import == 0) return (load + compile.cache.lookup_ms) / 1e3;  // no compile, but a load
  constexpr double kOpenMs = 0.3, kReadPerImport = 0.36;
  return (kOpenMs + kReadPerImport * import + phase_ms(compile, "verify") + load) / 1e3;
}

double seconds_of_write(const RecompileEvent& compile) {
  const double import = phase_ms(compile, "import");
  if (import == 0 || phase_ms(compile, "write") > 0) return 0;  // it is in its time
  constexpr double kFilesMs = 1, kWritePerImport = 0.5;
  return (kFilesMs + kWritePerImport * import) / 1e3;
}

double saved_seconds(const RecompileEvent& compile) {
  const bool loads = !compile.cache.path.empty() && compile.nearest < 0;
  return compile.wall_ms / 1e3 - (loads ? seconds_of_load(compile) : 0);
}

}  // namespace tessera
