// SPDX-License-Identifier: Apache-2.0
// The abilities of the terminal: the one place that decides on colours, on lines that are
// rewritten, and on the width of a picture.
#pragma once

#include "support/expected.h"
#include "tools/flags/program_options.h"

namespace tessera::tools {

// Whether a terminal listens at this descriptor that obeys more than newlines: TERM is set, and is
// not "dumb".
bool obeys_escapes(int descriptor);

// Columns of the terminal there; 80 where it does not say.
int64_t terminal_columns(int descriptor);

// --color, of every verb that draws.
po::options_description colour_flags();
// Whether what goes to stdout is in colour. Under `auto` it is where a terminal obeys escapes and
// NO_COLOR (https://no-color.org) is not set. Usage error: another word.
Expected<bool> in_colour(const po::variables_map& flags);

// Columns that a picture may fill: $COLUMNS, or the terminal's at stdout; from 40 to 400.
int64_t picture_columns();
// Columns for the tokens of a batch's row, beside what stands left and right of them.
int64_t row_columns();

}  // namespace tessera::tools
