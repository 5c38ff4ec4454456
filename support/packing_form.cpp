// SPDX-License-Identifier: Apache-2.0
#include "support/packing_form.h"

namespace tessera {

std::string_view to_string(PackingForm form) {
  switch (form) {
    case PackingForm::None: return "none";
    case PackingForm::A: return "A";
    case PackingForm::B: return "B";
  }
  return "?";
}

std::string_view in_words(PackingForm form) {
  switch (form) {
    case PackingForm::None: return "padded";
    case PackingForm::A: return "form A";
    case PackingForm::B: return "form B";
  }
  return "?";
}

std::optional<PackingForm> parse_packing_form(std::string_view word) {
  if (word == "none") return PackingForm::None;
  if (word == "A" || word == "a") return PackingForm::A;
  if (word == "B" || word == "b") return PackingForm::B;
  return std::nullopt;
}

}  // namespace tessera
