// SPDX-License-Identifier: Apache-2.0
// An executable's file, opened and not yet looked at: what is read later, perhaps where nothing can
// be opened any more, and what a required signature covers. Every loader comes through here, so
// that there is one place where a signature is asked for.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "program/popef.h"
#include "support/expected.h"
#include "support/file.h"
#include "support/limits.h"
#include "support/minisign.h"

namespace tessera {

struct PopefFile {
  std::string path;  // for messages
  std::shared_ptr<const MappedFile> file;
  // Where a signature is required: by whom, and the text of PATH.minisig. `file` is then a copy in
  // memory, so that what was checked is what is loaded, whoever writes to the file meanwhile.
  std::optional<PublicKey> signed_by;
  std::string signature;
};

// Errors: the file is missing, or not a regular one; with a key, BadFile where PATH.minisig is not
// there; Refused where the copy would take more than limits.memory.
Expected<PopefFile> open_popef(const std::string& path,
                               const std::optional<PublicKey>& signed_by = {},
                               const Limits& limits = {});
// The trusted comment, once the signature is found to be the key's over these bytes; "" where none
// is required. BadFile: "PATH: PATH.minisig: is signed by key X, must be by Y".
Expected<std::string> check_signature(const PopefFile& file);
// As the functions of the same name that take a path (popef.h); the signature is checked first.
Expected<Executable> read_popef(const PopefFile& file, const CheckComputeSet& check,
                                const Limits& limits = {});
Expected<std::vector<BlobInfo>> list_blobs(const PopefFile& file);

}  // namespace tessera
