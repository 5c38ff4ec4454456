# The installed headers: those of tessera.h, and those that they include. tests/architecture fails
# where one is missing here, or is here for nothing, and where there are more than decision 20
# allows.
set(TESSERA_PUBLIC_HEADERS
  tessera.h
  compiler/compile.h
  compiler/onnx/make/make_model.h
  compiler/options.def
  compiler/options.h
  cost/cost.h
  cost/inspection.h
  executor/host_arrays.h
  executor/machine.h
  executor/model_runner.h
  packing/histogram.h
  packing/offline.h
  packing/pack.h
  packing/plan.h
  packing/policy.h
  program/packing_contract.h
  program/popef.h
  program/program.h
  program/target.h
  serving/forming.h
  serving/metrics.h
  serving/offline_runner.h
  serving/pack_runner.h
  serving/request.h
  session/event_words.h
  session/events.def
  session/events.h
  session/session.h
  support/expected.h
  support/limits.def
  support/limits.h
  support/minisign.h
  support/type.h
)
