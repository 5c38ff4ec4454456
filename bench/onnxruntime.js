#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// ONNX Runtime on the same batch: the judge of our numbers and the peer of our speed. Optional;
// needs the npm package onnxruntime-node (its CPU library is inside the package; NODE_PATH names
// the folder it was installed to).
//
//   node onnxruntime.js MODEL.onnx INPUTS [--answers FOLDER] [--runs N] [--threads N]
//   node onnxruntime.js MODEL.onnx --serve [--threads N]
//
// INPUTS holds one NAME.npy per model input. With --answers, each NAME.npy there is compared with
// the same output, where attention_mask is 1. With --runs, times N runs after one to warm
// up. Prints one JSON object.
//
// --serve is for bench_speed: one JSON object a line in, one out. {"run": [{"length": 256,
// "lengths": [17, 203]}, …]} runs BERT's inputs, a row for each of lengths, padded to length, and
// answers with the seconds of each run; {"peak_resident": true} asks for memory. It ends with its
// input.
'use strict';
const fs = require('fs');
const path = require('path');
const readline = require('readline');

let ort = null;  // loaded late, so that its absence can be told in the way that was asked for

const TYPES = {
  '<f4': ['float32', Float32Array],
  '<i4': ['int32', Int32Array],
  '<i8': ['int64', BigInt64Array],
  '|b1': ['bool', Uint8Array],
};

function readNpy(file) {
  const bytes = fs.readFileSync(file);
  const wide = bytes[6] > 1;
  const length = wide ? bytes.readUInt32LE(8) : bytes.readUInt16LE(8);
  const start = (wide ? 12 : 10) + length;
  const header = bytes.toString('latin1', wide ? 12 : 10, start);
  const descr = /'descr': *'([^']*)'/.exec(header)[1];
  const dims = /\(([^)]*)\)/.exec(header)[1].split(',').map((d) => d.trim()).filter(Boolean)
    .map(Number);
  if (!TYPES[descr]) throw new Error(`${file}: dtype ${descr} is not one of ${Object.keys(TYPES)}`);
  const [type, Kind] = TYPES[descr];
  const body = Uint8Array.from(bytes.subarray(start));
  return { type, dims, data: new Kind(body.buffer) };
}

// A model asks for int64 where an executable takes int32.
function widen(array, type) {
  if (array.type !== 'int32' || type !== 'int64') return array;
  return { type, dims: array.dims, data: BigInt64Array.from(array.data, BigInt) };
}

const fileOf = (name) => `${name.replace(/[^A-Za-z0-9_.-]/g, '_')}.npy`;

function spread(data, keep) {
  let sum = 0, squares = 0, count = 0;
  for (let i = 0; i < data.length; ++i) {
    if (!keep(i)) continue;
    sum += data[i];
    squares += data[i] * data[i];
    ++count;
  }
  return Math.sqrt(Math.max(0, squares / count - (sum / count) ** 2));
}

function compare(got, want, mask) {
  const rows = mask ? mask.dims[0] * mask.dims[1] : 1;
  const perToken = mask && want.dims[0] === mask.dims[0] && want.dims[1] === mask.dims[1];
  const items = want.data.length / rows;
  const keep = (i) => !perToken || Number(mask.data[Math.floor(i / items)]) !== 0;
  let worst = 0;
  for (let i = 0; i < want.data.length; ++i)
    if (keep(i)) {
      const gap = Math.abs(got.data[i] - want.data[i]);
      worst = Number.isNaN(gap) ? Infinity : Math.max(worst, gap);
    }
  const std = spread(want.data, keep);
  return { max_difference: worst, std, of_std: worst / std };
}

function createSession(model, threads) {
  ort = require('onnxruntime-node');
  return ort.InferenceSession.create(model, {
    graphOptimizationLevel: 'all', intraOpNumThreads: threads, interOpNumThreads: 1,
    executionMode: 'sequential', logSeverityLevel: 3,
  });
}

// Token ids stand for themselves: what they are does not change the work.
function paddedFeeds({ length, lengths }) {
  const dims = [lengths.length, length];
  const of = (value) => {
    const data = new BigInt64Array(dims[0] * dims[1]);
    lengths.forEach((valid, row) => {
      for (let i = 0; i < valid; ++i) data[row * length + i] = BigInt(value(row, i));
    });
    return new ort.Tensor('int64', data, dims);
  };
  return {
    input_ids: of((row, i) => (row * 131 + i * 31) % 500),
    attention_mask: of(() => 1),
    token_type_ids: of(() => 0),
  };
}

async function answer(session, question) {
  if (question.peak_resident) {
    const status = fs.readFileSync('/proc/self/status', 'utf8');
    return { peak_resident_mib: Number(/VmHWM:\s+(\d+)/.exec(status)[1]) / 1024 };
  }
  const seconds = [];
  for (const feeds of question.run.map(paddedFeeds)) {
    const start = process.hrtime.bigint();
    await session.run(feeds);
    seconds.push(Number(process.hrtime.bigint() - start) / 1e9);
  }
  return { seconds };
}

async function serve(model, threads) {
  const say = (object) => process.stdout.write(`${JSON.stringify(object)}\n`);
  try {
    const start = process.hrtime.bigint();
    const session = await createSession(model, threads);
    const create_seconds = Number(process.hrtime.bigint() - start) / 1e9;
    say({ version: require('onnxruntime-node/package.json').version, create_seconds });
    for await (const line of readline.createInterface({ input: process.stdin }))
      say(await answer(session, JSON.parse(line)));
  } catch (error) {
    say({ error: `onnxruntime.js: ${error.message.split('\n')[0]}` });
  }
}

async function main() {
  const words = process.argv.slice(2);
  const flag = (name) => {
    const at = words.indexOf(name);
    return at >= 0 && words.splice(at, 1).length > 0;
  };
  const option = (name, fallback) => {
    const at = words.indexOf(name);
    return at < 0 ? fallback : words.splice(at, 2)[1];
  };
  const answers = option('--answers', '');
  const runs = Number(option('--runs', 0));
  const threads = Number(option('--threads', 2));
  const serving = flag('--serve');
  const [model, inputs] = words;
  if (serving) {
    await serve(model, threads);
    return;
  }
  const session = await createSession(model, threads);
  const feeds = {};
  const arrays = {};
  session.inputNames.forEach((name, i) => {
    arrays[name] = widen(readNpy(path.join(inputs, fileOf(name))), session.inputMetadata[i].type);
    feeds[name] = new ort.Tensor(arrays[name].type, arrays[name].data, arrays[name].dims);
  });
  const outputs = await session.run(feeds);
  const result = { model, threads };
  if (answers) {
    result.outputs = {};
    for (const name of session.outputNames)
      result.outputs[name] =
        compare(readNpy(path.join(answers, fileOf(name))), outputs[name], arrays.attention_mask);
  }
  const seconds = [];
  for (let i = 0; i < runs; ++i) {
    const start = process.hrtime.bigint();
    await session.run(feeds);
    seconds.push(Number(process.hrtime.bigint() - start) / 1e9);
  }
  if (runs) {
    seconds.sort((a, b) => a - b);
    result.seconds_median = seconds[Math.floor(runs / 2)];
    result.seconds_min = seconds[0];
    result.seconds_max = seconds[runs - 1];
  }
  console.log(JSON.stringify(result, null, 2));
}

main().catch((error) => {
  console.error(`onnxruntime.js: ${error.message}`);
  process.exit(1);
});
