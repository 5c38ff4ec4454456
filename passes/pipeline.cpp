// SPDX-License-Identifier: Apache-2.0
// passes.def as a table.
#include "passes/pipeline.h"

#include "passes/passes.h"

namespace tessera {
namespace {

constexpr RunsWhere kAlways = {};
constexpr RunsWhere kEither = {.option = &PassOptions::position_ids};
constexpr RunsWhere kMasked = {.option = &PassOptions::whole_mask};
constexpr RunsWhere kFormA = {.form = PackingForm::A};
constexpr RunsWhere kFormB = {.form = PackingForm::B};
constexpr RunsWhere kWide = {.option = &PassOptions::widens_halves};
constexpr RunsWhere kFp16 = {.option = &PassOptions::fp16};
constexpr RunsWhere kFp8 = {.option = &PassOptions::fp8};

constexpr Pass kPasses[] = {
#define PASS(name, runs, what) {#name, what, name, runs},
#include "passes/passes.def"
#undef PASS
};

}  // namespace

std::span<const Pass> all_passes() { return kPasses; }

}  // namespace tessera
