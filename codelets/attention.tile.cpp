// SPDX-License-Identifier: Apache-2.0
// attention: softmax(scale · q · kᵀ) · v for every sequence and head, in f32 between the loads and
// the store, and in one go: a few rows of scores are all that is ever kept.
//
// Queries that see the same keys go together. Those keys and values become f32 once: k transposed,
// in panels of sixteen keys, v in panels of sixteen columns. A strip of queries at a time: scores
// by strips of products, softmax along each row, products with v's panels, the share of the row's
// sum at the end. Queries are taken times scale · log2 e, so that softmax's powers are of two.
//
// Keys are counted from the first that is seen, in lanes of sixteen and in order. So a sequence has
// one result, to the bit, whether it stands alone, before padding of any length, or between others
// in a packed row.
#include "codelets/attention.h"

#include "codelets/ahead.tile.h"
#include "codelets/constants.h"
#include "codelets/math.tile.h"
#include "codelets/strip.tile.h"
#include "codelets/transpose.tile.h"
#include "codelets/visible.tile.h"

using namespace tessera;

extern "C" const AttentionConstants attention_constants;

namespace {

static_assert(kMaxStripRows == kAttentionRows);

constexpr float kNever = -__builtin_inff();
constexpr float kLowestHalf = -65504;
constexpr double kLog2E = 1.44269504088896341, kLn2 = 0.693147180559945309;

struct Operands {
  const VertexOperand &q, &k, &v, *mask, *bias, &out;
};

Operands operands_of(const VertexOperand* operands) {
  const AttentionMaskParam mask = attention_constants.mask;
  const VertexOperand* const keys = operands + 3;
  return {operands[0],          operands[1], operands[2], keys, keys + mask.key_operands(),
          keys[mask.operands()]};
}

struct Scratch {
  float *keys, *values, *queries, *scores;
  int64_t score_stride;
  KeyRun* runs;

  Scratch(void* memory, const AttentionScratch& is)
      : keys(static_cast<float*>(memory) + is.keys),
        values(static_cast<float*>(memory) + is.values),
        queries(static_cast<float*>(memory) + is.queries),
        scores(static_cast<float*>(memory) + is.scores),
        score_stride(is.score_stride),
        runs(reinterpret_cast<KeyRun*>(static_cast<float*>(memory) + is.runs)) {}
};

// Query rows [row, row + rows) of one sequence and head.
struct Rows {
  int64_t b, h, row, rows;
  bool see_none = false;  // and so attend to what is hidden
};

const int* row_of(const VertexOperand& mask, int64_t b) {
  return static_cast<const int*>(mask.data) + b * mask.stride[0];
}

// The queries from `row` on that see what query `row` sees.
int64_t rows_alike(const Operands& is, int64_t b, int64_t row) {
  const int64_t rows = is.q.size[1];
  if (attention_constants.mask.sees != Sees::Segments) return rows - row;
  const int* ids = row_of(is.mask[0], b);
  int64_t end = row + 1;
  while (end < rows && ids[end] == ids[row]) ++end;
  return end - row;
}

Visible visible_to(const Operands& is, int64_t b, int64_t row, KeyRun* runs) {
  const int64_t s = is.k.size[1];
  switch (attention_constants.mask.sees) {
    case Sees::All: return visible_prefix(s, runs);
    case Sees::Keys:
      return visible_runs(row_of(is.mask[0], b), s, runs, [](int key) { return key != 0; });
    case Sees::Lengths: {
      const int64_t left = *row_of(is.mask[0], b) - is.k.begin[1];
      return visible_prefix(left < 0 ? 0 : left < s ? left : s, runs);
    }
    case Sees::Segments: {
      const int id = row_of(is.mask[0], b)[row];
      if (id == 0) return {runs, 0};
      return visible_runs(row_of(is.mask[1], b), s, runs, [id](int key) { return key == id; });
    }
  }
  return {runs, 0};
}

// Sixteen keys from element `at` on, transposed; zeros in the place of keys past the last.
void write_key_panel(const VertexOperand& k, int64_t at, int64_t keys, float* to) {
  const int64_t d = k.size[3];
  for (int64_t term = 0; term < d; term += kLanes) {
    alignas(64) float rows[kLanes * kLanes];
    for (int64_t i = 0; i < kLanes; ++i) {
      const int64_t from = at + i * k.stride[1] + term;
      const v16 row =
          i < keys ? load_upto(attention_constants.k, k.data, from, d - term) : splat(0);
      store16(Element::F32, rows, i * kLanes, row);
    }
    const int64_t left = d - term;
    transpose16(rows, left < kLanes ? left : kLanes, to + term * kLanes);
  }
}

// The keys of one head, from the first that is seen to the last.
void write_keys(const Operands& is, int64_t b, int64_t h, const Visible& visible,
                const Scratch& scratch) {
  const int64_t first = visible.first(), end = first + visible.size();
  const int64_t k_at = b * is.k.stride[0] + h * is.k.stride[2];
  float* panel = scratch.keys;
  for (int64_t key = first; key < end; key += kLanes) {
    write_key_panel(is.k, k_at + key * is.k.stride[1], is.k.size[1] - key, panel);
    panel += is.k.size[3] * kLanes;
  }
}

// Rows of queries as f32, each in whole lanes with zeros past its end.
void write_queries(const Operands& is, const Rows& rows, int64_t row_stride, float* to) {
  const float factor = static_cast<float>(attention_constants.scale * kLog2E);
  const VertexOperand& q = is.q;
  for (int64_t r = 0; r < rows.rows; ++r, to += row_stride) {
    const int64_t at = rows.b * q.stride[0] + (rows.row + r) * q.stride[1] + rows.h * q.stride[2];
    for_each_lanes(q.size[3], [&](int64_t i, int64_t left) {
      store16(Element::F32, to, i, load_upto(attention_constants.q, q.data, at + i, left) * factor);
    });
  }
}

// scores[r][key - first seen] = log2 e · scale · q · k, for whole panels.
void score(const Operands& is, const Rows& rows, const Visible& visible, const Scratch& scratch) {
  const int64_t d = is.q.size[3];
  const int64_t row_stride = panels_of(d) * kLanes;
  write_queries(is, rows, row_stride, scratch.queries);
  const int64_t panel_stride = d * kLanes;
  float* b = scratch.keys;
  float* scores = scratch.scores;
  for (int64_t left = panels_of(visible.size()), panels = 0; left > 0; left -= panels) {
    panels = strip_panels(left);
    multiply({rows.rows, panels}, {.a = scratch.queries,
                                   .row_stride = row_stride,
                                   .b = b,
                                   .panel_stride = panel_stride,
                                   .terms = d,
                                   .sums = scores,
                                   .sums_stride = scratch.score_stride,
                                   .more = false});
    b += panels * panel_stride;
    scores += panels * kLanes;
  }
}

void add_bias(const Operands& is, const Rows& rows, int64_t r, const Visible& visible,
              float* scores) {
  const VertexOperand& bias = *is.bias;
  const int64_t row = rows.b * bias.stride[0] + rows.h * bias.stride[1] +
                      (rows.row + r) * bias.stride[2] + visible.first();
  for_each_lanes(visible.size(), [&](int64_t i, int64_t left) {
    const v16 add = load_upto(attention_constants.bias, bias.data, row + i, left);
    const v16 score = load16(Element::F32, scores, i);
    const v16 sum = fma(add, splat(static_cast<float>(kLog2E)), score);
    // The lowest number, which exporters hide with, is not -infinity: where all keys are hidden so,
    // all are seen alike. In f16 it stands for any number below, beside which a score is gone in
    // f32. Nor is the largest number infinity.
    const auto are_finite = (add > kNever) & (score > kNever) & (add < -kNever) & (score < -kNever);
    auto is_lost = (sum == kNever) & are_finite;
    if (attention_constants.bias == Element::F16)
      is_lost = is_lost | ((add == kLowestHalf) & (score > kNever));
    const v16 held = (sum == -kNever) & are_finite ? splat(__FLT_MAX__) : sum;
    store16(Element::F32, scores, i, is_lost ? splat(-__FLT_MAX__) : held);
  });
}

// -infinity between the runs, and in the lanes after the last.
void hide_unseen(const Visible& visible, float* scores) {
  const int64_t whole = visible.size() / kLanes * kLanes;
  if (whole < visible.size()) {
    const v16 last = load16(Element::F32, scores, whole);
    store16(Element::F32, scores, whole,
            first_lanes(visible.size() - whole) ? last : splat(kNever));
  }
  for (int64_t run = 1; run < visible.count; ++run) {
    const int64_t begin = visible.runs[run - 1].end - visible.first();
    const int64_t end = visible.runs[run].begin - visible.first();
    for (int64_t key = begin; key < end; ++key) scores[key] = kNever;
  }
}

float largest(const float* scores, int64_t n) {
  v16 most = splat(kNever);
  for (int64_t i = 0; i < n; i += kLanes) most = max(load16(Element::F32, scores, i), most);
  return max_of_lanes(most);
}

// Adds the same large number to each score. f32 keeps only a part of the score beside it.
void hide_alike(int64_t keys, float* scores) {
  const v16 hidden = splat(static_cast<float>(attention_constants.hidden));
  for_each_lanes(keys, [&](int64_t i, int64_t) {
    const v16 sum = load16(Element::F32, scores, i) * static_cast<float>(kLn2) + hidden;
    store16(Element::F32, scores, i, (sum - hidden) * static_cast<float>(kLog2E));
  });
}

// Turns scores, of which `top` is the largest, into powers of two and returns what to multiply
// their sums with. NaN where all are -infinity, as their differences are.
float exponentials(float* scores, int64_t n, float top) {
  if (top == kNever) {
    for (int64_t i = 0; i < n; i += kLanes)
      store16(Element::F32, scores, i, splat(__builtin_nanf("")));
    return __builtin_nanf("");
  }
  v16 sum = splat(0);
  for (int64_t i = 0; i < n; i += kLanes) {
    const v16 x = load16(Element::F32, scores, i) - top;
    const v16 e = x < -126.0f ? splat(0.0f) : exp2_inside(x);
    store16(Element::F32, scores, i, e);
    sum += e;
  }
  return 1.0f / sum_of_lanes(sum);
}

// Weights that are NaN become 0.
float guarded(float share, float* weights, int64_t n) {
  if (!__builtin_isnan(share)) return share;
  for (int64_t i = 0; i < n; i += kLanes) store16(Element::F32, weights, i, splat(0));
  return 0;
}

int64_t out_at(const Operands& is, const Rows& rows, int64_t r) {
  return rows.b * is.out.stride[0] + (rows.row + r) * is.out.stride[1] + rows.h * is.out.stride[2];
}

// Brings the rows nearer that are written next.
void fetch_out(const Operands& is, const Rows& rows) {
  const int64_t item = bytes_of(attention_constants.out);
  const char* const out = static_cast<const char*>(is.out.data);
  for (int64_t r = 0; r < rows.rows; ++r) {
    fetch_lines<1, 3>(out + out_at(is, rows, r) * item, is.out.size[3] * item);
  }
}

using Values = MatrixColumns<&attention_constants.v>;

// out = (exponentials · v) · shares, by groups of v's panels, which the first rows write.
void weigh_values(const Operands& is, const Rows& rows, const Visible& visible,
                  const Scratch& scratch, const float* shares, bool first) {
  alignas(64) float sums[kMaxStripRows * kMaxStripPanels * kLanes];
  const int64_t d = is.v.size[3];
  const int64_t v_at = rows.b * is.v.stride[0] + rows.h * is.v.stride[2];
  const int64_t panel_stride = visible.size() * kLanes;
  float* panel = scratch.values;
  for (int64_t column = 0, wide = 0; column < d; column += wide) {
    const StripSize size{rows.rows, strip_panels(panels_of(d - column))};
    wide = size.panels * kLanes;
    const int64_t columns = wide < d - column ? wide : d - column;
    for (int64_t run = 0; run < visible.count; ++run) {
      const KeyRun keys = visible.runs[run];
      const Strip strip{.a = scratch.scores + (keys.begin - visible.first()),
                        .row_stride = scratch.score_stride,
                        .b = panel + (keys.begin - visible.first()) * kLanes,
                        .panel_stride = panel_stride,
                        .terms = keys.end - keys.begin,
                        .sums = sums,
                        .sums_stride = wide,
                        .more = run > 0};
      if (first) {
        const Values values{is.v.data, v_at + keys.begin * is.v.stride[1] + column, is.v.stride[1]};
        multiply_first(size, strip, values, columns);
      } else {
        multiply(size, strip);
      }
    }
    for (int64_t r = 0; r < rows.rows; ++r) {
      const float* const row = sums + r * wide;
      const int64_t at = out_at(is, rows, r) + column;
      for_each_lanes(columns, [&](int64_t c, int64_t left) {
        const v16 sum = load16(Element::F32, row, c);
        store_upto(attention_constants.out, is.out.data, at + c, left, sum * shares[r]);
      });
    }
    panel += size.panels * panel_stride;
  }
}

// A strip of queries; `first` of those that see the same. The largest score of every row is found
// before any row goes on, so that no row waits for its own.
void run_rows(const Operands& is, const Rows& rows, const Visible& visible, const Scratch& scratch,
              bool first) {
  score(is, rows, visible, scratch);
  const auto scores_of = [&](int64_t r) { return scratch.scores + r * scratch.score_stride; };
  float tops[kMaxStripRows], shares[kMaxStripRows];
  for (int64_t r = 0; r < rows.rows; ++r) {
    float* const scores = scores_of(r);
    if (attention_constants.mask.bias) add_bias(is, rows, r, visible, scores);
    if (rows.see_none) hide_alike(visible.size(), scores);
    hide_unseen(visible, scores);
    tops[r] = largest(scores, visible.size());
  }
  for (int64_t r = 0; r < rows.rows; ++r) {
    shares[r] = exponentials(scores_of(r), visible.size(), tops[r]);
    if (attention_constants.mask.guarded)
      shares[r] = guarded(shares[r], scores_of(r), visible.size());
  }
  fetch_out(is, rows);
  weigh_values(is, rows, visible, scratch, shares, first);
}

void zero_rows(const Operands& is, const Rows& rows) {
  for (int64_t r = 0; r < rows.rows; ++r) {
    for (int64_t c = 0; c < is.out.size[3]; ++c) {
      store(attention_constants.out, is.out.data, out_at(is, rows, r) + c, 0);
    }
  }
}

// Rows of a head that is worked on next.
Ahead ahead_of(const VertexOperand& of, Element element, const Rows& next, int64_t row,
               int64_t rows) {
  const int64_t item = bytes_of(element);
  const int64_t at = next.b * of.stride[0] + row * of.stride[1] + next.h * of.stride[2];
  return {static_cast<const char*>(of.data) + at * item, of.stride[1] * item, rows,
          of.size[3] * item};
}

// Queries that see the same keys, of one head. Meanwhile the same rows of the head after it, if
// there is one, come nearer.
void run_head(const Operands& is, const Rows& queries, const Visible& visible,
              const Scratch& scratch) {
  write_keys(is, queries.b, queries.h, visible, scratch);
  Rows next = queries;
  const bool last = ++next.h == is.q.size[2];
  const int64_t first = visible.first();
  const int64_t keys = last ? 0 : visible.size(), rows = last ? 0 : queries.rows;
  Ahead k = ahead_of(is.k, attention_constants.k, next, first, keys);
  Ahead v = ahead_of(is.v, attention_constants.v, next, first, keys);
  Ahead q = ahead_of(is.q, attention_constants.q, next, queries.row, rows);
  const int64_t keys_a_strip = keys * kMaxStripRows / queries.rows + 1;
  for_each_strip(queries.rows, [&](int64_t at, int64_t height) {
    k.fetch(keys_a_strip);
    v.fetch(keys_a_strip);
    q.fetch(height);
    run_rows(is, {queries.b, queries.h, queries.row + at, height, queries.see_none}, visible,
             scratch, at == 0);
  });
}

// All heads of one sequence.
void run_sequence(const Operands& is, int64_t b, const Scratch& scratch) {
  for (int64_t row = 0, alike = 0; row < is.q.size[1]; row += alike) {
    alike = rows_alike(is, b, row);
    Visible visible = visible_to(is, b, row, scratch.runs);
    const bool see_none = visible.count == 0 && attention_constants.shows_hidden;
    if (see_none) visible = visible_prefix(is.k.size[1], scratch.runs);
    for (int64_t h = 0; h < is.q.size[2]; ++h) {
      const Rows queries{b, h, row, alike, see_none};
      if (visible.count == 0) {
        zero_rows(is, queries);
      } else {
        run_head(is, queries, visible, scratch);
      }
    }
  }
}

}  // namespace

extern "C" void attention(const VertexOperand* operands, void* memory) {
  const Operands is = operands_of(operands);
  const Scratch scratch(memory, AttentionScratch(is.q.size[3], is.k.size[1]));
  for (int64_t b = 0; b < is.q.size[0]; ++b) {
    run_sequence(is, b, scratch);
  }
}
