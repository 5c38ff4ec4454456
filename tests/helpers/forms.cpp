// SPDX-License-Identifier: Apache-2.0
#include "tests/helpers/forms.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <numeric>

namespace tessera {
namespace {

const std::vector<DType> kFloats = {DType::F32, DType::F16};
const std::vector<DType> kInts = {DType::I32};
const std::vector<DType> kAll = {DType::F32, DType::F16, DType::I32, DType::Bool};

std::vector<Param> epilogue(int64_t bias, int64_t residual, int64_t activation) {
  return {
      {"bias",       {static_cast<double>(bias)}      },
      {"residual",   {static_cast<double>(residual)}  },
      {"activation", {static_cast<double>(activation)}}
  };
}

void add_products(std::vector<Form>& forms, std::mt19937& random) {
  for (const int ends : {0, 1, 2, 3}) {
    const std::vector<Param> params = epilogue(ends & 1, ends >> 1, random() % 5);
    Form product{
        "matmul", params, {{"gmk", kFloats}, {"Gkn", kFloats}}
    };
    Form sum{"reduce_partials", params, {{"pmn", kFloats}}};
    if (ends & 1) {
      product.operands.push_back({"n", kFloats});
      sum.operands.push_back({"n", kFloats});
    }
    if (ends & 2) {
      product.operands.push_back({"gmn", kFloats});
      sum.operands.push_back({"1mn", kFloats});
    }
    product.operands.push_back({"gmn", kFloats});
    sum.operands.push_back({"1mn", kFloats});
    forms.push_back(std::move(product));
    forms.push_back(std::move(sum));
  }
}

void add_products_of_fp8(std::vector<Form>& forms, std::mt19937& random) {
  const std::vector<DType> fp8 = {DType::F143, DType::F152}, half = {DType::F16};
  for (const bool ends : {false, true}) {
    std::vector<Param> params = epilogue(ends, ends, random() % 5);
    params.push_back({"scale", {static_cast<double>(random() % 20) - 10}});
    Form form{
        "matmul", params, {{"gmk", fp8}, {"Gkn", fp8}}
    };
    if (ends)
      form.operands.insert(form.operands.end(), {
                                                    {"n",   kFloats},
                                                    {"gmn", kFloats}
      });
    form.operands.push_back({"gmn", half});
    forms.push_back(std::move(form));
  }
}

void add_products_of_bytes(std::vector<Form>& forms, std::mt19937& random) {
  const std::vector<DType> bytes = {DType::I8, DType::U8}, of_sums = {DType::F32};
  const auto is = [](bool there) { return std::vector{there ? 1.0 : 0.0}; };
  for (const int ends : {0, 1, 2, 3}) {
    const bool scaled = ends & 2, zeros = ends & 1;
    const bool bias = scaled && random() % 2 == 0, to_bytes = scaled && random() % 2 == 0;
    Form form{
        "matmul_integer",
        {{"row_zero", is(zeros)},
          {"column_zero", is(zeros)},
          {"scaled", is(scaled)},
          {"row_scale", is(scaled)},
          {"column_scale", is(scaled)},
          {"bias", is(bias)},
          {"residual", is(bias)},
          {"activation", {scaled ? static_cast<double>(random() % 5) : 0.0}},
          {"out_scale", {0.5}},
          {"out_zero", {3}}},
        {{"gmk", bytes}, {"Gkn", bytes}}
    };
    if (zeros)
      form.operands.insert(form.operands.end(), {
                                                    {"GM", bytes},
                                                    {"GN", bytes}
      });
    if (scaled)
      form.operands.insert(form.operands.end(), {
                                                    {"GM", of_sums},
                                                    {"1N", of_sums}
      });
    if (bias)
      form.operands.insert(form.operands.end(), {
                                                    {"n",   kFloats},
                                                    {"gmn", kFloats}
      });
    form.operands.push_back({"gmn", to_bytes ? bytes : scaled ? kFloats : kInts});
    forms.push_back(std::move(form));
  }
  forms.push_back({
      "row_ends", {},
       {{"rn", kFloats}, {"r2", of_sums}}
  });
  forms.push_back({
      "segment_max", {},
       {{"rtn", of_sums}, {"rt", kInts}, {"rtn", of_sums}}
  });
}

void add_attention(std::vector<Form>& forms) {
  const std::vector<std::vector<OperandForm>> masks = {
      {},
      {{"bs", kInts}},
      {{"br", kInts}, {"bs", kInts}},
      {{"b", kInts}},
      {{"BHRs", kFloats}}
  };
  for (size_t mask = 0; mask < masks.size(); ++mask) {
    Form form{
        "attention",
        {{"scale", {0.25}}, {"mask", {static_cast<double>(mask)}}},
        {{"brhd", kFloats}, {"bshd", kFloats}, {"bshd", kFloats}}
    };
    form.operands.insert(form.operands.end(), masks[mask].begin(), masks[mask].end());
    form.operands.push_back({"brhd", kFloats});
    forms.push_back(std::move(form));
  }
}

void add_norms(std::vector<Form>& forms) {
  for (const char* name : {"layer_norm", "rms_norm"}) {
    for (const int residual : {0, 1}) {
      Form form{
          name,
          {{"residual", {static_cast<double>(residual)}}, {"eps", {1e-5}}},
          {{"rn", kFloats}}
      };
      if (residual) form.operands.push_back({"rn", kFloats});
      form.operands.push_back({"n", kFloats});
      if (form.codelet == "layer_norm") form.operands.push_back({"n", kFloats});
      form.operands.push_back({"rn", kFloats});
      forms.push_back(std::move(form));
    }
  }
}

// Rows that are each of two operands, so that nothing overflows for long.
Form elementwise(std::mt19937& random) {
  constexpr double kFloatOps[] = {0, 1, 2, 5, 6, 7, 8, 9, 10, 11, 15, 17, 18, 20, 21, 22};
  constexpr double kIntegerOps[] = {0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 20, 21, 22};
  const bool integers = random() % 3 == 0;
  const size_t inputs = random() % 4, rank = random() % 5;
  Param tape{"tape", {}}, constants{"constants", {}};
  if (inputs == 0 || random() % 2 == 0) constants.values.push_back(random() % 2 == 0 ? 2 : -1);
  size_t registers = inputs + constants.values.size();
  for (size_t rows = random() % 4; rows > 0; --rows, ++registers) {
    tape.values.push_back(integers ? kIntegerOps[random() % std::size(kIntegerOps)]
                                   : kFloatOps[random() % std::size(kFloatOps)]);
    for (int i = 0; i < 3; ++i) tape.values.push_back(static_cast<double>(random() % registers));
  }
  Form form{
      "elementwise", {{"domain", {integers ? 1.0 : 0.0}}, tape, constants},
       {}
  };
  const std::string letters = std::string("abcdefgh").substr(0, rank);
  std::string stretched = letters;
  for (char& c : stretched) c = static_cast<char>(std::toupper(c));
  for (size_t i = 0; i < inputs; ++i) form.operands.push_back({stretched, kAll});
  form.operands.push_back({letters, kAll});
  return form;
}

// Its sizes follow from its steps: vertex_of knows.
Form copy(std::mt19937& random) {
  constexpr double kSteps[] = {1, 1, 1, 1, -1, 2, -3};
  const size_t rank = random() % 5;
  Param perm{"perm", std::vector<double>(rank)}, step{"step", {}};
  std::iota(perm.values.begin(), perm.values.end(), 0.0);
  std::ranges::shuffle(perm.values, random);
  for (size_t d = 0; d < rank; ++d) step.values.push_back(kSteps[random() % std::size(kSteps)]);
  const std::string letters = std::string("abcdefgh").substr(0, rank);
  return {
      "copy", {perm,                           step         },
       {{std::string(rank, '*'), kAll}, {letters, {}}}
  };
}

void fit_copy(VertexShape& shape, const Form& form, std::mt19937& random) {
  for (size_t d = 0; d < form.params[0].values.size(); ++d) {
    int64_t& in = shape.operands[0].size[static_cast<size_t>(form.params[0].values[d])];
    const auto step = static_cast<int64_t>(std::abs(form.params[1].values[d]));
    in = random() % 4 == 0 ? 1 : (shape.operands[1].size[d] - 1) * step + 1;
  }
}

}  // namespace

std::vector<Form> all_forms(std::mt19937& random) {
  std::vector<Form> forms = {
      {"rotary",
       {{"halves", {static_cast<double>(random() % 2)}}},
       {{"brhd", kFloats}, {"Brd", kFloats}, {"Brd", kFloats}, {"brhd", kFloats}}                             },
      {"softmax", {},                                              {{"rn", kFloats}, {"rn", kFloats}}         },
      {"gather",  {},                                              {{"pvn", kAll}, {"t", kInts}, {"1ptn", {}}}},
      {"concat",  {},                                              {{"o*n", kAll}, {"o*n", {}}, {"o+n", {}}}  },
      {"concat",  {},                                              {{"o*n", kAll}, {"o+n", {}}}               },
      {"reduce",
       {{"kind", {static_cast<double>(random() % 2)}}},
       {{"okn", kFloats}, {"on", kFloats}}                                                                    },
      {"reduce",  {{"kind", {static_cast<double>(random() % 2)}}}, {{"okn", kInts}, {"on", kInts}}            },
      {"cumsum",  {},                                              {{"okn", kFloats}, {"okn", kFloats}}       },
      {"cumsum",  {},                                              {{"okn", kInts}, {"okn", kInts}}           },
      {"unpack",  {},                                              {{"*n", kAll}, {"*", kInts}, {"sln", {}}}  },
      {"pack",    {},                                              {{"**n", kAll}, {"*", kInts}, {"tn", {}}}  },
      {"unpack",  {},                                              {{"*n", kAll}, {"*2", kInts}, {"sln", {}}} },
      {"pack",    {},                                              {{"**n", kAll}, {"*2", kInts}, {"tn", {}}} },
  };
  add_products(forms, random);
  add_products_of_bytes(forms, random);
  add_products_of_fp8(forms, random);
  add_attention(forms);
  add_norms(forms);
  for (int i = 0; i < 3; ++i) {
    forms.push_back(elementwise(random));
    forms.push_back(copy(random));
  }
  return forms;
}

VertexShape vertex_of(const Form& form, int64_t most, std::mt19937& random) {
  std::map<char, int64_t> sizes;
  const auto any = [&] { return 1 + static_cast<int64_t>(random()) % most; };
  for (char letter = 'a'; letter <= 'z'; ++letter) sizes[letter] = any();
  if (form.codelet == "rotary") sizes['d'] *= 2;
  VertexShape shape{&form.params, {}};
  for (const OperandForm& operand : form.operands) {
    OperandShape is{shape.operands.empty() ? DType::F32 : shape.operands[0].dtype, {}, false};
    if (!operand.dtypes.empty()) is.dtype = operand.dtypes[random() % operand.dtypes.size()];
    is.writes = &operand == &form.operands.back();
    for (size_t d = 0; d < operand.sizes.size(); ++d) {
      const char c = operand.sizes[d];
      int64_t sum = 0;
      for (const OperandShape& before : shape.operands) sum += c == '+' ? before.size[d] : 0;
      const bool stretched = std::isupper(c) && random() % 2 == 0;
      const auto letter = static_cast<char>(std::tolower(c));
      is.size.push_back(c == '+'                ? sum
                        : c == '*'              ? any()
                        : c == '1' || stretched ? 1
                        : c == '2'              ? 2
                                                : sizes[letter]);
    }
    shape.operands.push_back(std::move(is));
  }
  if (form.codelet == "copy") fit_copy(shape, form, random);
  return shape;
}

}  // namespace tessera
