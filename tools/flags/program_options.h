// SPDX-License-Identifier: Apache-2.0
// Boost's parser of command lines under the short name that tools/ uses.
#pragma once

#include <boost/program_options.hpp>

namespace tessera::tools {

namespace po = boost::program_options;

}  // namespace tessera::tools
