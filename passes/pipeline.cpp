// SPDX-License-Identifier: Apache-2.0
// passes.def as a table.
#include "passes/pipeline.h"

#include "passes/passes.h"

namespace tessera {
namespace {

// When a pass runs: always, or where this option is set.
constexpr bool PassOptions::* kAlways = nullptr;
constexpr bool PassOptions::* kEither = &PassOptions::position_ids;
constexpr bool PassOptions::* kMasked = &PassOptions::whole_mask;
constexpr bool PassOptions::* kFormA = &PassOptions::pack_unpack;
constexpr bool PassOptions::* kFormB = &PassOptions::pack_attention_mask;
constexpr bool PassOptions::* kWide = &PassOptions::widens_halves;
constexpr bool PassOptions::* kFp16 = &PassOptions::fp16;
constexpr bool PassOptions::* kFp8 = &PassOptions::fp8;

constexpr Pass kPasses[] = {
#define PASS(name, option, what) {#name, what, name, option},
#include "passes/passes.def"
#undef PASS
};

}  // namespace

std::span<const Pass> all_passes() { return kPasses; }

}  // namespace tessera
