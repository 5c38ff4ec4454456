// SPDX-License-Identifier: Apache-2.0
#include "server/model_control.h"

#include "server/model_hub.h"

namespace tessera::server {

std::vector<ModelControl::Entry> repository_index(const ModelHub& hub,
                                                  const ModelControl* control) {
  if (control != nullptr) return control->index();
  std::vector<ModelControl::Entry> entries;
  for (const auto& model : hub.all())
    entries.push_back({model->facts().name, model->facts().version, "READY", ""});
  return entries;
}

Error no_control() {
  return {
      "server: models are not loaded or unloaded on demand, must be started with "
      "--allow_model_control",
      ErrorKind::Refused, refusal::kForbidden};
}

}  // namespace tessera::server
