// SPDX-License-Identifier: Apache-2.0
// An online run in a trace: its requests from submission to answer, its batches, and the queue.
#pragma once

#include "serving/online_record.h"
#include "trace/track_events.h"

namespace tessera {

// Below `host`, with `begin` as the time of the record's 0. A thread "batch former" closes batches,
// a thread "machine" runs them; each request has a slice, from which a flow leads through its batch
// to its answer. Errors: the record does not replay.
Status add_online(TrackEvents& events, Track host, const RecordedRun& run, int64_t begin);

}  // namespace tessera
