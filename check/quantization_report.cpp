// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <nlohmann/json.hpp>

#include "check/quantization.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

Json finite(double value) { return std::isfinite(value) ? Json(value) : Json("inf"); }

void add_error(Json& json, const MeasuredError& error) {
  json["error"] = finite(error.relative);
  json["largest_error"] = finite(error.largest);
  json["magnitude"] = finite(error.magnitude);
  json["cosine"] = finite(error.cosine);
}

Json json_of(const QuantizedOutput& output) {
  Json json = {
      {"output", output.name}
  };
  add_error(json, output.error);
  return json;
}

Json json_of(const QuantizedMatmul& one) {
  Json json = {
      {"node",      one.is.node   },
      {"output",    one.is.output },
      {"terms",     one.is.terms  },
      {"columns",   one.is.columns},
      {"quantized", one.quantized }
  };
  if (one.quantized)
    add_error(json, one.error);
  else
    json["why_not"] = one.why_not;
  if (one.alone) json["error_alone"] = finite(*one.alone);
  return json;
}

template <class T>
Json array_as_json(const std::vector<T>& all) {
  Json list = Json::array();
  for (const T& one : all) list.push_back(json_of(one));
  return list;
}

}  // namespace

nlohmann::ordered_json quantization_json(const QuantizationReport& report) {
  return {
      {"schema",      "tessera-quantize/1"         },
      {"model",       report.model                 },
      {"output",      report.output                },
      {"scales",      to_string(report.by)         },
      {"samples",     report.samples               },
      {"quantized",   report.quantized()           },
      {"float_bytes", report.float_bytes()         },
      {"int8_bytes",  report.int8_bytes()          },
      {"worst_error", finite(report.worst())       },
      {"outputs",     array_as_json(report.outputs)},
      {"matmuls",     array_as_json(report.matmuls)},
      {"warnings",    report.warnings              }
  };
}

}  // namespace tessera
