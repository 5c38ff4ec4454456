// SPDX-License-Identifier: Apache-2.0
// Small models in ONNX's own words, and tensors, for the corpus.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace tessera::fuzz {

using Seeds = std::vector<std::pair<std::string, std::string>>;  // name, bytes
Seeds onnx_seeds();
Seeds tensor_seeds();

}  // namespace tessera::fuzz
