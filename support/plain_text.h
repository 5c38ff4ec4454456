// SPDX-License-Identifier: Apache-2.0
// Names come from files and go to terminals, JSON and other files.
#pragma once

#include <string>
#include <string_view>

namespace tessera {

// Well-formed UTF-8 (shortest forms, no surrogates) without control characters.
bool is_plain_text(std::string_view text);

// The one filter between foreign text (names, log fields, paths) and people: what a terminal would
// obey, or a reader not see, becomes an escape. Controls of C0 and C1 are \n, \t, \x1b, \u009b;
// marks that turn the direction of writing, invisible and zero-width characters are \u202e;
// bytes that are not UTF-8 are \xff. The result is UTF-8 on one line.
std::string visible(std::string_view text);
// The same for text of several lines: '\n' stays.
std::string visible_lines(std::string_view text);

// A word of a command that people copy into a shell: in quotes where it holds anything that a shell
// could take for more than letters.
std::string shell_word(std::string_view text);

}  // namespace tessera
