"""The password of an online store is in no message, no log and no answer."""

import sys
from pathlib import Path

import pytest

from modelyard.cli.edge import run
from modelyard.cli.root import root

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's and its dependencies' own

SECRET = "hunter2"
FEATURES = """
import modelyard as my

spending = my.FeatureView(
    name="spending", entities=[my.Entity("customer")], source="spending.csv", event_time="at", features=["total"],
)
"""
GET = ("features", "get", "--features", "spending:total", "--entity", "customer=ada")


@pytest.mark.parametrize("where", ["file", "environment"])
@pytest.mark.parametrize(
    ("address", "fails"),
    [(f"redis://ann:{SECRET}@127.0.0.1:1/0", False), (f"redis://ann:{SECRET}@127.0.0.1:port/0", True)],
)
def test_a_password_is_never_shown(
    address: str,
    fails: bool,
    where: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """Of a server that is away and of an address that is none: settings, doctor, reading, writing, what is kept."""
    monkeypatch.chdir(tmp_path)
    stores = f"stores: {{online: '{address}'}}\n" if where == "file" else ""
    if where == "environment":
        monkeypatch.setenv("MODELYARD_STORES_ONLINE", address)
    Path("modelyard.yaml").write_text(f"project: shop\nfeatures: {{module: features.py}}\n{stores}")
    Path("features.py").write_text(FEATURES)
    Path("spending.csv").write_text("customer,at,total\nada,2026-01-01,5\n")
    for words in (("config", "show"), ("config", "show", "--json"), ("doctor",), GET, ("features", "materialize")):
        monkeypatch.setattr(sys, "argv", ["modelyard", *words])
        code = run(root)
        out, err = capfd.readouterr()
        assert SECRET not in out + err, words
        assert code != 0 or words[0] in ("config", "doctor")
        if fails:
            assert code != 0
            assert "is no address of an online store" in out + err
    kept = [each.read_text(errors="replace") for each in tmp_path.rglob("*") if each.is_file()]
    assert sum(SECRET in text for text in kept) == (where == "file")
