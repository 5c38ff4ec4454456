// SPDX-License-Identifier: Apache-2.0
// Tensors' names as names of files and in words of flags. A name is any text, a file's name or a
// word is not: so there is one escape that can be undone, and a shorter spelling where a model's
// names leave no doubt (docs/decisions/0010-names-of-files.md).
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>

#include "support/expected.h"

namespace tessera {

// Reversible: bytes outside [A-Za-z0-9_.-], and a dot in front, become %2F; the empty name is "%".
std::string escaped(std::string_view name);
// Nothing that `escaped` made is refused; anything else comes back as it is.
std::string unescaped(std::string_view file);

// A name in a word of several things, as NAME=D,D is: the name itself, or its escape where it holds
// what separates them or looks like an escape. `unescaped` reads both.
std::string name_in_word(std::string_view name);

// "NAME.npy" with the name escaped. A name too long for a file system is cut there, and followed by
// "%%" and its SHA-256.
std::string escaped_file(std::string_view name);

// Whether TensorFiles could have made it.
bool is_tensor_file(std::string_view file);

// The files of a model's tensors in one folder, each NAME.npy: `_` stands for each character
// outside [A-Za-z0-9_.-] where no other name has the same spelling, the escape where one has. A
// name that needs no escape is always its own file.
class TensorFiles {
 public:
  // `others` are tensors of the same model whose files these must not be: the inputs, for outputs.
  explicit TensorFiles(std::span<const std::string> names,
                       std::span<const std::string> others = {});

  std::string file_of(const std::string& name) const;  // "NAME.npy"
  // The name that the file is of ("NAME.npy", in either spelling); else the file's own, unescaped.
  std::string name_of(std::string_view file) const;

 private:
  std::map<std::string, std::string> stems_;  // by name
  std::map<std::string, std::string> names_;  // by stem, in both spellings
};

// The file in `folder` that holds this tensor: the spelling that TensorFiles gives, or the escape
// where that one is there. Both at once are refused.
Expected<std::string> find_tensor_file(const std::string& folder, const TensorFiles& files,
                                       const std::string& name);

}  // namespace tessera
