"""What comes over HTTP is decoded strictly, and every refusal says which field, which value, what is allowed."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.errors import RequestError
from shoal.gateway.usage import UsageTap
from shoal.gateway.wire import Delta, encode, parse_chat, parse_model, parse_predict
from shoal.tasks import Budget, Usage

CHAT = {"model": "shoal/intent", "messages": [{"role": "user", "content": "where is my refund?"}]}


def chat(**changes: object) -> bytes:
    return msgspec.json.encode({**CHAT, **changes})


def test_one_text_or_many() -> None:
    assert parse_predict(b'{"inputs":"a"}', max_inputs=2) == (["a"], [None], None, True)
    body = b'{"inputs":["a","b"],"escalate":false}'
    assert parse_predict(body, max_inputs=2) == (["a", "b"], [None, None], None, False)


def test_a_text_may_have_a_query_and_a_request_a_budget() -> None:
    body = b'{"inputs":{"text":"a","query":"why?"},"budget":{"words":40}}'
    assert parse_predict(body, max_inputs=2) == (["a"], ["why?"], Budget(words=40), True)
    body = b'{"inputs":["a",{"text":"b","query":"who?"},{"text":"c"}],"budget":{"sentences":1}}'
    read = parse_predict(body, max_inputs=3)
    assert read == (["a", "b", "c"], [None, "who?", None], Budget(sentences=1), True)


@pytest.mark.parametrize(
    ("body", "status", "param", "said"),
    [
        (b"", 400, None, "the body of 0 bytes is not JSON: Input data was truncated"),
        (b'{"inputs":', 400, None, "is not JSON"),
        (b'{"inputs":"a"} x', 400, None, "trailing characters"),
        (b'{"inputs":"\xff"}', 400, None, "the body is not UTF-8: invalid start byte (0xff)"),
        (b'{"inputs":"\\ud800"}', 400, None, "is not JSON"),
        (b"[]", 422, None, "Expected `object`, got `array`"),
        (b"{}", 422, None, "missing required field `inputs`"),
        (b'{"inputs":["a",3]}', 422, "inputs[1]", "Expected `str | object`, got `int`"),
        (b'{"inputs":[{"text":3}]}', 422, "inputs[0].text", "Expected `str`, got `int`"),
        (b'{"inputs":{"query":"a"}}', 422, "inputs", "missing required field `text`"),
        (
            b'{"inputs":["a",{"text":"a","qury":"b"}]}',
            422,
            "inputs[1].qury",
            "unknown field 'qury' in inputs[1]; did you mean 'query'? allowed: text, query",
        ),
        (
            b'{"inputs":"a","budget":{"sentence":2}}',
            422,
            "budget.sentence",
            "unknown field 'sentence' in budget; did you mean 'sentences'? allowed: sentences, words, tokens",
        ),
        (b'{"inputs":"a","budget":{"words":0}}', 422, "budget.words", "Expected `int` >= 1"),
        (b'{"inputs":"a","budget":{}}', 422, "budget", "budget gives no length; give it in sentences, in words or"),
        (b'{"inputs":"a","budget":{"words":9,"tokens":9}}', 422, "budget", "budget gives words, tokens; give it in"),
        (b'{"inputs":[]}', 422, "inputs", "inputs is an empty list; send at least one text"),
        (
            b'{"inputs":["a","b","c"]}',
            422,
            "inputs",
            "inputs has 3 texts; the limit is 2 a request ([serve] max_inputs)",
        ),
        (
            b'{"input":"a"}',
            422,
            "input",
            "unknown field 'input'; did you mean 'inputs'? allowed: inputs, budget, escalate",
        ),
        (b'{"inputs":"a","zzz":1}', 422, "zzz", "unknown field 'zzz'; allowed: inputs, budget, escalate"),
    ],
)
def test_what_is_wrong_with_a_predict_request_is_said(body: bytes, status: int, param: str | None, said: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse_predict(body, max_inputs=2)
    assert said in str(caught.value)
    assert (caught.value.http_status, caught.value.param) == (status, param)


@given(st.binary(max_size=60))
def test_no_bytes_bring_the_parser_down(body: bytes) -> None:
    for parse in (lambda: parse_predict(body, max_inputs=9), lambda: parse_chat(body), lambda: parse_model(body)):
        try:
            parse()
        except RequestError as error:
            assert error.http_status in (400, 422)


def test_deep_nesting_is_refused_not_a_crash() -> None:
    deep = b"[" * 100_000
    for body in (b'{"model":"m","x":' + deep, b'{"model":"shoal/a","messages":[],"stop":' + deep):
        for parse in (parse_chat, parse_model):
            with pytest.raises(RequestError):
                parse(body)


def test_the_last_user_message_is_the_text() -> None:
    messages = [
        {"role": "system", "content": "You sort mail."},
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "billing"},
        {"role": "user", "content": [{"type": "text", "text": "second"}, {"type": "text", "text": "half"}]},
    ]
    request, text = parse_chat(chat(messages=messages, temperature=0, max_tokens=5, user="u"))
    assert text == "second\nhalf"
    assert request.model == "shoal/intent"


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"n": 2}, "n"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"functions": [{}]}, "functions"),
        ({"modalities": ["audio"]}, "modalities"),
        ({"logprobs": True}, "logprobs"),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}, "messages"),
        ({"temprature": 1}, "temprature"),
    ],
)
def test_what_a_specialist_cannot_do_is_refused_by_name(changes: dict[str, object], param: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse_chat(chat(**changes))
    assert caught.value.http_status == 422
    assert caught.value.param == param


def test_harmless_defaults_of_clients_are_taken() -> None:
    parse_chat(chat(n=1, tools=[], response_format={"type": "text"}, stream=None, logprobs=False))


def test_a_delta_says_only_what_it_adds() -> None:
    assert encode(Delta(content="billing")) == b'{"content":"billing"}'


@given(st.integers(1, 40))
def test_usage_is_read_whatever_the_pieces(size: int) -> None:
    stream = (
        b'data: {"choices":[{"delta":{"content":"the \\"usage\\": word"}}],"usage":null}\n\n'
        b'data: {"choices":[],"usage":{"prompt_tokens":12,"completion_tokens":3}}\r\n\r\ndata: [DONE]\n\n'
    )
    document = b'{"id":"x","choices":[{"message":{"content":"a"}}],"usage":{"prompt_tokens":12,"completion_tokens":3}}'
    for body, is_stream in ((stream, True), (document, False)):
        tap = UsageTap(stream=is_stream)
        for start in range(0, len(body), size):
            tap.see(body[start : start + size])
        assert tap.usage() == Usage(12, 3)


@pytest.mark.parametrize(
    ("body", "stream", "usage"),
    [
        (b'{"usage":{"input_tokens":5,"output_tokens":7}}', False, Usage(5, 7)),
        (b'{"object":"list","data":[],"usage":{"prompt_tokens":4,"total_tokens":4}}', False, Usage(4, 0)),
        (b'data: {"response":{"usage":{"input_tokens":5,"output_tokens":7}}}\n\n', True, Usage(5, 7)),
        (b'data: {"usage":{"prompt_tokens":1,"completion_tokens":1}}', True, Usage(1, 1)),
        (b'{"usage":"none of your business"}', False, None),
        (b'{"usage": garbage', False, None),
        (b"", False, None),
        (b'{"usage":{"prompt_tokens":-5,"completion_tokens":1}}', False, Usage(0, 1)),
    ],
)
def test_usage_in_every_spelling_and_none_from_garbage(body: bytes, stream: bool, usage: Usage | None) -> None:
    tap = UsageTap(stream=stream)
    tap.see(body)
    assert tap.usage() == usage
