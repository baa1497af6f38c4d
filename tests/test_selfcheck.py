"""`triptych selfcheck`: honest codecs pass, a codec whose tables depend on floats is found out."""

import io
import json
from base64 import b64decode
from dataclasses import replace

import numpy as np
import pytest
import torch

from triptych.bitstream import Reader, Writer, WrongModel
from triptych.codecs.image.patch import STEPS, PatchCodec
from triptych.tools import cli, selfcheck
from triptych.tools.checking import cases, compare, settings, stored

FILM, PICTURE = "video/hnerv", "image/patch"


@pytest.fixture(scope="module")
def film():
    """The film that every release decodes, and its first decoding."""
    case = cases.Case(FILM, FILM, b64decode(stored.STORED[FILM]))
    return case, compare.compare(case, settings.HERE[0], None)[1]


def float_rows(codec: PatchCodec, side: np.ndarray, index: int) -> np.ndarray:
    """Rows as a careless codec would find them: rounded floats, at the rate point of the index."""
    head, (_, height, width) = codec.head, side.shape
    weight = torch.from_numpy(head.weight * head.multiplier[:, None] / 2**head.shift).float()
    rows = weight @ torch.from_numpy(side.reshape(len(side), -1)).float()
    rows = rows.numpy() + head.bias[index // STEPS][:, None] / 2**head.shift
    rows = rows.round().clip(0, 63).reshape(-1, 2, 2, height, width).transpose(0, 3, 1, 4, 2)
    return rows.reshape(-1, 2 * height, 2 * width).astype(np.uint8)


def broken(data: bytes) -> bytes:
    """The file with other checks of its symbols, whole as a container."""
    reader, out = Reader(data), io.BytesIO()
    writer = Writer(out, reader.tracks)
    for item in reader:
        writer.item(replace(item, check=item.check ^ 1))
    writer.finish()
    return out.getvalue()


def test_honest_codecs_pass(capsys):
    assert cli.main(["selfcheck", "--codecs", f"{PICTURE},{FILM}", "--quick"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith("verdict: the same symbols in all ") and "DIFFERENT" not in "".join(lines)
    for name in (PICTURE, f"{PICTURE}, tiles", FILM, f"{FILM}, stored file"):
        noisy = [line for line in lines if line.startswith(f"{name} ") and "noise" in line]
        assert len(noisy) == 1 and "same, pixels within" in noisy[0], "the noise must move pixels, and no symbol"


def test_every_setting_is_shown_for_every_file():
    results = list(selfcheck.check([FILM], quick=True))
    assert {result.case for result in results} == {FILM, f"{FILM}, stored file"}
    assert [r.setting for r in results if r.case == FILM] == [setting.name for setting in settings.HERE]


def test_a_codec_with_float_tables_is_found_out(monkeypatch, capsys):
    monkeypatch.setattr(PatchCodec, "rows", float_rows)
    monkeypatch.setattr(cases, "STORED", {})
    with pytest.raises(SystemExit) as status:
        cli.main(["selfcheck", "--codecs", PICTURE, "--quick", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert status.value.code == 1 and not found["same"] and "OTHER symbols" in found["verdict"]
    verdicts = {entry["setting"]: entry["verdict"] for entry in found["results"]}
    noise = f"noise of {settings.NOISE:g} after every layer"
    assert verdicts["as it is"] == "same" and verdicts[noise] == "DIFFERENT"


def test_other_weights_are_skipped(monkeypatch):
    def refuse(track):
        raise WrongModel("other weights")

    monkeypatch.setattr(cases.models, "load_for", refuse)
    (case,) = (case for case in cases.cases([PICTURE]) if "stored" in case.name)
    result, signal = compare.compare(case, settings.HERE[0], None)
    assert signal is None and selfcheck.line(result).endswith("skipped: the stored file needs other weights")
    assert selfcheck.verdict([result]) == ("verdict: nothing could be decoded; 1 not supported or skipped", False)


def test_a_process_of_its_own(film, tmp_path):
    case, reference = film
    wrong = cases.Case("wrong", FILM, broken(case.data))
    compare.store(tmp_path, [case, wrong], [reference, reference])
    good, bad = compare.elsewhere(tmp_path, settings.ELSEWHERE[0])
    assert (good.case, good.verdict) == (FILM, "same") and good.difference <= 2
    assert (bad.case, bad.verdict) == ("wrong", "DIFFERENT") and bad.note


def test_a_process_that_dies_is_a_difference(film, tmp_path):
    compare.store(tmp_path, [film[0]], [film[1]])
    (result,) = compare.elsewhere(tmp_path, settings.Setting("no such setting"))
    assert result.verdict == "DIFFERENT" and "status 1" in result.note


def test_unsupported_settings_say_why(film):
    case, reference = film
    for setting in settings.HERE:
        result, _ = compare.compare(case, setting, reference)
        assert result.verdict == "same" or (setting.optional and result.verdict == "not supported" and result.note)


def test_settings_leave_nothing_behind(film):
    before = torch.get_num_threads(), torch.backends.mkldnn.enabled, torch.is_autocast_enabled("cpu")
    for setting in settings.HERE:
        compare.compare(film[0], setting, film[1])
    assert before == (torch.get_num_threads(), torch.backends.mkldnn.enabled, torch.is_autocast_enabled("cpu"))
    assert np.array_equal(compare.compare(film[0], settings.HERE[0], None)[1], film[1])


def test_unknown_codec(capsys):
    assert cli.main(["selfcheck", "--codecs", "image/none"]) == 2
    assert "no codec is called image/none" in capsys.readouterr().err
