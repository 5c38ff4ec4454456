// SPDX-License-Identifier: Apache-2.0
#include "server/model_hub.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <limits>

#include "serving/rejection.h"

namespace tessera::server {

bool is_model_name(const std::string& name) {
  const auto is_letter = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  if (name.empty() || name.size() > 128 || !is_letter(name[0])) return false;
  return std::ranges::all_of(
      name, [&](char c) { return is_letter(c) || c == '-' || c == '_' || c == '.'; });
}

Expected<std::unique_ptr<ModelHub>> ModelHub::create() {
  std::unique_ptr<ModelHub> hub(new ModelHub);
  hub->retiring_ = TRY(Worker::start(std::numeric_limits<size_t>::max()));
  return hub;
}

ModelHub::~ModelHub() { close(); }

void ModelHub::retire(std::shared_ptr<ServedModel> model) {
  if (retiring_) retiring_->post([model = std::move(model)] { model->close(); });
}

void ModelHub::add(std::shared_ptr<ServedModel> model) {
  {
    const std::lock_guard lock(mutex_);
    models_[model->facts().name].swap(model);
  }
  if (model) retire(std::move(model));
}

bool ModelHub::remove(const std::string& name) {
  std::shared_ptr<ServedModel> model;
  {
    const std::lock_guard lock(mutex_);
    const auto found = models_.find(name);
    if (found == models_.end()) return false;
    model = std::move(found->second);
    models_.erase(found);
  }
  retire(std::move(model));
  return true;
}

Expected<std::shared_ptr<ServedModel>> ModelHub::find(const std::string& name,
                                                      const std::string& version) const {
  const std::lock_guard lock(mutex_);
  const auto found = models_.find(name);
  if (found == models_.end() && !is_model_name(name)) {
    return Error{std::string("model: is not a name, must be ") + kModelNameRule, ErrorKind::Failed,
                 refusal::kUnknownModel};
  }
  if (found == models_.end()) {
    return Error{fmt::format("model '{}': is not served, must be one of v2/repository/index", name),
                 ErrorKind::Failed, refusal::kUnknownModel};
  }
  const std::string& served = found->second->facts().version;
  if (version.empty() || version == served) return found->second;
  return Error{fmt::format("model '{}': has no version '{}', must be '{}' or left out", name,
                           version.substr(0, 32), served),
               ErrorKind::Failed, refusal::kUnknownModel};
}

std::vector<std::shared_ptr<ServedModel>> ModelHub::all() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<ServedModel>> models;
  for (const auto& [name, model] : models_) models.push_back(model);
  return models;
}

// A model that was found and then closed, because another took over, is looked for again.
Expected<std::shared_ptr<RunningCall>> ModelHub::infer(const InferCall& call,
                                                       const InferDone& done) {
  for (std::shared_ptr<ServedModel> last;;) {
    const std::shared_ptr<ServedModel> model = TRY(find(call.model, call.version));
    auto taken = model->infer(call, done);
    const bool was_closed = !taken && taken.error().type == rejection::kClosed;
    if (!was_closed || model == last) return taken;
    last = model;
  }
}

void ModelHub::close() {
  is_ready_ = false;
  std::map<std::string, std::shared_ptr<ServedModel>> models;
  {
    const std::lock_guard lock(mutex_);
    models.swap(models_);
  }
  for (const auto& [name, model] : models) model->close();
  retiring_.reset();
}

}  // namespace tessera::server
