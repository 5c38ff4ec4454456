// SPDX-License-Identifier: Apache-2.0
// A report: what Tessera knows of executables, of the recompiles around them and of how batches
// were filled, as one JSON document (docs/schemas/report.json), and as one HTML page that holds the
// document and shows it. The page needs no network and no other file.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "compiler/ways_out.h"
#include "packing/plan.h"
#include "program/popef.h"
#include "serving/online_record.h"
#include "session/events.h"
#include "support/expected.h"

namespace tessera {

inline constexpr std::string_view kReportSchema = "tessera-report/1";

struct ReportedExecutable {
  std::string file;  // as it was named
  Executable executable;
  std::vector<BlobInfo> blobs;
  // The ways out of a compile that was done for the report and did not fit.
  std::vector<WayOut> ways;
};

struct ReportedLog {
  std::string file;
  std::vector<RecompileEvent> events;
};

struct ReportedRun {
  std::string file;
  RecordedRun run;
};

// A packing of requests.
struct ReportedPlan {
  std::string file;
  PackPlan plan;
};

// A document that another verb printed (report/figures.h).
struct ReportedFigures {
  std::string file;
  nlohmann::ordered_json figures;
};

// Where there are two executables or two logs, the second is held against the first.
struct ReportInputs {
  std::vector<ReportedExecutable> executables;
  std::vector<ReportedLog> logs;
  std::optional<ReportedRun> run;
  std::optional<ReportedPlan> plan;
  std::optional<ReportedFigures> bench, policies, shapes;
  std::string command;  // that makes this report
  std::string version;  // of Tessera
};

// Every text of it has passed the filter of support/plain_text.h, so that names of strangers are
// seen as what they are. Errors: a run that cannot be replayed, figures that are not as their
// schema says, an empty report.
Expected<nlohmann::ordered_json> report_document(const ReportInputs& inputs);

// `document` is one that report_document made.
std::string report_page(const nlohmann::ordered_json& document);

}  // namespace tessera
