"""The README tells the truth: its Python runs, its links and commands exist."""

import re
import tomllib
from pathlib import Path

import pytest
import toys

from triptych.tools import cli
from triptych.tools.train import find_recipe

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_the_python_example_runs(monkeypatch, capsys):
    toys.install(monkeypatch)
    (program,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(compile(program, "README.md", "exec"), {})
    assert capsys.readouterr().out.startswith("image/patch [")


PAGES = sorted((ROOT / "docs").glob("*.md"))
EXAMPLES = [(page, text) for page in PAGES if (text := re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL))]


@pytest.mark.parametrize("page, programs", EXAMPLES, ids=[page.name for page, _ in EXAMPLES])
def test_the_examples_of_the_pages_run(page, programs):
    exec(compile("\n".join(programs), page.name, "exec"), {})


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES], ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()) if "://" not in link]
    assert all((page.parent / link.partition("#")[0]).exists() for link in links)
    assert links or page.name != "README.md"


def test_folders_and_make_targets_exist():
    folders = re.findall(r"^\| `([\w/]+/)` \|", README, re.MULTILINE)
    rooms = {"bitstream/", "entropy/", "codecs/", "weights/", "tools/", "tests/", "src/triptych/"}
    assert rooms <= set(folders) and all((ROOT / folder).is_dir() for folder in folders)
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    contributing = (ROOT / "CONTRIBUTING.md").read_text()
    assert set(re.findall(r"^make ([\w-]+)", README + contributing, re.MULTILINE)) <= targets


TEXTS = README + "".join(page.read_text() for page in PAGES)


@pytest.mark.parametrize("line", dict.fromkeys(re.findall(r"^triptych (.+?)(?:  +#.*)?$", TEXTS, re.MULTILINE)))
def test_commands_are_understood(line, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name, *arguments = line.split()
    if name == "selfcheck":  # takes a minute; tests/test_selfcheck.py runs it
        assert name in cli.COMMANDS
        return
    status = cli.main([name, *arguments])
    expected = 0 if name == "codecs" else 2
    assert status == expected and ("no such f" in capsys.readouterr().err.lower()) == bool(expected)


def test_scripts_and_recipes_that_are_named_exist():
    scripts = set(re.findall(r"python ((?:benchmarks|fuzz|tests|docs)/\w+\.py)", TEXTS))
    assert len(scripts) > 8 and not [name for name in scripts if not (ROOT / name).is_file()]
    recipes = set(re.findall(r"-m triptych\.tools\.train (\w+\.\w+)", TEXTS))
    assert recipes and all(find_recipe(name).name == name for name in recipes)


def test_the_named_python_version_is_that_of_the_package():
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert table["project"]["requires-python"] == ">=3.11" and "Python 3.11 or later" in README
