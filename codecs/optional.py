"""Packages that are not part of the core: imported when needed, with one sentence where that fails."""

from importlib import import_module
from types import ModuleType

from ..bitstream.errors import MissingDependency


def optional(module: str, extra: str, user: str) -> ModuleType:
    """Import a module of an optional package.

    Args:
        module: dotted name.
        extra: the extra of this package that installs it.
        user: what needs it, the subject of the sentence.

    Raises:
        MissingDependency: it is not installed, or what is installed does not import.
    """
    package = module.partition(".")[0]
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name == package:
            raise MissingDependency(
                f"{user} needs the package {package}, which is not installed: pip install 'triptych[{extra}]'"
            ) from error
        raise _broken(user, package, error) from error
    except Exception as error:  # a package that does not fit the others may raise anything while it is imported
        raise _broken(user, package, error) from error


def _broken(user: str, package: str, error: Exception) -> MissingDependency:
    while error.__cause__ is not None:
        error = error.__cause__
    cause = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
    return MissingDependency(f"{user} needs the package {package}, which cannot be imported here: {cause}")
