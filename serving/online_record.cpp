// SPDX-License-Identifier: Apache-2.0
#include "serving/online_record.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "support/file.h"
#include "support/lines.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;
using Kind = FormerEvent::Kind;

constexpr std::string_view kSchema = "online/1";
constexpr std::array<std::string_view, 8> kKinds = {"submit", "cancel", "flush",      "drain",
                                                    "close",  "done",   "batch_time", "poll"};
// As RecordClock::Kind has them.
constexpr std::array<std::string_view, 3> kClocks = {"unknown", "virtual", "host"};

Json to_json(const PackingContract& contract, const FormerConfig& config) {
  return {
      {"schema",           kSchema                      },
      {"form",             to_string(contract.form)     },
      {"rows",             contract.rows                },
      {"row_length",       contract.row_length          },
      {"max_valid_num",    contract.max_valid_num       },
      {"segment_max_size", contract.segment_max_size    },
      {"zero_delimiters",  contract.zero_delimiters     },
      {"policy",           to_string(config.rule.policy)},
      {"window",           config.rule.window           },
      {"pinned",           pinned_online(config.rule)   },
      {"timeout",          config.timeout.count()       },
      {"most_requests",    config.max_valid_num         },
      {"max_queue",        config.max_queue             },
      {"max_queue_tokens", config.max_queue_tokens      },
      {"batch_time",       config.batch_time.count()    },
      {"margin",           config.margin.count()        },
      {"lead",             config.lead.count()          }
  };
}

Json to_json(const FormerEvent& event) {
  Json json = {
      {"t", event.now.count()                      },
      {"e", kKinds[static_cast<size_t>(event.kind)]}
  };
  if (event.id) json["id"] = *event.id;
  if (event.kind == Kind::Submit) {
    json["length"] = event.arrival.length;
    if (event.arrival.priority != 0) json["priority"] = event.arrival.priority;
    if (event.arrival.deadline != kNever) json["deadline"] = event.arrival.deadline.count();
  }
  if (event.kind == Kind::BatchTime) json["batch_time"] = event.batch_time.count();
  if (event.batch != nullptr) {
    const RecordedBatch batch = recorded(*event.batch);
    json["reason"] = batch.reason;
    json["requests"] = batch.requests;
    json["starts"] = batch.starts;
  }
  return json;
}

// The fields of one line; the first that is wrong makes the line wrong.
class Fields {
 public:
  explicit Fields(const Json& json) : json_(json) {}

  bool has(const char* name) const { return json_.contains(name); }
  int64_t integer(const char* name, int64_t least, int64_t most) {
    const auto field = json_.find(name);
    if (field == json_.end() || !field->is_number_integer()) {
      wrong_ = fmt::format("has no whole number '{}', must have one", name);
      return least;
    }
    const auto value = field->get<int64_t>();
    if (value >= least && value <= most) return value;
    wrong_ = fmt::format("{} is {}, must be in {}..{}", name, value, least, most);
    return least;
  }
  Time time(const char* name) { return Time(integer(name, 0, int64_t{1} << 60)); }
  std::string text(const char* name) {
    const auto field = json_.find(name);
    if (field != json_.end() && field->is_string()) return field->get<std::string>();
    wrong_ = fmt::format("has no text '{}', must have one", name);
    return "";
  }
  template <class T>
  std::vector<T> integers(const char* name) {
    std::vector<T> values;
    const auto field = json_.find(name);
    if (field == json_.end() || !field->is_array()) {
      wrong_ = fmt::format("has no list '{}', must have one", name);
      return values;
    }
    for (const Json& value : *field) {
      if (!value.is_number_integer()) wrong_ = fmt::format("{} must hold whole numbers", name);
      values.push_back(value.is_number_integer() ? value.get<T>() : T());
    }
    return values;
  }
  // Where `name`'s text stands in `words`.
  template <size_t N>
  size_t word(const char* name, const std::array<std::string_view, N>& words) {
    const std::string value = text(name);
    for (size_t i = 0; i < N; ++i)
      if (value == words[i]) return i;
    if (wrong_.empty()) wrong_ = fmt::format("{} is '{}', must be known", name, value);
    return 0;
  }
  PackingForm form() {
    const std::string word = text("form");
    const std::optional<PackingForm> form = parse_packing_form(word);
    if (!form && wrong_.empty()) wrong_ = fmt::format("form is '{}', must be none, A or B", word);
    return form.value_or(PackingForm::None);
  }
  Status status() const { return wrong_.empty() ? Status() : Status(Error{wrong_}); }

 private:
  const Json& json_;
  std::string wrong_;
};

constexpr int64_t kMost = int64_t{1} << 40;

RecordClock read_clock(Fields& fields) {
  RecordClock clock;
  if (!fields.has("clock")) return clock;
  clock.kind = static_cast<RecordClock::Kind>(fields.word("clock", kClocks));
  if (clock.kind != RecordClock::Kind::Host) return clock;
  clock.start_unix_ns = fields.integer("start_unix_ns", 0, int64_t{1} << 62);
  clock.pid = fields.integer("pid", 0, INT32_MAX);
  return clock;
}

Status read_header(const Json& json, RecordedRun& run) {
  Fields fields(json);
  if (const std::string schema = fields.text("schema"); schema != kSchema)
    return Error{fmt::format("schema is '{}', must be {}", schema, kSchema)};
  PackingContract& contract = run.contract;
  contract.form = fields.form();
  contract.rows = fields.integer("rows", 1, 1 << 20);
  contract.row_length = fields.integer("row_length", 1, 1 << 20);
  contract.max_valid_num = fields.integer("max_valid_num", 0, kMost);
  contract.segment_max_size = fields.integer("segment_max_size", 0, kMost);
  contract.zero_delimiters = fields.integer("zero_delimiters", 0, contract.row_length - 1);
  FormerConfig& config = run.config;
  auto policy = parse_policy(fields.text("policy"));
  if (!policy) return Error{"policy: " + policy.error().message};
  config.rule = *policy;
  config.rule.window = fields.integer("window", 1, kMost);
  config.rule.pinned = fields.integer("pinned", 1, kMost);
  config.timeout = fields.time("timeout");
  config.max_valid_num = fields.integer("most_requests", 0, kMost);
  config.max_queue = fields.integer("max_queue", 1, kMost);
  config.max_queue_tokens = fields.integer("max_queue_tokens", 0, kMost);
  config.batch_time = fields.time("batch_time");
  config.margin = fields.time("margin");
  config.lead = fields.time("lead");
  run.clock = read_clock(fields);
  return fields.status();
}

Status read_event(const Json& json, RecordedRun& run) {
  Fields fields(json);
  FormerEvent event;
  event.now = fields.time("t");
  event.kind = static_cast<Kind>(fields.word("e", kKinds));
  if (fields.has("id")) event.id = static_cast<RequestId>(fields.integer("id", 0, INT64_MAX));
  if (event.kind == Kind::Submit) {
    event.arrival.length = fields.integer("length", 1, kMost);
    if (fields.has("priority"))
      event.arrival.priority =
          static_cast<int32_t>(fields.integer("priority", INT32_MIN, INT32_MAX));
    if (fields.has("deadline")) event.arrival.deadline = fields.time("deadline");
  }
  if (event.kind == Kind::BatchTime) event.batch_time = fields.time("batch_time");
  if (event.kind == Kind::Poll && fields.has("requests")) {
    run.batches.push_back({fields.text("reason"), fields.integers<RequestId>("requests"),
                           fields.integers<int64_t>("starts")});
  }
  run.events.push_back(event);
  return fields.status();
}

}  // namespace

RecordedBatch recorded(const FormedBatch& batch) {
  RecordedBatch out;
  out.reason = to_string(batch.reason);
  for (const FormedBatch::Rider& rider : batch.riders) out.requests.push_back(rider.id);
  for (const Placement& place : batch.packed.placements) out.starts.push_back(place.start);
  return out;
}

Expected<OnlineLog> OnlineLog::create(const std::string& path, const PackingContract& contract,
                                      const FormerConfig& config, RecordClock::Kind clock) {
  return OnlineLog(TRY(GrowingFile::create(path)), contract, config, clock);
}

// A host's run begins at the time of its first event, less what that event says has passed.
void OnlineLog::write_header(Time now) {
  if (std::exchange(has_header_, true)) return;
  Json header = to_json(contract_, config_);
  header["clock"] = kClocks[static_cast<size_t>(clock_)];
  if (clock_ == RecordClock::Kind::Host) {
    const Time unix_time = std::chrono::system_clock::now().time_since_epoch();
    header["start_unix_ns"] = (unix_time - now).count();
    header["pid"] = ::getpid();
  }
  file_.write(header.dump() + '\n');
}

void OnlineLog::write(const FormerEvent& event) {
  write_header(event.now);
  file_.write(to_json(event).dump() + '\n');
}

Status OnlineLog::close() {
  write_header(Time(0));
  return file_.close();
}

namespace {

// At most: a number takes eight bytes for two in the file, and a vector that grows has room for
// twice what it holds.
int64_t bytes_of_event(std::string_view line) {
  constexpr int64_t kBytesOfByte = 16;
  return static_cast<int64_t>(2 * (sizeof(FormerEvent) + sizeof(RecordedBatch))) +
         kBytesOfByte * std::ssize(line);
}

}  // namespace

Expected<RecordedRun> read_online_log(const std::string& path, const Limits& limits) {
  const std::string text = TRY(read_text_file(path));
  const Deadline deadline(limits);
  Budget memory(limits, &Limits::memory);
  TRY(memory.spend(std::ssize(text), path));
  RecordedRun run;
  run.limits = limits;
  const auto read_line = [&](std::string_view line, size_t number) -> Status {
    TRY(check_json(line));
    const Json json = Json::parse(line, nullptr, false);
    if (!json.is_object()) return Error{"is not a JSON object; each line must be one"};
    return number == 1 ? read_header(json, run) : read_event(json, run);
  };
  TRY(for_each_line(path, text, [&](std::string_view line, size_t number) -> Status {
    TRY(memory.spend(bytes_of_event(line), path));
    TRY(deadline.check(path));
    const Status status = read_line(line, number);
    if (status) return {};
    return Error{fmt::format("{}:{}: {}", path, number, status.error().message)};
  }));
  if (run.contract.rows == 0) return Error{path + ":1: is empty, must begin with the header"};
  return run;
}

}  // namespace tessera
