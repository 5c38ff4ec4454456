// SPDX-License-Identifier: Apache-2.0
#include "compiler/onnx/import/scopes.h"

namespace tessera {

template <class Map>
const typename Map::mapped_type* Scopes::find(Map Scope::* map, const std::string& name) const {
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
    const auto found = ((*scope).*map).find(name);
    if (found != ((*scope).*map).end()) return &found->second;
    if (!scope->sees_around) break;
  }
  return nullptr;
}

const OnnxValue* Scopes::value(const std::string& name) const { return find(&Scope::values, name); }

const Initializer* Scopes::initializer(const std::string& name) const {
  return find(&Scope::initializers, name);
}

bool Scopes::contains(const std::string& name) const {
  return value(name) != nullptr || initializer(name) != nullptr;
}

void Scopes::set(const std::string& name, const OnnxValue& value) {
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
    if (scope->initializers.contains(name)) {
      scope->values[name] = value;
      return;
    }
    if (!scope->sees_around) break;
  }
  scopes_.back().values[name] = value;
}

bool Scopes::add(const std::string& name, const Initializer& initializer) {
  return !contains(name) && scopes_.back().initializers.emplace(name, initializer).second;
}

}  // namespace tessera
