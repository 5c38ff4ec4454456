// SPDX-License-Identifier: Apache-2.0
#include "session/model_keys.h"

namespace tessera {
namespace {

constexpr size_t kMostKeys = 65'536;

}  // namespace

CompileOptions with_shapes(CompileOptions options, const InputShapes& shapes) {
  for (const auto& [name, shape] : shapes) options.input_shape[name] = shape;
  return options;
}

Expected<KeyPointer> ModelKeys::key_of(const InputShapes& asked) {
  const std::lock_guard lock(mutex_);
  if (!identity_ || !identity_->is_current()) {
    keys_.clear();
    identity_ = TRY(ModelIdentity::of(model_path_));
  }
  if (const auto found = keys_.find(asked); found != keys_.end()) return found->second;
  TRY(check_options(options_));
  const CompileOptions options = with_shapes(options_, asked);
  std::vector<InputSignature> inputs = TRY(identity_->signature(options.input_shape));
  if (keys_.size() >= kMostKeys) keys_.clear();
  auto key =
      std::make_shared<const ExecutableKey>(make_key(*identity_, std::move(inputs), options));
  keys_[asked] = key;
  return KeyPointer(key);
}

bool ModelKeys::is_current(const ExecutableKey& key) const {
  const std::lock_guard lock(mutex_);
  return identity_->is_current() && identity_->graph() == key.graph &&
         identity_->weights() == key.weights;
}

}  // namespace tessera
