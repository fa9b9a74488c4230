"""A small embedder, loaded once, and documents to index."""

from pathlib import Path

import pytest

from modelyard.inference import Embedder, load_embedder

from ..tiny_embedder import build_tiny

ANIMALS = "# Animals\n\nThe quick fox jumps over a lazy dog.\n\nDogs sleep by day. Foxes hunt at night.\n"
SALARIES = "Salaries of the staff: the fox earns forty, the dog earns fifty.\n"
PAGE = (
    "<html><head><title>Plants &amp; trees</title><style>p {color: red}</style></head>\n"
    "<body><p>An <b>oak</b> grows for 300&nbsp;years.</p><script>let fox = 1</script>\n"
    "<p>Salt &amp; water harm it.</p></body></html>\n"
)


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of a small embedder."""
    return build_tiny(tmp_path_factory.mktemp("embedder"))


@pytest.fixture(scope="session")
def tiny(tiny_bundle: Path) -> Embedder:
    """A small embedder: it tells texts apart, and knows nothing of what they mean."""
    return load_embedder(tiny_bundle)


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """A folder with Markdown, text and HTML."""
    folder = tmp_path / "documents"
    (folder / "staff").mkdir(parents=True)
    (folder / "animals.md").write_text(ANIMALS, encoding="utf-8")
    (folder / "staff" / "salaries.txt").write_text(SALARIES, encoding="utf-8")
    (folder / "plants.html").write_text(PAGE, encoding="utf-8")
    (folder / "picture.png").write_bytes(b"\x89PNG")
    return folder
