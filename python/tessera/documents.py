# SPDX-License-Identifier: Apache-2.0
"""The documents that calls give, as docs/schemas describes them.

Written by scripts/write_documents. Change the schemas, not this module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from typing_extensions import NotRequired, TypedDict
else:
    from typing import TypedDict

__all__ = [
    "Advice",
    "AdviceOption",
    "AdviceSlip",
    "Bench",
    "BenchError",
    "BenchLatencies",
    "BenchRun",
    "Check",
    "CheckForm",
    "CheckInput",
    "CheckLayer",
    "CheckOutput",
    "HostTuning",
    "HostTuningBlocks",
    "Inspection",
    "InspectionAnchor",
    "InspectionBlob",
    "InspectionCycles",
    "InspectionIpu",
    "InspectionKeptInFp32",
    "InspectionMemory",
    "InspectionMemoryLargest",
    "InspectionPacking",
    "InspectionPackingOutput",
    "InspectionSuperstep",
    "OnlineBench",
    "OnlineBenchLatencies",
    "OnlineBenchQueue",
    "PackComparison",
    "PackComparisonPolicy",
    "PackTuning",
    "PackTuningShape",
    "Profile",
    "ProfileCategory",
    "ProfileCompilation",
    "ProfileCompilationAlwaysLiveVariable",
    "ProfileCompilationGraph",
    "ProfileCompilationLivenessProgramStep",
    "ProfileCompilationLivenessProgramStepNotAlwaysLiveMemory",
    "ProfileCompilationLivenessProgramStepNotAlwaysLiveMemoryForTile",
    "ProfileCompilationLivenessProgramStepProgram",
    "ProfileCompilationTarget",
    "ProfileCompilationTile",
    "ProfileCompilationTileMemory",
    "ProfileCompilationTileMemoryOverflowed",
    "ProfileCompilationTileMemoryTotal",
    "ProfileExecution",
    "ProfileExecutionStep",
    "ProfileExecutionStepIpu",
    "ProfileExecutionStepProgram",
    "RecompileDifference",
    "RecompileEvent",
    "RecompileEventAdvice",
    "RecompileEventArtifact",
    "RecompileEventCache",
    "RecompileEventChange",
    "RecompileEventDiff",
    "RecompileEventImpact",
    "RecompileEventKey",
    "RecompileEventModel",
    "RecompileEventPolicy",
    "RecompileEventServed",
    "RecompileEventTime",
]


class AdviceOption(TypedDict):
    """A way to serve what the log was asked for; the first is the log itself."""

    name: str
    executables: int
    #: of the log measured, of the others predicted
    compile_seconds: float
    saved_seconds: float
    #: of the computed tokens, those that requests asked for
    useful_share: float
    command: str


class AdviceSlip(TypedDict):
    """A habit that caused compiles."""

    rule: str
    text: str
    compiles: int
    #: that the remedy would have saved
    seconds: float
    executables: int
    useful_share: float
    command: str


class Advice(TypedDict):
    schema: Literal["tessera-advice/1"]
    model: str
    batches: int
    compiles: int
    #: different ones
    lengths: int
    #: of the host
    compile_seconds: float
    #: that callers waited
    blocked_seconds: float
    options: list[AdviceOption]
    #: a place in options; null: nothing is better than the log
    recommended: int | None
    slips: list[AdviceSlip]


#: Seconds: the mean, and the least that such a share of all is not above.
BenchLatencies = TypedDict(
    "BenchLatencies",
    {
        "mean": "float",
        "p50": "float",
        "p90": "float",
        "p95": "float",
        "p99": "float",
        "p99.9": "float",
        "max": "float",
    },
)


class BenchRun(TypedDict):
    """One executable, one way to carry out the work."""

    #: as it was named
    executable: str
    label: Literal["Batches", "Original", "Pack Offline", "Pack Online"]
    #: how it was compiled to be packed
    form: Literal["none", "A", "B"]
    #: that were run
    batches: int
    #: that were answered; none where whole batches of random inputs were run
    requests: NotRequired[int]
    #: share of the row tokens that requests had
    fill: NotRequired[float]
    #: of the host, for all of it
    host_seconds: float
    host_batches_per_second: float
    host_samples_per_second: NotRequired[float]
    #: of the host: each batch
    batch_seconds: BenchLatencies
    #: of the host: each request, from submission to its answer
    latency_seconds: NotRequired[BenchLatencies]
    #: modelled, for all batches one after the other
    modelled_ipu_seconds: float
    modelled_ipu_batches_per_second: float
    modelled_ipu_samples_per_second: NotRequired[float]
    #: batches by why they were closed: tokens, segments, timeout, deadline, flush, drain
    closed_for: NotRequired[dict[str, int]]


class BenchError(TypedDict):
    """How far the answers of two runs are apart."""

    #: label of a run
    a: str
    b: str
    output: str
    #: mean over requests of the mean absolute difference of their items
    mae: float


class Bench(TypedDict):
    """`host_` is time of this host, `modelled_ipu_` of the modelled machine; they are never
    mixed."""

    schema: Literal["tessera-bench/1"]
    runs: list[BenchRun]
    errors: NotRequired[list[BenchError]]


class CheckInput(TypedDict):
    name: str
    type: str
    meaning: str
    #: how that was found
    how: str


class CheckForm(TypedDict):
    form: Literal["padded", "A", "B"]
    possible: bool
    why_not: str
    #: what a request may have of a row
    request_size: NotRequired[str]


class CheckOutput(TypedDict):
    form: str
    output: str
    answers: int
    largest_error: float | Literal["inf"]
    mean_error: float | Literal["inf"]
    magnitude: float | Literal["inf"]
    #: where the largest error is
    worst: str
    within: bool


class CheckLayer(TypedDict):
    node: str
    largest_error: float | Literal["inf"]
    magnitude: float | Literal["inf"]


class Check(TypedDict):
    schema: Literal["tessera-check/1"]
    model: str
    nodes: int
    #: by node
    unsupported: list[str]
    inputs: list[CheckInput]
    forms: list[CheckForm]
    kept_in_fp32: list[str]
    #: who gave the right answers
    reference: str
    #: share of an output's largest magnitude
    tolerance: float
    outputs: list[CheckOutput]
    not_compared: list[str]
    all_well: bool
    layers: NotRequired[list[CheckLayer]]
    first_bad_layer: NotRequired[str | None]


class HostTuningBlocks(TypedDict):
    rows: int
    terms: int
    prefetch: bool
    #: of the measured products, the least of all rounds
    seconds: float
    #: the middle round over the least, less 1
    spread: float


class HostTuning(TypedDict):
    schema: Literal["tessera-tune/1"]
    #: LLVM's name of this host's
    cpu: str
    threads: int
    candidates: int
    rounds: int
    chosen: HostTuningBlocks
    usual: HostTuningBlocks
    #: of all threads together, with what was chosen
    gflops: float
    kept: bool


class InspectionAnchor(TypedDict):
    """An input or an output."""

    name: str
    type: Literal["INPUT", "OUTPUT"]
    #: of the machine
    dtype: str
    shape: list[int]
    #: as the ONNX model declares it
    model_dtype: str
    #: values are below it; 0: no limit
    index_limit: int
    size_least: int
    #: values are in size_least..size_limit; 0: no limit
    size_limit: int


class InspectionPackingOutput(TypedDict):
    name: str
    #: one value a request, not one a token
    per_request: bool


class InspectionPacking(TypedDict):
    """How it takes several requests in a batch (docs/packing.md)."""

    form: Literal["none", "A", "B"]
    rows: int
    row_length: int
    max_valid_num: int
    segment_max_size: int
    token_inputs: list[str]
    ids_input: str
    mask_input: str
    position_input: str
    unpack_info_input: str
    #: what a request may have of a row
    request_size: str
    #: the node that stands against shorter requests, "" if none does
    why_no_less: str
    #: that no request may hold; -1: none
    padding_id: int
    #: the mask is 1 where it hides
    mask_hides: bool
    outputs: NotRequired[list[InspectionPackingOutput]]


class InspectionMemoryLargest(TypedDict):
    what: str
    bytes: int


class InspectionMemory(TypedDict):
    #: on the fullest tile
    peak_bytes: int
    peak_tile: int
    peak_superstep: str
    always_live_bytes: int
    fits: bool
    #: what takes most of the fullest tile
    largest: NotRequired[list[InspectionMemoryLargest]]


class InspectionCycles(TypedDict):
    """Modelled, a batch."""

    #: the sum of the next four
    total: int
    compute: int
    rearrange: int
    exchange: int
    sync: int
    #: at the target's clock, with the host I/O that nothing overlaps
    seconds_per_batch: float
    #: of exchange: from IPU to IPU
    links: NotRequired[int]
    latency_seconds: NotRequired[float]


class InspectionIpu(TypedDict):
    ipu: int
    peak_bytes: int
    peak_tile: int
    always_live_bytes: int
    supersteps: int
    cycles: int
    link_cycles: int


class InspectionKeptInFp32(TypedDict):
    """A node that stays in fp32 in a program in fp16."""

    node: str
    op: str
    rule: str
    why: str


class InspectionSuperstep(TypedDict):
    name: str
    #: ONNX nodes
    origin: list[str]
    codelet: str
    vertices: int
    exchange_cycles: int
    compute_cycles: int
    sync_cycles: int
    exchange_bytes: int
    #: mean over tiles by the most
    balance: float
    not_always_live_bytes: int


class InspectionBlob(TypedDict):
    type: str
    name: str
    offset: int
    bytes: int
    sha256: str


class Inspection(TypedDict):
    schema: Literal["tessera-inspect/1"]
    model: str
    compiler_version: str
    label: str
    #: of the model's file
    source_sha256: str
    #: the compile options, one line each
    options: str
    options_sha256: str
    sha256: str
    target: str
    #: of all IPUs
    tiles: int
    clock_hz: float
    anchors: list[InspectionAnchor]
    #: How it takes several requests in a batch (docs/packing.md).
    packing: InspectionPacking
    memory: InspectionMemory
    #: Modelled, a batch.
    cycles: InspectionCycles
    #: of several IPUs
    ipus: NotRequired[list[InspectionIpu]]
    kept_in_fp32: NotRequired[list[InspectionKeptInFp32]]
    supersteps: list[InspectionSuperstep]
    #: of the file
    blobs: NotRequired[list[InspectionBlob]]


class OnlineBenchQueue(TypedDict):
    mean_requests_at_closing: float
    most_requests: int
    most_tokens: int


#: Seconds: the mean, and the least that such a share of all is not above.
OnlineBenchLatencies = TypedDict(
    "OnlineBenchLatencies",
    {
        "mean": "float",
        "p50": "float",
        "p90": "float",
        "p95": "float",
        "p99": "float",
        "p99.9": "float",
        "max": "float",
    },
)


class OnlineBench(TypedDict):
    schema: Literal["tessera-bench-online/1"]
    clock: Literal["host", "virtual"]
    #: what a batch takes, as deadlines were held against it
    batch_seconds: float
    #: where batch_seconds is from: given, modelled, measured
    batch_time: str
    #: that came
    requests: int
    answered: int
    failed: int
    cancelled: int
    #: taken, then not answered in time
    deadline_missed: int
    answered_late: int
    #: answered with infinities or NaN
    not_finite: int
    #: from the first arrival to the last answer
    seconds: float
    requests_per_second: float
    tokens_per_second: float
    #: share of the row tokens
    token_fill: float
    #: share of the requests that batches may hold
    segment_fill: float
    batches: int
    queue: OnlineBenchQueue
    most_batches_waited: int
    #: requests by the reason why they were not taken
    rejected: dict[str, int]
    #: batches by why they were closed: tokens, segments, timeout, deadline, flush, drain
    closed_for: dict[str, int]
    #: by the clock: each answered request, from submission to its answer
    latency_seconds: OnlineBenchLatencies


class PackComparisonPolicy(TypedDict):
    """Requests in batches."""

    #: or "padded": one request a row
    policy: str
    batches: int
    #: no packing needs fewer
    least_batches: int
    token_fill: float
    #: null where only tokens limit a batch
    segment_fill: float | None
    #: of the host
    microseconds_per_request: float


class PackComparison(TypedDict):
    schema: Literal["tessera-pack/1"]
    #: where they are from
    lengths: str
    #: in words
    batch: str
    rows: int
    row_length: int
    #: requests in a batch; 0: no limit but the tokens
    max_valid_num: int
    #: free tokens between requests
    delimiters: int
    policies: list[PackComparisonPolicy]


class PackTuningShape(TypedDict):
    """A shape that was tried."""

    form: Literal["none", "A", "B"]
    rows: int
    row_length: int
    max_valid_num: int
    #: that compiles it
    command: str
    #: the file that was read
    executable: NotRequired[str]
    #: why it has no figures
    failure: NotRequired[str]
    modelled_seconds_per_batch: NotRequired[float]
    #: of the policy
    window: NotRequired[int]
    pinned: NotRequired[int]
    token_fill: NotRequired[float]
    requests_per_batch: NotRequired[float]
    modelled_requests_per_second: NotRequired[float]
    #: requests a second that the times are for
    rate: NotRequired[float]
    keeps_up: NotRequired[bool]
    timeout_microseconds: NotRequired[float]
    #: arrival to answer
    p50_seconds: NotRequired[float]
    p99_seconds: NotRequired[float]


class PackTuning(TypedDict):
    schema: Literal["tessera-pack-tune/1"]
    lengths: str
    #: where they are from
    costs: str
    #: null where no shape fits, keeps up and answers in time
    best: PackTuningShape | None
    candidates: list[PackTuningShape]


class ProfileCompilationTarget(TypedDict):
    name: str
    type: str
    numIPUs: int
    numReplicas: int
    ipusPerReplica: int
    tilesPerIpu: int
    tilesPerReplica: int
    numTiles: int
    bytesPerTile: int
    bytesPerIPU: int
    memoryPerReplica: int
    totalMemory: int
    clockFrequency: float


class ProfileCompilationGraph(TypedDict):
    numComputeSets: int
    numVars: int
    numVertices: int
    numEdges: int


class ProfileCompilationTileMemoryTotal(TypedDict):
    includingGaps: int
    excludingGaps: NotRequired[int]


class ProfileCompilationTileMemoryOverflowed(TypedDict):
    includingGaps: int


class ProfileCategory(TypedDict):
    total: int


class ProfileCompilationTileMemory(TypedDict):
    total: ProfileCompilationTileMemoryTotal
    overflowed: ProfileCompilationTileMemoryOverflowed
    alwaysLiveBytes: int
    #: at the tile's own peak
    notAlwaysLiveBytes: int
    category: NotRequired[dict[str, ProfileCategory]]


class ProfileCompilationTile(TypedDict):
    memory: ProfileCompilationTileMemory


class ProfileCompilationAlwaysLiveVariable(TypedDict):
    name: str
    size: int


class ProfileCompilationLivenessProgramStepProgram(TypedDict):
    name: str


class ProfileCompilationLivenessProgramStepNotAlwaysLiveMemory(TypedDict):
    bytes: int


class ProfileCompilationLivenessProgramStepNotAlwaysLiveMemoryForTile(TypedDict):
    tile: int
    bytes: int
    category: dict[str, ProfileCategory]


class ProfileCompilationLivenessProgramStep(TypedDict):
    program: ProfileCompilationLivenessProgramStepProgram
    notAlwaysLiveMemory: ProfileCompilationLivenessProgramStepNotAlwaysLiveMemory
    notAlwaysLiveMemoryForTile: ProfileCompilationLivenessProgramStepNotAlwaysLiveMemoryForTile


class ProfileCompilation(TypedDict):
    target: ProfileCompilationTarget
    graph: ProfileCompilationGraph
    tiles: list[ProfileCompilationTile]
    alwaysLiveVariables: list[ProfileCompilationAlwaysLiveVariable]
    livenessProgramSteps: list[ProfileCompilationLivenessProgramStep]


class ProfileExecutionStepProgram(TypedDict):
    name: str
    codelet: str
    origin: list[str]


class ProfileExecutionStepIpu(TypedDict):
    cycles: int
    computeSetCycles: NotRequired[int]
    rearrangeCycles: NotRequired[int]
    exchangeCycles: NotRequired[int]
    syncCycles: NotRequired[int]
    activeTiles: int
    activeTileBalance: NotRequired[float]
    tileBalance: NotRequired[float]
    totalDataBytes: NotRequired[int]
    maxBytesReceived: NotRequired[int]
    ampUtilisation: NotRequired[float]
    linkCycles: NotRequired[int]
    linkBytes: NotRequired[int]
    rearrangeCyclesByTile: NotRequired[list[int]]
    exchangeCyclesByTile: NotRequired[list[int]]
    computeSetCyclesByTile: NotRequired[list[int]]


class ProfileExecutionStep(TypedDict):
    program: ProfileExecutionStepProgram
    ipus: list[ProfileExecutionStepIpu]


class ProfileExecution(TypedDict):
    totalCycles: int
    computeShare: float
    rearrangeShare: float
    exchangeShare: float
    syncShare: float
    ampUtilisation: float
    steps: list[ProfileExecutionStep]


class Profile(TypedDict):
    """Modelled cycles and bytes, with the names of Poplar's profiles (libpva)."""

    schema: Literal["tessera-profile/1"]
    compilation: ProfileCompilation
    execution: ProfileExecution


class RecompileDifference(TypedDict):
    schema: Literal["tessera-recompile-difference/1"]
    #: number of an event
    before: int
    after: int
    #: words of docs/recompiles.md; none: the same executable
    causes: list[str]
    difference: str


class RecompileEventModel(TypedDict):
    name: str
    sha256: str


class RecompileEventDiff(TypedDict):
    input: str
    axis: int
    axis_name: str
    before: int
    after: int


class RecompileEventTime(TypedDict):
    phases_ms: dict[str, float]
    wall_ms: float
    cpu_ms: NotRequired[float]
    peak_rss_bytes: NotRequired[int]


class RecompileEventImpact(TypedDict):
    requests_blocked: int
    blocked_ms_sum: NotRequired[float]
    queue_depth: NotRequired[int]
    request_id: NotRequired[int | None]
    call_site: NotRequired[str]


class RecompileEventChange(TypedDict):
    component: str
    what: str
    before: str
    after: str


class RecompileEventKey(TypedDict):
    sha256: str
    graph: str
    weights: str
    inputs: str
    options: str
    target: str
    compiler: str


class RecompileEventArtifact(TypedDict):
    bytes: int
    tiles: int
    max_tile_bytes: int
    est_cycles: int


class RecompileEventCache(TypedDict):
    tier: str
    outcome: str
    entries: int
    bytes: int
    path: str
    lookup_ms: float
    load_ms: float
    wait_ms: float
    saved_s: float
    error: str


class RecompileEventPolicy(TypedDict):
    stance: str
    action: str
    padded_to: dict[str, list[int]]
    why_not_padded: str
    budget_used: int
    budget: int | None


class RecompileEventServed(TypedDict):
    shapes: dict[str, list[int]]
    batches: int


class RecompileEventAdvice(TypedDict):
    rule: str
    text: str
    saved_s: float


class RecompileEvent(TypedDict):
    """docs/recompiles.md says what each field is. Readers pass over fields that they do not
    know."""

    schema: Literal["recompile/1"]
    #: 0, 1, … in its session
    event_id: int
    ts_unix_ns: int
    model: RecompileEventModel
    kind: str
    cause: str
    shapes: dict[str, list[int]]
    nearest: int | None
    diff: list[RecompileEventDiff]
    time: RecompileEventTime
    impact: RecompileEventImpact
    error: str
    run_id: NotRequired[str]
    pid: NotRequired[int]
    compile_id: NotRequired[str]
    causes: NotRequired[list[str]]
    changes: NotRequired[list[RecompileEventChange]]
    dtypes: NotRequired[dict[str, str]]
    options: NotRequired[str]
    target: NotRequired[str]
    compiler: NotRequired[str]
    key: NotRequired[RecompileEventKey]
    nearest_key: NotRequired[str]
    distance: NotRequired[int]
    artifact: NotRequired[RecompileEventArtifact]
    cache: NotRequired[RecompileEventCache]
    policy: NotRequired[RecompileEventPolicy]
    served: NotRequired[list[RecompileEventServed]]
    advice: NotRequired[list[RecompileEventAdvice]]
    #: in Python: as `tessera recompiles list` prints it
    line: NotRequired[str]
