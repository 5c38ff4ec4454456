#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The engines that people pick for encoders on CPUs, each with its own best documented settings.

    peers.py ENGINE MODEL.onnx [--threads N] [--size LAYERS,HIDDEN,HEADS,FFN] [--keep INT8.onnx]

For bench_speed: one JSON object a line in, one out. {"run": [{"length": 256, "lengths": [17, 203]},
...]} asks for batches of BERT's inputs: a row for each of `lengths`, padded to `length`. The answer
{"seconds": [...]} has a time for each batch, or one for all where an engine works on several at
once. Feeds are made before the clock starts. {"peak_resident": true} asks for memory. The program
ends with its input.

Engines; each needs its package from PyPI (scripts/setup peers):

    onnxruntime             all optimisations
    onnxruntime-int8        its own quantize_dynamic, weights per channel, 7 bits where the
                            processor has no VNNI, whose sums of two products saturate
    openvino                the throughput hint: requests in flight together
    openvino-latency        the latency hint: one after the other
    ctranslate2, -int8      drops padding itself; a BERT of the same size, with weights of its own
    torch                   scaled dot-product attention; a BERT of the same size likewise
    torch-compile           the same, compiled by inductor with dynamic shapes
"""

import argparse
import importlib.metadata
import json
import os
import resource
import sys
import tempfile
import time

import numpy as np

for quiet, value in {
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}.items():
    os.environ.setdefault(quiet, value)


def feeds_of(batch):
    """Token ids stand for themselves: what they are does not change the work."""
    lengths = np.array(batch["lengths"])
    cells = np.arange(batch["length"])
    mask = (cells[None, :] < lengths[:, None]).astype(np.int64)
    ids = (np.arange(len(lengths))[:, None] * 131 + cells[None, :] * 31) % 500
    return {"input_ids": ids * mask, "attention_mask": mask, "token_type_ids": 0 * mask}


def each_timed(run, batches):
    seconds = []
    for batch in batches:
        start = time.perf_counter()
        run(batch)
        seconds.append(time.perf_counter() - start)
    return seconds


def has_vnni():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        return "vnni" in file.read()


def quantize(model, out):
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        model, out, per_channel=True, reduce_range=not has_vnni(), weight_type=QuantType.QInt8
    )


class OnnxRuntime:
    package = "onnxruntime"

    def __init__(self, options, precision="fp32"):
        import onnxruntime

        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = options.threads
        settings.log_severity_level = 3
        with tempfile.TemporaryDirectory() as folder:
            model = options.model
            if precision == "int8":
                model = options.keep or os.path.join(folder, "int8.onnx")
                quantize(options.model, model)
            self.session = onnxruntime.InferenceSession(model, settings, ["CPUExecutionProvider"])

    def seconds(self, batches):
        return each_timed(
            lambda feeds: self.session.run(None, feeds), [feeds_of(b) for b in batches]
        )


class OpenVino:
    package = "openvino"

    def __init__(self, options, hint="THROUGHPUT"):
        import openvino

        # Floats of 32 bits: where the processor has bfloat16, it would be the default.
        settings = {
            "PERFORMANCE_HINT": hint,
            "INFERENCE_NUM_THREADS": options.threads,
            "INFERENCE_PRECISION_HINT": "f32",
        }
        self.hint = hint
        self.model = openvino.Core().compile_model(options.model, "CPU", settings)
        self.names = {name for port in self.model.inputs for name in port.names}
        self.queue = openvino.AsyncInferQueue(self.model)
        self.request = self.model.create_infer_request()

    def seconds(self, batches):
        feeds = [{k: v for k, v in feeds_of(b).items() if k in self.names} for b in batches]
        if self.hint == "LATENCY":
            return each_timed(self.request.infer, feeds)
        start = time.perf_counter()
        for feed in feeds:
            self.queue.start_async(feed)
        self.queue.wait_all()
        return [time.perf_counter() - start]


def bert_of(options):
    import torch
    import transformers

    layers, hidden, heads, ffn = options.size
    torch.manual_seed(7)
    config = transformers.BertConfig(
        num_hidden_layers=layers,
        hidden_size=hidden,
        num_attention_heads=heads,
        intermediate_size=ffn,
        position_embedding_type="absolute",  # which CTranslate2 asks for by name
    )
    return transformers.BertModel(config, add_pooling_layer=False).eval()


class CTranslate2:
    package = "ctranslate2"

    def __init__(self, options, precision="float32"):
        import ctranslate2
        import transformers
        from ctranslate2.converters import TransformersConverter

        with tempfile.TemporaryDirectory() as folder:
            source, made = os.path.join(folder, "bert"), os.path.join(folder, "made")
            bert_of(options).save_pretrained(source)
            vocabulary = os.path.join(source, "vocab.txt")
            with open(vocabulary, "w", encoding="utf-8") as file:
                special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
                file.writelines(f"{w}\n" for w in special + [f"w{i}" for i in range(5, 30522)])
            transformers.BertTokenizer(vocabulary).save_pretrained(source)
            TransformersConverter(source).convert(made, quantization=precision)
            self.encoder = ctranslate2.Encoder(
                made,
                device="cpu",
                compute_type=precision,
                inter_threads=1,
                intra_threads=options.threads,
            )

    def seconds(self, batches):
        rows = []
        for batch in batches:
            ids = feeds_of(batch)["input_ids"]
            rows.append([ids[i, :n].tolist() for i, n in enumerate(batch["lengths"])])
        return each_timed(
            lambda ids: np.asarray(self.encoder.forward_batch(ids).last_hidden_state), rows
        )


class Torch:
    package = "torch"

    def __init__(self, options, compiled=False):
        import torch

        torch.set_num_threads(options.threads)
        self.torch = torch
        self.model = bert_of(options)
        if compiled:
            self.model = torch.compile(self.model, dynamic=True)

    def seconds(self, batches):
        tensors = [
            {k: self.torch.from_numpy(v) for k, v in feeds_of(batch).items()} for batch in batches
        ]
        with self.torch.inference_mode():
            return each_timed(lambda feeds: self.model(**feeds), tensors)


ENGINES = {
    "onnxruntime": (OnnxRuntime, {}),
    "onnxruntime-int8": (OnnxRuntime, {"precision": "int8"}),
    "openvino": (OpenVino, {}),
    "openvino-latency": (OpenVino, {"hint": "LATENCY"}),
    "ctranslate2": (CTranslate2, {}),
    "ctranslate2-int8": (CTranslate2, {"precision": "int8"}),
    "torch": (Torch, {}),
    "torch-compile": (Torch, {"compiled": True}),
}


def answer(engine, question):
    if question.get("peak_resident"):
        return {"peak_resident_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    return {"seconds": engine.seconds(question["run"])}


def serve(options, say):
    kind, settings = ENGINES[options.engine]
    start = time.perf_counter()
    engine = kind(options, **settings)
    say(
        {
            "version": importlib.metadata.version(kind.package),
            "create_seconds": time.perf_counter() - start,
        }
    )
    for line in sys.stdin:
        say(answer(engine, json.loads(line)))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("engine", choices=ENGINES)
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--size",
        type=lambda text: [int(part) for part in text.split(",")],
        default=[12, 768, 12, 3072],
    )
    parser.add_argument("--keep", help="where onnxruntime-int8 leaves the model that it made")
    options = parser.parse_args()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what engines print of themselves is not an answer

    def say(words):
        answers.write(json.dumps(words) + "\n")
        answers.flush()

    try:
        return serve(options, say)
    except Exception as error:  # noqa: BLE001  an engine's own, of any kind, is told as one line
        first = (str(error).splitlines() or [""])[0]
        say({"error": f"{options.engine}: {type(error).__name__}: {first}"})
        return 1


if __name__ == "__main__":
    sys.exit(main())
