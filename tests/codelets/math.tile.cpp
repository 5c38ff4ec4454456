// SPDX-License-Identifier: Apache-2.0
// Not a codelet of the machine's: it gives the test each function of math.tile.h and sincos.tile.h,
// compiled as codelets are. Operands: x[16 n], then for each function its values out[16 n].
#include "codelets/math.tile.h"

#include "codelets/sincos.tile.h"

using namespace tessera;

extern "C" void math(const VertexOperand* operands, void*) {
  for (int64_t i = 0; i < operands[0].size[0]; i += kLanes) {
    const v16 x = load16(Element::F32, operands[0].data, i);
    const v16 results[] = {exp(x),      log(x),       tanh(x), erf(x),
                           gelu_erf(x), gelu_tanh(x), sin(x),  cos(x)};
    for (int f = 0; f < 8; ++f) store16(Element::F32, operands[1 + f].data, i, results[f]);
  }
}
