"""The language of the tables, public: how a dialect says, as data, how a request is written and how an event is read.

The laws:

1. A *body* is the wire JSON itself with holes. A hole with no value vanishes, and so does a container of the template
   left empty by that; what the caller gave is never pruned.
2. A *part* is placed `inside` the message's content, `beside` it under a key (in a list, or `joined` into a string),
   `apart` as an item of its own, `left_out` on purpose, or `refused` with a reason. Every block type is listed: silence
   is not an answer. A template of a place inside, or of each element, that is a list gives several neighbours.
3. A *rule* fires when its first path (or its `when`) is present: a string or list not empty, a number or object not
   null, a boolean true; and when `on` (the event's name) and `where` (one equality, or `other_than`; an absent value
   equals the empty one of its type) hold. `when=exists(path)` is content with anything but null, `when=absent(...)`
   with nothing at any of its paths.
4. Rules of one frame fire in table order; the rules of an `each` run element by element, so that wire order is kept.
5. A frame is read without memory. Memory lives in `fold`.
6. A provider replaces rows; it holds no function that reads frames.
7. Whole answers are read by the same grammar (`whole`), not by a second parser.

A *path* is `choices[0].delta.content`: keys and list positions from the frame, or from the element inside an `each`;
`.` is the element itself.
"""

from ..core.access_key import AccessKey
from ..core.batches import BatchStatus
from ..schema.subset import SchemaSubset
from .batch import GRPC, Batch, Outcome, Upload, no_batches
from .cache_marks import first_and_last_marks, lifetime
from .check import all_rules, checked
from .continuation import Continuation, continuation_of
from .counters import Counter, count, count_unless_in_total
from .dialect import Dialect, Structured
from .drops import Drop, at_least, at_most, but, drop, no_blanks
from .endpoint import Endpoint, not_offered
from .event_words import (
    PIECES,
    Absent,
    Condition,
    Const,
    Each,
    Exists,
    First,
    Json,
    Other,
    Position,
    Rule,
    RuleLike,
    Value,
    absent,
    const,
    each,
    emit,
    exists,
    first,
    json,
    merge,
    other_than,
    position,
)
from .faults import Fault, fault
from .ids import nine, within_64
from .json_word import says_json
from .media import Media
from .media_parts import DOCUMENTS_AS_TEXT, NO_AUDIO, data_url, document_text, file_name, linked, text_or
from .noting import Prepare, noting
from .provider import (
    Also,
    Auth,
    BaseUrlFrom,
    Provider,
    Regions,
    Signing,
    UnsignedRequest,
    as_spoken,
    dialects_of,
)
from .reasoning import LEVELS, OFF, always_on, budget, effort, exact_budget, is_on, level, tokens
from .request_words import (
    BLOCKS,
    ByModel,
    Own,
    Place,
    PlaceBy,
    Take,
    When,
    apart,
    beside,
    by_model,
    by_role,
    by_value,
    inside,
    joined,
    left_out,
    refused,
    take,
    when,
)
from .response_headers import ResponseHeaders
from .rows import Rows, with_rows
from .tool_parts import ARGUMENTS, NO_PARAMETERS, choose_by_tools, functions, runs_none
from .turns import Turns

__all__ = [
    "ARGUMENTS",
    "BLOCKS",
    "DOCUMENTS_AS_TEXT",
    "GRPC",
    "LEVELS",
    "NO_AUDIO",
    "NO_PARAMETERS",
    "OFF",
    "PIECES",
    "Absent",
    "AccessKey",
    "Also",
    "Auth",
    "BaseUrlFrom",
    "Batch",
    "BatchStatus",
    "ByModel",
    "Condition",
    "Const",
    "Continuation",
    "Counter",
    "Dialect",
    "Drop",
    "Each",
    "Endpoint",
    "Exists",
    "Fault",
    "First",
    "Json",
    "Media",
    "Other",
    "Outcome",
    "Own",
    "Place",
    "PlaceBy",
    "Position",
    "Prepare",
    "Provider",
    "Regions",
    "ResponseHeaders",
    "Rows",
    "Rule",
    "RuleLike",
    "SchemaSubset",
    "Signing",
    "Structured",
    "Take",
    "Turns",
    "UnsignedRequest",
    "Upload",
    "Value",
    "When",
    "absent",
    "all_rules",
    "always_on",
    "apart",
    "as_spoken",
    "at_least",
    "at_most",
    "beside",
    "budget",
    "but",
    "by_model",
    "by_role",
    "by_value",
    "checked",
    "choose_by_tools",
    "const",
    "continuation_of",
    "count",
    "count_unless_in_total",
    "data_url",
    "dialects_of",
    "document_text",
    "drop",
    "each",
    "effort",
    "emit",
    "exact_budget",
    "exists",
    "fault",
    "file_name",
    "first",
    "first_and_last_marks",
    "functions",
    "inside",
    "is_on",
    "joined",
    "json",
    "left_out",
    "level",
    "lifetime",
    "linked",
    "merge",
    "nine",
    "no_batches",
    "no_blanks",
    "not_offered",
    "noting",
    "other_than",
    "position",
    "refused",
    "runs_none",
    "says_json",
    "take",
    "text_or",
    "tokens",
    "when",
    "with_rows",
    "within_64",
]
