// SPDX-License-Identifier: Apache-2.0
#include "python/completions.h"

#include <pthread.h>

#include "python/bindings.h"
#include "python/errors.h"
#include "python/gil.h"

namespace tessera::python {
namespace {

Completions* current = nullptr;
int forks = 0;

py::list take_all() {
  std::vector<std::unique_ptr<InFlight>> finished =
      without_gil([] { return Completions::instance().take(); });
  py::list list;
  for (const auto& one : finished) {
    // (future, result, None, warnings) or (future, None, exception, [])
    if (one->status.ok()) {
      list.append(
          py::make_tuple(one->future, one->result(), py::none(), words_of(one->not_finite)));
    } else {
      list.append(
          py::make_tuple(one->future, py::none(), to_exception(one->status.error()), py::list()));
    }
  }
  return list;
}

}  // namespace

Completions& Completions::instance() {
  static const bool made = [] {
    current = new Completions;  // never freed: a runner's thread may outlive what frees it
    pthread_atfork(nullptr, nullptr, [] {
      ++forks;
      Completions::forget();
    });
    return true;
  }();
  static_cast<void>(made);
  return *current;
}

void Completions::push(std::unique_ptr<InFlight> finished) {
  const std::lock_guard lock(mutex_);
  const bool was_empty = first_ == nullptr;
  std::unique_ptr<InFlight>& place = was_empty ? first_ : last_->next;
  place = std::move(finished);
  last_ = place.get();
  if (was_empty) came_.notify_one();
}

std::vector<std::unique_ptr<InFlight>> Completions::take() {
  std::unique_lock lock(mutex_);
  came_.wait(lock, [&] { return stopped_ || first_ != nullptr; });
  size_t count = 0;
  for (const InFlight* one = first_.get(); one != nullptr; one = one->next.get()) ++count;
  std::vector<std::unique_ptr<InFlight>> all;
  all.reserve(count);
  while (first_) {
    std::unique_ptr<InFlight> rest = std::move(first_->next);
    all.push_back(std::move(first_));
    first_ = std::move(rest);
  }
  return all;
}

void Completions::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  came_.notify_all();
}

void Completions::forget() { current = new Completions; }

int fork_generation() {
  Completions::instance();
  return forks;
}

void bind_completions(py::module_& module) {
  fork_generation();
  module.def("take_completions", take_all);
  module.def("stop_completions", [] { Completions::instance().stop(); });
  module.def("finish_calls", finish_native_calls);
}

}  // namespace tessera::python
