// SPDX-License-Identifier: Apache-2.0
// Everything that a program needs to compile models, run executables, serve requests and ask what
// either takes. Installed as <tessera/tessera.h>; link Tessera::Tessera.
#pragma once

#include "compiler/compile.h"
#include "compiler/onnx/make/make_model.h"
#include "cost/inspection.h"
#include "executor/model_runner.h"
#include "packing/offline.h"
#include "packing/plan.h"
#include "serving/offline_runner.h"
#include "serving/pack_runner.h"
#include "session/session.h"
