// SPDX-License-Identifier: Apache-2.0
#include "server/session_model.h"

#include <fmt/format.h>

#include <algorithm>

#include "serving/rejection.h"
#include "support/guard.h"

namespace tessera::server {
namespace {

using Clock = std::chrono::steady_clock;

// The batch and the length of a token input are the caller's choice, as far as its executable says.
TensorFacts facts_of(const Anchor& anchor) {
  TensorFacts facts{anchor.name, wire_type_of(anchor.model_dtype, anchor.dtype), anchor.shape};
  for (size_t i = 0; i < std::min<size_t>(2, facts.shape.size()); ++i) facts.shape[i] = -1;
  return facts;
}

// A tensor in a dtype that the machine takes, in its own bytes or the call's.
struct Input {
  DType dtype = DType::I32;
  Shape shape;
  std::vector<std::byte> bytes;
};

Expected<Input> input_of(const WireInput& wire, DType dtype) {
  TRY(check_input(wire));
  Input input{
      dtype, wire.shape, {wire.bytes.begin(), wire.bytes.end()}
  };
  const bool is_same = (dtype == DType::F32 && wire.type == WireType::Fp32) ||
                       (dtype == DType::F16 && wire.type == WireType::Fp16) ||
                       (dtype == DType::Bool && wire.type == WireType::Bool);
  if (is_same) return input;
  if (dtype == DType::F16 && wire.type == WireType::Fp32) {
    input.dtype = DType::F32;
    return input;
  }
  if (dtype != DType::I32) {
    return wrong_input(fmt::format("{} is {}, must be {}", wire.name, to_string(wire.type),
                                   to_string(wire_type_of("", dtype))),
                       rejection::kWrongDtype);
  }
  const std::vector<int32_t> numbers = TRY(whole_numbers(wire, 0, tessera::elements(wire.shape)));
  const auto bytes = std::as_bytes(std::span(numbers));
  input.bytes.assign(bytes.begin(), bytes.end());
  return input;
}

}  // namespace

class SessionModel::Call final : public RunningCall {
 public:
  std::map<std::string, Input> inputs;
  std::vector<std::string> outputs;
  int64_t rows = 1;
  InferDone done;
  HeldMemory memory;
  Clock::time_point came = Clock::now();
  Clock::time_point deadline = Clock::time_point::max();

  void cancel() override { is_cancelled_ = true; }
  bool is_cancelled() const { return is_cancelled_; }

 private:
  std::atomic<bool> is_cancelled_{false};
};

Expected<std::shared_ptr<SessionModel>> SessionModel::create(
    const std::string& name, const std::string& version, const std::string& path,
    SessionOptions session, int64_t most_waiting, std::shared_ptr<MemoryBudget> budget) {
  if (session.warm_up.empty())
    return Error{
        "an ONNX model needs a shape to begin with, must be given one (--warm_up "
        "input_ids=4,128)",
        ErrorKind::Usage};
  std::shared_ptr<SessionModel> model(new SessionModel);
  const InputShapes first = session.warm_up.front();
  model->session_ = TRY(Session::open(path, std::move(session)));
  const Serving serving = TRY(model->session_->serve(first));
  model->facts_ = {name, version, "tessera_onnx", {}, {}};
  for (const Anchor& anchor : serving.runner->executable().metadata.anchors) {
    const bool is_input = anchor.kind == AnchorKind::Input;
    if (is_input) model->input_dtypes_[anchor.name] = anchor.dtype;
    (is_input ? model->facts_.inputs : model->facts_.outputs).push_back(facts_of(anchor));
  }
  model->budget_ = std::move(budget);
  model->worker_ = TRY(Worker::start(static_cast<size_t>(std::max<int64_t>(1, most_waiting))));
  return model;
}

SessionModel::~SessionModel() { close(); }

// Waiting calls are carried out first.
void SessionModel::close() {
  is_closed_ = true;
  if (worker_) worker_->drain();
}

Expected<std::shared_ptr<RunningCall>> SessionModel::infer(const InferCall& call, InferDone done) {
  const auto take = [&]() -> Expected<std::shared_ptr<RunningCall>> {
    auto taken = std::make_shared<Call>();
    taken->memory = HeldMemory(budget_);
    for (const WireInput& wire : call.inputs) {
      const auto dtype = input_dtypes_.find(wire.name);
      if (dtype == input_dtypes_.end()) return wrong_input("'" + wire.name + "' is not an input");
      if (is_valid_shape(wire.shape) && elements(wire.shape) == 0)
        return wrong_input(fmt::format("{} is {}, must have at least an element", wire.name,
                                       tessera::to_string(wire.shape)),
                           rejection::kEmpty);
      if (!taken->memory.take(2 * std::ssize(wire.bytes))) return taken->memory.refusal();
      if (!taken->inputs.emplace(wire.name, TRY(input_of(wire, dtype->second))).second)
        return wrong_input(wire.name + " is given twice, must be given once");
      if (!wire.shape.empty()) taken->rows = std::max<int64_t>(1, wire.shape[0]);
    }
    for (const std::string& name : call.outputs)
      if (std::ranges::find(facts_.outputs, name, &TensorFacts::name) == facts_.outputs.end())
        return wrong_input("'" + name + "' is not an output of the model");
    taken->outputs = call.outputs;
    taken->done = std::move(done);
    if (call.timeout.count() > 0 && call.timeout < std::chrono::hours(24 * 365))
      taken->deadline = taken->came + call.timeout;
    const bool is_posted = worker_->post([this, taken] { run(*taken); });
    if (is_closed_ && !is_posted)
      return Error{"model: is closed, must be served", ErrorKind::Refused, rejection::kClosed};
    if (!is_posted)
      return Error{fmt::format("model: {} calls wait, the most at once; try again later",
                               worker_->most_waiting()),
                   ErrorKind::Refused, rejection::kQueueFull};
    return std::shared_ptr<RunningCall>(taken);
  };
  auto taken = guarded("server", take);
  if (!taken) book_.failed(taken.error(), Nanoseconds(0));
  return taken;
}

void SessionModel::run(Call& call) {
  const Clock::time_point begin = Clock::now();
  auto result = guarded("server", [&]() -> Expected<InferResult> {
    if (call.is_cancelled())
      return Error{"request: is cancelled, must be waited for to be answered", ErrorKind::Refused,
                   rejection::kCancelled};
    if (begin > call.deadline)
      return Error{"request: its deadline went out of reach while it waited, must be later",
                   ErrorKind::Refused, rejection::kDeadlineMissed};
    InputViews views;
    for (const auto& [name, input] : call.inputs)
      views[name] = {input.dtype, false, input.shape, input.bytes};
    HostTensors tensors = TRY(session_->run(views));
    InferResult answer;
    answer.model = facts_.name;
    answer.version = facts_.version;
    answer.rows = call.rows;
    for (const TensorFacts& facts : facts_.outputs) {
      const bool is_asked =
          call.outputs.empty() || std::ranges::find(call.outputs, facts.name) != call.outputs.end();
      const auto found = tensors.find(facts.name);
      if (!is_asked || found == tensors.end()) continue;
      const HostTensor& tensor = found->second;
      answer.outputs.push_back(
          {facts.name, facts.type, tensor.shape, to_wire(tensor.bytes, tensor.dtype, facts.type)});
    }
    return answer;
  });
  const Clock::time_point end = Clock::now();
  // A session looks at its inputs itself; what it does not like of them is the caller's to mend.
  const bool is_of_caller =
      !result && result.error().type.empty() &&
      (result.error().kind == ErrorKind::Failed || result.error().kind == ErrorKind::Usage);
  if (is_of_caller) result.error().type = rejection::kWrongInput;
  if (result)
    book_.answered_alone(call.rows, end - call.came, begin - call.came, end - begin);
  else
    book_.failed(result.error(), end - call.came);
  call.done(std::move(result));
}

std::chrono::seconds SessionModel::retry_after() const {
  const CountedTime run = book_.read().compute_infer;
  const uint64_t mean = run.count == 0 ? 0 : run.ns / run.count / 1'000'000'000;
  const auto waits = static_cast<int64_t>(mean) * pending();
  return std::chrono::seconds(std::clamp<int64_t>(waits, 1, 60));
}

}  // namespace tessera::server
