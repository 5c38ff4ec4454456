// SPDX-License-Identifier: Apache-2.0
#include "report/figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "support/plain_text.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

enum class MemberType : uint8_t { Text, Whole, Number, NumberOrNull, Flag, Latencies, Counts };
enum class MemberNeed : uint8_t { Required, Optional };

struct Member {
  const char* name;
  MemberType type;
  MemberNeed need = MemberNeed::Required;
};

constexpr Member kLatencyMembers[] = {
    {"mean",  MemberType::Number},
    {"p50",   MemberType::Number},
    {"p90",   MemberType::Number},
    {"p95",   MemberType::Number},
    {"p99",   MemberType::Number},
    {"p99.9", MemberType::Number},
    {"max",   MemberType::Number},
};
constexpr Member kRunMembers[] = {
    {"executable", MemberType::Text},
    {"label", MemberType::Text},
    {"form", MemberType::Text},
    {"batches", MemberType::Whole},
    {"requests", MemberType::Whole, MemberNeed::Optional},
    {"fill", MemberType::Number, MemberNeed::Optional},
    {"host_seconds", MemberType::Number},
    {"host_batches_per_second", MemberType::Number},
    {"host_samples_per_second", MemberType::Number, MemberNeed::Optional},
    {"batch_seconds", MemberType::Latencies},
    {"latency_seconds", MemberType::Latencies, MemberNeed::Optional},
    {"modelled_ipu_seconds", MemberType::Number},
    {"modelled_ipu_batches_per_second", MemberType::Number},
    {"modelled_ipu_samples_per_second", MemberType::Number, MemberNeed::Optional},
    {"closed_for", MemberType::Counts, MemberNeed::Optional},
};
constexpr Member kAnswerMembers[] = {
    {"a",      MemberType::Text        },
    {"b",      MemberType::Text        },
    {"output", MemberType::Text        },
    {"mae",    MemberType::NumberOrNull},
};
constexpr Member kOnlineMembers[] = {
    {"clock",               MemberType::Text     },
    {"batch_time",          MemberType::Text     },
    {"batch_seconds",       MemberType::Number   },
    {"requests",            MemberType::Whole    },
    {"answered",            MemberType::Whole    },
    {"seconds",             MemberType::Number   },
    {"requests_per_second", MemberType::Number   },
    {"tokens_per_second",   MemberType::Number   },
    {"token_fill",          MemberType::Number   },
    {"segment_fill",        MemberType::Number   },
    {"batches",             MemberType::Whole    },
    {"rejected",            MemberType::Counts   },
    {"closed_for",          MemberType::Counts   },
    {"latency_seconds",     MemberType::Latencies},
};
constexpr Member kPolicyMembers[] = {
    {"policy",                   MemberType::Text        },
    {"batches",                  MemberType::Whole       },
    {"least_batches",            MemberType::Whole       },
    {"token_fill",               MemberType::Number      },
    {"segment_fill",             MemberType::NumberOrNull},
    {"microseconds_per_request", MemberType::Number      },
};
constexpr Member kPoliciesMembers[] = {
    {"lengths", MemberType::Text},
    {"batch",   MemberType::Text},
};
constexpr Member kShapeMembers[] = {
    {"form", MemberType::Text},
    {"rows", MemberType::Whole},
    {"row_length", MemberType::Whole},
    {"max_valid_num", MemberType::Whole},
    {"command", MemberType::Text},
    {"failure", MemberType::Text, MemberNeed::Optional},
    {"modelled_seconds_per_batch", MemberType::Number, MemberNeed::Optional},
    {"token_fill", MemberType::Number, MemberNeed::Optional},
    {"requests_per_batch", MemberType::Number, MemberNeed::Optional},
    {"modelled_requests_per_second", MemberType::Number, MemberNeed::Optional},
    {"keeps_up", MemberType::Flag, MemberNeed::Optional},
    {"p50_seconds", MemberType::Number, MemberNeed::Optional},
    {"p99_seconds", MemberType::Number, MemberNeed::Optional},
};
constexpr Member kShapesMembers[] = {
    {"lengths", MemberType::Text},
    {"costs",   MemberType::Text},
};

Error not_as_said(const std::string& at, const Json& value, const char* must) {
  return {fmt::format("{}: is {}, must be {}", at, visible(value.dump().substr(0, 40)), must),
          ErrorKind::BadFile};
}

Status check_members(const std::string& at, const Json& object, std::span<const Member> members);

Status check_value(const std::string& at, const Json& value, MemberType type) {
  const auto must = [&](bool is, const char* what) -> Status {
    if (!is) return not_as_said(at, value, what);
    return {};
  };
  switch (type) {
    case MemberType::Text: return must(value.is_string(), "a text");
    case MemberType::Whole: return must(value.is_number_integer(), "a whole number");
    case MemberType::Number: return must(value.is_number(), "a number");
    case MemberType::NumberOrNull:
      return must(value.is_number() || value.is_null(), "a number or null");
    case MemberType::Flag: return must(value.is_boolean(), "true or false");
    case MemberType::Latencies: return check_members(at, value, kLatencyMembers);
    case MemberType::Counts:
      return must(value.is_object() && std::ranges::all_of(value, &Json::is_number_integer),
                  "an object of whole numbers");
  }
  return {};
}

Status check_members(const std::string& at, const Json& object, std::span<const Member> members) {
  if (!object.is_object()) return not_as_said(at, object, "an object");
  for (const Member& member : members) {
    const auto found = object.find(member.name);
    const std::string where = at + ": " + member.name;
    if (found != object.end())
      TRY(check_value(where, *found, member.type));
    else if (member.need == MemberNeed::Required)
      return Error{where + ": is missing, must be there", ErrorKind::BadFile};
  }
  return {};
}

// A list of objects.
Status check_list(const std::string& at, const Json& document, const char* name,
                  std::span<const Member> members, MemberNeed need = MemberNeed::Required) {
  const auto found = document.find(name);
  const std::string where = at + ": " + name;
  if (found == document.end()) {
    if (need == MemberNeed::Optional) return {};
    return Error{where + ": is missing, must be there", ErrorKind::BadFile};
  }
  if (!found->is_array()) return not_as_said(where, *found, "a list");
  for (size_t i = 0; i < found->size(); ++i)
    TRY(check_members(fmt::format("{}[{}]", where, i), (*found)[i], members));
  return {};
}

Status check_bench(const std::string& file, const Json& document) {
  if (document["schema"] == "tessera-bench-online/1")
    return check_members(file, document, kOnlineMembers);
  TRY(check_list(file, document, "runs", kRunMembers));
  return check_list(file, document, "errors", kAnswerMembers, MemberNeed::Optional);
}

}  // namespace

std::optional<FiguresKind> figures_kind(const Json& document) {
  constexpr std::pair<const char*, FiguresKind> kKinds[] = {
      {"tessera-bench/1",        FiguresKind::Bench   },
      {"tessera-bench-online/1", FiguresKind::Bench   },
      {"tessera-pack/1",         FiguresKind::Policies},
      {"tessera-pack-tune/1",    FiguresKind::Shapes  },
  };
  if (!document.is_object()) return {};
  const auto schema = document.find("schema");
  if (schema == document.end()) return {};
  for (const auto& [name, kind] : kKinds)
    if (*schema == name) return kind;
  return {};
}

Status check_figures(const std::string& file, const Json& document) {
  const std::optional<FiguresKind> kind = figures_kind(document);
  if (!kind)
    return Error{file + ": is JSON of another kind, must be a result of bench, pack or pack tune",
                 ErrorKind::BadFile};
  switch (*kind) {
    case FiguresKind::Bench: return check_bench(file, document);
    case FiguresKind::Policies:
      TRY(check_members(file, document, kPoliciesMembers));
      return check_list(file, document, "policies", kPolicyMembers);
    case FiguresKind::Shapes:
      TRY(check_members(file, document, kShapesMembers));
      return check_list(file, document, "candidates", kShapeMembers);
  }
  return {};
}

}  // namespace tessera
