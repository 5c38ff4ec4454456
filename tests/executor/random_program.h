// SPDX-License-Identifier: Apache-2.0
// Programs that no compiler writes: chains of any codelets over boxes at odd places of odd views,
// cut along any dimension, blocks short at the edges, results in slices, sums of partials that are
// read again. Most pass the verifier; those that do must mean one thing however they are carried
// out.
#pragma once

#include <random>

#include "program/program.h"

namespace tessera {

Program random_program(std::mt19937& random);

// One number or variable of it is another, without regard for the rest.
void make_odd(Program& program, std::mt19937& random);

}  // namespace tessera
