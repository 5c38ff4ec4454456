// SPDX-License-Identifier: Apache-2.0
// Shares of useful tokens that the inputs of a report tell of, and whose they are: a record of one
// executable says nothing of how full the batches of another are.
#pragma once

#include <nlohmann/json.hpp>

#include "packing/pack.h"
#include "report/report.h"

namespace tessera {

// The file of the executable in the report that takes such batches; null where none does.
nlohmann::ordered_json executable_with(const ReportInputs& inputs, const PackingContract& contract);

// [{from, of, share, executable}, …]: the input, words for its batches, and the executable whose
// batches they are, or null. `document` has the parts that they are read from.
nlohmann::ordered_json useful_tokens_json(const ReportInputs& inputs,
                                          const nlohmann::ordered_json& document);

// The share of the report's first executable, or, without one, of the first input that tells it;
// null where it is not known.
nlohmann::ordered_json useful_share(const ReportInputs& inputs,
                                    const nlohmann::ordered_json& shares);

}  // namespace tessera
