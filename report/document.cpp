// SPDX-License-Identifier: Apache-2.0
#include <filesystem>

#include "report/compare.h"
#include "report/figures.h"
#include "report/logs.h"
#include "report/machine.h"
#include "report/packed.h"
#include "report/report.h"
#include "report/useful_tokens.h"
#include "report/verdict.h"
#include "support/plain_text.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

// The text of compile options, one a line, keeps its lines.
Json made_visible(const Json& json, std::string_view of = {}) {
  if (json.is_string()) {
    const auto& text = json.get_ref<const std::string&>();
    return of == "options" ? visible_lines(text) : visible(text);
  }
  if (!json.is_structured()) return json;
  Json copy = json.is_array() ? Json::array() : Json::object();
  for (const auto& [name, value] : json.items()) {
    if (json.is_array())
      copy.push_back(made_visible(value));
    else
      copy[visible(name)] = made_visible(value, name);
  }
  return copy;
}

std::string title_of(const ReportInputs& inputs) {
  if (!inputs.executables.empty()) {
    const ReportedExecutable& first = inputs.executables[0];
    const std::string& label = first.executable.metadata.label;
    return label.empty() ? std::filesystem::path(first.file).filename().string() : label;
  }
  if (!inputs.logs.empty()) return inputs.logs[0].file;
  if (inputs.run) return inputs.run->file;
  if (inputs.plan) return inputs.plan->file;
  for (const auto* figures : {&inputs.bench, &inputs.policies, &inputs.shapes})
    if (*figures) return (*figures)->file;
  return "";
}

bool is_empty(const ReportInputs& inputs) {
  return inputs.executables.empty() && inputs.logs.empty() && !inputs.run && !inputs.plan &&
         !inputs.bench && !inputs.policies && !inputs.shapes;
}

Status add_figures(const ReportInputs& inputs, Json& document) {
  const std::pair<const char*, const std::optional<ReportedFigures>*> all[] = {
      {"bench",    &inputs.bench   },
      {"policies", &inputs.policies},
      {"shapes",   &inputs.shapes  }
  };
  for (const auto& [name, reported] : all) {
    if (!*reported) continue;
    TRY(check_figures((*reported)->file, (*reported)->figures));
    document[name] = {
        {"file",    (*reported)->file   },
        {"figures", (*reported)->figures}
    };
  }
  return {};
}

}  // namespace

Expected<Json> report_document(const ReportInputs& inputs) {
  if (is_empty(inputs))
    return Error{
        "report: nothing to report on, must be an executable, a log, a record, a plan or figures",
        ErrorKind::Usage};
  Json document = {
      {"schema",  kReportSchema   },
      {"title",   title_of(inputs)},
      {"tessera", inputs.version  },
      {"command", inputs.command  }
  };
  document["verdict"] = Json::object();  // its place
  for (const ReportedExecutable& executable : inputs.executables) {
    document["executables"].push_back(executable_json(executable));
    document["executables"].back()["compile_command"] = compile_command(executable);
    if (!executable.ways.empty())
      document["executables"].back()["variants"] = variants_json(executable);
  }
  for (const ReportedLog& log : inputs.logs) document["logs"].push_back(log_json(log));
  if (inputs.run) {
    document["run"] = TRY(run_json(*inputs.run));
    document["run"]["executable"] = executable_with(inputs, inputs.run->run.contract);
  }
  if (inputs.plan) {
    document["plan"] = plan_json(*inputs.plan);
    document["plan"]["executable"] = executable_with(inputs, inputs.plan->plan.contract);
  }
  TRY(add_figures(inputs, document));
  if (!inputs.run && !inputs.plan && !inputs.executables.empty()) {
    Json example = example_json(inputs.executables[0].executable.metadata.packing);
    if (!example.is_null()) document["example"] = std::move(example);
  }
  if (inputs.executables.size() > 1)
    document["differences"].push_back(
        compare_executables(document["executables"][0], document["executables"][1]));
  if (inputs.logs.size() > 1)
    document["differences"].push_back(compare_logs(document["logs"][0], document["logs"][1]));
  document["verdict"] = verdict_json(inputs, document);
  return made_visible(document);
}

}  // namespace tessera
