// SPDX-License-Identifier: Apache-2.0
// Callers' threads check and convert; one worker thread runs the machine, batch after batch.
#include "executor/model_runner.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>
#include <thread>

#include "codelets/codelet.h"
#include "executor/array_checks.h"
#include "executor/host_arrays.h"
#include "executor/rejection.h"
#include "program/read_popef.h"
#include "support/guard.h"

namespace tessera {
namespace {

struct JobOutput {
  std::vector<std::byte> own;  // where the caller's array is of another dtype, or none
  const OutputView* view = nullptr;
  std::span<std::byte> bytes;
};

struct Job {
  OutputViews views;  // JobOutput::view points here
  std::vector<HostInput> inputs;
  std::vector<JobOutput> outputs;
  UsedCells used;
  std::function<void(Status)> done;
};

// The anchors of these variables, in their order.
Expected<std::vector<const Anchor*>> find_anchors(const Executable& executable,
                                                  const std::vector<VariableId>& variables,
                                                  AnchorKind kind) {
  std::vector<const Anchor*> found;
  for (const Anchor& anchor : executable.metadata.anchors)
    if (anchor.kind == kind) found.push_back(&anchor);
  for (size_t i = 0; i < variables.size(); ++i) {
    const Variable& v = executable.program.variables[static_cast<size_t>(variables[i])];
    if (i >= found.size() || found[i]->dtype != v.dtype ||
        found[i]->shape != of_all_replicas(v.shape, executable.metadata.replication_factor)) {
      return Error{"metadata: variable " + v.name + " has no anchor of its type, must have one",
                   ErrorKind::BadFile};
    }
  }
  found.resize(variables.size());
  return found;
}

template <class Views>
Status check_names(const Views& views, const std::vector<const Anchor*>& anchors,
                   const std::string& what) {
  std::set<std::string_view> known;
  for (const Anchor* anchor : anchors) known.insert(anchor->name);
  for (const auto& [name, view] : views)
    if (!known.contains(name))
      return Error{name + ": is not an " + what + " of this model, must be " + list_names(anchors),
                   ErrorKind::Failed, rejection::kWrongInput};
  return {};
}

}  // namespace

struct ModelRunner::Impl {
  std::shared_ptr<const Executable> executable;
  std::unique_ptr<Machine> machine;
  std::vector<const Anchor*> inputs, outputs;
  bool in_half = false;

  std::mutex mutex;
  std::condition_variable wake;
  std::deque<std::unique_ptr<Job>> queue;
  bool stop = false;
  std::thread worker;

  Expected<std::unique_ptr<Job>> prepare(const InputViews& in, OutputViews out,
                                         UsedCells used) const;
  void enqueue(std::unique_ptr<Job> job, std::function<void(Status)> done);
  std::future<Status> submit(std::unique_ptr<Job> job);
  void work();
  Status carry_out(Job& job);
};

// Everything that can be wrong with a call is found here, before it waits for the batches ahead of
// it.
Expected<std::unique_ptr<Job>> ModelRunner::Impl::prepare(const InputViews& in, OutputViews out,
                                                          UsedCells used) const {
  auto job = std::make_unique<Job>();
  job->used = std::move(used);
  TRY(check_names(in, inputs, "input"));
  TRY(check_names(out, outputs, "output"));
  for (const Anchor* anchor : inputs) {
    const auto view = in.find(anchor->name);
    if (view == in.end())
      return Error{anchor->name + ": is missing, must be given", ErrorKind::Failed,
                   rejection::kWrongInput};
    job->inputs.push_back(TRY(take_input(*anchor, view->second)));
    const PackingContract& packing = executable->metadata.packing;
    if (anchor->name == packing.unpack_info_input && anchor->dtype == DType::I32)
      TRY(check_unpack_info(packing, job->inputs.back().bytes));
  }
  job->views = std::move(out);
  for (const Anchor* anchor : outputs) {
    JobOutput output;
    const auto view = job->views.find(anchor->name);
    if (view != job->views.end()) {
      TRY(check_output(*anchor, view->second));
      output.view = &view->second;
      output.bytes = view->second.bytes;
    }
    if (output.view == nullptr || output.view->dtype != anchor->dtype) {
      output.own.resize(static_cast<size_t>(elements(anchor->shape) * size_of(anchor->dtype)));
      output.bytes = output.own;
    }
    job->outputs.push_back(std::move(output));
  }
  return job;
}

void ModelRunner::Impl::enqueue(std::unique_ptr<Job> job, std::function<void(Status)> done) {
  job->done = std::move(done);
  const std::lock_guard lock(mutex);
  queue.push_back(std::move(job));
  wake.notify_one();
}

std::future<Status> ModelRunner::Impl::submit(std::unique_ptr<Job> job) {
  auto promise = std::make_shared<std::promise<Status>>();
  std::future<Status> done = promise->get_future();
  enqueue(std::move(job), [promise](Status status) { promise->set_value(std::move(status)); });
  return done;
}

Status ModelRunner::Impl::carry_out(Job& job) {
  std::vector<std::span<const std::byte>> in;
  std::vector<std::span<std::byte>> out;
  for (const HostInput& input : job.inputs) in.push_back(input.bytes);
  for (const JobOutput& output : job.outputs) out.push_back(output.bytes);
  TRY(machine->run(in, out, job.used));
  for (const JobOutput& output : job.outputs) {
    if (output.view != nullptr && !output.own.empty()) convert_output(output.own, *output.view);
  }
  return {};
}

void ModelRunner::Impl::work() {
  for (;;) {
    std::unique_lock lock(mutex);
    wake.wait(lock, [&] { return stop || !queue.empty(); });
    if (queue.empty()) return;
    const std::unique_ptr<Job> job = std::move(queue.front());
    queue.pop_front();
    lock.unlock();
    Status status = guarded("run", [&] { return carry_out(*job); });
    static_cast<void>(guarded("run", [&]() -> Status {
      job->done(std::move(status));
      return {};
    }));
  }
}

ModelRunner::ModelRunner() : impl_(std::make_unique<Impl>()) {}

ModelRunner::~ModelRunner() {
  if (!impl_->worker.joinable()) return;
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stop = true;
  }
  impl_->wake.notify_one();
  impl_->worker.join();
}

Expected<std::unique_ptr<ModelRunner>> ModelRunner::load(const std::string& popef_path,
                                                         const MachineOptions& options) {
  return load(TRY(open_popef(popef_path, options.require_signature, options.limits)), options);
}

Expected<std::unique_ptr<ModelRunner>> ModelRunner::load(const PopefFile& file,
                                                         const MachineOptions& options) {
  auto executable = TRY(read_popef(file, check_compute_set, options.limits));
  return guarded(file.path, [&] {
    return create(std::make_shared<const Executable>(std::move(executable)), options);
  });
}

Expected<std::unique_ptr<ModelRunner>> ModelRunner::create(
    std::shared_ptr<const Executable> executable, const MachineOptions& options) {
  return guarded("load", [&]() -> Expected<std::unique_ptr<ModelRunner>> {
    std::unique_ptr<ModelRunner> runner(new ModelRunner);
    Impl& impl = *runner->impl_;
    impl.executable = executable;
    impl.in_half = tessera::computes_in_half(*executable);
    impl.inputs = TRY(find_anchors(*executable, executable->program.inputs, AnchorKind::Input));
    impl.outputs = TRY(find_anchors(*executable, executable->program.outputs, AnchorKind::Output));
    impl.machine = TRY(Machine::load(std::move(executable), options));
    impl.worker = TRY(start_thread("load", [&impl] { impl.work(); }));
    return runner;
  });
}

Status ModelRunner::run(const InputViews& inputs, const OutputViews& outputs, UsedCells used) {
  return guarded("run", [&]() -> Status {
    return impl_->submit(TRY(impl_->prepare(inputs, outputs, std::move(used)))).get();
  });
}

std::future<Status> ModelRunner::run_async(InputViews inputs, OutputViews outputs, UsedCells used) {
  const auto prepare = [&] { return impl_->prepare(inputs, std::move(outputs), std::move(used)); };
  Expected<std::unique_ptr<Job>> job = guarded("run", prepare);
  if (job) return impl_->submit(job.take());
  std::promise<Status> refused;
  refused.set_value(std::move(job.error()));
  return refused.get_future();
}

Status ModelRunner::run_then(const InputViews& inputs, OutputViews outputs,
                             std::function<void(Status)> done) {
  return guarded("run", [&]() -> Status {
    impl_->enqueue(TRY(impl_->prepare(inputs, std::move(outputs), {})), std::move(done));
    return {};
  });
}

const Executable& ModelRunner::executable() const { return *impl_->executable; }
bool ModelRunner::computes_in_half() const { return impl_->in_half; }
Machine& ModelRunner::machine() { return *impl_->machine; }

}  // namespace tessera
