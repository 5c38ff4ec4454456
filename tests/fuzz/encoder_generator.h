// SPDX-License-Identifier: Apache-2.0
// How a random encoder is drawn, part by part. Used by random_encoder.cpp and encoder_heads.cpp
// alone.
#pragma once

#include "tests/fuzz/encoder_writer.h"

namespace tessera::fuzz {

class EncoderGenerator : EncoderWriter {
 public:
  explicit EncoderGenerator(uint64_t seed) : EncoderWriter(seed) {}
  test::ModelBuilder generate();

 private:
  void declare_inputs();
  void add_constants();
  // The mask as floats of 0 and 1 [batch,sequence]: the input, or made of the ids.
  std::string float_mask();
  std::string is_token();
  std::string embedding();
  // RoBERTa's, of ids; and others', of the mask.
  std::string counted_positions();
  std::string by_heads(const std::string& x);
  std::string attention(const std::string& x);
  // Rows and columns of a square of constants, as many as there are tokens.
  std::string square(const std::vector<float>& values, const Ints& dims);
  std::string relative_bias();
  std::string masked(const std::string& scores);
  std::string normalized(const std::string& x);
  // As a matmul with a matrix of blocks takes them.
  std::string normalized_by_groups(const std::string& x);
  std::string feed_forward(const std::string& x);
  std::string wide_mask();
  std::string count_of_tokens();
  std::string convolution(const std::string& x);
  // An operation that some models have between their layers.
  std::string oddity(const std::string& x);
  std::string mean_of_tokens(const std::string& x, bool keep);
  // A length of nearly 0 would make an answer of a last bit.
  std::string unit(const std::string& x);
  std::string chosen_tokens();
  std::string pooled_by_ids(const std::string& x);
  std::string head(const std::string& x);

  static constexpr int64_t kWidth = 4, kHeads = 2;

  bool has_mask_ = false, has_types_ = false, has_positions_ = false;
  bool hides_ = false;  // the mask is 1 where it hides
  std::string mask_name_, length_, length_1_;
};

}  // namespace tessera::fuzz
