# SPDX-License-Identifier: Apache-2.0
"""Bodies of calls and answers, as OpenAI and Text Embeddings Inference have them. Types stand as
values here, because pydantic reads them when the program runs.

A list stops at its first wrong item (``fail_fast``): a body has room for a million of them, whose
errors would take a minute and gigabytes to write."""

from typing import Annotated, Any, Literal, Optional, Union

from pydantic import BaseModel, ConfigDict, Field

Token = Annotated[int, Field(ge=0, le=2**32 - 1)]
TokenList = Annotated[list[Token], Field(min_length=1, fail_fast=True)]
Input = Union[
    str, TokenList, Annotated[list[Union[str, TokenList]], Field(min_length=1, fail_fast=True)]
]
Sequence = Annotated[list[str], Field(min_length=1, max_length=2, fail_fast=True)]
PredictInput = Union[str, Sequence, Annotated[list[Sequence], Field(min_length=1, fail_fast=True)]]
Texts = Annotated[list[str], Field(min_length=1, fail_fast=True)]
Side = Literal["Right", "Left", "right", "left"]


class Body(BaseModel):
    model_config = ConfigDict(strict=True)


class Truncated(Body):
    truncate: Optional[bool] = None
    truncation_direction: Side = "Right"


class EmbedRequest(Truncated):
    inputs: Input
    normalize: bool = True
    prompt_name: Optional[str] = None
    dimensions: Optional[Annotated[int, Field(ge=1)]] = None


class EmbedAllRequest(Truncated):
    inputs: Input
    prompt_name: Optional[str] = None


class SimilarityInput(Body):
    source_sentence: str
    sentences: Texts


class SimilarityParameters(Truncated):
    prompt_name: Optional[str] = None


class SimilarityRequest(Body):
    inputs: SimilarityInput
    parameters: Optional[SimilarityParameters] = None


class PredictRequest(Truncated):
    inputs: PredictInput
    raw_scores: bool = False


class RerankRequest(Truncated):
    query: str
    texts: Texts
    raw_scores: bool = False
    return_text: bool = False


class NerRequest(Truncated):
    inputs: Union[str, Texts]
    aggregation_strategy: Literal["none", "simple", "first", "average", "max"] = "simple"
    ignore_labels: Optional[Annotated[list[str], Field(fail_fast=True)]] = None
    stride: Optional[Annotated[int, Field(ge=0)]] = None


class Asked(Body):
    question: str
    context: str


class AnswerRequest(Body):
    inputs: Union[Asked, Annotated[list[Asked], Field(min_length=1, fail_fast=True)]]
    top_k: Annotated[int, Field(ge=1, le=100)] = 1
    doc_stride: Optional[Annotated[int, Field(ge=0)]] = None
    max_answer_len: Annotated[int, Field(ge=1, le=1000)] = 15
    handle_impossible_answer: bool = False
    align_to_words: bool = True
    max_seq_len: Optional[Annotated[int, Field(ge=8)]] = None


class TokenizeRequest(Body):
    inputs: Union[str, Texts]
    add_special_tokens: bool = True
    prompt_name: Optional[str] = None


class DecodeRequest(Body):
    ids: Union[TokenList, Annotated[list[TokenList], Field(min_length=1, fail_fast=True)]]
    skip_special_tokens: bool = True


class OpenAIRequest(Body):
    input: Input
    model: Optional[str] = None
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Optional[Annotated[int, Field(ge=1)]] = None
    user: Optional[str] = None
    truncate: Optional[bool] = None


class Prediction(BaseModel):
    score: float
    label: str


Predictions = Union[list[Prediction], list[list[Prediction]]]


class Rank(BaseModel):
    index: int
    score: float
    text: Optional[str] = None


class Entity(BaseModel):
    score: float
    word: str
    start: int
    end: int
    entity_group: Optional[str] = None
    entity: Optional[str] = None
    index: Optional[int] = None


class Span(BaseModel):
    score: float
    start: int
    end: int
    answer: str


class SimpleToken(BaseModel):
    id: int
    text: str
    special: bool
    start: Optional[int] = None
    stop: Optional[int] = None


class Embedding(BaseModel):
    object: Literal["embedding"] = "embedding"
    embedding: Union[list[float], str]
    index: int


class Usage(BaseModel):
    prompt_tokens: int
    total_tokens: int


class OpenAIResponse(BaseModel):
    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str
    usage: Usage


class OpenAIModel(BaseModel):
    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str


class OpenAIModels(BaseModel):
    object: Literal["list"] = "list"
    data: list[OpenAIModel]


class Info(BaseModel):
    model_config = ConfigDict(protected_namespaces=())

    model_id: str
    model_sha: Optional[str] = None
    model_dtype: str
    model_type: dict[str, Any]
    max_concurrent_requests: int
    max_input_length: int
    max_batch_tokens: int
    max_batch_requests: Optional[int] = None
    max_client_batch_size: int
    auto_truncate: bool
    tokenization_workers: int
    version: str
    sha: Optional[str] = None
    docker_label: Optional[str] = None


class Error(BaseModel):
    """An error of Text Embeddings Inference."""

    error: str
    error_type: Literal["Unhealthy", "Backend", "Overloaded", "Validation", "Tokenizer", "Empty"]


class OpenAIErrorBody(BaseModel):
    message: str
    type: str
    param: Optional[str] = None
    code: Optional[str] = None


class OpenAIError(BaseModel):
    """An error of OpenAI."""

    error: OpenAIErrorBody
