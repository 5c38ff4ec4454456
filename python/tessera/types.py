# SPDX-License-Identifier: Apache-2.0
"""The plain values of the package, and the types of its arguments."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Union

import numpy as np

if TYPE_CHECKING:
    from typing_extensions import TypedDict
else:
    from typing import TypedDict

__all__ = [
    "ArrayLike",
    "Arrays",
    "CompileOptions",
    "Converted",
    "Cycles",
    "ExecutableFile",
    "Limits",
    "Memory",
    "Model",
    "ModelInput",
    "OnlineLoad",
    "PackArgs",
    "Packing",
    "Pass",
    "Path",
    "RunnerMetrics",
    "RunnerOptions",
    "SessionOptions",
    "Tensor",
    "Verification",
]

Path = Union[str, "os.PathLike[str]"]
#: An ONNX model: its path, its bytes, a file that is open for reading bytes, or an
#: ``onnx.ModelProto``. Data beside the model are found only from its path.
Model = Any
#: A ``.popef`` file: its path, its bytes, or a file that is open for reading bytes; or a
#: ``tessera.Executable``.
ExecutableFile = Any
#: A NumPy array, anything with ``__dlpack__`` in host memory (a CPU tensor of PyTorch, for
#: example), or nested lists.
ArrayLike = Any
Arrays = Mapping[str, ArrayLike]
#: The most that a model or an executable of a stranger may cost, by the command line's names
#: (``--limit``): ``{"time": 60, "memory": "4GiB"}``; seconds, bytes and counts as numbers or with a
#: unit. Work that needs more raises ``RefusedError`` with reason ``"limit"`` before it begins.
Limits = Mapping[str, Union[int, str]]


class Tensor(NamedTuple):
    """An input or output of an executable."""

    name: str
    dtype: np.dtype[Any]  #: what the machine takes or gives
    shape: tuple[int, ...]
    model_dtype: str  #: as the ONNX model declares it, ``"int64"`` for example
    index_limit: int  #: inputs that index a table: each value is in [0, index_limit); 0: no limit


class ModelInput(NamedTuple):
    """An input as an ONNX model declares it."""

    name: str
    dtype: str  #: ``"int64"`` for example
    shape: tuple[int, ...]  #: -1: a dimension that ``input_shape`` fixes


class Packing(NamedTuple):
    """How an executable takes several requests in a batch (``docs/packing.md``)."""

    form: str  #: "A": unpack and repack, end to end; "B": attention mask, none across a row
    rows: int
    row_length: int
    max_valid_num: int  #: requests in a batch; 0: no limit but the rows
    segment_max_size: int  #: tokens of the longest request
    token_inputs: tuple[str, ...]  #: what a request brings
    ids_input: str
    mask_input: str  #: "" if the model has none
    position_input: str
    unpack_info_input: str  #: "" in form B where no output holds one value a request
    per_request: dict[str, bool]  #: by output: one value a request (True) or one a token
    padding_id: int = -1  #: that a request must not hold; -1 if it may hold any
    mask_hides: bool = False  #: the mask of a request is 0 at every token, as a key padding mask


class Memory(TypedDict):
    """Bytes of the fullest tile."""

    peak_bytes: int
    peak_tile: int
    peak_superstep: str
    always_live_bytes: int
    fits: bool


class Cycles(TypedDict):
    """Modelled cycles of a batch. ``total`` is the sum of the four parts."""

    total: int
    compute: int
    rearrange: int
    exchange: int
    sync: int
    seconds_per_batch: float  #: at the target's clock, with the host I/O that nothing overlaps


class Converted(TypedDict):
    """The changes that ``tessera.convert`` made."""

    path: str
    nodes: int
    inputs: int  #: their number
    outputs: int
    passes: list[str]  #: those that changed the model
    warnings: list[str]
    packing: Packing | None


class RunnerMetrics(TypedDict):
    """Counts of a ``PackRunner`` since it was made (``docs/runtime.md``)."""

    queue_requests: int  #: now
    queue_tokens: int
    admitted: int
    answered: int
    failed: int
    not_finite: int
    cancelled: int
    missed_waiting: int
    missed_answered: int
    rejected: dict[str, int]  #: by reason
    batches: dict[str, int]  #: by why they were closed
    token_fill: float
    segment_fill: float
    prometheus: str  #: all of them as Prometheus' text


class Verification(NamedTuple):
    """The parts of an executable's file that were found right (``docs/security.md``)."""

    path: str
    bytes: int
    sha256: str  #: that of ``tessera inspect``; it stands for the whole file
    blobs: tuple[tuple[str, str, int, str], ...]  #: (type, name, bytes, SHA-256)
    target: str
    variables: int
    constants: int  #: variables among them
    supersteps: int
    vertices: int
    operands: int  #: proved to lie inside their variables and on their vertices' tiles
    transfers: int  #: likewise
    model_name: str
    inputs: int
    outputs: int
    packing: str  #: "": none; "A" or "B"
    fits: bool  #: whether the fullest tile holds it; no load takes it if not
    peak_bytes: int  #: of the fullest tile
    bytes_per_tile: int
    signed_by: str | None  #: the key's number, where ``require_signature`` was given
    trusted_comment: str  #: that the signer wrote; "" without a signature
    limits: dict[str, tuple[int, int]]  #: by name: how much the file takes, and how much it may


class Pass(NamedTuple):
    """A pass of the compiler."""

    name: str
    what: str
    optional: bool  #: runs only where it is asked for


class PackArgs(TypedDict, total=False):
    """Packing: by unpack and repack, or with the pass ``insert_attention_mask`` by its mask."""

    max_valid_num: int  # requests in a batch
    segment_max_size: int  # tokens of the longest request; not with ``insert_attention_mask``


class CompileOptions(TypedDict, total=False):
    """Keyword arguments of everything that compiles; names and meaning are the command line's."""

    # The rows of compiler/options.def, as tests/python/test_options.py writes them.
    #: Fix variable dimensions, by input: NAME=D,D … (inputs that share a symbolic name follow). In
    #: Python: ``{"input_ids": (16, 256)}``.
    input_shape: Mapping[str, Sequence[int]]
    #: Type of floating-point numbers: fp32; fp16; fp8: fp16, and matmuls by weights multiply
    #: floats of 8 bits; or fp8_weight: fp16, and such weights are stored in 8 bits. The default:
    #: fp32.
    precision: str
    #: With precision fp16: types of operations that stay in fp32: a,b (Gelu, LayerNormalization
    #: …).
    fp16_skip_op_types: str | Sequence[str]
    #: With precision fp16: nodes that stay in fp32, by the names of ONNX nodes or of values: a,b.
    fp16_skip_nodes: str | Sequence[str]
    #: With precision fp8 or fp8_weight: format (F143 or F152) and power of two of inputs and of
    #: weights: INPUT_FORMAT,WEIGHT_FORMAT,INPUT_SCALE,WEIGHT_SCALE. The default: F143,F143,-1,-1.
    fp8_params: str
    #: The same of single matmuls, by the names of ONNX nodes or of values:
    #: NAME=INPUT_FORMAT:WEIGHT_FORMAT:INPUT_SCALE:WEIGHT_SCALE ….
    fp8_op_params: str | Sequence[str]
    #: With precision fp8 or fp8_weight: matmuls that stay in fp16, by the names of ONNX nodes or
    #: of values: a,b.
    fp8_skip_op_names: str | Sequence[str]
    #: What an fp16 matmul that is split over its inner dimension stores of its partial sums, and
    #: the rate at which the machine multiplies: half or float. The default: half.
    partials_type: str
    #: Share of a tile that one matmul's operands may take, above 0 and at most 1. The default:
    #: 0.6.
    available_memory_proportion: float
    #: Where a tile does not hold the plan, plan again with the largest smaller
    #: available_memory_proportion that it holds; without, that is out of memory, as in Poplar. The
    #: default: False.
    fit: bool
    #: Weights lie interleaved, and the matrix unit loads 16 bytes of them a cycle. The default:
    #: False.
    use_128bit_conv_unit_load: bool
    #: Partial sums lie interleaved, and their sum loads 16 bytes of them a cycle. The default:
    #: False.
    enable_fast_reduce: bool
    #: Packing form A, by unpack and repack: max_valid_num=N segment_max_size=N; in form B
    #: max_valid_num=N alone, for requests in a batch whose heads answer per request. In Python:
    #: ``{"max_valid_num": 40, "segment_max_size": 256}``.
    pack_args: PackArgs
    #: Optional passes to add: a,b (insert_attention_mask: packing form B, by attention mask).
    passes: str | Sequence[str]
    #: Passes to leave out: a,b.
    skip_passes: str | Sequence[str]
    #: Batches for each start of the engine by the host. The default: 1.
    batches_per_step: int
    #: Tiles that hold streams and do not compute, so that input and output overlap with compute;
    #: 0: none. The default: 0.
    num_io_tiles: int
    #: The host fills streams before they are asked for. The default: True.
    prefetch: bool
    #: The machine: c600 (the default), gc200, bow or test, and numbers to change in it:
    #: c600,tiles=736,clock_hz=1e9.
    target: str | Sequence[str]
    #: IPUs that run the model, joined by links (docs/ipus.md); 1: as many as the target has. The
    #: default: 1.
    num_ipus: int
    #: Auto: cut the model into parts, one on each IPU, by memory and cycles; tensor: all IPUs
    #: compute each operation together, each with its share of the weights; none: not. The default:
    #: none.
    sharding: str
    #: Cut the model by hand: a YAML file with a list of node, device and stage, or words
    #: NODE=DEVICE:STAGE; each entry takes the node and all it needs that no earlier one took.
    manual_sharding_config: str | Sequence[str]
    #: The parts of a cut model work at the same time, each on another of batches_per_step batches.
    #: The default: False.
    enable_pipelining: bool
    #: Replicas of the model on IPUs of their own, each with its share of the batch's rows. The
    #: default: 1.
    replication_factor: int
    #: Auto: price all ways to use num_ipus, and take the best; none: as the other options say. The
    #: default: none.
    parallel: str
    #: What --parallel auto is to make best: throughput or latency. The default: throughput.
    parallel_goal: str
    #: Write the graph after each pass that changed it to this folder.
    dump_passes: str
    # The end of the rows.
    #: Options by PopRT's names in CompilerOptions: ``{"enable_fast_reduce": True}``.
    compiler_options: Mapping[str, bool | int | float | str]
    #: The most that the compile may cost; in a session, each load and each run too.
    limits: Limits
    #: Folders in which a model's external data may lie where links lead there; its own, and in a
    #: Hugging Face cache the blobs, are trusted.
    trust_folder: Path | Sequence[Path]


class RunnerOptions(TypedDict, total=False):
    """Keyword arguments of ``tessera.PackRunner``."""

    # The rows of serving/runner_options.def, as tests/python/test_options.py writes them.
    #: Longest wait of a batch's oldest request until the batch is closed. The default: 0.015.
    timeout: float
    #: Which requests share a batch: next_fit, first_fit, best_fit or window. The default: window.
    policy: str
    #: Of policy window: requests that a batch may pass over before it is closed. The default: 64.
    window: int
    #: Number of the oldest requests that each batch takes, or as many as always fit, so that none
    #: starves; 0: 12. The default: 0.
    pinned: int
    #: Requests in a batch at most; 0: what the executable takes. The default: 0.
    max_valid_num: int
    #: Requests that may wait. The default: 4096.
    max_queue: int
    #: Tokens that may wait; 0: no limit. The default: 0.
    max_queue_tokens: int
    #: Time before the last moment for a deadline at which a batch is closed. The default: 0.001.
    margin: float
    #: Time before the machine is free at which the next batch is packed. The default: 0.0005.
    lead: float
    #: What a deadline is held against: measured, the slowest of the last 16 batches on this host,
    #: or modelled, the target's time of a batch. The default: measured.
    batch_time: str
    #: Run batches at the start, so that deadlines are judged from the first request. The default:
    #: False.
    warm_up: bool
    #: Give answers in the order in which requests were taken. The default: False.
    keep_order: bool
    #: Records of batches that are kept, the newest. The default: 65536.
    max_records: int
    #: Form B: free cells between the requests of a row. The default: 0.
    zero_delimiters: int
    #: A request is the tokens that its mask keeps, with padding before or behind them; if not, a
    #: zero is refused. The default: False.
    strip_padding: bool
    # The end of the rows of the runner.


class OnlineLoad(TypedDict, total=False):
    """Requests of ``tessera.bench(…, online=…)`` and when they come: exactly one of ``rate``,
    ``clients`` and ``trace``. Times are in seconds."""

    #: Requests a second, as a Poisson process.
    rate: float
    #: So many clients, each of which sends its next request after its last answer.
    clients: int
    #: A CSV file with a first line ``seconds,length[,priority[,deadline_microseconds]]``.
    trace: Path
    #: How many come, with ``rate`` or ``clients``. The default: 2000.
    requests: int
    #: Time of each request, from its arrival on. The default: none.
    deadline: float
    #: Virtual time: nothing is run, each batch takes the modelled time, and the figures are the
    #: same every time. The default: False.
    virtual: bool
    #: In virtual time: how long a batch takes. The default: as modelled.
    batch_seconds: float
    #: In virtual time, without an executable: rows of a batch (form B). The default: 16.
    rows: int
    #: And their tokens. The default: 256.
    row_length: int
    #: Options of the packer; it is always warmed up.
    runner: RunnerOptions
    #: Write what happened to this file, for ``tessera bench --online --replay`` and
    #: ``tessera.report``.
    record: Path


class SessionOptions(CompileOptions, total=False):
    """Keyword arguments of ``tessera.Session``: these and all of ``CompileOptions``."""

    #: For a shape without an executable: ``"allow"`` (compile), ``"warn"`` (the default: compile
    #: and tell), ``"pad"`` (run on the nearest larger one; compile and tell where there is none) or
    #: ``"fail"`` (``RefusedError``). The first compile of a model is always made.
    on_recompile: str
    #: More recompiles than this are refused. Without it, no limit.
    recompile_limit: int
    #: Compiled by the constructor, whatever the policy: ``[{"input_ids": (4, 128)}]``.
    warm_up: Sequence[Mapping[str, Sequence[int]]]
    #: With ``"pad"``: compile the shape itself meanwhile, for the batches that follow; False.
    background: bool
    #: Executables are kept in this folder, for all processes of this user. Without it the variable
    #: ``TESSERA_CACHE_DIR``; ``""``: none.
    cache_dir: Path
    #: Bytes that the folder may hold; the least recently used go. 16 GiB.
    cache_limit_bytes: int
    #: Executables that are kept ready to run; the least recently used go. 64.
    memory_entries: int
    #: Host memory that these may take. Without it, no limit.
    memory_bytes: int
    #: The caller's name in events.
    call_site: str
