# SPDX-License-Identifier: Apache-2.0
"""poprt.runtime: executables at work. Callers allocate outputs; they are filled in place."""

import enum
from typing import Any, ClassVar, Optional, Union

import numpy as np

import tessera
from poprt_compat.modelled import Count, watch
from poprt_compat.warn import no_meaning


class PackAlgorithm(enum.Enum):
    next_fit = "next_fit"
    first_fit = "first_fit"


class RunnerType(enum.Enum):
    ModelRunner = "ModelRunner"
    PackRunner = "PackRunner"


class _Settings:
    """Attributes with defaults; any other name is refused, and what has no meaning is warned of."""

    DEFAULTS: ClassVar[dict[str, Any]] = {}
    MEANT: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, **settings: Any) -> None:
        for name, value in self.DEFAULTS.items():
            object.__setattr__(self, name, value)
        for name, value in settings.items():
            setattr(self, name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self.DEFAULTS:
            raise AttributeError(f"{type(self).__name__}: {name}: is not a setting")
        if name not in self.MEANT and value != self.DEFAULTS[name]:
            no_meaning(f"{type(self).__name__}.{name}")
        object.__setattr__(self, name, value)


class DeviceWaitConfig(_Settings):
    DEFAULTS: ClassVar[dict[str, Any]] = {"timeout_sec": 1, "sleep_time_sec": 6}
    MEANT = frozenset(DEFAULTS)


class RuntimeConfig(_Settings):
    """PopRT's names and defaults. Tessera's machine is always there and always checked."""

    DEFAULTS: ClassVar[dict[str, Any]] = {
        "runner_type": RunnerType.ModelRunner,
        "device_wait_config": None,
        "thread_safe": True,
        "timeout_ns": 10_000_000,
        "validate_io_params": True,
        "batching_dim": 0xFFFFFFFF,
        "check_package_hash": True,
        "ring_buffer_size_multiplier": 2,
        "auto_reset": False,
        "flush_on_waiting_outputs": False,
        "batch_size_timeout_ns": (1 << 64) - 1,
        "data_parallel_timeout_ns": (1 << 64) - 1,
        "is_batch_size_timeout_enabled": False,
        "request_tracepoints_buffer_size": 1000,
        "replica_id_to_device": None,
        "flush_by_name": None,
    }
    MEANT = frozenset({"runner_type", "device_wait_config"})


class PackRunnerConfig(_Settings):
    """``timeout_microseconds``: the longest wait of a pack's first request; 0 sends at once."""

    timeout_microseconds: int
    max_valid_num: int
    dynamic_input_name: str
    unpack_info_input_name: str
    mask_name: str
    dynamic_group: Any
    algorithm: PackAlgorithm
    single_row: bool
    delimiters: int
    strip_padding: bool

    DEFAULTS: ClassVar[dict[str, Any]] = {
        "runner_type": RunnerType.PackRunner,
        "timeout_microseconds": 0,
        "max_valid_num": 0,
        "dynamic_input_name": "",
        "unpack_info_input_name": "",
        "mask_name": "",
        "dynamic_group": None,
        "algorithm": PackAlgorithm.next_fit,
        "algorithom": None,  # as one of PopRT's examples spells it
        "compile_batch_size": -1,
        "enable_prefetch_datastreams": True,
        "device_wait_config": None,
    }
    MEANT = frozenset(
        {
            "runner_type",
            "timeout_microseconds",
            "max_valid_num",
            "dynamic_input_name",
            "unpack_info_input_name",
            "mask_name",
            "dynamic_group",
            "algorithm",
            "algorithom",
            "device_wait_config",
        }
    )

    def __init__(self, **settings: Any) -> None:
        object.__setattr__(self, "single_row", False)
        object.__setattr__(self, "delimiters", 0)
        object.__setattr__(self, "strip_padding", False)
        super().__init__(**settings)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "algorithom":
            no_meaning("PackRunnerConfig.algorithom as a name", "it is taken for algorithm")
            name = "algorithm"
        super().__setattr__(name, value)

    def enable_input_single_row_mode(
        self, mask_name: str, unpack_info_name: str = "", delimiter_num: int = 0
    ) -> None:
        """No request crosses a row; ``delimiter_num`` free cells between the requests of a row."""
        self.mask_name = mask_name
        self.unpack_info_input_name = unpack_info_name
        object.__setattr__(self, "single_row", True)
        object.__setattr__(self, "delimiters", delimiter_num)

    def enable_padding_remove_mode(self, mask_name: str, other_inputs: Any = ()) -> None:
        """A request is the tokens that its mask keeps."""
        self.mask_name = mask_name
        self.dynamic_group = other_inputs
        object.__setattr__(self, "strip_padding", True)

    enableSingleRowMode = enable_input_single_row_mode
    enablePaddingRemovePattern = enable_padding_remove_mode


class DataDesc:
    """An input or output of a runner."""

    def __init__(self, tensor: tessera.Tensor) -> None:
        self.name = tensor.name
        self.shape = list(tensor.shape)
        self.dtype = tensor.dtype
        self.size_in_bytes = int(np.prod(tensor.shape, dtype=np.int64)) * tensor.dtype.itemsize
        self.popef_contains_tensor_data = False

    def numpy_data_type(self) -> np.dtype[Any]:
        return self.dtype

    def __repr__(self) -> str:
        return f"DataDesc({self.name}, {self.dtype}, {self.shape})"


class OutputFuture:
    """``wait()`` returns when the caller's arrays are filled, or raises."""

    def __init__(self, future: tessera.Future, halves: dict[str, Any]) -> None:
        self._future = future
        self._halves = halves

    def wait(self) -> None:
        answers = self._future.result()
        for name, array in self._halves.items():
            array[...] = answers[name]

    def done(self) -> bool:
        return self._future.done()


class _Base:
    _runner: Union[tessera.ModelRunner, tessera.PackRunner]

    def get_execute_inputs(self) -> list[DataDesc]:
        return [DataDesc(t) for t in self._runner.inputs]

    def get_execute_outputs(self) -> list[DataDesc]:
        return [DataDesc(t) for t in self._runner.outputs]

    get_model_inputs = get_execute_inputs
    get_model_outputs = get_execute_outputs

    def execute(self, inputs: dict[str, Any], outputs: dict[str, Any]) -> None:
        self.execute_async(inputs, outputs).wait()

    def execute_async(self, inputs: dict[str, Any], outputs: dict[str, Any]) -> OutputFuture:
        raise NotImplementedError

    def executeAsync(self, inputs: dict[str, Any], outputs: dict[str, Any]) -> OutputFuture:
        return self.execute_async(inputs, outputs)


def without_positions(inputs: dict[str, Any], known: Any) -> dict[str, Any]:
    """A model that computes its own positions has no such input."""
    if "position_ids" not in inputs or "position_ids" in known:
        return inputs
    no_meaning("position_ids", "the model computes its own")
    return {name: array for name, array in inputs.items() if name != "position_ids"}


class ModelRunner(_Base):
    """Whole batches. The popef is a path or what ``Compiler.compile`` gave."""

    def __init__(self, popef: Any, config: Optional[RuntimeConfig] = None) -> None:
        self._runner = tessera.ModelRunner(popef)
        self._inputs = {t.name for t in self._runner.inputs}
        self._dtypes = {t.name: t.dtype for t in self._runner.outputs}
        self._count = Count(self, self._runner.executable)

    def execute_async(self, inputs: dict[str, Any], outputs: dict[str, Any]) -> OutputFuture:
        filled, halves = {}, {}
        for name, array in outputs.items():
            # PopRT's fp16 models give float16; here an output stays what the model declares.
            if self._dtypes.get(name) == np.float32 and array.dtype == np.float16:
                halves[name] = array
                filled[name] = np.empty(array.shape, np.float32)
            else:
                filled[name] = array
        inputs = without_positions(inputs, self._inputs)
        submitted = self._runner.submit(inputs, filled)
        self._count.add(inputs)
        return OutputFuture(submitted, halves)


class PackRunner(_Base):
    """Single requests of any length: unpadded arrays ``[length]`` (or ``[1, length]``), and outputs
    that have room for them. Mask, positions and ``unpack_info`` are the runner's own."""

    def __init__(self, popef: Any, config: Optional[PackRunnerConfig] = None) -> None:
        config = config or PackRunnerConfig()
        executable = popef if isinstance(popef, tessera.Executable) else tessera.load(popef)
        packing = executable.packing
        if config.single_row and packing is not None and packing.form == "A":
            raise tessera.UsageError(
                "PackRunner: single-row mode is for models with an attention mask, and this one is "
                "packed end to end"
            )
        dynamic = config.dynamic_input_name
        if dynamic and packing is not None and dynamic not in packing.token_inputs:
            raise tessera.UsageError(
                f"dynamic_input_name: {dynamic}: must be one of " + ", ".join(packing.token_inputs)
            )
        most = config.max_valid_num
        if packing is not None and packing.form == "A":
            most = min(most, packing.max_valid_num)
        self._strips = config.strip_padding
        self._delay = config.timeout_microseconds / 1e6
        self._runner = tessera.PackRunner(
            executable,
            timeout=self._delay,
            policy=config.algorithm.value,
            max_valid_num=most,
            zero_delimiters=config.delimiters,
            strip_padding=config.strip_padding,
        )
        watch(self, self._runner)
        taken = (
            packing.token_inputs
            if packing is not None
            else tuple(t.name for t in self._runner.inputs)
        )
        mask = packing.mask_input if packing is not None else "attention_mask"
        self._taken = set(taken) | ({mask} if mask else set())

    def execute_async(self, inputs: dict[str, Any], outputs: dict[str, Any]) -> OutputFuture:
        made_here = ("position_ids", "unpack_info")
        request = {
            name: array
            for name, array in inputs.items()
            if name in self._taken or name not in made_here
        }
        return OutputFuture(self._runner.submit(request, outputs), {})


def Runner(popef: Any, config: Any = None) -> Union[ModelRunner, PackRunner]:
    """The runner that the config asks for."""
    if config is not None and config.runner_type is RunnerType.PackRunner:
        return PackRunner(popef, config)
    return ModelRunner(popef, config)


class Device:
    def __init__(self, number: int) -> None:
        self.id = number


class DeviceManager:
    """One device: the simulated machine, as many times as it is asked for."""

    def get_num_devices(self) -> int:
        return 1

    def get_device(self, num_ipus: int = 1) -> Device:
        if num_ipus != 1:
            raise tessera.UsageError(f"get_device: {num_ipus} IPUs, must be 1")
        return Device(0)

    def get_specific_device(self, device_id: int) -> Device:
        if device_id != 0:
            raise tessera.UsageError(f"get_specific_device: {device_id}, must be 0")
        return Device(0)

    def ipu_hardware_version(self) -> str:
        return "ipu21"
