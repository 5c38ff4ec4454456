// SPDX-License-Identifier: Apache-2.0
// The events of sessions in a trace: compiles and loads with their phases, what was padded, refused
// and evicted, and the callers that waited.
#pragma once

#include <span>

#include "session/events.h"
#include "trace/track_events.h"

namespace tessera {

// Error: a time that cannot be.
Status check_times(std::span<const RecompileEvent> log);
// Each session of a log with such times below the process "host" of its number; `begin` is the
// trace's 0 in nanoseconds since 1970, and no event is before it.
void add_sessions(TrackEvents& events, std::span<const RecompileEvent> log, int64_t begin);

}  // namespace tessera
