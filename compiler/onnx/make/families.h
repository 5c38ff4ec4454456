// SPDX-License-Identifier: Apache-2.0
// The writers behind make_model, one a family. The sizes must fit each other.
#pragma once

#include <string>

#include "compiler/onnx/make/make_model.h"
#include "support/expected.h"

namespace tessera {

Status make_bert(const MakeModelOptions& options, const std::string& path);
Status make_vit(const MakeModelOptions& options, const std::string& path);
Status make_roformer(const MakeModelOptions& options, const std::string& path);

}  // namespace tessera
