// SPDX-License-Identifier: Apache-2.0
// The fields of an event's JSON, each once: for the writer of event_json.cpp, and for EventReader.
#pragma once

#include <optional>
#include <type_traits>

#include "session/event_reader.h"
#include "session/events.h"

namespace tessera {

template <class Io, class E>
  requires std::is_same_v<std::remove_const_t<E>, ShapeDifference>
void each_field(Io& io, E& d) {
  io("input", d.input);
  io("axis", d.axis);
  io("axis_name", d.axis_name);
  io("before", d.before);
  io("after", d.after);
}

template <class Io, class E>
  requires std::is_same_v<std::remove_const_t<E>, KeyChange>
void each_field(Io& io, E& change) {
  io("component", change.component);
  io("what", change.what);
  io("before", change.before);
  io("after", change.after);
}

template <class Io, class E>
  requires std::is_same_v<std::remove_const_t<E>, ServedShapes>
void each_field(Io& io, E& served) {
  io("shapes", served.shapes);
  io("batches", served.batches);
}

template <class Io, class E>
  requires std::is_same_v<std::remove_const_t<E>, EventAdvice>
void each_field(Io& io, E& advice) {
  io("rule", advice.rule);
  io("text", advice.text);
  io("saved_s", advice.saved_seconds);
}

// The earliest versions wrote only the first cause. If a log has `causes` too, they count.
template <class Io>
void cause_field(Io& io, const RecompileEvent& event) {
  io("cause", event.cause());
}
inline void cause_field(EventReader& reader, RecompileEvent& event) {
  std::optional<Cause> cause;
  reader("cause", cause);
  if (cause) event.causes = {*cause};
}

// The fields that every version has written, in their places.
template <class Io, class E>
void first_fields(Io& io, E& event) {
  io("event_id", event.id);
  io("ts_unix_ns", event.ts_unix_ns);
  io.object("model", [&](auto& model) {
    model("name", event.model);
    model("sha256", event.model_sha256);
  });
  io("kind", event.kind);
  cause_field(io, event);
  io("shapes", event.shapes);
  io.id_or_null("nearest", event.nearest);
  io("diff", event.difference);
  io.object("time", [&](auto& time) {
    time("phases_ms", event.phase_ms);
    time("wall_ms", event.wall_ms);
    time.optional_from_here();
    time("cpu_ms", event.cpu_ms);
    time("peak_rss_bytes", event.peak_rss_bytes);
  });
  io.object("impact", [&](auto& impact) {
    impact("requests_blocked", event.requests_blocked);
    impact.optional_from_here();
    impact("blocked_ms_sum", event.blocked_ms);
    impact("queue_depth", event.queue_depth);
    impact.id_or_null("request_id", event.request_id);
    impact("call_site", event.call_site);
  });
  io("error", event.error);
}

template <class Io, class E>
void cache_and_policy(Io& io, E& event) {
  io.object("cache", [&](auto& cache) {
    cache("tier", event.cache.tier);
    cache("outcome", event.cache.outcome);
    cache("entries", event.cache.entries);
    cache("bytes", event.cache.bytes);
    cache("path", event.cache.path);
    cache("lookup_ms", event.cache.lookup_ms);
    cache("load_ms", event.cache.load_ms);
    cache("wait_ms", event.cache.wait_ms);
    cache("saved_s", event.cache.saved_seconds);
    cache("error", event.cache.error);
  });
  io.object("policy", [&](auto& policy) {
    policy("stance", event.policy.stance);
    policy("action", event.policy.action);
    policy("padded_to", event.policy.padded_to);
    policy("budget_used", event.policy.budget_used);
    policy.id_or_null("budget", event.policy.budget);
    policy("why_not_padded", event.policy.why_not_padded);
  });
}

template <class Io, class E>
void later_fields(Io& io, E& event) {
  io("run_id", event.run_id);
  io("pid", event.pid);
  io("compile_id", event.compile_id);
  io("causes", event.causes);
  io("changes", event.changes);
  io("dtypes", event.dtypes);
  io.object("key", [&](auto& key) {
    key("sha256", event.key.total);
    key("graph", event.key.graph);
    key("weights", event.key.weights);
    key("inputs", event.key.inputs);
    key("options", event.key.options);
    key("target", event.key.target);
    key("compiler", event.key.compiler);
  });
  io("options", event.options);
  io("target", event.target);
  io("compiler", event.compiler);
  io("nearest_key", event.nearest_key);
  io("distance", event.distance);
  io.object("artifact", [&](auto& artifact) {
    artifact("bytes", event.artifact.bytes);
    artifact("tiles", event.artifact.tiles);
    artifact("max_tile_bytes", event.artifact.max_tile_bytes);
    artifact("est_cycles", event.artifact.cycles);
  });
  cache_and_policy(io, event);
  io("served", event.served);
  io("advice", event.advice);
}

}  // namespace tessera
