// SPDX-License-Identifier: Apache-2.0
// The pages that say something and do nothing.
#pragma once

#include "server/http.h"
#include "server/rest.h"
#include "server/rest_paths.h"

namespace tessera::server {

// {"error": …, "type": …}
std::string page_error(std::string_view what, std::string_view type);
HttpReply error_page(int status, std::string_view what, std::string_view type);

// Makes every page but those that infer, load or unload.
Expected<HttpReply> make_page(const RestParts& parts, const RestPath& path);

}  // namespace tessera::server
