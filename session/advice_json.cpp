// SPDX-License-Identifier: Apache-2.0
#include "session/advice_json.h"

#include "session/key.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

Json option_json(const ServingOption& option) {
  return {
      {"name",            option.name           },
      {"executables",     option.executables    },
      {"compile_seconds", option.compile_seconds},
      {"saved_seconds",   option.saved_seconds  },
      {"useful_share",    option.useful_share   },
      {"command",         option.command        }
  };
}

}  // namespace

Json advice_json(const Advice& advice) {
  Json options = Json::array(), slips = Json::array();
  for (const ServingOption& option : advice.options) options.push_back(option_json(option));
  for (const CompileSlip& slip : advice.slips)
    slips.push_back({
        {"rule",         to_string(slip.rule)},
        {"text",         slip.text           },
        {"compiles",     slip.compiles       },
        {"seconds",      slip.seconds        },
        {"executables",  slip.executables    },
        {"useful_share", slip.useful_share   },
        {"command",      slip.command        }
    });
  return {
      {"schema",          "tessera-advice/1"                                        },
      {"model",           advice.model                                              },
      {"batches",         advice.batches                                            },
      {"compiles",        advice.compiles                                           },
      {"lengths",         advice.lengths                                            },
      {"compile_seconds", advice.compile_seconds                                    },
      {"blocked_seconds", advice.blocked_seconds                                    },
      {"options",         options                                                   },
      {"recommended",     advice.recommended < 0 ? Json() : Json(advice.recommended)},
      {"slips",           slips                                                     }
  };
}

Json difference_json(const RecompileEvent& before, const RecompileEvent& after) {
  const KeyDifference difference = compare_keys(key_of(before), key_of(after));
  return {
      {"schema", "tessera-recompile-difference/1"},
      {"before", before.id},
      {"after", after.id},
      {"causes", to_words(difference.causes)},
      {"difference", difference_in_words(difference.shapes, difference.changes)}
  };
}

}  // namespace tessera
