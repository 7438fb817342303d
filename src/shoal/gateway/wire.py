"""What travels over HTTP: requests, decoded strictly and refused in one clear sentence; responses, encoded by msgspec.

Decoders and encoder are compiled once. Well-formed JSON of the wrong shape is status 422, anything else 400.
"""

import difflib
import re
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

import msgspec

from shoal.errors import RequestError
from shoal.tasks import Budget, Outcome, Score, Timings

MODEL_PREFIX = "shoal/"

_T = TypeVar("_T")


class Input(msgspec.Struct, forbid_unknown_fields=True):
    """A text with what its summary is to be about."""

    text: str
    query: Annotated[
        str | None, msgspec.Meta(description="Of a summarization: what the summary is to be about; everything if null.")
    ] = None


AtLeastOne = Annotated[int, msgspec.Meta(ge=1)]


class Length(msgspec.Struct, forbid_unknown_fields=True):
    """How long a summary may be, in one of three ways."""

    sentences: Annotated[AtLeastOne | None, msgspec.Meta(description="Or turns, where these are quoted.")] = None
    words: AtLeastOne | None = None
    tokens: AtLeastOne | None = None


class PredictRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Texts for a specialist."""

    inputs: Annotated[
        str | Input | list[str | Input],
        msgspec.Meta(description="One text, or a list of texts; for summaries each may be an object with a query."),
    ]
    budget: Annotated[
        Length | None,
        msgspec.Meta(description="Of a summarization: another length than the specialist's; no summary is kept then."),
    ] = None
    escalate: Annotated[
        bool, msgspec.Meta(description="Whether doubtful texts may go to the larger model that the project names.")
    ] = True


class LLMPart(msgspec.Struct, omit_defaults=True):
    """The larger model's part in an answer."""

    name: Annotated[str, msgspec.Meta(description="The model's name in shoal.toml.")]
    label: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    ms: float = 0.0


class Answer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The answer to one text."""

    label: Annotated[
        str | None,
        msgspec.Meta(
            description="Of a classification: the label that stands; null when nobody's was good enough to stand."
        ),
    ]
    decision: Annotated[
        Outcome,
        msgspec.Meta(
            description="accepted: the specialist's answer is inside the guarantee; escalated: the larger model "
            "answered; reviewed: waits for a person; abstained: no answer; failed: see error."
        ),
    ]
    reason: str
    answered_by: Annotated[str | None, msgspec.Meta(description="`specialist`, `llm:<name>`, or null.")]
    accepted: bool
    confidence: Annotated[
        float | None,
        msgspec.Meta(description="Calibrated probability that the specialist's own best label, top[0], is right."),
    ] = None
    top: Annotated[
        tuple[Score, ...], msgspec.Meta(description="The specialist's most probable labels, best first.")
    ] = ()
    answer: Annotated[
        msgspec.Raw | None,
        msgspec.Meta(
            description="Of another task: the answer that stands. A list of labels, a list of spans, the text of a "
            "summary, or a record: an object that keeps to the record's JSON schema."
        ),
    ] = None
    guess: Annotated[
        Any,
        msgspec.Meta(
            description="Of another task: all that the specialist says, whether it stands or not. Of a record: "
            "`record`, and `fields` with name, value, confidence and, of what is quoted, start and end in the text."
        ),
    ] = None
    tier: str | None = None
    in_scope: Annotated[
        float | None, msgspec.Meta(description="Conformal p-value that the text is of the kind seen in training.")
    ] = None
    llm: LLMPart | None = None
    error: str | None = None


class PredictUsage(msgspec.Struct):
    """What the request used."""

    inputs: int
    llm_calls: int = 0
    llm_input_tokens: int = 0
    llm_output_tokens: int = 0
    cost_usd: float = 0.0


class PredictResponse(msgspec.Struct):
    """The answers, in the order of the inputs, all from one version of the specialist."""

    specialist: str
    version: str
    predictions: list[Answer]
    timings: Timings
    usage: PredictUsage


class Part(msgspec.Struct):
    """A part of a chat message; only those of type `text` can be read."""

    type: str
    text: str | None = None


class Message(msgspec.Struct):
    """A chat message."""

    role: str
    content: str | list[Part] | None = None


class StreamOptions(msgspec.Struct):
    """How a stream ends."""

    include_usage: bool | None = None


class JSONSchemaFormat(msgspec.Struct):
    """The JSON schema that the answer keeps to."""

    schema: dict[str, Any] | None = None


class ResponseFormat(msgspec.Struct):
    """The form of the answer that is asked for: `text`, or of a record `json_object` or `json_schema`."""

    type: str
    json_schema: JSONSchemaFormat | None = None


class ChatRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A chat completion asked of a specialist: the last user message is the text, the answer is what it says of it.

    The fields after `logprobs` are taken and have no effect: a specialist does not sample and has no tools to choose.
    """

    model: str
    messages: list[Message]
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    n: int | None = 1
    response_format: ResponseFormat | None = None
    tools: list[Any] | None = None
    functions: list[Any] | None = None
    modalities: list[str] | None = None
    logprobs: bool | None = False
    audio: Any = None
    frequency_penalty: Any = None
    function_call: Any = None
    logit_bias: Any = None
    max_completion_tokens: Any = None
    max_tokens: Any = None
    metadata: Any = None
    moderation: Any = None
    parallel_tool_calls: Any = None
    prediction: Any = None
    presence_penalty: Any = None
    prompt_cache_key: Any = None
    prompt_cache_options: Any = None
    prompt_cache_retention: Any = None
    reasoning_effort: Any = None
    safety_identifier: Any = None
    seed: Any = None
    service_tier: Any = None
    stop: Any = None
    store: Any = None
    temperature: Any = None
    tool_choice: Any = None
    top_logprobs: Any = None
    top_p: Any = None
    user: Any = None
    verbosity: Any = None
    web_search_options: Any = None


class AnyModelRequest(msgspec.Struct):
    """What is looked at in a request of any kind: who shall answer it, and whether as a stream."""

    model: str
    stream: bool | None = False


class ChatUsage(msgspec.Struct):
    """Tokens, estimated from the length of the text where no larger model counted them."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class AssistantMessage(msgspec.Struct):
    """The answer: `content` is the label, summary or JSON; without one it is empty and `refusal` says why."""

    role: Literal["assistant"]
    content: str
    refusal: str | None = None


class Choice(msgspec.Struct):
    """The only choice there is."""

    message: AssistantMessage
    finish_reason: Literal["stop"] = "stop"
    index: int = 0
    logprobs: None = None


class ChatResponse(msgspec.Struct):
    """A chat completion."""

    id: str
    created: int
    model: str
    system_fingerprint: str
    choices: list[Choice]
    usage: ChatUsage
    object: Literal["chat.completion"] = "chat.completion"


class Delta(msgspec.Struct, omit_defaults=True):
    """What a chunk adds."""

    role: Literal["assistant"] | None = None
    content: str | None = None
    refusal: str | None = None


class ChunkChoice(msgspec.Struct):
    """The only choice of a chunk."""

    delta: Delta
    finish_reason: Literal["stop"] | None = None
    index: int = 0
    logprobs: None = None


class ChatChunk(msgspec.Struct, omit_defaults=True):
    """An event of a streamed chat completion."""

    id: str
    created: int
    model: str
    system_fingerprint: str
    choices: list[ChunkChoice]
    object: Literal["chat.completion.chunk"] = msgspec.field(default_factory=lambda: "chat.completion.chunk")
    usage: ChatUsage | None = None


_ENCODER = msgspec.json.Encoder()
_PREDICT = msgspec.json.Decoder(PredictRequest)
_CHAT = msgspec.json.Decoder(ChatRequest)
_ANY_MODEL = msgspec.json.Decoder(AnyModelRequest)
_UNKNOWN_FIELD = re.compile(r"unknown field `(.*?)`(?: - at `|$)", re.DOTALL)

encode = _ENCODER.encode


def _decode(decoder: msgspec.json.Decoder[_T], body: bytes, fields: tuple[str, ...]) -> _T:
    try:
        return decoder.decode(body)
    except UnicodeDecodeError as error:
        raise RequestError(f"the body is not UTF-8: {error.reason} ({error.object[error.start]:#04x})") from None
    except msgspec.ValidationError as error:
        raise _wrong_shape(str(error), fields) from None
    except msgspec.DecodeError as error:
        reason = str(error).removeprefix("JSON is malformed: ")
        raise RequestError(f"the body of {len(body):,} bytes is not JSON: {reason}") from None
    except RecursionError:
        raise RequestError("the body is nested too deeply") from None


def _wrong_shape(message: str, fields: tuple[str, ...]) -> RequestError:
    place = message.rpartition("`$.")[2].rstrip("`") if "`$." in message else None
    unknown = _UNKNOWN_FIELD.search(message)
    if unknown is None:
        return RequestError(f"the body has the wrong shape: {message}", status=422, param=place)
    if place is not None:
        fields = (Length if place == "budget" else Input).__struct_fields__
    near = difflib.get_close_matches(unknown[1], fields, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return RequestError(
        f"unknown field {unknown[1]!r}{f' in {place}' if place else ''}; {hint}allowed: {', '.join(fields)}",
        status=422,
        param=f"{place}.{unknown[1]}" if place else unknown[1],
    )


class Predict(NamedTuple):
    """What is asked of a specialist.

    Attributes:
        texts: of the request.
        queries: of each text [n].
        budget: of the summaries; None: the specialist's.
        escalate: whether doubts may be escalated.
    """

    texts: list[str]
    queries: list[str | None]
    budget: Budget | None
    escalate: bool


def parse_predict(body: bytes, *, max_inputs: int) -> Predict:
    """Read the texts, and what is asked about them.

    Raises:
        RequestError: not JSON (400); unknown fields, wrong types, no input or more than `max_inputs` (422).
    """
    request = _decode(_PREDICT, body, PredictRequest.__struct_fields__)
    inputs = request.inputs if isinstance(request.inputs, list) else [request.inputs]
    if not inputs:
        raise RequestError("inputs is an empty list; send at least one text", status=422, param="inputs")
    if len(inputs) > max_inputs:
        raise RequestError(
            f"inputs has {len(inputs):,} texts; the limit is {max_inputs:,} a request ([serve] max_inputs). "
            "Send several requests.",
            status=422,
            param="inputs",
        )
    read = [Input(each) if isinstance(each, str) else each for each in inputs]
    return Predict(
        [each.text for each in read], [each.query for each in read], _budget(request.budget), request.escalate
    )


def _budget(length: Length | None) -> Budget | None:
    if length is None:
        return None
    given = {name: count for name, count in msgspec.structs.asdict(length).items() if count is not None}
    if len(given) != 1:
        raise RequestError(
            f"budget gives {', '.join(given) or 'no length'}; give it in sentences, in words or in tokens: in one of "
            "the three",
            status=422,
            param="budget",
        )
    return Budget.model_validate(given)


def parse_model(body: bytes) -> AnyModelRequest:
    """Read who shall answer.

    Raises:
        RequestError: not JSON (400), or without a model (422).
    """
    return _decode(_ANY_MODEL, body, AnyModelRequest.__struct_fields__)


def parse_chat(body: bytes) -> tuple[ChatRequest, str]:
    """Read a chat request to a specialist, and the text; `response_format` is left to who knows the task.

    Raises:
        RequestError: not JSON (400); unknown fields, wrong types, no text, or something a specialist cannot do (422).
    """
    request = _decode(_CHAT, body, ChatRequest.__struct_fields__)
    _refuse_unable(request)
    for message in reversed(request.messages):
        if message.role == "user":
            return request, _text_of(message)
    raise RequestError(
        f"messages has {len(request.messages)} messages and none with role 'user'; the last one of these is the text",
        status=422,
        param="messages",
    )


def _refuse_unable(request: ChatRequest) -> None:
    """Refuse what, silently ignored, would give another answer than was asked for."""
    asked = {
        "n": request.n not in (None, 1),
        "tools": bool(request.tools),
        "functions": bool(request.functions),
        "modalities": request.modalities not in (None, ["text"]),
        "logprobs": bool(request.logprobs),
    }
    for field, refused in asked.items():
        if refused:
            raise RequestError(
                f"{request.model} is a specialist, which gives one answer to one text; {field} is not possible here. "
                "Leave it out, or use POST /v1/specialists/{name}/predict for answers with probabilities.",
                status=422,
                param=field,
            )


def _text_of(message: Message) -> str:
    if isinstance(message.content, str):
        return message.content
    parts = message.content or []
    for part in parts:
        if part.type != "text" or part.text is None:
            raise RequestError(
                f"the user message has a part of type {part.type!r}; only text can be read",
                status=422,
                param="messages",
            )
    return "\n".join(part.text or "" for part in parts)
