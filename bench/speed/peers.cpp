// SPDX-License-Identifier: Apache-2.0
// The best that a user would pick: the engines of bench/peers.py on the same requests, each alone
// and sorted into buckets, in floats and in int8, beside packed batches of ours. int8 is ONNX
// Runtime's own dynamic quantization of the model; ours is that very file.
#include <fmt/format.h>

#include "bench/speed/bench.h"
#include "bench/speed/ways.h"
#include "bench/speed/workload.h"

namespace tessera::speed {
namespace {

constexpr int64_t kRows = 16, kLength = 256;

struct Workload {
  std::string section, model_name;
  MakeModelOptions made;
  std::vector<Request> requests;
  double goal;  // ours over the fastest peer
};

enum class Arithmetic : uint8_t { Floats, Int8 };

struct Way {
  std::string name;
  Arithmetic arithmetic;
  bool is_ours;
  std::vector<double> seconds;  // by round, once measured
};

class Contest {
 public:
  Contest(Bench& bench, const Workload& workload) : bench_(bench), workload_(workload) {}

  Status run() {
    model_ = TRY(bench_.model(workload_.model_name, workload_.made));
    for (const auto* engine :
         {"onnxruntime", "openvino", "openvino-latency", "ctranslate2", "torch", "torch-compile"})
      TRY(add_peer(engine, Arithmetic::Floats, {}));
    const std::string quantized = bench_.folder() + "/" + workload_.model_name + "_int8.onnx";
    TRY(add_peer("onnxruntime-int8", Arithmetic::Int8, {"--keep", quantized}));
    TRY(add_peer("ctranslate2-int8", Arithmetic::Int8, {}));
    TRY(add_ours("fp16", model_, Precision::Fp16, Arithmetic::Floats));
    TRY(add_ours("fp32", model_, Precision::Fp32, Arithmetic::Floats));
    TRY(add_ours("int8", quantized, Precision::Fp32, Arithmetic::Int8));
    const auto series = TRY(alternate(bench_.options().rounds, contestants_));
    for (size_t i = 0; i < ways_.size(); ++i) ways_[i].seconds = series[i];
    tell_speeds();
    tell_ratio(Arithmetic::Floats, "fp16 or fp32");
    tell_ratio(Arithmetic::Int8, "int8");
    return {};
  }

 private:
  void leave_out(const std::string& what, const std::string& why) {
    bench_.table().leave_out(workload_.section, what, why);
  }

  Status add_peer(const std::string& engine, Arithmetic arithmetic,
                  const std::vector<std::string>& more) {
    Expected<std::unique_ptr<Peer>> started = bench_.engine(engine, model_, workload_.made, more);
    if (!started) {
      leave_out(engine, started.error().message);
      return {};
    }
    peers_.push_back(started.take());
    Peer* const peer = peers_.back().get();
    const std::vector<int64_t> lengths = lengths_of(workload_.requests);
    for (const PeerWork& work : {single_work(lengths), sorted_work(lengths, kRows)}) {
      const std::string name = fmt::format("{} {}, {}", engine, peer->version(), work.name);
      ways_.push_back({name, arithmetic, false, {}});
      contestants_.emplace_back([this, peer, work, name] {
        bench_.progress(name);
        return all_requests(*peer, work);
      });
    }
    return {};
  }

  Status add_ours(const std::string& name, const std::string& model, Precision precision,
                  Arithmetic arithmetic) {
    const std::string what = "Tessera, packed form B, " + name;
    CompileOptions options = bert_options(kRows, kLength);
    options.precision = precision;
    options.passes = {"insert_attention_mask"};
    options.target = roomy_target(1472);
    const auto popef =
        bench_.executable(fmt::format("{}_{}_b", workload_.model_name, name), model, options);
    if (!popef) {
      leave_out(what, popef.error().message);
      return {};
    }
    ours_.push_back(TRY(Ours::load(*popef, bench_.options().threads, workload_.requests)));
    Ours* const ours = ours_.back().get();
    ways_.push_back({fmt::format("{}: {} batches", what, ours->batches()), arithmetic, true, {}});
    contestants_.emplace_back([this, ours, what] {
      bench_.progress(what);
      return ours->all_requests();
    });
    return {};
  }

  void tell_speeds() {
    for (const Way& way : ways_) {
      std::vector<double> rates;
      for (const double seconds : way.seconds)
        rates.push_back(static_cast<double>(workload_.requests.size()) / seconds);
      bench_.table().add({.section = workload_.section,
                          .what = way.name,
                          .unit = "samples/s",
                          .is = spread_of(rates),
                          .goal = {},
                          .note = "host"});
    }
  }

  const Way* fastest(Arithmetic arithmetic, bool ours) const {
    const Way* best = nullptr;
    for (const Way& way : ways_) {
      if (way.arithmetic != arithmetic || way.is_ours != ours) continue;
      if (best == nullptr || spread_of(way.seconds).median < spread_of(best->seconds).median)
        best = &way;
    }
    return best;
  }

  void tell_ratio(Arithmetic arithmetic, const std::string& words) {
    const Way* const ours = fastest(arithmetic, true);
    const Way* const peer = fastest(arithmetic, false);
    const std::string what = fmt::format("Tessera / the fastest peer, {}", words);
    if (ours == nullptr || peer == nullptr)
      return leave_out(what, ours == nullptr ? "no executable of ours" : "no peer is installed");
    bench_.table().add({.section = workload_.section,
                        .what = what,
                        .unit = "x",
                        .is = ratio(peer->seconds, ours->seconds),
                        .goal = workload_.goal,
                        .note = fmt::format("samples/s, same requests; {}", peer->name)});
  }

  Bench& bench_;
  const Workload& workload_;
  std::string model_;
  std::vector<std::unique_ptr<Peer>> peers_;
  std::vector<std::unique_ptr<Ours>> ours_;
  std::vector<Contestant> contestants_;
  std::vector<Way> ways_;
};

}  // namespace

Status run_peers(Bench& bench) {
  const Workload workload{"peers: BERT-base, 1,600 requests of normal(128, 128) tokens, 16x256",
                          "bert_base", TRY(make_model_preset("base")), TRY(chapter_requests()),
                          1.2};
  return Contest(bench, workload).run();
}

Status run_sentences(Bench& bench) {
  const Workload workload{
      "sentences: MiniLM-sized, 1,742 sentences of 32 tokens in the mean, 16x256", "minilm",
      TRY(make_model_preset("minilm")), TRY(sentence_requests()), 1.5};
  return Contest(bench, workload).run();
}

}  // namespace tessera::speed
