# SPDX-License-Identifier: Apache-2.0
"""One exported model beside ONNX Runtime: as a padded batch in fp32 and fp16, and request by
request in both forms of packing. ONNX's own reference evaluator answers for a model that ONNX
Runtime refuses.

Errors are the largest difference over the deviation of the reference's answers. A padded batch is
compared with the same batch, a packed request with that request alone, at its own length. Needs
tessera, numpy, onnx and onnxruntime."""

import re

import numpy as np
import onnxruntime
from onnx.reference import ReferenceEvaluator

import tessera

ROWS, LENGTH = 4, 16
LENGTHS = (16, 7, 11, 1)  # of the requests in the rows of the padded batch
REQUESTS = (16, 1, 9, 5, 12, 2, 3, 16, 7, 4)
# Sizes behind the batch, and behind tokens, that optimum leaves open in inputs.
SIZES = {
    "pixel_values": (None, 3, 32, 32),
    "input_values": (None, 400),
    "xpath_tags_seq": (None, None, 50),
    "xpath_subs_seq": (None, None, 50),
}
FIRST_ID = 5  # below it are the marks of the vocabularies, the padding among them
FORMS = {
    "A": {"pack_args": {"max_valid_num": 16, "segment_max_size": LENGTH}},
    "B": {"passes": "insert_attention_mask"},
}


def onnxruntime_of(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])


class Model:
    """A file, its reference, and inputs of it."""

    def __init__(self, path):
        self.path = path
        self.declared = {given.name: given for given in tessera.model_inputs(path)}
        self.random = np.random.default_rng(1)
        self.refused = None  # in ONNX Runtime's words; the evaluator is then the reference
        try:
            self.session = onnxruntime_of(path)
            self.session.run(None, self.batch(FIRST_ID + 1))
        except Exception as error:  # noqa: BLE001  (ONNX Runtime's own)
            self.refused = reason_of(error)[:160]
            self.session = ReferenceEvaluator(path)
            self.session.run(None, self.batch(FIRST_ID + 1))
        outputs = self.session.output_names if self.refused else self.session.get_outputs()
        self.outputs = [getattr(output, "name", output) for output in outputs]

    def shape(self, name, rows, length):
        """A variable size is the batch in front and the sequence behind it, or one of SIZES."""
        sizes = dict(enumerate(SIZES.get(name, ())))
        return tuple(
            size if size >= 0 else sizes.get(axis) or (rows if axis == 0 else length)
            for axis, size in enumerate(self.declared[name].shape)
        )

    def shapes(self):
        return {name: self.shape(name, ROWS, LENGTH) for name in self.declared}

    @property
    def ids(self):
        return next((name for name in self.declared if name.endswith("input_ids")), None)

    def request(self, length, vocabulary):
        """By input, [1, length, …], the mask ones."""
        made = {}
        for name, given in self.declared.items():
            shape = self.shape(name, 1, length)
            if "mask" in name:
                values = np.ones(shape)
            elif name == self.ids:
                values = self.random.integers(FIRST_ID, vocabulary, shape)
            elif name == "bbox":  # left, top, right, bottom
                values = np.sort(self.random.integers(0, 60, shape), -1)
            elif "position" in name:
                values = np.broadcast_to(np.arange(length), shape)
            elif given.dtype.startswith("int"):
                values = self.random.integers(0, 2, shape)
            else:
                values = self.random.standard_normal(shape)
            made[name] = np.ascontiguousarray(values, given.dtype)
        return made

    def batch(self, vocabulary):
        """Requests of LENGTHS, each from the start of its row, zeros behind them."""
        batch = {
            name: np.zeros(self.shape(name, ROWS, LENGTH), given.dtype)
            for name, given in self.declared.items()
        }
        for row, length in enumerate(LENGTHS):
            for name, array in self.request(length if self.ids else LENGTH, vocabulary).items():
                batch[name][(row, *(slice(size) for size in array.shape[1:]))] = array[0]
        return batch

    def reference(self, inputs):
        return dict(zip(self.outputs, self.session.run(self.outputs, inputs)))


def error_of(got, expected):
    """The largest difference of all answers of an output over the deviation of what is expected."""
    flat = np.concatenate([np.ravel(array).astype(np.float64) for array in expected])
    ours = np.concatenate([np.ravel(array).astype(np.float64) for array in got])
    if flat.shape != ours.shape:
        return np.inf
    known = np.isfinite(flat)
    differences = np.abs(ours[known] - flat[known])
    deviation = max(float(np.std(flat[known])), 1e-6)
    worst = float(np.max(differences, initial=0.0)) / deviation
    return worst if np.isfinite(worst) else np.inf


def vocabulary_of(executable, ids):
    limits = {given.name: given.index_limit for given in executable.inputs}
    return limits.get(ids, 0) or 100


def padded(model, precision):
    executable = tessera.compile(model.path, input_shape=model.shapes(), precision=precision)
    batch = model.batch(vocabulary_of(executable, model.ids))
    expected = model.reference(batch)
    with tessera.ModelRunner(executable) as runner:
        got = runner.run({given.name: batch[given.name] for given in runner.inputs})
    return max(error_of([got[name]], [expected[name]]) for name in model.outputs)


def packed(model, form):
    """Each request against the reference on that request alone."""
    executable = tessera.compile(model.path, input_shape=model.shapes(), **FORMS[form])
    vocabulary = vocabulary_of(executable, model.ids)
    alone = [model.request(length, vocabulary) for length in REQUESTS]
    expected = [model.reference(request) for request in alone]
    taken = executable.packing.token_inputs
    with tessera.ModelRunner(executable) as runner:
        got = runner.run_requests(
            [{name: request[name][0] for name in taken if name in request} for request in alone]
        )
    return max(
        error_of([answer[name] for answer in got], [answer[name][0] for answer in expected])
        for name in model.outputs
    )


def reason_of(error):
    """The message without the file and without names, so that equal reasons are equal."""
    text = " ".join(str(error).split())
    text = re.sub(r"^\S*\.onnx: ", "", text)
    text = re.sub(r"^node '[^']*' (\([^)]*\)): ", r"\1 ", text)
    text = re.sub(r"^node '[^']*': ", "", text)
    return re.sub(r"'[^']{12,}'", "'…'", text)


def compare(path):
    """{column: error or {"refused": reason}}, of one file; "evaluated": why the reference is ONNX's
    evaluator."""
    result = {}
    try:
        model = Model(path)
    except Exception as error:  # noqa: BLE001  (the references' own)
        return {"left_out": f"no reference runs it: {reason_of(error)[:160]}"}
    if model.refused:
        result["evaluated"] = f"ONNX Runtime does not run it: {model.refused}"
    ways = {
        "padded": lambda: padded(model, "fp32"),
        "fp16": lambda: padded(model, "fp16"),
        "A": lambda: packed(model, "A"),
        "B": lambda: packed(model, "B"),
    }
    for column, way in ways.items():
        if model.ids is None and column in FORMS:
            result[column] = {"refused": "its inputs are not tokens"}
            continue
        try:
            result[column] = way()
        except tessera.Error as error:
            result[column] = {"refused": reason_of(error)}
        except Exception as error:  # noqa: BLE001  (shown in the table)
            result[column] = {"failed": f"{type(error).__name__}: {reason_of(error)[:200]}"}
    return result
