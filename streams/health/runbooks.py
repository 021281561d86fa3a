"""A page for each alert about the machine: what it means, where to look, what to do (`deploy/runbooks`)."""

from importlib.resources import files

_FOLDER = files("zonepulse.deploy") / "runbooks"


def names() -> list[str]:
    """The alerts that have one."""
    return sorted(file.name.removesuffix(".md") for file in _FOLDER.iterdir() if file.name.endswith(".md"))


def page(name: str) -> str:
    """The page of an alert, as Markdown. Raises KeyError where there is none."""
    if name not in names():
        raise KeyError(name)
    return (_FOLDER / f"{name}.md").read_text("utf-8")
