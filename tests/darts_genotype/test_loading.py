import pytest

from darts_genotype import forms, json_form
from darts_genotype.genotype import GenotypeError
from darts_genotype.loading import load


def test_a_text_or_a_file(example, tmp_path):
    genotype = forms.read(example)
    document = json_form.write(genotype)
    for text in (example, document, f"2026-01-02T03:04:05Z Best-Genotype={''.join(example.split())}"):
        assert load(text) == genotype
        path = tmp_path / "genotype"
        path.write_text(text)
        assert load(str(path)) == genotype


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(GenotypeError, match=r"file: 'nowhere' .* a file or a trial's folder with one \(No such file"):
        load("nowhere")
    with pytest.raises(GenotypeError, match=r"file: 'aaaa.* a file or a trial's folder with one \(File name too long"):
        load("a" * 10_000)
    (tmp_path / "bytes").write_bytes(b"Genotype(\xff")
    with pytest.raises(GenotypeError, match="bytes' is not allowed: it must be text in UTF-8"):
        load(str(tmp_path / "bytes"))


def test_a_file_without_an_end_is_refused():
    with pytest.raises(GenotypeError, match="characters"):
        load("/dev/zero")


def test_a_folder_stands_for_the_genotype_that_was_left_in_it(example, tmp_path, monkeypatch):
    genotype = forms.read(example)
    trial = tmp_path / "run/trials/one"
    (trial / "artifacts").mkdir(parents=True)
    (trial / "artifacts/genotype.json").write_text(json_form.write(genotype))
    for folder in (trial / "artifacts", trial, tmp_path / "run"):
        assert load(str(folder)) == genotype
    assert load("run", base=tmp_path) == genotype
    with pytest.raises(GenotypeError, match=r"a file or a trial's folder with one \(a folder without genotype.json"):
        load(str(tmp_path))

    other = tmp_path / "run/trials/two/artifacts"
    other.mkdir(parents=True)
    (other / "genotype.json").write_text("{}")
    with pytest.raises(GenotypeError, match="a folder of 2 trials without best: name that of one"):
        load(str(tmp_path / "run"))
    (tmp_path / "run/best").symlink_to("trials/one")
    assert load(str(tmp_path / "run")) == genotype
