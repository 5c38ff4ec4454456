// SPDX-License-Identifier: Apache-2.0
#include "session/advice_json.h"

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

}  // namespace tessera
