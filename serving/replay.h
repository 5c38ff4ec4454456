// SPDX-License-Identifier: Apache-2.0
// A recorded run again: the same events into a new former give the same batches.
#pragma once

#include <span>
#include <vector>

#include "serving/batch_former.h"
#include "serving/online_record.h"
#include "support/limits.h"

namespace tessera {

// The batches of these events, in order. Errors: what BatchFormer::create refuses; "event 12: what
// is, what must be", where time goes back, or a request is not given the id that was recorded.
// `record` is told what the former does. The time limit is asked for at each event: a stranger's
// record may have any queue packed anew at each.
Expected<std::vector<FormedBatch>> replay(const PackingContract& contract,
                                          const FormerConfig& config,
                                          std::span<const FormerEvent> events,
                                          const FormerRecorder& record = {},
                                          const Limits& limits = {});
// The same of a record, within its limits, whose batches these must be. Error: one is another.
Expected<std::vector<FormedBatch>> replay_as_recorded(const RecordedRun& run,
                                                      const FormerRecorder& record = {});

}  // namespace tessera
