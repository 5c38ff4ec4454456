// SPDX-License-Identifier: Apache-2.0
#include "packing/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "support/check.h"
#include "support/file.h"
#include "support/lines.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kMostCells = int64_t{1} << 28;  // of one batch

Json header(const char* kind, const PackingContract& contract, const PackRule& rule) {
  return {
      {"schema",           kPlanSchema              },
      {"kind",             kind                     },
      {"form",             to_string(contract.form) },
      {"rows",             contract.rows            },
      {"row_length",       contract.row_length      },
      {"max_valid_num",    contract.max_valid_num   },
      {"segment_max_size", contract.segment_max_size},
      {"delimiters",       contract.zero_delimiters },
      {"policy",           to_string(rule.policy)   },
      {"window",           rule.window              },
      {"pinned",           pinned_offline(rule)     },
      {"depth",            rule.depth               },
  };
}

// The header's lines without the closing brace, to go on with lists of an item a line: what people
// read and diff.
std::string opening(const Json& header) {
  std::string text = header.dump(2);
  text.resize(text.size() - 2);  // "\n}"
  return text;
}

template <class Items, class Function>
void append_list(std::string& text, const char* name, const Items& items, const Function& to_text) {
  text += fmt::format(",\n  \"{}\": [", name);
  const char* separator = "\n    ";
  for (const auto& item : items) {
    text += separator + to_text(item);
    separator = ",\n    ";
  }
  text += "\n  ]";
}

std::string batch_text(const PackedBatch& batch) {
  std::string text = "[";
  for (const Placement& place : batch.placements)
    text += fmt::format("{}[{},{},{}]", text.size() > 1 ? "," : "", place.request, place.start,
                        place.length);
  return text + "]";
}

std::string group_text(const BinGroup& group) {
  return fmt::format("{{\"count\":{},\"lengths\":{}}}", group.count, Json(group.lengths).dump());
}

}  // namespace

std::vector<PlanPlace> inverse_of(const PackPlan& plan) {
  std::vector<PlanPlace> places(static_cast<size_t>(plan.requests));
  for (size_t batch = 0; batch < plan.batches.size(); ++batch)
    for (size_t i = 0; i < plan.batches[batch].placements.size(); ++i)
      places.at(plan.batches[batch].placements[i].request) = {batch, i};
  return places;
}

Status write_plan(const std::string& path, const PackPlan& plan) {
  CHECK(check_plan(plan).ok());
  Json head = header("requests", plan.contract, plan.rule);
  head["requests"] = plan.requests;
  std::string text = opening(head);
  append_list(text, "batches", plan.batches, batch_text);
  append_list(text, "where", inverse_of(plan), [](const PlanPlace& place) {
    return fmt::format("[{},{}]", place.batch, place.ordinal);
  });
  return write_file_atomic(path, text + "\n}\n");
}

Status write_plan(const std::string& path, const RowPlan& plan) {
  std::string text = opening(header("histogram", plan.contract, plan.rule));
  append_list(text, "row_groups", plan.rows, group_text);
  return write_file_atomic(path, text + "\n}\n");
}

namespace {

// Cells that a placement takes, [begin, end): its own and the delimiters before the next request.
struct Cells {
  int64_t begin, end;
};

Expected<Cells> cells_of(const PackingContract& contract, const Placement& place,
                         int64_t end_of_others) {
  const int64_t end = place.start + place.length;
  if (place.length < 1 || place.length > longest_request(contract))
    return Error{
        fmt::format("length is {}, must be in 1..{}", place.length, longest_request(contract))};
  if (place.start < 0 || end > row_tokens(contract))
    return Error{fmt::format("stands at {}..{}, must be within the {} tokens of a batch",
                             place.start, end, row_tokens(contract))};
  if (contract.form == PackingForm::A) {
    if (place.start == end_of_others) return Cells{place.start, end};
    return Error{fmt::format("starts at {}, must start at {}, where the one before it ends",
                             place.start, end_of_others)};
  }
  const int64_t row_end = (place.start / contract.row_length + 1) * contract.row_length;
  if (end > row_end)
    return Error{fmt::format("stands at {}..{}, must not cross the row's end at {}", place.start,
                             end, row_end)};
  if (contract.form == PackingForm::None) {
    if (place.start + contract.row_length == row_end) return Cells{place.start, row_end};
    return Error{fmt::format("starts at {}, must start a row", place.start)};
  }
  return Cells{place.start, std::min(end + contract.zero_delimiters, row_end)};
}

Status check_batch(const PackPlan& plan, const PackedBatch& batch, std::vector<bool>& placed) {
  const int64_t most = most_requests(plan.contract);
  if (batch.placements.empty() || std::ssize(batch.placements) > most)
    return Error{fmt::format("holds {} requests, must hold 1..{}", batch.placements.size(), most)};
  std::vector<Cells> cells;
  int64_t tokens = 0;
  for (const Placement& place : batch.placements) {
    if (place.request >= placed.size())
      return Error{fmt::format("request {}, must be below {}", place.request, placed.size())};
    const std::string who = fmt::format("request {}: ", place.request);
    if (placed[place.request]) return Error{who + "is placed twice, must be placed once"};
    placed[place.request] = true;
    const auto taken = cells_of(plan.contract, place, tokens);
    if (!taken) return Error{who + taken.error().message};
    cells.push_back(*taken);
    tokens += place.length;
  }
  std::sort(cells.begin(), cells.end(),
            [](const Cells& a, const Cells& b) { return a.begin < b.begin; });
  for (size_t i = 1; i < cells.size(); ++i)
    if (cells[i].begin < cells[i - 1].end)
      return Error{fmt::format("token {} is taken twice, must be one request's or a delimiter's",
                               cells[i].begin)};
  CHECK(tokens == batch.tokens);
  return {};
}

}  // namespace

Status check_plan(const PackPlan& plan) {
  TRY(check_rule(plan.rule));
  TRY(check_contract(plan.contract));
  std::vector<bool> placed(static_cast<size_t>(plan.requests));
  for (size_t i = 0; i < plan.batches.size(); ++i)
    if (const Status status = check_batch(plan, plan.batches[i], placed); !status)
      return Error{fmt::format("batch {}: {}", i, status.error().message)};
  const auto missing = std::find(placed.begin(), placed.end(), false);
  if (missing == placed.end()) return {};
  return Error{fmt::format("request {}: is in no batch, must be in one", missing - placed.begin())};
}

namespace {

// Reads the fields of a plan file; each is checked where it is taken.
class PlanReader {
 public:
  explicit PlanReader(const Json& json) : json_(json) {}

  Expected<int64_t> number(const char* name, int64_t least, int64_t most) const {
    const auto found = json_.find(name);
    if (found != json_.end() && found->is_number_integer()) {
      const auto value = found->get<int64_t>();
      if (value >= least && value <= most) return value;
    }
    return Error{fmt::format("\"{}\" is {}, must be a whole number in {}..{}", name,
                             found == json_.end() ? "missing" : found->dump(), least, most)};
  }
  Expected<std::string> word(const char* name) const {
    const auto found = json_.find(name);
    if (found != json_.end() && found->is_string()) return found->get<std::string>();
    return Error{fmt::format("\"{}\" must be a string", name)};
  }
  Expected<const Json*> list(const char* name) const {
    const auto found = json_.find(name);
    if (found != json_.end() && found->is_array()) return &*found;
    return Error{fmt::format("\"{}\" must be a list", name)};
  }

 private:
  const Json& json_;
};

Expected<PackingContract> read_contract(const PlanReader& reader) {
  PackingContract contract;
  const std::string word = TRY(reader.word("form"));
  const std::optional<PackingForm> form = parse_packing_form(word);
  if (!form) return Error{"\"form\" is '" + word + "', must be none, A or B"};
  contract.form = *form;
  contract.rows = TRY(reader.number("rows", 1, kMostCells));
  contract.row_length = TRY(reader.number("row_length", 1, kMostCells / contract.rows));
  contract.max_valid_num = TRY(reader.number("max_valid_num", 0, kMostCells));
  contract.segment_max_size = TRY(reader.number("segment_max_size", 0, kMostCells));
  contract.zero_delimiters = TRY(reader.number("delimiters", 0, kMostCells));
  return contract;
}

Expected<PackRule> read_rule(const PlanReader& reader) {
  PackRule rule(TRY(parse_policy(TRY(reader.word("policy")))));
  rule.window = TRY(reader.number("window", 1, INT64_MAX));
  rule.pinned = TRY(reader.number("pinned", 1, rule.window));
  rule.depth = TRY(reader.number("depth", 0, INT64_MAX));
  return rule;
}

Expected<Placement> read_placement(const Json& json) {
  bool numbers = json.is_array() && json.size() == 3;
  for (size_t i = 0; numbers && i < 3; ++i)
    numbers = json[i].is_number_unsigned() && json[i].get<uint64_t>() <= kMostCells;
  if (!numbers) return Error{json.dump() + ": must be [request, start, length]"};
  return Placement{json[0].get<size_t>(), json[1].get<int64_t>(), json[2].get<int64_t>()};
}

Expected<PackPlan> parse_plan(const Json& json) {
  const PlanReader reader(json);
  if (const auto schema = reader.word("schema"); !schema || *schema != kPlanSchema)
    return Error{fmt::format("\"schema\" must be {}", kPlanSchema)};
  if (TRY(reader.word("kind")) != "requests")
    return Error{"\"kind\" must be requests: a plan of a histogram names no single request"};
  PackPlan plan;
  plan.contract = TRY(read_contract(reader));
  plan.rule = TRY(read_rule(reader));
  plan.requests = TRY(reader.number("requests", 0, kMostCells));
  for (const Json& places : *TRY(reader.list("batches"))) {
    PackedBatch& batch = plan.batches.emplace_back();
    for (const Json& place : places) {
      batch.placements.push_back(TRY(read_placement(place)));
      batch.tokens += batch.placements.back().length;
    }
  }
  TRY(check_plan(plan));
  const Json& where = *TRY(reader.list("where"));
  Json expected = Json::array();
  for (const PlanPlace& place : inverse_of(plan)) expected.push_back({place.batch, place.ordinal});
  if (where != expected)
    return Error{"\"where\" must give the batch and the place of every request in \"batches\""};
  return plan;
}

}  // namespace

Expected<PackPlan> read_plan(const std::string& path) {
  const std::string text = TRY(read_text_file(path));
  if (const Status sound = check_json(text); !sound.ok())
    return Error{path + ": " + sound.error().message, ErrorKind::BadFile};
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return Error{path + ": must be a JSON object", ErrorKind::BadFile};
  auto plan = parse_plan(json);
  if (!plan) return Error{path + ": " + plan.error().message, ErrorKind::BadFile};
  return plan;
}

}  // namespace tessera
