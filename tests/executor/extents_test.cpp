// SPDX-License-Identifier: Apache-2.0
// Joining and cutting rely on this, and every codelet is asked for it: in whatever vertex its check
// accepts, dimensions of one letter have one size, and the pieces that it is cut into are vertices
// that the check accepts too, which write every element of the whole once.
#include <gtest/gtest.h>

#include <cctype>
#include <map>
#include <set>

#include "executor/pieces.h"
#include "program/boxes.h"
#include "tests/helpers/forms.h"

namespace tessera {
namespace {

std::string name_of(const VertexShape& shape, std::string_view codelet) {
  std::string name(codelet);
  for (const OperandShape& operand : shape.operands)
    name += " " + to_string(TensorType{operand.dtype, operand.size});
  return name;
}

// Some sizes are others: what a hostile file holds.
void disturb(VertexShape& shape, std::mt19937& random) {
  constexpr int64_t kSizes[] = {1, 2, 3, 5, 17, 64};
  for (int changes = static_cast<int>(random() % 3); changes > 0; --changes) {
    OperandShape& operand = shape.operands[random() % shape.operands.size()];
    if (operand.size.empty()) continue;
    operand.size[random() % operand.size.size()] = kSizes[random() % std::size(kSizes)];
  }
}

void expect_one_size_a_letter(const VertexShape& shape, const Extents& extents) {
  ASSERT_EQ(extents.letters.size(), shape.operands.size());
  std::map<char, int64_t> sizes;
  for (size_t i = 0; i < shape.operands.size(); ++i) {
    const Shape& size = shape.operands[i].size;
    ASSERT_EQ(extents.letters[i].size(), size.size());
    for (size_t d = 0; d < size.size(); ++d) {
      if (extents.letters[i][d] == '.' || size[d] == 1) continue;
      const auto [known, first] = sizes.try_emplace(extents.letters[i][d], size[d]);
      EXPECT_EQ(known->second, size[d]) << "letter " << known->first;
    }
  }
  const Shape& written = shape.operands.back().size;
  for (size_t d = 0; d < written.size(); ++d) {
    const auto found = sizes.find(extents.letters.back()[d]);
    if (found == sizes.end()) continue;
    EXPECT_EQ(written[d], found->second) << "what is written is not 1";
  }
}

void expect_cuts_of_what_is_written(const Extents& extents) {
  for (const Extents::Cut& cut : extents.cuts) {
    EXPECT_TRUE(std::isupper(static_cast<unsigned char>(cut.letter))) << cut.letter;
    EXPECT_NE(extents.letters.back().find(cut.letter), std::string::npos) << cut.letter;
    EXPECT_GE(cut.worth, cut.step);
  }
}

TEST(Extents, of_a_letter_are_equal_in_every_vertex_that_is_accepted) {
  std::mt19937 random(5);
  std::map<std::string, int> accepted;
  for (int round = 0; round < 400; ++round) {
    for (const Form& form : all_forms(random)) {
      VertexShape shape = vertex_of(form, round % 2 == 0 ? 4 : 20, random);
      const Codelet* const codelet = find_codelet(form.codelet);
      ASSERT_TRUE(codelet->check(shape).ok())
          << name_of(shape, form.codelet) << codelet->check(shape).error().message;
      disturb(shape, random);
      if (!codelet->check(shape).ok()) continue;
      ++accepted[form.codelet];
      const Extents extents = codelet->extents(shape);
      SCOPED_TRACE(name_of(shape, form.codelet));
      expect_one_size_a_letter(shape, extents);
      expect_cuts_of_what_is_written(extents);
      if (testing::Test::HasFailure()) return;
    }
  }
  for (const Codelet& codelet : all_codelets())
    EXPECT_GT(accepted[std::string(codelet.name)], 100) << codelet.name;
}

JoinedVertex whole_vertex(const Codelet& codelet, const VertexShape& shape) {
  JoinedVertex vertex{&codelet, *shape.params, {}};
  const Extents extents = codelet.extents(shape);
  for (size_t i = 0; i < shape.operands.size(); ++i) {
    const OperandShape& is = shape.operands[i];
    JoinedOperand operand{.variable = static_cast<VariableId>(i),
                          .dtype = is.dtype,
                          .writes = is.writes,
                          .view = is.size,
                          .box = {},
                          .letters = extents.letters[i]};
    for (const int64_t size : is.size) operand.box.push_back({0, size});
    vertex.operands.push_back(std::move(operand));
  }
  return vertex;
}

bool meet(const Box& a, const Box& b) {
  for (size_t d = 0; d < a.size(); ++d)
    if (a[d].end <= b[d].begin || b[d].end <= a[d].begin) return false;
  return true;
}

// However little there is to do.
TEST(Extents, of_pieces_are_accepted_and_pieces_write_every_element_once) {
  std::mt19937 random(6);
  std::set<std::string> cut;
  for (int round = 0; round < 60; ++round) {
    for (const Form& form : all_forms(random)) {
      const VertexShape shape = vertex_of(form, 300, random);
      const Codelet* const codelet = find_codelet(form.codelet);
      const JoinedVertex vertex = whole_vertex(*codelet, shape);
      SCOPED_TRACE(name_of(shape, form.codelet));
      const std::vector<JoinedVertex> pieces = cut_into_pieces({vertex}, 3, 1);
      int64_t written = 0;
      for (size_t i = 0; i < pieces.size(); ++i) {
        const Status checked = codelet->check(pieces[i].shape());
        ASSERT_TRUE(checked.ok()) << checked.error().message;
        const Box& box = pieces[i].operands.back().box;
        written += elements(box);
        for (size_t j = 0; j < i; ++j) ASSERT_FALSE(meet(box, pieces[j].operands.back().box));
        for (size_t o = 0; o < vertex.operands.size(); ++o)
          ASSERT_TRUE(contains(vertex.operands[o].box, pieces[i].operands[o].box));
      }
      ASSERT_EQ(written, elements(vertex.operands.back().box));
      if (pieces.size() > 1) cut.insert(form.codelet);
    }
  }
  EXPECT_EQ(cut.size(), all_codelets().size());
}

}  // namespace
}  // namespace tessera
