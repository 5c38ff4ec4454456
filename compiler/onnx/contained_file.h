// SPDX-License-Identifier: Apache-2.0
// A file that a model names, opened only where it is proved to lie in a folder that is trusted.
//
// Links are followed one at a time, and the folder in which the walk ends is known by its number on
// disk, not by a name that may mean another folder in the next moment. From there the way up must
// meet a trusted folder. A file with several names (hard links) is in a trusted folder by one of
// them, and the others may be anywhere: all must be found in trusted folders.
#pragma once

#include <string>
#include <vector>

#include "support/descriptor.h"
#include "support/expected.h"

namespace tessera {

// `path` is relative to `folder`. Trusted are `folder`, in a Hugging Face cache (a folder below
// snapshots/) the folder blobs/ beside snapshots/, and `trusted`. Errors begin with `called`; one
// that is not contained is a BadFile.
Expected<Descriptor> open_contained(const std::string& folder, const std::string& path,
                                    const std::vector<std::string>& trusted,
                                    const std::string& called);

}  // namespace tessera
