// SPDX-License-Identifier: Apache-2.0
// Several threads make objects (executor/jit_object.h), and ORC links them. An ObjectCache keeps
// each object. LLVM has an interface of that name too, which LLVM asks after it has read a module.
// The JIT asks ours first, so it reads no bitcode for a kept object.
#include "executor/jit.h"

#include <fmt/format.h>
#include <llvm-c/Core.h>
#include <llvm/ExecutionEngine/Orc/JITTargetMachineBuilder.h>
#include <llvm/ExecutionEngine/Orc/LLJIT.h>
#include <llvm/MC/MCSubtargetInfo.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Target/TargetMachine.h>
#include <llvm/TargetParser/Host.h>

#include <atomic>
#include <map>
#include <set>

#include "executor/jit_errors.h"
#include "executor/jit_object.h"
#include "executor/jit_symbols.h"
#include "executor/jit_thread.h"
#include "executor/object_cache.h"
#include "support/guard.h"

namespace tessera {
namespace {

struct Object {
  std::unique_ptr<llvm::MemoryBuffer> code;
  bool from_cache = false;
};

// Once LLVM was lost (executor/jit_thread.h), this process cannot use it any more.
Status check_llvm() {
  if (!llvm_failed()) return {};
  return Error{"jit: LLVM failed in this process, which must be started again to load executables"};
}

// --- The host ---

void initialise_llvm() {
  static const bool done = [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
    return true;
  }();
  static_cast<void>(done);
}

// Running code for a CPU that this host is not would end the process, so it is refused here.
Status check_host_runs(const llvm::MCSubtargetInfo& cpu, const std::string& name) {
  for (const auto& feature : llvm::sys::getHostCPUFeatures()) {
    if (feature.second || !cpu.checkFeatures("+" + feature.first().str())) continue;
    return Error{fmt::format("jit: cpu is '{}', which has {}, must be one that this host can run",
                             name, feature.first().str())};
  }
  return {};
}

Expected<llvm::orc::JITTargetMachineBuilder> target_builder(const JitOptions& options) {
  auto builder = TRY(ours("jit", llvm::orc::JITTargetMachineBuilder::detectHost()));
  builder.setCodeGenOptLevel(llvm::CodeGenOptLevel::Default);
  builder.setRelocationModel(llvm::Reloc::PIC_);
  if (options.cpu.empty()) return builder;

  const auto host = TRY(ours("jit", builder.createTargetMachine()));
  if (!host->getMCSubtargetInfo()->isCPUStringValid(options.cpu)) {
    return Error{fmt::format("jit: cpu is '{}', must be a name that LLVM knows, such as x86-64-v3",
                             options.cpu)};
  }
  builder.setCPU(options.cpu);
  builder.getFeatures() = llvm::SubtargetFeatures();
  const auto chosen = TRY(ours("jit", builder.createTargetMachine()));
  TRY(check_host_runs(*chosen->getMCSubtargetInfo(), options.cpu));
  return builder;
}

// --- Objects ---

// Everything that an object depends on: the codelet and its constants; LLVM, and for which CPU it
// compiles; and the sources that say how.
Sha256 key_of(const Jit::Request& request, const llvm::orc::JITTargetMachineBuilder& builder) {
  unsigned major = 0, minor = 0, patch = 0;
  LLVMGetVersion(&major, &minor, &patch);
  Sha256Stream stream;
  const auto add = [&](std::string_view part) {  // with its size, so that parts cannot run together
    const auto size = static_cast<uint64_t>(part.size());
    stream.add(std::as_bytes(std::span(&size, 1)));
    stream.add(std::as_bytes(std::span(part)));
  };
  add(TESSERA_JIT_SHA256);
  add(fmt::format("LLVM {}.{}.{}", major, minor, patch));
  add(builder.getTargetTriple().str());
  add(builder.getCPU());
  add(builder.getFeatures().getString());
  add(request.codelet->name);
  add({reinterpret_cast<const char*>(request.codelet->bitcode.data()),
       request.codelet->bitcode.size()});
  add(request.constants);
  return stream.finish();
}

std::optional<Object> find(const ObjectCache& cache, const Sha256& key) {
  const std::optional<std::string> code = cache.find(key);
  if (!code) return {};
  return Object{llvm::MemoryBuffer::getMemBufferCopy(*code), true};
}

// From the cache if it is there, else compiled and put there. `cache` may be null.
Expected<Object> find_or_compile(const KernelJob& job,
                                 const llvm::orc::JITTargetMachineBuilder& builder,
                                 const ObjectCache* cache) {
  if (cache != nullptr) {
    if (auto object = find(*cache, job.key)) return std::move(*object);
  }
  Object object{TRY(compile_object(job, builder))};
  if (cache != nullptr) {
    const llvm::StringRef code = object.code->getBuffer();
    cache->store(job.key, {code.data(), code.size()});
  }
  return object;
}

// Jobs are taken by whichever thread is free; what comes out is in their order.
Expected<std::vector<Expected<Object>>> compile_all(
    const std::vector<KernelJob>& jobs, int threads,
    const llvm::orc::JITTargetMachineBuilder& builder, const ObjectCache* cache,
    const Deadline& deadline) {
  struct Shared {
    std::vector<KernelJob> jobs;
    std::vector<Expected<Object>> objects;
    std::atomic<size_t> next = 0;
  };
  const auto shared = std::make_shared<Shared>(jobs);
  for (size_t i = 0; i < jobs.size(); ++i) shared->objects.emplace_back(Object());
  const auto work = [shared, &builder, cache, deadline]() -> Status {
    for (size_t i = shared->next++; i < shared->jobs.size() && !llvm_failed(); i = shared->next++) {
      TRY(deadline.check("jit"));
      shared->objects[i] = find_or_compile(shared->jobs[i], builder, cache);
    }
    return {};
  };
  std::vector<JitThread> workers;
  const size_t wanted = std::min(static_cast<size_t>(std::max(threads, 1)), jobs.size());
  while (workers.size() < wanted && (workers.empty() || workers.back().started()))
    workers.emplace_back(work);
  if (workers.size() > 1 && !workers.back().started()) workers.pop_back();  // the others do it all
  Status all;
  for (JitThread& worker : workers) {
    if (Status one = worker.wait(); all.ok()) all = std::move(one);
  }
  TRY(std::move(all));
  TRY(check_llvm());
  return std::move(shared->objects);
}

}  // namespace

struct Jit::Impl {
  std::optional<llvm::orc::JITTargetMachineBuilder> builder;
  std::unique_ptr<llvm::orc::LLJIT> jit;
  std::unique_ptr<const ObjectCache> cache;  // or null
  std::string cache_problem;
  JitCounts counts;
  std::map<std::pair<std::string, std::string>, Kernel> kernels;  // by codelet and constants

  Status start(const JitOptions& options);
  void open_cache(const std::string& folder);
  Status link(const std::vector<KernelJob>& jobs, std::vector<Expected<Object>>& objects);
};

void Jit::Impl::open_cache(const std::string& folder) {
  auto opened = ObjectCache::open(folder);
  if (opened) {
    cache = opened.take();
  } else {
    cache_problem = opened.error().message;
  }
}

Status Jit::Impl::start(const JitOptions& options) {
  initialise_llvm();
  builder = TRY(target_builder(options));
  if (!options.cache_folder.empty()) open_cache(options.cache_folder);
  // Codelets have no constructors and call nothing but runtime_symbols: no platform is needed.
  jit = TRY(ours("jit", llvm::orc::LLJITBuilder()
                            .setJITTargetMachineBuilder(*builder)
                            .setLinkProcessSymbolsByDefault(false)
                            .setPlatformSetUp(llvm::orc::setUpInactivePlatform)
                            .create()));
  return ours("jit",
              jit->getMainJITDylib().define(llvm::orc::absoluteSymbols(runtime_symbols(*jit))));
}

Status Jit::Impl::link(const std::vector<KernelJob>& jobs, std::vector<Expected<Object>>& objects) {
  for (size_t i = 0; i < jobs.size(); ++i) {
    Object object = TRY(std::move(objects[i]));
    ++(object.from_cache ? counts.loaded : counts.compiled);
    TRY(ours("jit", jit->addObjectFile(std::move(object.code))));
    const auto address = TRY(ours("jit", jit->lookup(jobs[i].function)));
    kernels[{std::string(jobs[i].codelet->name), jobs[i].constants}] =
        Kernel{address.toPtr<decltype(Kernel::run)>()};
  }
  return {};
}

Jit::Jit() : impl_(std::make_unique<Impl>()) {}

// LLVM frees its own; where it failed, nothing may be touched.
Jit::~Jit() {
  Impl* impl = impl_.release();
  if (llvm_failed()) return;
  static_cast<void>(guarded("jit", [impl] {
    return run_llvm([impl] {
      delete impl;
      return Status();
    });
  }));
}

Expected<std::unique_ptr<Jit>> Jit::create(const JitOptions& options) {
  TRY(check_llvm());
  std::unique_ptr<Jit> jit(new Jit);
  TRY(run_llvm([impl = jit->impl_.get(), options] { return impl->start(options); }));
  return jit;
}

int64_t kernel_steps(const VertexShape& vertex) {
  auto steps = static_cast<int64_t>(vertex.operands.size());
  for (const Param& param : *vertex.params) steps += static_cast<int64_t>(param.values.size());
  return steps;
}

Expected<std::vector<Kernel>> Jit::compile(std::span<const Request> requests, int threads,
                                           const Limits& limits, const Deadline& deadline) {
  TRY(check_llvm());
  const auto key = [](const auto& request) {
    return std::pair(std::string(request.codelet->name), request.constants);
  };
  std::map<std::pair<std::string, std::string>, Kernel>& kernels = impl_->kernels;
  std::set<std::pair<std::string, std::string>> taken;
  std::vector<KernelJob> jobs;
  int64_t steps = 0;
  for (const Request& request : requests) {
    if (!taken.insert(key(request)).second) continue;
    steps += request.steps;
    TRY(check_limit(limits, &Limits::kernels, std::ssize(taken), "jit"));
    TRY(check_limit(limits, &Limits::kernel_steps, steps, "jit"));
  }
  for (const Request& request : requests) {
    if (kernels.contains(key(request)) || taken.erase(key(request)) == 0) continue;
    const Sha256 made_of = key_of(request, *impl_->builder);
    jobs.push_back({.codelet = request.codelet,
                    .constants = request.constants,
                    .key = made_of,
                    .function = fmt::format("{}.{}", request.codelet->name, to_hex(made_of))});
  }
  if (!jobs.empty()) {
    const auto objects = std::make_shared<std::vector<Expected<Object>>>(
        TRY(compile_all(jobs, threads, *impl_->builder, impl_->cache.get(), deadline)));
    TRY(run_llvm([impl = impl_.get(), jobs, objects] { return impl->link(jobs, *objects); }));
  }
  std::vector<Kernel> result;
  for (const Request& request : requests) result.push_back(kernels[key(request)]);
  return result;
}

JitCounts Jit::counts() const { return impl_->counts; }
const std::string& Jit::cache_problem() const { return impl_->cache_problem; }

}  // namespace tessera
