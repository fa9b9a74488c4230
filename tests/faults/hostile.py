"""Strings that somebody might type who means harm, or nothing."""

from pathlib import Path

SECRET = "a secret outside of the workspace"


def bait(folder: Path) -> Path:
    """A file outside of the workspace that nobody has any business to read."""
    file = folder / "outside" / "secret"
    file.parent.mkdir()
    file.write_text(SECRET)
    return file


def strings(outside: Path) -> dict[str, str]:
    """By what they try; those that traverse mean the file outside, from wherever below the workspace they start."""
    up = "../" * 12
    target = str(outside).lstrip("/")
    return {
        "traversal": f"{up}{target}",
        "traversal of one step": "../outside/secret",
        "an absolute path": str(outside),
        "a file URL": outside.as_uri(),
        "backslashes": "..\\..\\outside\\secret",
        "percents": f"%2e%2e%2f{target.replace('/', '%2f')}",
        "percents twice": "%252e%252e%252foutside%252fsecret",
        "overlong UTF-8": "..%c0%af..%c0%afoutside",
        "doubled dots": "....//....//outside/secret",
        "a traversal inside a name": f"shop/{up}{target}",
        "a home": "~root/secret",
        "a null byte": f"{outside}\0.parquet",
        "SQL": "x'; DROP TABLE documents; --",
        "SQL in double quotes": '" OR ""="',
        "a template": "{{ 7 * 7 }}{% include '/etc/passwd' %}${jndi:ldap://127.0.0.1/a}",
        "a format": "{0.__class__.__mro__}%s%n",
        "line ends": "shop\r\nX-Injected: 1\r\n\r\n{}",
        "a terminal's commands": "shop\x1b]0;owned\x07\x1b[2J",
        "a CSV formula": "=cmd|' /C calc'!A0",
        "a YAML bomb": "&a [*a, *a, *a]",
        "a tag of YAML": "!!python/object/apply:os.system ['true']",
        "a twin in Cyrillic": "sh\u043ep",
        "a twin that is wide": "\uff53\uff48\uff4f\uff50",
        "half a character": "\ud800",
        "text that turns around": "\u202eshop",
        "a zero-width name": "\u200b",
        "nothing": "",
        "a space": " ",
        "a megabyte": "A" * 1_000_000,
        "an option": "--help",
        "a star": "*",
        "a device": "/dev/zero",
    }
