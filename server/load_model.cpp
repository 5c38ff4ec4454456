// SPDX-License-Identifier: Apache-2.0
#include "server/load_model.h"

#include <fmt/format.h>

#include "server/packed_model.h"
#include "server/session_model.h"
#include "support/guard.h"

namespace tessera::server {
namespace {

Expected<std::shared_ptr<ServedModel>> load_executable(const std::string& name,
                                                       const std::string& version,
                                                       const std::string& path,
                                                       const LoadOptions& options) {
  std::shared_ptr<ModelRunner> runner = TRY(ModelRunner::load(path, options.machine));
  return std::shared_ptr<ServedModel>(
      TRY(PackedModel::create(name, version, std::move(runner), options.runner, options.budget)));
}

Expected<std::shared_ptr<ServedModel>> load_onnx(const std::string& name,
                                                 const std::string& version,
                                                 const std::string& path,
                                                 const LoadOptions& options) {
  SessionOptions session = options.session;
  session.machine = options.machine;
  if (session.call_site.empty()) session.call_site = "serve " + name;
  return std::shared_ptr<ServedModel>(
      TRY(SessionModel::create(name, version, path, std::move(session),
                               options.runner.runner.former.max_queue, options.budget)));
}

}  // namespace

Expected<std::shared_ptr<ServedModel>> load_model(const std::string& name,
                                                  const std::string& version,
                                                  const std::string& path,
                                                  const LoadOptions& options) {
  if (!is_model_name(name)) {
    return Error{fmt::format("model '{}': is not a name, must be {}", name, kModelNameRule),
                 ErrorKind::Usage};
  }
  const bool is_onnx = path.ends_with(".onnx");
  auto model = guarded("server", [&] {
    return is_onnx ? load_onnx(name, version, path, options)
                   : load_executable(name, version, path, options);
  });
  if (!model.ok()) {
    Error error = std::move(model.error());
    error.message = fmt::format("model '{}': {}", name, error.message);
    return error;
  }
  return model;
}

}  // namespace tessera::server
