# SPDX-License-Identifier: Apache-2.0
"""A script in PopRT's words: the packing chapter's third step. It knows nothing of Tessera.

Three runs over one synthetic workload (padded; packed offline; packed online), a line of throughput
for each, the mean absolute errors between them, and with --dump_results a CSV of each."""

import argparse
import csv
import os
import queue
import tempfile
import time
from multiprocessing.pool import ThreadPool

import numpy as np
import packing_utils
from poprt import runtime
from poprt.backend import get_session

TOKENS = ("input_ids", "attention_mask", "token_type_ids", "position_ids")
OUTPUTS = ("end_logits", "start_logits")


class Request:
    def __init__(self, length, args):
        self.input_len = length
        self.input_ids = np.random.randint(0, args.emb_size, length).astype(np.int32)
        self.attention_mask = np.ones(length).astype(np.int32)
        self.token_type_ids = np.random.randint(0, 2, length).astype(np.int32)
        self.position_ids = np.arange(length).astype(np.int32)


def make_requests(args):
    np.random.seed(2023)
    count = args.iterations * args.batch_size
    lengths = np.random.normal(args.avg_seq_len, args.avg_seq_len, count).astype(np.int32)
    return [Request(length, args) for length in np.clip(lengths, 1, args.max_seq_len)]


def report(label, count, seconds):
    print(
        f"[{label}] Throughput: {count / seconds} samples/s, Latency: {seconds / count * 1000} ms"
    )


def dump(name, model, results):
    path = name + "_" + os.path.basename(model)[: -len("onnx")] + "csv"
    with open(path, "w") as file:
        writer = csv.DictWriter(file, fieldnames=OUTPUTS)
        for result in results:
            writer.writerow({output: np.asarray(result[output]).tolist() for output in OUTPUTS})


def run_batches(model, batches, take):
    """Batches of (feed, what they hold) through a session with four threads."""
    session = get_session(model, 1, "poprt").load()
    start = time.time()
    with ThreadPool(processes=4) as pool:
        outputs = pool.starmap(
            lambda feed, held: take(session.run(list(OUTPUTS), feed), feed, held), batches
        )
    return [result for batch in outputs for result in batch], time.time() - start


def run_padded(args, requests):
    batches = []
    for first in range(0, len(requests), args.batch_size):
        feed = {name: np.zeros((args.batch_size, args.max_seq_len), np.int32) for name in TOKENS}
        for row, request in enumerate(requests[first : first + args.batch_size]):
            for name in TOKENS:
                feed[name][row, : request.input_len] = getattr(request, name)
        batches.append((feed, args.batch_size))
    return run_batches(
        args.model_without_packing,
        batches,
        lambda outputs, feed, count: [
            {name: array[i].copy() for name, array in zip(OUTPUTS, outputs)} for i in range(count)
        ],
    )


def take_rows(outputs, feed, transfer):
    """Form B: request n of a row is where the row's mask is n."""
    results = []
    for row, mask in enumerate(feed["attention_mask"]):
        for number in range(1, mask.max() + 1):
            answer = {name: array[row][mask == number] for name, array in zip(OUTPUTS, outputs)}
            results.append(answer)
    return results


def take_requests(outputs, feed, transfer):
    return [
        {name: array[i].copy() for name, array in zip(OUTPUTS, outputs)}
        for i in range(len(transfer.specs))
    ]


def run_offline(args, requests, model, across_rows):
    batches, index = [], 0
    while index < len(requests):
        transfer = packing_utils.pack_data(
            requests,
            index,
            args.batch_size,
            seq_len=args.max_seq_len,
            max_valid_num=args.max_valid_num,
            segment_num=1,
            across_rows=across_rows,
        )
        feed = {name: transfer.data[name] for name in TOKENS}
        if across_rows:
            feed["unpack_info"] = transfer.unpack_info
        batches.append((feed, transfer))
        index = transfer.count
    return run_batches(model, batches, take_requests if across_rows else take_rows)


def run_online(args, requests, model, algorithm=None):
    with tempfile.TemporaryDirectory() as folder:
        get_session(model, 1, "poprt", output_dir=folder, export_popef=True).load()
        config = runtime.PackRunnerConfig(timeout_microseconds=args.timeout_microseconds)
        if algorithm is not None:
            config.max_valid_num = args.max_valid_num
            config.dynamic_input_name = "input_ids"
            config.algorithm = algorithm
            config.enable_input_single_row_mode("attention_mask")
        runner = (runtime.PackRunner if algorithm is None else runtime.Runner)(
            folder + "/executable.popef", config
        )
    waiting = queue.Queue()
    start = time.time()
    for request in requests:
        feed = {name: getattr(request, name) for name in TOKENS[: 4 if algorithm is None else 3]}
        if algorithm is None:
            feed["unpack_info"] = np.zeros(args.max_valid_num).astype(np.int32)
        out = {name: np.zeros([args.max_seq_len]).astype(np.float16) for name in OUTPUTS}
        submit = runner.executeAsync if algorithm is None else runner.execute_async
        waiting.put((submit(feed, out), out))
    results = []
    while not waiting.empty():
        future, out = waiting.get()
        future.wait()
        results.append(out)
    return results, time.time() - start


def compare(title, expected, results, requests):
    print(f"\nCompare results between {title}")
    for name in OUTPUTS:
        errors = [
            np.abs(np.asarray(a[name][: r.input_len], np.float64) - b[name][: r.input_len]).mean()
            for a, b, r in zip(expected, results, requests)
        ]
        print(f"{name} average mae: {np.mean(errors)}")


def main():
    parser = argparse.ArgumentParser()
    for flag, default in (
        ("avg_seq_len", 128),
        ("batch_size", 16),
        ("emb_size", 30522),
        ("iterations", 100),
        ("max_seq_len", 256),
        ("max_valid_num", 40),
        ("timeout_microseconds", 15000),
    ):
        parser.add_argument("--" + flag, type=int, default=default)
    parser.add_argument("--dump_results", action="store_true")
    parser.add_argument("--model_without_packing", required=True)
    parser.add_argument("--model_with_packing_unpack_repack", required=True)
    parser.add_argument("--model_with_packing_attention_mask", required=True)
    args = parser.parse_args()
    requests = make_requests(args)
    form_a, form_b = args.model_with_packing_unpack_repack, args.model_with_packing_attention_mask

    runs = {}
    for label, model, run in (
        ("Original", args.model_without_packing, lambda: run_padded(args, requests)),
        ("Pack Offline", form_a, lambda: run_offline(args, requests, form_a, True)),
        ("Pack Online", form_a, lambda: run_online(args, requests, form_a)),
        ("Pack Offline AttentionMask", form_b, lambda: run_offline(args, requests, form_b, False)),
        (
            "Pack Online AttentionMask(first_fit)",
            form_b,
            lambda: run_online(args, requests, form_b, runtime.PackAlgorithm.first_fit),
        ),
        (
            "Pack Online AttentionMask(next_fit)",
            form_b,
            lambda: run_online(args, requests, form_b, runtime.PackAlgorithm.next_fit),
        ),
    ):
        runs[label], seconds = run()
        report(label, len(runs[label]), seconds)
        if args.dump_results:
            dump(label.lower().replace(" ", "_"), model, runs[label])
    for label in list(runs)[1:]:
        compare(f"Original and {label}", runs["Original"], runs[label], requests)
    compare("Pack Offline and Pack Online", runs["Pack Offline"], runs["Pack Online"], requests)


if __name__ == "__main__":
    main()
