// SPDX-License-Identifier: Apache-2.0
// One request for an executable that is not ready, on its way through a session.
#pragma once

#include <cstdint>
#include <vector>

#include "session/callers.h"
#include "session/event_builder.h"
#include "session/events.h"
#include "session/key_record.h"
#include "session/model_keys.h"

namespace tessera {

// Why an executable is asked for, which decides what may be done.
enum class Purpose : uint8_t { Batch, ExactBatch, WarmUp, Background };

struct Ask {
  KeyPointer key;
  Purpose purpose = Purpose::Batch;
  WorkStart start;
  RecompileEvent event;
  const Callers::Place& caller;
  std::vector<KeyRecord> evicted;  // from the disk, to make room for it
};

}  // namespace tessera
