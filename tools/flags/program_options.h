// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/program_options.hpp>

namespace tessera::tools {

namespace po = boost::program_options;

}  // namespace tessera::tools
