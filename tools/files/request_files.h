// SPDX-License-Identifier: Apache-2.0
// The files that requests are read from, and the folders that answers go to.
#pragma once

#include <string>
#include <vector>

#include "serving/request.h"
#include "support/expected.h"
#include "support/file_names.h"
#include "support/npy.h"

namespace tessera::tools {

// Names of the folders in a folder of requests, sorted; at least one. "" alone where the folder
// holds arrays itself.
Expected<std::vector<std::string>> request_folders(const std::string& folder);

// The whole numbers or bools of an array, as tokens of `request`; `path` is for messages.
Status add_tokens(NpyArray given, const std::string& path, const std::string& name,
                  Request& request);
// The same of an .npy file.
Status read_tokens(const std::string& path, const std::string& name, Request& request);
// The request whose tokens have the names of their files, by the inputs that these stand for.
Expected<Request> by_input(Request request, const TensorFiles& files);
// Where the answers of a request go: the folder of its name in `outputs`, or, for "", that itself.
std::string answer_folder(const std::string& outputs, const std::string& name);

}  // namespace tessera::tools
