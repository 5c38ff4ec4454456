// SPDX-License-Identifier: Apache-2.0
#include "report/logs.h"

#include <algorithm>
#include <map>

#include "session/advice_json.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

// A page of more events would take more than it shows. Sums are of all.
constexpr size_t kMostEvents = 2000;

Json sums_json(const std::vector<RecompileEvent>& events) {
  int64_t compiles = 0, failed = 0, waited = 0;
  double seconds = 0, blocked = 0;
  std::map<std::string, int64_t> causes;
  for (const RecompileEvent& event : events) {
    blocked += event.blocked_ms / 1e3;
    waited += event.requests_blocked;
    if (!event.is_compile()) continue;
    ++compiles;
    if (!event.error.empty()) ++failed;
    seconds += event.wall_ms / 1e3;
    ++causes[std::string(to_string(event.cause()))];
  }
  return {
      {"events",           events.size()},
      {"compiles",         compiles     },
      {"failed_compiles",  failed       },
      {"compile_seconds",  seconds      },
      {"blocked_seconds",  blocked      },
      {"requests_blocked", waited       },
      {"causes",           causes       }
  };
}

}  // namespace

Json log_json(const ReportedLog& log) {
  std::vector<RecompileEvent> events = log.events;
  Json advice = Json::array();
  for (const Advice& one : advise(events)) advice.push_back(advice_json(one));
  number_by_place(events);
  Json listed = Json::array();
  for (size_t i = 0; i < std::min(events.size(), kMostEvents); ++i) {
    listed.push_back(Json::parse(to_json_line(events[i])));
    listed.back()["in_words"] = difference_in_words(events[i].difference, events[i].changes);
    listed.back()["shapes_in_words"] = to_string(events[i].shapes);
  }
  return {
      {"file",   log.file         },
      {"sums",   sums_json(events)},
      {"events", listed           },
      {"advice", advice           }
  };
}

}  // namespace tessera
