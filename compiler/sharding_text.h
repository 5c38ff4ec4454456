// SPDX-License-Identifier: Apache-2.0
// Where nodes are to be computed, as PopRT's --manual_sharding_config says it: a list of a node of
// the ONNX model, a device and a stage, in a YAML file or in words NODE=DEVICE:STAGE.
#pragma once

#include <string>
#include <vector>

#include "compiler/options.h"
#include "support/expected.h"

namespace tessera {

// "[{node: a, device: 0, stage: 0}, …]"; a stage that is left out is 0. `where` begins errors.
Expected<ManualSharding> parse_sharding_yaml(const std::string& where, const std::string& text);
// One word without an equals sign is the name of a YAML file.
Expected<ManualSharding> parse_sharding(const std::string& where,
                                        const std::vector<std::string>& words);
// "a=0:0,b=1:1", which parse_sharding reads back.
std::string to_string(const ManualSharding& sharding);

}  // namespace tessera
