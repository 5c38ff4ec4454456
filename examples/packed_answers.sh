#!/usr/bin/env bash
# From a Hugging Face model to packed answers, in three commands.
#
#   packed_answers.sh NAME QUESTIONS.jsonl            exports NAME (pip install 'transformers[onnx]<4.31' torch)
#   packed_answers.sh MODEL.onnx QUESTIONS.jsonl VOCAB.txt      a model that was exported before
#
# A line of QUESTIONS.jsonl: {"question": "…", "context": "…"}. ROWS, LENGTH and MOST set the batch,
# PYTHON the interpreter.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
model=$1 questions=$2 vocabulary=${3:-}
rows=${ROWS:-16} length=${LENGTH:-256} most=${MOST:-40}
python=${PYTHON:-python3}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

if [[ $model != *.onnx ]]; then
  # 1: the exporter's graph, with vocab.txt beside it
  "$python" -m transformers.onnx --model="$model" --feature=question-answering "$out"
  model=$out/model.onnx
  vocabulary=$out/vocab.txt
fi
# 2: form A of packing: requests stand end to end
tessera compile --input_model "$model" --input_shape "input_ids=$rows,$length" --precision fp16 \
  --pack_args "max_valid_num=$most" "segment_max_size=$length" -o "$out/packed.popef"
# 3
"$python" "$here/question_answering.py" "$out/packed.popef" "$vocabulary" "$questions"
