// SPDX-License-Identifier: Apache-2.0
#include "executor/vertex.h"

namespace tessera {

RegionKey region_key(const OperandPlan& operand, const std::vector<int64_t>& extent) {
  RegionKey key{std::vector<int64_t>(extent.size()), 1};
  for (size_t a = extent.size(); a-- > 0;) {
    bool moves = false;
    for (const OperandPlan::Dim& dim : operand.dims) {
      moves |= dim.axis == static_cast<int32_t>(a);
    }
    if (!moves) continue;
    key.stride[a] = key.count;
    key.count *= extent[a];
  }
  return key;
}

}  // namespace tessera
