"""The documentation as a static site: the pages of this folder and, by pdoc, the interface of every module.

`python docs/make.py [--out build/docs]`; `make docs` does it in .venv.
"""

import argparse
import html
import re
import warnings
from pathlib import Path

import pdoc
from markdown2 import Markdown

ROOT = Path(__file__).resolve().parent.parent
MODULES = (
    "triptych",
    "triptych.bitstream",
    "triptych.entropy",
    "triptych.codecs",
    "triptych.tools",
    "triptych.weights",
)
FIRST = ("start", "format", "codec", "tokens", "evaluation", "exactness", "hardening")
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }}
nav a {{ margin-right: 1rem }} table {{ border-collapse: collapse }} td, th {{ padding: .2rem .6rem; border: 1px solid #ccc }}
pre {{ background: #f5f5f5; padding: .8rem; overflow-x: auto }} img {{ max-width: 100% }}
</style></head><body><nav>{links}</nav>{body}</body></html>
"""


def pages() -> list[Path]:
    """The pages, those to be read first in front; the README is the index."""
    found = sorted((ROOT / "docs").glob("*.md"), key=lambda path: (path.stem not in FIRST, path.stem))
    ordered = [path for name in FIRST for path in found if path.stem == name]
    return [ROOT / "README.md", *ordered, *(path for path in found if path not in ordered)]


def name_of(page: Path) -> str:
    """The file of a page in the site."""
    return "index.html" if page.name == "README.md" else f"{page.stem}.html"


def title_of(page: Path) -> str:
    """Its first heading."""
    return page.read_text().partition("\n")[0].lstrip("# ").strip()


def rendered(page: Path, links: str) -> str:
    """A page as HTML; links to other pages lead to their HTML."""
    text = re.sub(r"\]\((?:docs/)?(\w+)\.md(#[\w-]*)?\)", r"](\1.html\2)", page.read_text())
    text = re.sub(r"\]\(docs/([\w.-]+)\)", r"](\1)", text)
    body = Markdown(extras=["fenced-code-blocks", "tables", "header-ids"]).convert(text)
    return PAGE.format(title=html.escape(title_of(page)), links=links, body=body)


def main() -> None:
    """Write the site."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "docs")
    out = parser.parse_args().out
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pdoc.render.configure(docformat="google", footer_text="Triptych")
        pdoc.pdoc(*MODULES, output_directory=out / "api")
    entries = [(name_of(page), title_of(page)) for page in pages()] + [("api/triptych.html", "Python interface")]
    links = "".join(f'<a href="{target}">{html.escape(title)}</a>' for target, title in entries)
    for page in pages():
        (out / name_of(page)).write_text(rendered(page, links))
    for picture in (path for path in (ROOT / "docs").iterdir() if path.suffix in (".jpg", ".svg", ".png")):
        (out / picture.name).write_bytes(picture.read_bytes())
    (out / "LICENSE").write_bytes((ROOT / "LICENSE").read_bytes())
    print(f"{out / 'index.html'}: {len(pages())} pages, {len(list((out / 'api').rglob('*.html')))} modules")


if __name__ == "__main__":
    main()
