// SPDX-License-Identifier: Apache-2.0
// Packing contracts as the tests write them.
#pragma once

#include "program/popef.h"

namespace tessera {

inline PackingContract form_a(int64_t rows, int64_t row_length, int64_t max_valid_num,
                              int64_t segment_max_size) {
  PackingContract contract;
  contract.form = PackingForm::A;
  contract.rows = rows;
  contract.row_length = row_length;
  contract.max_valid_num = max_valid_num;
  contract.segment_max_size = segment_max_size;
  return contract;
}

inline PackingContract form_b(int64_t rows, int64_t row_length, int64_t max_valid_num = 0) {
  PackingContract contract;
  contract.form = PackingForm::B;
  contract.rows = rows;
  contract.row_length = row_length;
  contract.max_valid_num = max_valid_num;
  return contract;
}

}  // namespace tessera
