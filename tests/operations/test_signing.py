"""Keys, signed bundles and the proof of the audit record, as a project's people meet them."""

import json
import logging
import shutil
import sys
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from modelyard.cli.edge import run
from modelyard.cli.root import root
from modelyard.core import InvalidInput
from modelyard.core.signing import PRIVATE_FILE, PUBLIC_FILE, make_key_pair, read_public_key
from modelyard.inference import BundleNotTrusted, signers_of, verify_bundle
from modelyard.inference.signing import SIGNATURES_FILE
from modelyard.wiring import Project, model_command

Command = Callable[..., tuple[int, Any]]


@pytest.fixture
def type_in(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], shop: Path) -> Command:
    """Types a command in the project's folder: exit code and JSON document."""
    monkeypatch.chdir(shop)

    def command(*words: object) -> tuple[int, Any]:
        monkeypatch.setattr(sys, "argv", ["modelyard", *map(str, words), "--json"])
        code = run(root)
        out, err = capsys.readouterr()
        assert "PRIVATE KEY" not in out + err
        return code, json.loads(out)

    return command


def ask_for(shop: Path, *lines: str) -> None:
    """More settings below `security`."""
    with (shop / "modelyard.yaml").open("a") as file:
        file.write("\nsecurity:\n" + "".join(f"  {line}\n" for line in lines))


def test_a_version_is_signed_where_it_is_kept_and_where_it_is_served(type_in: Command, shop: Path) -> None:
    """Then it may be loaded by those who ask for signatures; before it may not."""
    assert type_in("model", "promote", "--name", "purchase", "--version", 1)[0] == 0
    code, made = type_in("bundle", "keygen")
    assert (code, made["private"]) == (0, str(shop / ".modelyard" / "keys" / PRIVATE_FILE))
    assert type_in("bundle", "keygen")[1]["error"]["code"] == "KEY_EXISTS"
    ask_for(shop, "require_signed: true", "python_signed: true")
    project = Project(shop, environment={})
    with pytest.raises(BundleNotTrusted, match="is not signed"):
        model_command(project, "purchase/1", {})
    with pytest.raises(BundleNotTrusted, match="is not signed"):
        project.bundle("shop", "1")
    for _ in range(2):
        code, signed = type_in("bundle", "sign", "models:/purchase@production")
        assert (code, signed["bundle"], signed["signed_by"]) == (0, "models:/purchase/1", [made["key"]])
    served = project.feed.bundle_path(signed["digest"])
    assert [each.id for each in signers_of(served, signed["digest"])] == [made["key"]]
    model_command(project, "purchase/1", {})
    assert project.bundle("shop", "1")
    feed = project.feed.read()
    public = read_public_key(Path(made["public"])).text
    assert feed is not None
    assert (feed.require_signed, feed.trusted_keys, feed.python_keys) == (True, (public,), (public,))
    project.close()
    _, entries = type_in("audit", "list", "--action", "bundle.*")
    assert [(each["subject"], each["detail"]["key"]) for each in entries] == [("purchase/1", made["key"])]
    assert type_in("audit", "verify")[1]["verdict"] == "pass"


def test_a_folder_is_signed_with_any_key_and_verified_against_it(type_in: Command, shop: Path, tmp_path: Path) -> None:
    """Exit codes: 0 for a trusted bundle, 4 for one that is not, 1 for a damaged one."""
    project = Project(shop, environment={})
    folder = project.models.fetch_bundle(project.models.get("purchase", 1), tmp_path / "bundle")
    project.close()
    make_key_pair(tmp_path / "mine")
    public = tmp_path / "mine" / PUBLIC_FILE
    assert type_in("bundle", "verify", folder, "--key", public)[0] == 4
    assert type_in("bundle", "sign", folder)[1]["error"]["code"] == "NO_KEY"
    code, signed = type_in("bundle", "sign", folder, "--key", tmp_path / "mine" / PRIVATE_FILE)
    assert code == 0
    code, checked = type_in("bundle", "verify", folder, "--key", public, "--expect", signed["digest"])
    assert (code, checked["verdict"], checked["signed_by"]) == (0, "pass", [signed["key"]])
    assert type_in("bundle", "show", folder)[1]["signed_by"] == [signed["key"]]
    assert type_in("bundle", "verify", folder, "--expect", "0" * 64)[0] == 1
    for words in (("sign", folder, "--key", public), ("verify", folder, "--key", tmp_path / "mine" / PRIVATE_FILE)):
        assert type_in("bundle", *words)[1]["error"]["code"] == "NO_KEY"
    assert type_in("bundle", "sign", tmp_path / "none", "--key", public)[0] == 5


def test_what_is_registered_by_its_path_is_signed_with_the_key_of_its_project(
    type_in: Command, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the command is typed; it is promoted and served where signatures are asked for, and size and files of
    the version are those with its newest signature."""
    import joblib
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    rows = np.random.default_rng(0).normal(size=(60, 2))
    joblib.dump(LogisticRegression().fit(rows, rows[:, 0] > 0), tmp_path / "model.joblib")
    np.savetxt(tmp_path / "sample.csv", rows, delimiter=",", header="a,b", comments="")
    make_key_pair(tmp_path / "mine")
    ask_for(shop, "require_signed: true", f"signing_key: {tmp_path / 'mine' / PRIVATE_FILE}")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    where = ("--project", shop)
    words = ("--name", "purchase", "--path", tmp_path / "model.joblib", "--sample", tmp_path / "sample.csv")
    code, told = type_in("model", "register", *words, "--version", "signed", *where)
    assert (code, told["verdict"]) == (0, "pass")
    assert type_in("model", "promote", "--name", "purchase", "--version", "signed", *where)[0] == 0
    project = Project(shop, environment={})
    assert project.bundle("shop", "2").info.model == "purchase"
    model_command(project, "purchase/2", {})
    version = project.models.get("purchase", 2)
    signed_once, before = project.models.bundle_file(version, SIGNATURES_FILE), project.models.bundle_size(version)
    assert signed_once is not None
    make_key_pair(tmp_path / "other")
    other = tmp_path / "other" / PRIVATE_FILE
    assert type_in("bundle", "sign", "models:/purchase/2", "--key", other, *where)[0] == 0
    signed_twice, after = project.models.bundle_file(version, SIGNATURES_FILE), project.models.bundle_size(version)
    assert signed_twice is not None
    assert [len(json.loads(each)["signatures"]) for each in (signed_once, signed_twice)] == [1, 2]
    fetched = project.models.fetch_bundle(version, tmp_path / "fetched")
    assert after == sum(each.stat().st_size for each in fetched.iterdir()) != before
    project.close()


@pytest.mark.long
def test_what_is_built_in_a_project_with_a_key_is_signed(type_in: Command, shop: Path, tmp_path: Path) -> None:
    """By whichever way it is built."""
    import joblib
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    rows = np.random.default_rng(0).normal(size=(60, 2))
    joblib.dump(LogisticRegression().fit(rows, rows[:, 0] > 0), tmp_path / "model.joblib")
    np.savetxt(tmp_path / "sample.csv", rows, delimiter=",", header="a,b", comments="")
    type_in("bundle", "keygen")
    words = ("--path", tmp_path / "model.joblib", "--sample", tmp_path / "sample.csv", "-o", tmp_path / "bundle")
    code, built = type_in("bundle", "build", *words)
    assert (code, len(built["signed_by"])) == (0, 1)
    project = Project(shop, environment={})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's and its dependencies' own
        assert project.pipelines.run("training", {"as_of": datetime(2026, 1, 5, 12, tzinfo=UTC)}).verdict == "pass"
    version = project.models.get("purchase", 2)
    folder = project.models.fetch_bundle(version, tmp_path / "fetched")
    _, digest = verify_bundle(folder, expect=version.bundle)
    project.close()
    assert [each.id for each in signers_of(folder, digest)] == built["signed_by"]
    assert type_in("audit", "verify")[1]["verdict"] == "pass"


def test_trusted_keys_are_files_texts_and_ids(shop: Path) -> None:
    """Listed keys take the place of the own one."""
    keys = shop / ".modelyard" / "keys"
    one, own = make_key_pair(shop / "one"), make_key_pair(keys)
    two = make_key_pair(shop / "two")
    shutil.copy(shop / "two" / PUBLIC_FILE, keys / "partner.pub.pem")
    three = make_key_pair(shop / "three")
    text = json.dumps(three.pem)
    ask_for(shop, "require_signed: true", f"trusted_keys: [one/{PUBLIC_FILE}, {two.id}, {text}]")
    project = Project(shop, environment={})
    assert project.trust.keys == (one, two, three)
    assert project.keys.known() == (own, one, two, three)
    project.close()


def test_wrong_keys_are_found_with_the_project_file_and_never_shown(shop: Path) -> None:
    """A private key put there by mistake is not repeated in the error."""
    make_key_pair(shop / "one")
    secret = (shop / "one" / PRIVATE_FILE).read_text()
    wrong = [f"one/{PRIVATE_FILE}", json.dumps(secret), "none.pub.pem", "0123456789abcdef", '"-----BEGIN X"']
    ask_for(shop, f"trusted_keys: [{', '.join(wrong)}]")
    with pytest.raises(InvalidInput) as refused:
        Project(shop, environment={})
    message = refused.value.message + str(refused.value.context)
    assert message.count("is a private key") == 4
    assert "security.trusted_keys.4" in message
    assert secret.splitlines()[1][:20] not in message


@pytest.mark.parametrize("setting", ["require_signed: true", "python_signed: true"])
def test_asking_for_signatures_without_a_key_is_said(shop: Path, setting: str) -> None:
    """Before a server refuses everything."""
    ask_for(shop, setting)
    project = Project(shop, environment={})
    with pytest.raises(InvalidInput, match="the workspace has no key"):
        project.publisher.publish()
    project.close()


def test_the_record_is_listed_by_who_what_and_when(type_in: Command) -> None:
    """Patterns, times, pages."""
    type_in("key", "create", "--name", "till")
    type_in("model", "promote", "--name", "purchase", "--version", 1)
    everything = type_in("audit", "list")[1]
    assert len(everything) == 3
    for words, numbers in (
        (("--action", "key.create"), [2]),
        (("--action", "*.create", "--subject", "x*"), []),
        (("--principal", everything[1]["principal"], "--after", 2), [3]),
        (("--subject", "purchase/1"), [1]),
        (("--since", "1h"), [2, 3]),
        (("--until", "1h"), [1]),
        (("--since", "2026-01-05T12:00", "--until", "2026-01-05T12:01Z"), [1]),
        (("--limit", 2), [1, 2]),
    ):
        assert [each["number"] for each in type_in("audit", "list", *words)[1]] == numbers, words
    assert type_in("audit", "list", "--since", "soon")[1]["error"]["code"] == "NOT_A_TIME"
    assert type_in("audit", "list", "--since", "99999999999d")[0] == 2


def test_the_record_is_exported_and_verified_elsewhere(type_in: Command, shop: Path, tmp_path: Path) -> None:
    """By the project that made it, by whoever has its public key, and by others only in itself."""
    made = type_in("bundle", "keygen")[1]
    assert type_in("audit", "export", "-o", tmp_path / "a.jsonl")[1]["signed"] is True
    assert type_in("audit", "export", "-o", tmp_path / "a.jsonl")[0] == 4
    assert type_in("audit", "verify", tmp_path / "a.jsonl")[1]["trusted"] is True
    words = ("audit", "verify", tmp_path / "a.jsonl", "--project", tmp_path)
    assert type_in(*words)[1]["trusted"] is False
    assert type_in(*words, "--key", made["public"])[1]["trusted"] is True
    make_key_pair(tmp_path / "other")
    assert type_in(*words, "--key", tmp_path / "other" / PUBLIC_FILE)[0] == 1
    (tmp_path / "a.jsonl").write_bytes((tmp_path / "a.jsonl").read_bytes().replace(b"model.register", b"model.approve"))
    assert type_in(*words)[0] == 1
    assert type_in("audit", "verify", tmp_path / "none.jsonl")[0] == 5
    assert type_in("audit", "verify", shop / "modelyard.yaml")[1]["error"]["code"] == "NOT_AN_EXPORT"


def test_a_record_that_no_known_key_vouches_for_is_inconclusive(type_in: Command, shop: Path) -> None:
    """Exit code 6, until somebody writes a checkpoint."""
    make_key_pair(shop / ".modelyard" / "keys")
    (shop / ".modelyard" / "audit-checkpoints.jsonl").unlink(missing_ok=True)
    project = Project(shop, environment={})
    with project.records.transaction() as tx:
        tx.delete("audit-head", "checkpoint")
    project.close()
    code, report = type_in("audit", "verify")
    assert (code, report["verdict"], report["intact"]) == (6, "inconclusive", True)
    assert type_in("audit", "checkpoint")[1]["written"] is True
    assert type_in("audit", "checkpoint")[1]["written"] is False
    assert type_in("audit", "verify")[0] == 0


def test_a_place_of_checkpoints_that_is_down_keeps_nobody_from_working(
    type_in: Command, shop: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What was done is done, and the log says what is missing; only asking for a checkpoint fails."""
    (shop / "blocked").touch()
    ask_for(shop, "audit_checkpoints: blocked/audit.jsonl")
    with caplog.at_level(logging.WARNING, "modelyard.wiring"):
        assert type_in("model", "promote", "--name", "purchase", "--version", 1)[0] == 0
    assert "no audit checkpoint was written" in caplog.text
    assert type_in("audit", "checkpoint")[1]["error"]["code"] == "CHECKPOINTS_UNAVAILABLE"
    assert type_in("status")[1]["deployments"]["shop"]["live"] == "1"
