// SPDX-License-Identifier: Apache-2.0
#include "tools/verbs/kept_lines.h"

#include <algorithm>

#include "tools/print/print.h"

namespace tessera::tools {

void print_kept(std::span<const KeptLine> kept, size_t most) {
  if (kept.empty()) return;
  print("in fp32    {} nodes of this fp16 program\n", kept.size());
  for (const KeptLine& line : kept.first(std::min(most, kept.size())))
    print("             {:<16} {} ({}): {}\n", line.rule, line.node, line.op, line.why);
  if (kept.size() > most) print("             … and {} more (--json)\n", kept.size() - most);
}

}  // namespace tessera::tools
