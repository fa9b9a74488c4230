"""Making keys, and signing bundles: those in folders, and those of a project's versions."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from modelyard.access import Permission, authorize
from modelyard.core import Digest, InvalidInput, ModelyardError, NotFound, log_event
from modelyard.core.signing import PRIVATE_FILE, PUBLIC_FILE, PrivateKey, PublicKey, make_key_pair, read_private_key
from modelyard.inference import Trust, add_signatures, sign_bundle, signers_of, verify_bundle
from modelyard.wiring import FILE_NAME, Project, read_trusted_key

_MODELS = "models:/"


@dataclass(frozen=True)
class SignBundle:
    """What to sign, a bundle's folder or `models:/NAME/VERSION`, and with which key; without one the project's."""

    what: Path
    key: Path | None = None
    project: Path = Path()


def make_keys(folder: Path | None, project: Path = Path()) -> dict[str, Any]:
    """A new pair of keys, in `folder` or in the workspace of the project; what is there is never overwritten."""
    if folder is not None:
        return _made(make_key_pair(folder), folder)
    with closing(_project(project, "-o FOLDER")) as found:
        authorize(found.principal, Permission.OPERATE)
        made = _made(make_key_pair(found.keys.keys), found.keys.keys)
        _checkpoint(found)
    return made


def sign(given: SignBundle) -> dict[str, Any]:
    """Verify a bundle, then add a signature to it; returns who has signed it now."""
    uri = str(given.what)
    if uri.startswith(_MODELS):
        return _sign_version(given, uri.removeprefix(_MODELS))
    if not given.what.is_dir():
        raise NotFound(
            f"There is no bundle folder {given.what}.",
            code="NO_BUNDLE",
            remedy="Name a folder, or a version of the project: models:/NAME/VERSION",
        )
    _, digest = verify_bundle(given.what)
    key = _key(given)
    return _signed(uri, digest, key, sign_bundle(given.what, digest, key))


def trust_of(keys: Sequence[str]) -> Trust:
    """That one of these keys, files or PEM texts, must have signed; without any nobody has to."""
    return Trust(require_signed=bool(keys), keys=tuple(read_trusted_key(each) for each in keys))


def signed_by(folder: Path, digest: Digest) -> list[str]:
    """The ids of the keys that have signed a bundle."""
    return [each.id for each in signers_of(folder, digest)]


def own_key(folder: Path = Path()) -> PrivateKey | None:
    """The key of the project in a folder, for an operator; None without a project or a key."""
    if not (folder / FILE_NAME).is_file():
        return None
    with closing(Project(folder)) as project:
        authorize(project.principal, Permission.OPERATE)
        return project.keys.own()


def _sign_version(given: SignBundle, reference: str) -> dict[str, Any]:
    name, _, which = reference.replace("@", "/", 1).partition("/")
    with closing(_project(given.project, "--project FOLDER")) as project, TemporaryDirectory() as scratch:
        authorize(project.principal, Permission.OPERATE)
        key = _key(given, project)
        version = project.models.get(name, which or "production")
        folder = project.models.fetch_bundle(version, Path(scratch) / "bundle")
        _, digest = verify_bundle(folder, expect=version.bundle)
        before, signers = signers_of(folder, digest), sign_bundle(folder, digest, key)
        if signers != before:
            project.models.keep_signatures(version, folder, project.principal, key.public.id)
        _bring_to_servers(project, folder, digest)
    return _signed(f"{_MODELS}{version.name}/{version.number}", digest, key, signers)


def _bring_to_servers(project: Project, folder: Path, digest: Digest) -> None:
    """Servers read a bundle's signatures beside the feed, and look again when the feed changes."""
    served = project.feed.bundle_path(digest)
    if served.exists():
        add_signatures(folder, served, digest)
        project.publisher.publish()


def _key(given: SignBundle, project: Project | None = None) -> PrivateKey:
    if given.key is not None:
        return read_private_key(given.key)
    found = own_key(given.project) if project is None else project.keys.own()
    if found is None:
        raise InvalidInput(
            "There is no key to sign with.",
            code="NO_KEY",
            remedy=f"Make one: modelyard bundle keygen; or name one: --key {PRIVATE_FILE}",
        )
    return found


def _project(folder: Path, instead: str) -> Project:
    if not (folder / FILE_NAME).is_file() and not folder.is_file():
        raise NotFound(
            f"There is no {FILE_NAME} in {folder.resolve()}.",
            code="NO_PROJECT",
            remedy=f"Go to a project's folder, or say where: {instead}",
        )
    return Project(folder)


def _checkpoint(project: Project) -> None:
    """The first checkpoint with the new key; what keeps it from being written is told, and keeps no key from being."""
    try:
        project.checkpoints.write()
    except ModelyardError as error:
        log_event("operations", "no checkpoint was written", code=error.code)


def _made(key: PublicKey, folder: Path) -> dict[str, Any]:
    return {"key": key.id, "private": str(folder / PRIVATE_FILE), "public": str(folder / PUBLIC_FILE)}


def _signed(what: str, digest: Digest, key: PrivateKey, signers: Sequence[PublicKey]) -> dict[str, Any]:
    return {"bundle": what, "digest": digest, "key": key.public.id, "signed_by": [each.id for each in signers]}
