// SPDX-License-Identifier: Apache-2.0
// What `tessera bench --online` says of a run.
#pragma once

#include <string>

#include "packing/picture.h"
#include "serving/online_bench.h"

namespace tessera::tools {

void print_figures(const OnlineFigures& figures);
// The batch as a picture, what is in it, and why it was closed.
std::string explain(const PackingContract& contract, const FormerConfig& config,
                    const FormedBatch& batch, const PictureOptions& picture);

}  // namespace tessera::tools
