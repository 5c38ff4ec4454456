// SPDX-License-Identifier: Apache-2.0
#include "program/packing_contract.h"

namespace tessera {

std::string_view to_string(RequestSize size) {
  switch (size) {
    case RequestSize::Batch: return "batch";
    case RequestSize::Row: return "row";
    case RequestSize::Tokens: return "tokens";
  }
  return "";
}

}  // namespace tessera
