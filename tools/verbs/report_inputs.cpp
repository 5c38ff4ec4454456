// SPDX-License-Identifier: Apache-2.0
#include "tools/verbs/report_inputs.h"

#include <fmt/format.h>

#include "codelets/codelet.h"
#include "compiler/compile.h"
#include "packing/plan.h"
#include "program/popef.h"
#include "program/read_popef.h"
#include "report/figures.h"
#include "support/file.h"
#include "support/lines.h"
#include "tools/print/print.h"
#include "tools/print/progress.h"

namespace tessera::tools {
namespace {

using Json = nlohmann::ordered_json;

Error too_many(const std::string& path, const char* what) {
  return {fmt::format("{}: is {}, must be left out", path, what), ErrorKind::Usage};
}

Status add_executable(const std::string& path, const Limits& limits,
                      const std::optional<PublicKey>& key, ReportInputs& inputs) {
  if (inputs.executables.size() == 2) return too_many(path, "a third executable");
  const PopefFile file = TRY(open_popef(path, key, limits));
  ReportedExecutable reported;
  reported.file = path;
  reported.executable = TRY(read_popef(file, check_compute_set, limits));
  reported.blobs = TRY(list_blobs(file));
  inputs.executables.push_back(std::move(reported));
  return {};
}

// Where it does not fit, also variants that may.
Status add_model(const std::string& path, const CompileOptions& options, ReportInputs& inputs) {
  constexpr double kSecondsOfVariants = 15;
  if (inputs.executables.size() == 2) return too_many(path, "a third executable");
  Progress progress("compile " + path);
  CompileResult result =
      TRY(compile(path, options, [&](const std::string& phase) { progress.step(phase); }));
  ReportedExecutable reported;
  reported.file = path;
  if (result.out_of_memory) {
    progress.step("does not fit, compiling variants");
    reported.ways = ways_out(path, options, kSecondsOfVariants);
  }
  reported.executable = std::move(result.executable);
  inputs.executables.push_back(std::move(reported));
  return {};
}

Status add_events(const std::string& path, const Limits& limits, ReportInputs& inputs) {
  if (inputs.logs.size() == 2) return too_many(path, "a third events file");
  inputs.logs.push_back({path, TRY(events_of(path, limits))});
  return {};
}

Status add_plan(const std::string& path, ReportInputs& inputs) {
  if (inputs.plan) return too_many(path, "a second plan");
  inputs.plan = {path, TRY(read_plan(path))};
  return {};
}

Status add_figures(const std::string& path, const char* second,
                   std::optional<ReportedFigures>& figures) {
  if (figures) return too_many(path, second);
  const std::string text = TRY(read_text_file(path));
  if (const Status sound = check_json(text); !sound.ok())
    return Error{path + ": " + sound.error().message, sound.error().kind};
  figures = {path, Json::parse(text, nullptr, false)};
  return {};
}

// The first line, or what there is of it.
std::string_view first_line(std::span<const std::byte> bytes) {
  constexpr size_t kMost = 1 << 16;
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()),
                              std::min(bytes.size(), kMost));
  return text.substr(0, text.find('\n'));
}

// The schema is a plan's first member. A plan may be large: it is read once, by its reader.
bool is_plan(std::span<const std::byte> bytes) {
  constexpr size_t kMostBefore = 64;
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()),
                              std::min(bytes.size(), kMostBefore));
  return text.find('"' + std::string(kPlanSchema) + '"') != std::string_view::npos;
}

}  // namespace

const char* to_words(InputKind kind) {
  switch (kind) {
    case InputKind::Executable: return "an executable";
    case InputKind::Model: return "a model";
    case InputKind::Events: return "an events file";
    case InputKind::Record: return "a record of an online run";
    case InputKind::Plan: return "a plan of requests";
    case InputKind::Bench: return "a bench result";
    case InputKind::Policies: return "a comparison of policies";
    case InputKind::Shapes: return "a search for a shape";
  }
  return "";
}

Expected<std::vector<RecompileEvent>> events_of(const std::string& path, const Limits& limits) {
  std::string warning;
  std::vector<RecompileEvent> events = TRY(read_events(path, &warning, limits));
  if (!warning.empty()) print_error("tessera: warning: {}\n", warning);
  return events;
}

Expected<InputKind> kind_of(const std::string& path) {
  if (path.ends_with(".onnx")) return InputKind::Model;
  const auto file = TRY(MappedFile::open(path));
  const std::string_view line = first_line(file->bytes());
  if (!line.starts_with('{')) return InputKind::Executable;
  if (check_json(line).ok()) {
    const Json json = Json::parse(line, nullptr, false);
    const std::string schema =
        json.is_object() && json.contains("schema") && json["schema"].is_string()
            ? json["schema"].get<std::string>()
            : "";
    if (schema.starts_with("recompile/")) return InputKind::Events;
    if (schema.starts_with("online/")) return InputKind::Record;
  }
  if (is_plan(file->bytes())) return InputKind::Plan;
  constexpr size_t kMostOfFigures = 1 << 24;
  const std::string text = TRY(read_text_file(path, kMostOfFigures));
  if (check_json(text).ok()) {
    if (const auto kind = figures_kind(Json::parse(text, nullptr, false))) {
      switch (*kind) {
        case FiguresKind::Bench: return InputKind::Bench;
        case FiguresKind::Policies: return InputKind::Policies;
        case FiguresKind::Shapes: return InputKind::Shapes;
      }
    }
  }
  return Error{path +
                   ": is JSON of another kind, must be events, a record of an online run, a plan, "
                   "or what bench, pack or pack tune print with --json",
               ErrorKind::BadFile};
}

Status add_input(const std::string& path, const CompileOptions& options,
                 const std::optional<PublicKey>& key, ReportInputs& inputs) {
  switch (TRY(kind_of(path))) {
    case InputKind::Executable: return add_executable(path, options.limits, key, inputs);
    case InputKind::Model: return add_model(path, options, inputs);
    case InputKind::Events: return add_events(path, options.limits, inputs);
    case InputKind::Record:
      if (inputs.run) return too_many(path, "a second record");
      inputs.run = {path, TRY(read_online_log(path, options.limits))};
      return {};
    case InputKind::Plan: return add_plan(path, inputs);
    case InputKind::Bench: return add_figures(path, "a second bench result", inputs.bench);
    case InputKind::Policies:
      return add_figures(path, "a second comparison of policies", inputs.policies);
    case InputKind::Shapes: return add_figures(path, "a second search for a shape", inputs.shapes);
  }
  return {};
}

}  // namespace tessera::tools
