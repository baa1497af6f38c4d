"""The page of the demonstration: pictures side by side, spectrograms, frames, players and links."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template

import numpy as np
from PIL import Image

from ...codecs.signals import Clip, Picture, Sound
from .. import machine, media
from ..reporting.spectrogram import spectrogram
from .table import HEAD, NOTES, Example, describe, metric, rate, rows

PAGE = Template("""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Triptych: demonstration</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 110rem; padding: 0 1rem; color: #222; }
h1, h2 { font-weight: 600; } h2 { margin-top: 3rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; display: block; overflow-x: auto; }
th, td { padding: .3rem .8rem; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap; }
th:nth-child(1), td:nth-child(1), th:nth-child(3), td:nth-child(3) { text-align: left; }
.panels { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: 1rem; }
figure { margin: 0; } figure img, figure video { width: 100%; display: block; } audio { width: 100%; }
figcaption { font-size: .9rem; } a { color: #06c; } .notes { color: #555; max-width: 60rem; font-size: .9rem; }
@media (prefers-color-scheme: dark) { body { background: #181818; color: #ddd; } th, td { border-color: #444; }
a { color: #7bf; } .notes { color: #aaa; } }
</style></head><body>
<h1>Triptych: demonstration</h1>
<table><thead><tr>$head</tr></thead><tbody>
$body
</tbody></table>
<div class="notes">$notes</div>
$sections
</body></html>
""")
PANEL = Template("""<figure>$content<figcaption><b>$name</b>: $facts</figcaption></figure>""")
STRIP = 440  # pixels: side of each part of the picture for the README


def write(out: Path, examples: Sequence[Example]) -> None:
    """Write index.html and everything that it shows into `out`."""
    page = PAGE.substitute(
        head=_cells("th", HEAD),
        body="\n".join(f"<tr>{_cells('td', row)}</tr>" for row in rows(examples)),
        notes="".join(f"<p>{escape(note)}</p>" for note in (*NOTES, f"Measured on: {machine.name()}.")),
        sections="\n".join(_section(out, example) for example in examples),
    )
    (out / "index.html").write_text(page)
    _strip(out / "strip.jpg", examples[0])


def _cells(tag: str, texts: Sequence[str]) -> str:
    return "".join(f"<{tag}>{escape(text)}</{tag}>" for text in texts)


def _section(out: Path, example: Example) -> str:
    """One input with a panel for the original and one for each codec."""
    size = f"{example.source.stat().st_size:,} bytes"
    original = _panel(out, example, "original", example.source, example.signal, f"{describe(example.signal)}, {size}")
    panels = [original]
    for result in example.results:
        value, unit = rate(example.signal, result.size)
        facts = f"{result.size:,} bytes, {value:.3g} {unit}, {metric(example.signal)} {result.quality:.2f} dB"
        panels.append(_panel(out, example, result.name, result.file, result.decoded, facts))
    more = ""
    if example.whole != example.results[0].size:
        more = f"<p>With its sound our file has {example.whole:,} bytes.</p>"
    return f'<h2>{escape(example.source.name)}</h2>{more}<div class="panels">{"".join(panels)}</div>'


def _panel(out: Path, example: Example, name: str, file: Path, signal: Picture | Sound | Clip, facts: str) -> str:
    """One figure: a still, or a spectrogram and a player, or a frame and a player."""
    stem = f"{example.source.stem}.{name.split()[0].lower()}"
    if isinstance(signal, Clip):
        content = _show_clip(out, stem, signal, file)
    else:
        content = (_show_picture if isinstance(signal, Picture) else _show_sound)(out, stem, signal)
    link = f'<a href="{escape(file.relative_to(out).as_posix())}">{escape(file.name)}</a>'
    return PANEL.substitute(content=content, name=escape(name), facts=f"{escape(facts)}, {link}")


def _show_picture(out: Path, stem: str, picture: Picture) -> str:
    media.write(out / f"{stem}.png", picture, force=True)
    return f'<a href="{stem}.png"><img src="{stem}.png" alt=""></a>'


def _show_sound(out: Path, stem: str, sound: Sound) -> str:
    Image.fromarray(spectrogram(sound.samples[0])).save(out / f"{stem}.spectrogram.png")
    media.write(out / f"{stem}.wav", sound, force=True)
    return f'<img src="{stem}.spectrogram.png" alt="spectrogram"><audio controls src="{stem}.wav"></audio>'


def _show_clip(out: Path, stem: str, clip: Clip, file: Path) -> str:
    frame = clip.frames[len(clip.frames) // 2]
    Image.fromarray(frame).save(out / f"{stem}.frame.png")
    player = file
    if file.suffix != ".mp4":
        player = out / f"{stem}.mp4"
        media.write(player, clip, force=True)
    return (
        f'<img src="{stem}.frame.png" alt="frame {len(clip.frames) // 2}">'
        f'<video controls loop muted src="{escape(player.relative_to(out).as_posix())}"></video>'
    )


def _strip(path: Path, example: Example) -> None:
    """The middle of a picture: original, ours, and the first of the others, side by side."""
    pictures = [example.signal.pixels, *(result.decoded.pixels for result in example.results[:2])]
    parts = []
    for pixels in pictures:
        top, left = ((length - min(length, STRIP)) // 2 for length in pixels.shape[:2])
        parts.append(pixels[max(0, top - 36) :][:STRIP, left : left + STRIP])
    Image.fromarray(np.concatenate(parts, axis=1)).save(path, quality=88, optimize=True)
