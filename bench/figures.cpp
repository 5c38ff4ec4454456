// SPDX-License-Identifier: Apache-2.0
#include "bench/figures.h"

#include <fmt/format.h>

#include "support/check.h"

namespace tessera::figures {
namespace {

MakeModelOptions preset(const char* name) {
  Expected<MakeModelOptions> options = make_model_preset(name);
  CHECK(options.ok());
  return *options;
}

CompileOptions shaped(int64_t batch, int64_t length, Precision precision) {
  CompileOptions options;
  options.input_shape["input_ids"] = {batch, length};
  options.precision = precision;
  return options;
}

// As PopRT's and ByteMLPerf's benchmarks are run.
CompileOptions tuned(CompileOptions options, double memory_proportion, int64_t batches_per_step) {
  options.available_memory_proportion = memory_proportion;
  options.batches_per_step = batches_per_step;
  options.use_128bit_conv_unit_load = true;
  options.enable_fast_reduce = true;
  return options;
}

Requests lengths_around(double average, int64_t longest, PackPolicy policy) {
  Requests requests;
  requests.lengths.average = average;
  requests.lengths.longest = longest;
  requests.rule = policy;
  return requests;
}

// SQuAD's requests in a row of 384, as ByteMLPerf's BERT-base shows: 2958 a second, a batch of 36
// rows in 22.97 ms.
constexpr double kSquadPerRow = 2958 * 0.02297 / 36;

// BERT-base with gelu by tanh.
MakeModelOptions tanh_bert() {
  MakeModelOptions model = preset("base");
  model.gelu = GeluForm::Tanh;
  return model;
}

// Before version 1.1.0 PopRT left powers, erf and divisions as the model has them.
void as_before_1_1(CompileOptions& options) {
  for (const char* pass : {"replace_pow", "replace_erf_with_erfv2", "replace_div_with_mul"})
    options.skip_passes.emplace_back(pass);
}

// Rows 1 to 3: PopRT's own benchmark of BERT-base at sequence 128. It asks for pre_scale,
// fused_attention and erf_gelu_pattern, of which the last puts PopART's Gelu, the tanh form, for
// the exporter's erf.
void add_benchmark(std::vector<Figure>& all) {
  CompileOptions options = tuned(shaped(16, 128, Precision::Fp16), 0.4, 64);
  all.push_back({.row = "1",
                 .what = "BERT-base S128 b16 fp16",
                 .model = tanh_bert(),
                 .options = options,
                 .published = 4817.2,
                 .in_view_for = Chosen::Knobs});
  CompileOptions packed = options;
  packed.passes = {"insert_attention_mask"};
  packed.batches_per_step = 100;
  packed.prefetch = false;
  options.input_shape["input_ids"] = {128, 128};
  options.fp16_skip_op_types = {"LayerNormalization", "Gelu"};
  all.push_back({.row = "2",
                 .what = "BERT-base S128 b128 fp16, layer norm and gelu in fp32",
                 .model = tanh_bert(),
                 .options = options,
                 .published = 5671.7});
  Requests requests = lengths_around(64, 128, PackPolicy::FirstFit);
  requests.most_in_batch = 40;
  all.push_back({.row = "3",
                 .what = "BERT-base S128 b16 fp16, form B first-fit",
                 .model = tanh_bert(),
                 .options = packed,
                 .requests = requests,
                 .published = 8199.3,
                 .in_view_for = Chosen::Transposition,  // by its gain over row 1
                 .against = "1"});
}

// Rows 6 to 10: an accuracy script's model, of BERT's first code, at sequence 256, over batches. It
// asks for layer_norm_pattern and, in rows 8 and 10, gelu_pattern; q, k and v stay apart.
void add_accuracy_script(std::vector<Figure>& all) {
  const auto add = [&](const char* row, const char* what, Precision precision, bool fused_gelu,
                       Chosen chosen, std::vector<std::pair<int64_t, double>> by_batch) {
    for (const auto& [batch, published] : by_batch) {
      CompileOptions options = shaped(batch, 256, precision);
      options.num_io_tiles = 32;
      options.skip_passes = {"merge_qkv", "fuse_attention"};
      if (!fused_gelu) options.skip_passes.push_back("fuse_gelu");
      as_before_1_1(options);
      if (precision != Precision::Fp32) options.fp16_skip_op_types = {"LayerNormalization", "Gelu"};
      all.push_back({.row = fmt::format("{} b{}", row, batch),
                     .what = fmt::format("BERT-base S256 b{} {}", batch, what),
                     .model = tanh_bert(),
                     .options = options,
                     .published = published,
                     .in_view_for = chosen,
                     .ended = published > 0 ? Ended::Ran : Ended::OutOfMemory});
    }
  };
  add("6", "fp32, gelu in parts", Precision::Fp32, false, Chosen::Power,
      {
          {1, 432},
          {2, 525},
          {4, 0  }
  });
  add("7", "fp16, layer norm in fp32, gelu in parts", Precision::Fp16, false, Chosen::Power,
      {
          {1,  664 },
          {2,  844 },
          {4,  1068},
          {8,  1208},
          {16, 488 },
          {32, 0   }
  });
  add("8", "fp16, layer norm and gelu in fp32", Precision::Fp16, true, Chosen::Transposition,
      {
          {1,  766 },
          {2,  1012},
          {4,  1352},
          {8,  1578},
          {16, 1657},
          {32, 0   }
  });
  add("9", "fp8, layer norm in fp32, gelu in parts", Precision::Fp8, false, Chosen::Nothing,
      {
          {1,  727 },
          {2,  968 },
          {4,  1239},
          {8,  1487},
          {16, 521 },
          {32, 513 },
          {64, 0   }
  });
  add("10", "fp8, layer norm and gelu in fp32", Precision::Fp8, true, Chosen::Nothing,
      {
          {1,  857 },
          {2,  1202},
          {4,  1660},
          {8,  2100},
          {16, 2122},
          {32, 1987},
          {64, 2540}
  });
  for (Figure& figure : all)
    if (figure.row == "8 b1") figure.in_view_for = Chosen::Knobs;
}

// Row 11: the packing chapter's workload at 16 x 256. It asks for no pass beside packing's: gelu
// stays in its parts, q, k and v apart.
void add_packing_example(std::vector<Figure>& all) {
  CompileOptions padded = shaped(16, 256, Precision::Fp16);
  padded.skip_passes = {"fuse_gelu", "merge_qkv"};
  as_before_1_1(padded);
  CompileOptions form_a = padded;
  form_a.pack_args = {.max_valid_num = 40, .segment_max_size = 256};
  CompileOptions form_b = padded;
  form_b.passes = {"insert_attention_mask"};
  all.push_back({.row = "11",
                 .what = "BERT-base S256 b16 fp16",
                 .model = preset("base"),
                 .options = padded,
                 .published = 1861,
                 .in_view_for = Chosen::Transposition});
  const auto add = [&](const char* row, const char* what, const CompileOptions& options,
                       PackPolicy policy, double published, Chosen chosen = Chosen::Transposition) {
    all.push_back({.row = row,
                   .what = fmt::format("BERT-base S256 b16 fp16, {}", what),
                   .model = preset("base"),
                   .options = options,
                   .requests = lengths_around(128, 256, policy),
                   .published = published,
                   .in_view_for = chosen,
                   .against = "11"});
  };
  add("11 A offline", "form A offline", form_a, PackPolicy::NextFit, 2830.8);
  add("11 A online", "form A online", form_a, PackPolicy::NextFit, 2782.6);
  add("11 B first-fit", "form B first-fit", form_b, PackPolicy::FirstFit, 3248.6);
  add("11 B next-fit", "form B next-fit", form_b, PackPolicy::NextFit, 2840.6);
  // The same workload in PopRT's repository, measured another time.
  const Chosen none = Chosen::Nothing;
  add("12 A offline", "form A offline", form_a, PackPolicy::NextFit, 2542.8, none);
  add("12 A online", "form A online", form_a, PackPolicy::NextFit, 2857.6, none);
  add("12 B offline", "form B next-fit", form_b, PackPolicy::NextFit, 2453.8, none);
}

// Row 13: PopRT's quick start, BertSquad-12 with PopRT's defaults, older than 1.1.0.
void add_quick_start(std::vector<Figure>& all) {
  for (const auto& [precision, published] : {
           std::pair{Precision::Fp32, 436.0},
           std::pair{Precision::Fp16, 896.0}
  }) {
    const char* name = precision == Precision::Fp32 ? "fp32" : "fp16";
    CompileOptions options = shaped(2, 256, precision);
    options.skip_passes = {"merge_qkv", "fuse_attention", "fuse_gelu"};
    as_before_1_1(options);
    all.push_back({.row = fmt::format("13 {}", name),
                   .what = fmt::format("BERT-base S256 b2 {}, gelu in parts", name),
                   .model = tanh_bert(),
                   .options = options,
                   .published = published});
  }
}

// Rows 4 and 5: BERT-large with a small share of a tile for matmuls.
void add_large(std::vector<Figure>& all) {
  CompileOptions options = tuned(shaped(18, 128, Precision::Fp16), 0.15, 64);
  MakeModelOptions model = preset("large");
  model.gelu = GeluForm::Tanh;
  all.push_back({.row = "4",
                 .what = "BERT-large S128 b18 fp16",
                 .model = model,
                 .options = options,
                 .published = 1472.8});
  options.input_shape["input_ids"] = {4, 384};
  options.batches_per_step = 128;
  options.passes = {"insert_attention_mask"};
  options.skip_passes = {"fuse_gelu"};
  all.push_back({
      .row = "5",
      .what = "BERT-large S384 b4 fp16, form B, gelu in parts",
      .model = preset("large"),
      .options = options,
      .requests = {.lengths = {}, .rule = {}, .per_row = kSquadPerRow},
      .published = 677.7
  });
}

// Rows 21 and 22: ByteMLPerf, rows of 384 tokens that hold 1.89 requests each, by one client.
// PopRT of 2023: gelu in parts, in the operations that its passes replace them with.
void add_bytemlperf(std::vector<Figure>& all) {
  const auto add = [&](const char* row, const char* what, const MakeModelOptions& model,
                       int64_t batch, double published) {
    CompileOptions options = tuned(shaped(batch, 384, Precision::Fp16), 0.4, 128);
    options.passes = {"insert_attention_mask"};
    options.skip_passes = {"fuse_gelu"};
    all.push_back({
        .row = row,
        .what = fmt::format("{} S384 b{} fp16, form B, gelu in parts", what, batch),
        .model = model,
        .options = options,
        .requests = {.lengths = {}, .rule = {}, .per_row = kSquadPerRow},
        .published = published,
        .in_view_for = Chosen::Erf
    });
  };
  add("21", "BERT-base", preset("base"), 36, 2958);
  add("22 b20", "ALBERT-base", preset("albert"), 20, 2991);
  add("22 b32", "ALBERT-base", preset("albert"), 32, 2938);
}

// Row 23: ByteMLPerf, ViT-B/16.
void add_vit(std::vector<Figure>& all) {
  CompileOptions options;
  options.input_shape["pixel_values"] = {8, 3, 224, 224};
  options.precision = Precision::Fp16;
  options = tuned(options, 1, 128);
  options.num_io_tiles = 32;
  options.skip_passes = {"fuse_gelu"};
  all.push_back({.row = "23",
                 .what = "ViT-B/16 S197 b8 fp16, gelu in parts",
                 .model = preset("vit"),
                 .options = options,
                 .published = 2600.3});
}

// Row 20: RoFormerV2-small. Published as the time of a batch.
void add_roformer(std::vector<Figure>& all) {
  for (const auto& [batch, seconds] : std::initializer_list<std::pair<int64_t, double>>{
           {1,   0.359e-3},
           {64,  2.148e-3},
           {356, 8.348e-3}
  })
    all.push_back({.row = fmt::format("20 b{}", batch),
                   .what = fmt::format("RoFormerV2-small S128 b{} fp16", batch),
                   .model = preset("roformer-small"),
                   .options = shaped(batch, 128, Precision::Fp16),
                   .published = static_cast<double>(batch) / seconds,
                   .in_view_for = Chosen::Knobs});
}

}  // namespace

std::vector<Figure> published_figures() {
  std::vector<Figure> all;
  add_benchmark(all);
  add_large(all);
  add_accuracy_script(all);
  add_packing_example(all);
  add_quick_start(all);
  add_roformer(all);
  add_bytemlperf(all);
  add_vit(all);
  return all;
}

}  // namespace tessera::figures
