"""Ids sort by time, differ, and repeat only under a seed."""

from uuid import RFC_4122, UUID

from modelyard.core import Micros, SeededIds, SystemIds, uuid7


def test_an_id_is_a_version_7_uuid_that_carries_its_millisecond() -> None:
    """RFC 9562's own example: 2022-02-22T19:22:22Z with its random bits."""
    randomness = ((0x0CC3 << 64) | 0x18C4DC0C0C07398F).to_bytes(10, "big")
    assert uuid7(Micros(0x017F22E279B0 * 1000), randomness) == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


def test_later_ids_sort_after_earlier_ones() -> None:
    """Text order is time order, a millisecond apart."""
    ids = SystemIds()
    made = [ids.new(Micros(at * 1000)) for at in range(1000, 1100)]
    assert made == sorted(made)
    assert {UUID(each).version for each in made} == {7}


def test_the_same_seed_gives_the_same_ids() -> None:
    """A replay under one seed makes the ids it made before; another seed makes others."""
    assert SeededIds(7).new(Micros(0)) == SeededIds(7).new(Micros(0))
    assert SeededIds(7).new(Micros(0)) != SeededIds(8).new(Micros(0))


def test_several_ids_are_as_good_as_one_by_one() -> None:
    """They differ among themselves and from others; of a seed they are those that single calls give."""
    ids = SystemIds()
    made = [*ids.several(Micros(7000), 300), ids.new(Micros(7000)), *ids.several(Micros(7000), 3)]
    assert len(set(made)) == 304
    assert {(UUID(each).version, UUID(each).variant, each[:13]) for each in made} == {(7, RFC_4122, "00000000-0007")}
    one_by_one = SeededIds(7)
    assert SeededIds(7).several(Micros(0), 3) == [one_by_one.new(Micros(0)) for _ in range(3)]
    assert ids.several(Micros(0), 0) == []
