// SPDX-License-Identifier: Apache-2.0
#include "trace/host.h"

#include <algorithm>
#include <optional>

#include "trace/online.h"
#include "trace/sessions.h"

namespace tessera {
namespace {

std::string name_of(RecordClock::Kind kind) {
  switch (kind) {
    case RecordClock::Kind::Host: return "host";
    case RecordClock::Kind::Virtual: return "host, in virtual time";
    case RecordClock::Kind::Unknown: break;
  }
  return "host, by a clock that the record does not name";
}

}  // namespace

Status add_host(TrackEvents& events, const TracedHost& host) {
  std::optional<int64_t> begin;
  const auto consider = [&](int64_t unix_ns) {
    begin = std::min(begin.value_or(unix_ns), unix_ns);
  };
  if (Status status = check_times(host.log); !status)
    return Error{host.log_path + ": " + status.error().message, status.error().kind};
  for (const RecompileEvent& event : host.log) consider(event.ts_unix_ns);
  if (host.run != nullptr) {
    const RecordClock& clock = host.run->clock;
    const bool by_host = clock.kind == RecordClock::Kind::Host;
    if (by_host) consider(clock.start_unix_ns);
    const Track process = events.process(clock.pid, name_of(clock.kind));
    const Status status =
        add_online(events, process, *host.run, by_host ? clock.start_unix_ns - *begin : 0);
    if (!status)
      return Error{host.record_path + ": " + status.error().message, status.error().kind,
                   status.error().type};
  }
  if (!host.log.empty()) add_sessions(events, host.log, *begin);
  return {};
}

}  // namespace tessera
