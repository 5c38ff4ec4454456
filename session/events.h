// SPDX-License-Identifier: Apache-2.0
// Recompile events: one JSON object a line (schema "recompile/1", docs/recompiles.md).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "session/key.h"
#include "support/expected.h"
#include "support/type.h"

namespace tessera {

// Batches of one shape that were answered without an event of their own.
struct ServedShapes {
  InputShapes shapes;
  int64_t batches = 0;
  bool operator==(const ServedShapes&) const = default;
};

// What may be done about an event, in words; computed from the session so far.
struct EventAdvice {
  std::string rule;  // many_shapes | cache_too_small | option_slip | dtype_slip
  std::string text;
  double saved_s = 0;
  bool operator==(const EventAdvice&) const = default;
};

struct RecompileEvent {
  int64_t id = 0;  // 0, 1, … in its session
  int64_t ts_unix_ns = 0;
  std::string model;  // file name
  std::string model_sha256;
  std::string kind;   // cold_compile | recompile | cache_load | bucket_hit | rejected | evicted |
                      // closed
  std::string cause;  // the first of `causes`
  InputShapes shapes;
  int64_t nearest = -1;  // id of the nearest known compile; -1: none of this session
  std::vector<ShapeDifference> difference;
  std::vector<std::pair<std::string, double>> phase_ms;
  double wall_ms = 0;
  int64_t requests_blocked = 0;  // that waited for it to end, the one that caused it included
  std::string error;             // "" if it went well

  std::string run_id;  // 16 hex digits, one for each session
  int64_t pid = 0;
  std::string compile_id;  // "model/n": the nth compile of the session; "" if it is none
  // first_seen | input_set | input_dtype | input_shape | graph | weights | options | target |
  // compiler_version | evicted | corrupt | untrusted | limit
  std::vector<std::string> causes;
  std::vector<KeyChange> changes;  // what differs from the nearest and is not a dimension
  std::map<std::string, std::string> dtypes;  // of the inputs, as the model declares them
  std::string options, target, compiler;      // of the key, in its words
  KeyDigests key;
  std::string nearest_key;     // its total digest; "" if there is none
  int64_t distance = 0;        // ingredients in which the nearest differs
  double blocked_ms = 0;       // that requests_blocked waited, summed
  int64_t queue_depth = 0;     // callers in the session as it ended, those of other shapes included
  int64_t request_id = -1;     // which request of the session caused it; -1: none (background)
  std::string call_site;       // as the session's owner calls itself
  double cpu_ms = 0;           // of the process, meanwhile
  int64_t peak_rss_bytes = 0;  // of the process, so far
  struct Artifact {
    int64_t bytes = 0;  // of the file, where it was written or read; else of its constants
    int64_t tiles = 0, max_tile_bytes = 0;
    uint64_t cycles = 0;  // modelled, per batch
    bool operator==(const Artifact&) const = default;
  } artifact;
  struct Cache {
    std::string tier = "none";       // memory | disk | none: where it was looked for last
    std::string outcome = "miss";    // hit | miss | reject | evict | off
    int64_t entries = 0, bytes = 0;  // of that tier, afterwards
    std::string path;                // of the folder; "" without one
    double lookup_ms = 0, load_ms = 0, wait_ms = 0;  // wait: for another process that compiled
    double saved_s = 0;                              // what compiling took whoever did
    std::string error;                               // why it could not keep or give the entry
    bool operator==(const Cache&) const = default;
  } cache;
  struct Policy {
    std::string stance = "warn";      // allow | warn | pad | fail
    std::string action = "compiled";  // compiled | loaded | padded_to | rejected | evicted | none
    InputShapes padded_to;
    int64_t budget_used = 0, budget = -1;  // recompiles; -1: no limit
    std::string why_not_padded;            // under pad, where it compiled all the same
    bool operator==(const Policy&) const = default;
  } policy;
  std::vector<ServedShapes> served;  // since the event before
  std::vector<EventAdvice> advice;
  bool operator==(const RecompileEvent&) const = default;

  bool is_compile() const { return kind == "cold_compile" || kind == "recompile"; }
};

std::string to_json_line(const RecompileEvent& event);
Expected<RecompileEvent> parse_event(const std::string& line);  // errors name the field
// For people, through the filter of support/plain_text.h:
// "recompile #3 model.onnx  27.4 s  cause=input_shape  input_ids axis 1 (seq) 171 -> 173 …"
std::string to_human_line(const RecompileEvent& event);
// "input_ids axis 1 (seq) 171 -> 173, options precision fp16 -> fp32"; "" if nothing differs.
std::string difference_in_words(const std::vector<ShapeDifference>& shapes,
                                const std::vector<KeyChange>& changes);
std::string to_string(const InputShapes& shapes);  // "input_ids [16,173], …"
// The key that an event speaks of, as far as it was written.
ExecutableKey key_of(const RecompileEvent& event);
// Errors say the line number. A line that was cut off, as a full disk or a killed writer leaves it,
// is left out; `warning` then says how many and where, and is "" otherwise. A log takes time and
// memory, which it is refused past their limits.
Expected<std::vector<RecompileEvent>> read_events(const std::string& path,
                                                  std::string* warning = nullptr,
                                                  const Limits& limits = {});

}  // namespace tessera
