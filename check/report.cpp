// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <nlohmann/json.hpp>

#include "check/check.h"

namespace tessera {

std::string_view word_of_form(std::optional<PackingForm> form) {
  if (!form) return "batch";
  return *form == PackingForm::None ? "padded" : to_string(*form);
}

namespace {

using Json = nlohmann::ordered_json;

// JSON has no infinity.
Json number(double value) { return std::isfinite(value) ? Json(value) : Json("inf"); }

Json json_of(const InputMeaning& input) {
  return {
      {"name",    input.name   },
      {"type",    input.type   },
      {"meaning", input.meaning},
      {"how",     input.how    }
  };
}

Json json_of(const FormVerdict& form) {
  Json json = {
      {"form",     word_of_form(form.form)},
      {"possible", form.possible          },
      {"why_not",  form.why_not           }
  };
  if (form.form == PackingForm::None) json["request_size"] = to_string(form.request_size);
  return json;
}

Json json_of(const OutputError& error) {
  return {
      {"form",          word_of_form(error.form)},
      {"output",        error.output            },
      {"answers",       error.answers           },
      {"largest_error", number(error.largest)   },
      {"mean_error",    number(error.mean)      },
      {"magnitude",     number(error.magnitude) },
      {"worst",         error.worst             },
      {"within",        error.within            }
  };
}

Json json_of(const LayerError& layer) {
  return {
      {"node",          layer.node             },
      {"largest_error", number(layer.largest)  },
      {"magnitude",     number(layer.magnitude)}
  };
}

template <class T>
Json list_of(const std::vector<T>& all) {
  Json list = Json::array();
  for (const T& one : all) list.push_back(json_of(one));
  return list;
}

}  // namespace

nlohmann::ordered_json check_json(const CheckReport& report) {
  Json json = {
      {"schema",       "tessera-check/1"      },
      {"model",        report.model           },
      {"nodes",        report.nodes           },
      {"unsupported",  report.unsupported     },
      {"inputs",       list_of(report.inputs) },
      {"forms",        list_of(report.forms)  },
      {"kept_in_fp32", report.kept_in_fp32    },
      {"reference",    report.reference       },
      {"tolerance",    report.tolerance       },
      {"outputs",      list_of(report.outputs)},
      {"not_compared", report.not_compared    },
      {"all_well",     report.all_well()      }
  };
  if (!report.layers.empty()) {
    json["layers"] = list_of(report.layers);
    json["first_bad_layer"] =
        report.first_bad_layer < 0
            ? Json()
            : Json(report.layers[static_cast<size_t>(report.first_bad_layer)].node);
  }
  return json;
}

}  // namespace tessera
