"""All that names one of our images names this version's."""

from website import version


def test_every_image_is_of_this_version():
    found = {path.relative_to(version.ROOT).as_posix(): set(version.tags(path)) for path in version.files()}
    named = {path: tags for path, tags in found.items() if tags}
    assert {path: tags for path, tags in named.items() if tags != {version.current()}} == {}
    # What the pattern must not miss: a manifest, an example, a guide.
    needed = {"examples/enas-gpu.yaml", "docs/guides/cluster.md", "manifests/dashboard/base/kustomization.yaml"}
    assert {"manifests/katib-config.yaml", *needed} <= named.keys()


def test_the_changelog_begins_with_it():
    heading, text = f"## {version.current()}", (version.ROOT / "CHANGELOG.md").read_text()
    assert text[text.index("\n## ") + 1 :].startswith(heading)
