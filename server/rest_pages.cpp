// SPDX-License-Identifier: Apache-2.0
#include "server/rest_pages.h"

#include <nlohmann/json.hpp>

namespace tessera::server {
namespace {

using Json = nlohmann::ordered_json;

std::string text_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

HttpReply page_of(const Json& json, int status = 200) {
  return {.status = status, .body = text_of(json)};
}

Json facts_of(const std::vector<TensorFacts>& tensors) {
  Json list = Json::array();
  for (const TensorFacts& tensor : tensors) {
    list.push_back({
        {"name",     tensor.name           },
        {"datatype", to_string(tensor.type)},
        {"shape",    tensor.shape          }
    });
  }
  return list;
}

HttpReply server_page(const RestParts& parts) {
  return page_of({
      {"name",       kServerName                                  },
      {"version",    parts.version                                },
      {"extensions", protocol_extensions(parts.control != nullptr)}
  });
}

// The protocol calls the word "live" here too, and clients look for either.
HttpReply ready_page(const RestParts& parts) {
  const bool ready = parts.hub->is_ready();
  return page_of(
      {
          {"ready", ready},
          {"live",  ready}
  },
      ready ? 200 : 503);
}

Expected<HttpReply> model_page(const RestParts& parts, const RestPath& path) {
  const auto model = TRY(parts.hub->find(path.model, path.version));
  const ModelFacts& facts = model->facts();
  if (path.page == RestPage::ModelReady) {
    const bool ready = parts.hub->is_ready();
    return page_of(
        {
            {"name",  facts.name},
            {"ready", ready     }
    },
        ready ? 200 : 503);
  }
  return page_of({
      {"name",     facts.name                  },
      {"versions", Json::array({facts.version})},
      {"platform", facts.platform              },
      {"inputs",   facts_of(facts.inputs)      },
      {"outputs",  facts_of(facts.outputs)     }
  });
}

Json json_of(const CountedTime& time) {
  return {
      {"count", time.count},
      {"ns",    time.ns   }
  };
}

Json statistics_of(const ServedModel& model) {
  const ModelStatistics now = model.statistics();
  Json batches = Json::array();
  for (const auto& [size, times] : now.by_batch) {
    batches.push_back({
        {"batch_size",     size                                   },
        {"compute_input",  json_of(times.compute_input)           },
        {"compute_infer",  json_of(times.compute_infer)           },
        {"compute_output", json_of({times.compute_infer.count, 0})}
    });
  }
  const CountedTime none;
  return {
      {"name",            model.facts().name   },
      {"version",         model.facts().version},
      {"last_inference",  now.last_inference_ms},
      {"inference_count", now.inferences       },
      {"execution_count", now.executions       },
      {"inference_stats",
       {{"success", json_of(now.success)},
        {"fail", json_of(now.fail)},
        {"queue", json_of(now.queue)},
        {"compute_input", json_of(now.compute_input)},
        {"compute_infer", json_of(now.compute_infer)},
        {"compute_output", json_of(now.compute_output)},
        {"cache_hit", json_of(none)},
        {"cache_miss", json_of(none)}}         },
      {"batch_stats",     batches              }
  };
}

Expected<HttpReply> statistics_page(const RestParts& parts, const RestPath& path) {
  Json list = Json::array();
  if (path.page == RestPage::AllStats) {
    for (const auto& model : parts.hub->all()) list.push_back(statistics_of(*model));
  } else {
    list.push_back(statistics_of(*TRY(parts.hub->find(path.model, path.version))));
  }
  return page_of({
      {"model_stats", list}
  });
}

HttpReply index_page(const RestParts& parts) {
  Json list = Json::array();
  const auto add = [&](const ModelControl::Entry& entry) {
    list.push_back({
        {"name",    entry.name   },
        {"version", entry.version},
        {"state",   entry.state  },
        {"reason",  entry.reason }
    });
  };
  for (const auto& entry : repository_index(*parts.hub, parts.control.get())) add(entry);
  return page_of(list);
}

}  // namespace

std::string page_error(std::string_view what, std::string_view type) {
  return text_of({
      {"error", what},
      {"type",  type}
  });
}

HttpReply error_page(int status, std::string_view what, std::string_view type) {
  return {.status = status, .body = page_error(what, type)};
}

Expected<HttpReply> make_page(const RestParts& parts, const RestPath& path) {
  switch (path.page) {
    case RestPage::Server: return server_page(parts);
    case RestPage::Live:
      return page_of({
          {"live", true}
      });
    case RestPage::Ready: return ready_page(parts);
    case RestPage::Model:
    case RestPage::ModelReady: return model_page(parts, path);
    case RestPage::ModelStats:
    case RestPage::AllStats: return statistics_page(parts, path);
    case RestPage::Index: return index_page(parts);
    case RestPage::Metrics:
      return HttpReply{.body = parts.metrics ? parts.metrics() : "",
                       .content_type = "text/plain; version=0.0.4; charset=utf-8"};
    case RestPage::None:
    case RestPage::Infer:
    case RestPage::Stream:
    case RestPage::Load:
    case RestPage::Unload: break;
  }
  return error_page(404, "no such page", "not_found");
}

}  // namespace tessera::server
