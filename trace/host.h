// SPDX-License-Identifier: Apache-2.0
// The host in a trace: online runs and sessions, by their clocks.
#pragma once

#include <span>
#include <string>

#include "serving/online_record.h"
#include "session/events.h"
#include "trace/track_events.h"

namespace tessera {

// Paths are for messages.
struct TracedHost {
  std::string record_path, log_path;
  const RecordedRun* run = nullptr;  // none
  std::span<const RecompileEvent> log;
};

// Processes named "host"; one whose times are not a host's says so in its name. The earliest time
// that the log and the record of a host's run know is the trace's 0, and a run in virtual time
// begins there. Errors: what the two files claim cannot be.
Status add_host(TrackEvents& events, const TracedHost& host);

}  // namespace tessera
