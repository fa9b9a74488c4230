"""From texts to the values of a type: of the kind that was found, or of a type that was declared."""

import pyarrow as pa
import pyarrow.compute as pc

_WHOLE = r"^-?[0-9]+$"


def values_of(texts: pa.Array, kind: pa.DataType, nulls: pa.Array) -> pa.Array:
    """The values of texts; a spelling of null that stands quoted is missing too, but for text.

    pa.ArrowInvalid when a text is no value of the type.
    """
    if pa.types.is_string(kind):
        return texts
    if pa.types.is_dictionary(kind):
        return texts.dictionary_encode().cast(kind)
    spelt = pc.is_in(texts, value_set=nulls, skip_nulls=True)
    if pc.any(spelt).as_py():
        texts = pc.if_else(spelt, pa.scalar(None, texts.type), texts)
    if pa.types.is_null(kind):
        return _nothing(texts)
    if pa.types.is_integer(kind) and pc.all(pc.match_substring_regex(texts, _WHOLE)).as_py() is False:
        raise pa.ArrowInvalid("no whole number")
    return texts.cast(kind)


def _nothing(texts: pa.Array) -> pa.Array:
    if texts.null_count != len(texts):
        raise pa.ArrowInvalid("a value in a column that had none")
    return pa.nulls(len(texts))


def present(texts: pa.Array, nulls: pa.Array) -> tuple[pa.Array, pa.Array]:
    """The texts that tell a column's type, and which of all they are: neither missing nor a null that stands quoted."""
    known = pc.and_(pc.is_valid(texts), pc.invert(pc.is_in(texts, value_set=nulls)))
    return (texts if pc.all(known).as_py() else texts.filter(known)), known
