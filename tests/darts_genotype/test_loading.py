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
