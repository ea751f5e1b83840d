"""Bodies of `POST /v1/score`, with the field names of the topics. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import from_json

from consumer.http.problems import Fault, Problem
from shared.formats.encodings import decode
from shared.formats.parsed import MAX_ID_CHARS, whole_text
from shared.formats.tolerant_json import read_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from consumer.http.settings import HttpSettings

CHUNK_TEXTS: Final = 8
CHUNK_CHARS: Final = 16_384
"""Texts and characters of one batch at most: the stream goes first between two batches of a request."""
NOT_WHITE_SPACE: Final = r"[^\t-\r\u001c-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
"""A pattern of the OpenAPI document, as `str.isspace` has it; what `\\S` finds depends on the language."""


def _short(number: int) -> int:
    # By bits first: Python refuses to write a number of more than 4,300 digits.
    if number.bit_length() >= 4 * MAX_ID_CHARS or len(str(number)) > MAX_ID_CHARS:
        raise ValueError(f"a number of more than {MAX_ID_CHARS} digits")
    return number


def _whole(text: object) -> object:
    return whole_text(text) if isinstance(text, str) else text


class TextToScore(BaseModel):
    """A text, as in a value of the input topic. Other fields are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, hide_input_in_errors=True)

    text: Annotated[str, BeforeValidator(_whole)] = Field(
        description="the text to score; not blank, also after normalisation",
        json_schema_extra={"pattern": NOT_WHITE_SPACE},
        examples=["The new release is a joy to use."],
    )
    id: (
        Annotated[str, Field(min_length=1, max_length=MAX_ID_CHARS)]
        | Annotated[int, AfterValidator(_short)]
        | None
    ) = Field(default=None, description="comes back in the result; default: text-1, text-2 and so on")

    def identity(self, place: int) -> str:
        """The id of the result; `place` counts from 0."""
        return f"text-{place + 1}" if self.id is None else str(self.id)


_ONE: Final = TypeAdapter(TextToScore)
_MANY: Final = TypeAdapter(list[TextToScore])


def read_body(body: bytes, settings: HttpSettings) -> tuple[list[TextToScore], bool]:
    """The texts of a body, and whether it holds a list of them; raises Problem with status 422."""
    tree = _tree(body)
    is_list = isinstance(tree, list)
    # Before they are validated: 350,000 faults, which fit into 1 MiB, would take seconds.
    if is_list and not 0 < len(tree) <= settings.max_texts:
        detail = f"send 1 to {settings.max_texts} texts; the body holds {len(tree)}"
        raise Problem(422, "invalid", detail, errors=[Fault(pointer="", detail=detail)])
    try:
        texts = _MANY.validate_python(tree) if is_list else [_ONE.validate_python(tree)]
    except ValidationError as error:
        detail = "the body does not hold texts; errors says where"
        raise Problem(422, "invalid", detail, errors=list(_faults(error))) from None
    if faults := list(_too_long(texts, settings.max_text_bytes, is_list=is_list)):
        raise Problem(422, "invalid", "a text is too long; shorten it or raise http.max_text_bytes", errors=faults)
    return texts, is_list


def _tree(body: bytes) -> Any:
    """The body as JSON, read as a value of the input topic is."""
    try:
        return from_json(body)
    except ValueError:
        decoded = decode(body)
    fault = decoded.fault
    try:
        tree = read_json(decoded.text)
    except ValueError as error:
        fault = fault or str(error)
    if fault:
        raise Problem(422, "not_json", f"the body is not JSON: {fault}")
    return tree


def pointer(place: int, *, is_list: bool) -> str:
    """Where a text is in its body."""
    return f"/{place}/text" if is_list else "/text"


def chunks(texts: Sequence[str]) -> Iterator[list[str]]:
    """Parts texts into batches, in order."""
    chunk: list[str] = []
    size = 0
    for text in texts:
        if chunk and (len(chunk) == CHUNK_TEXTS or size + len(text) > CHUNK_CHARS):
            yield chunk
            chunk, size = [], 0
        chunk.append(text)
        size += len(text)
    if chunk:
        yield chunk


def _too_long(texts: Sequence[TextToScore], limit: int, *, is_list: bool) -> Iterator[Fault]:
    for place, one in enumerate(texts):
        size = len(one.text.encode())
        if size > limit:
            where = pointer(place, is_list=is_list)
            yield Fault(pointer=where, detail=f"{size} bytes of UTF-8 are above {limit}")


def _faults(error: ValidationError) -> Iterator[Fault]:
    # Neither input nor context: both may quote a text. The branches of a union are no places of the body.
    seen: set[str] = set()
    for one in error.errors(include_url=False, include_context=False, include_input=False):
        place = [part for part in one["loc"] if isinstance(part, int) or part in TextToScore.model_fields]
        where = "".join(f"/{part}" for part in place)
        if where not in seen:
            seen.add(where)
            yield Fault(pointer=where, detail=one["msg"].removeprefix("Value error, "))
