// SPDX-License-Identifier: Apache-2.0
// Small inputs of reports, and the documents that are made of them.
#pragma once

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "report/report.h"

namespace tessera {

inline ReportInputs inputs_of(Executable executable) {
  ReportInputs inputs;
  inputs.version = "1";
  inputs.command = "tessera report tiny.popef";
  inputs.executables.push_back({"tiny.popef", std::move(executable), {}, {}});
  return inputs;
}

inline nlohmann::ordered_json document_of(const ReportInputs& inputs) {
  auto document = report_document(inputs);
  EXPECT_TRUE(document.ok()) << document.error().message;
  return document.ok() ? document.take() : nlohmann::ordered_json();
}

inline RecompileEvent compile_of(int64_t length, double ms) {
  RecompileEvent event;
  event.model = "m.onnx";
  event.kind = EventKind::Recompile;
  event.causes = {Cause::InputShape};
  event.shapes["input_ids"] = {4, length};
  event.wall_ms = ms;
  event.requests_blocked = 2;
  event.request_id = 0;
  return event;
}

inline size_t count_of(const std::string& text, const std::string& word) {
  size_t count = 0;
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++count;
  return count;
}

inline nlohmann::ordered_json bench_figures() {
  const nlohmann::ordered_json seconds = {
      {"mean",  0.2},
      {"p50",   0.1},
      {"p90",   0.3},
      {"p95",   0.3},
      {"p99",   0.4},
      {"p99.9", 0.4},
      {"max",   0.5}
  };
  const nlohmann::ordered_json run = {
      {"executable",                      "</script>.popef"},
      {"label",                           "Pack Online"    },
      {"form",                            "B"              },
      {"batches",                         3                },
      {"requests",                        20               },
      {"fill",                            0.75             },
      {"host_seconds",                    2.0              },
      {"host_batches_per_second",         1.5              },
      {"batch_seconds",                   seconds          },
      {"latency_seconds",                 seconds          },
      {"modelled_ipu_seconds",            0.001            },
      {"modelled_ipu_batches_per_second", 3000.0           },
      {"closed_for",                      {{"drain", 3}}   }
  };
  return {
      {"schema", "tessera-bench/1"                   },
      {"runs",   nlohmann::ordered_json::array({run})}
  };
}

}  // namespace tessera
