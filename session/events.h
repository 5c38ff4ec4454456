// SPDX-License-Identifier: Apache-2.0
// Recompile events: one JSON object a line (schema "recompile/1", docs/recompiles.md). The words
// that they say are in session/events.def.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "compiler/options.h"
#include "session/event_words.h"
#include "support/expected.h"
#include "support/limits.h"
#include "support/type.h"

namespace tessera {

// SHA-256 in hex: of each ingredient, and of all six together.
struct KeyDigests {
  std::string graph, weights, inputs, options, target, compiler;
  std::string total;
  bool operator==(const KeyDigests&) const = default;
};

// One dimension that differs from the nearest known executable.
struct ShapeDifference {
  std::string input;
  int64_t axis = 0;
  std::string axis_name;          // "batch" or "seq" where the position tells it, else ""
  int64_t before = 0, after = 0;  // -1 where there is no such axis or input
  bool operator==(const ShapeDifference&) const = default;
};

// One difference other than a dimension: {Ingredient::Options, "precision", "fp16", "fp32"}.
struct KeyChange {
  Ingredient component = Ingredient::Graph;
  std::string what;  // input, option or field of the target; "" where the component has no parts
  std::string before, after;
  bool operator==(const KeyChange&) const = default;
};

// Batches of one shape that were answered without an event of their own.
struct ServedShapes {
  InputShapes shapes;
  int64_t batches = 0;
  bool operator==(const ServedShapes&) const = default;
};

// A suggestion about an event, in words; computed from the session so far.
struct EventAdvice {
  AdviceRule rule = AdviceRule::ManyShapes;
  std::string text;
  double saved_seconds = 0;
  bool operator==(const EventAdvice&) const = default;
};

struct RecompileEvent {
  int64_t id = 0;  // 0, 1, … in its session
  int64_t ts_unix_ns = 0;
  std::string model;  // file name
  std::string model_sha256;
  EventKind kind = EventKind::ColdCompile;
  InputShapes shapes;
  int64_t nearest = -1;  // id of the nearest known compile; -1: none of this session
  std::vector<ShapeDifference> difference;
  std::vector<std::pair<std::string, double>> phase_ms;
  double wall_ms = 0;
  int64_t requests_blocked = 0;  // callers that waited for it, including the one that caused it
  std::string error;             // "" if it went well

  std::string run_id;  // 16 hex digits, one for each session
  int64_t pid = 0;
  std::string compile_id;          // "model/n": the nth compile of the session; "" for other kinds
  std::vector<Cause> causes;       // the deciding one first; none if the session only closed
  std::vector<KeyChange> changes;  // what differs from the nearest, but for dimensions
  std::map<std::string, std::string> dtypes;  // of the inputs, as the model declares them
  std::string options, target, compiler;      // of the key, in its words
  KeyDigests key;
  std::string nearest_key;     // its total digest; "" if there is none
  int64_t distance = 0;        // ingredients in which the nearest differs
  double blocked_ms = 0;       // time that these callers waited, summed
  int64_t queue_depth = 0;     // callers that waited in the session as it ended, for any shape
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
    CacheTier tier = CacheTier::None;  // where it was looked for last
    CacheOutcome outcome = CacheOutcome::Miss;
    int64_t entries = 0, bytes = 0;                  // of that tier, afterwards
    std::string path;                                // of the folder; "" without one
    double lookup_ms = 0, load_ms = 0, wait_ms = 0;  // wait: for another process that compiled
    double saved_seconds = 0;                        // of a load: the time its compile had taken
    std::string error;  // why the cache could not keep the entry, or not return it
    bool operator==(const Cache&) const = default;
  } cache;
  struct Policy {
    OnRecompile stance = OnRecompile::Warn;
    PolicyAction action = PolicyAction::Compiled;
    InputShapes padded_to;
    int64_t budget_used = 0, budget = -1;  // recompiles; -1: no limit
    std::string why_not_padded;            // under Pad: why it was compiled or refused instead
    bool operator==(const Policy&) const = default;
  } policy;
  std::vector<ServedShapes> served;  // since the event before
  std::vector<EventAdvice> advice;
  bool operator==(const RecompileEvent&) const = default;

  std::optional<Cause> cause() const {
    return causes.empty() ? std::nullopt : std::optional(causes.front());
  }
  bool is_compile() const { return kind == EventKind::ColdCompile || kind == EventKind::Recompile; }
};

std::string to_json_line(const RecompileEvent& event);
// Errors name the field. A word that the tables of session/events.def lack is an error of the type
// kUnknownWord: another version wrote the line, and it is not damaged.
inline constexpr std::string_view kUnknownWord = "unknown_word";
Expected<RecompileEvent> parse_event(const std::string& line);
// For people, through the filter of support/plain_text.h:
// "recompile #3 model.onnx  27.4 s  cause=input_shape  input_ids axis 1 (seq) 171 -> 173 …"
std::string to_human_line(const RecompileEvent& event);
// "input_ids axis 1 (seq) 171 -> 173, options precision fp16 -> fp32"; "" if nothing differs.
std::string difference_in_words(const std::vector<ShapeDifference>& shapes,
                                const std::vector<KeyChange>& changes);
std::string to_string(const InputShapes& shapes);  // "input_ids [16,173], …"
// Errors say the line number. Two kinds of lines are left out instead: one that was cut off, as a
// full disk or a killed writer leaves it, and one with a word that this version does not know.
// `warning` then says how many and where; otherwise it is "". A log that takes more time or memory
// than `limits` admit is refused.
Expected<std::vector<RecompileEvent>> read_events(const std::string& path,
                                                  std::string* warning = nullptr,
                                                  const Limits& limits = {});

// Events of several sessions in one file have a number each: their place in the file, from 0.
// `nearest` becomes such a place too.
void number_by_place(std::vector<RecompileEvent>& events);

}  // namespace tessera
