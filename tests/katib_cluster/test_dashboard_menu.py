"""The menu of Kubeflow's dashboard, in whatever form its administrators have written it."""

import json
from typing import Any

import pytest

from katib_cluster import dashboard_menu
from katib_cluster.dashboard_menu import ENTRY
from katib_cluster.errors import InvalidConfiguration

KATIB = {"type": "item", "link": "/katib/", "text": "Experiments", "icon": "kubeflow:katib"}
VOLUMES = {"type": "item", "link": "/volumes/", "text": 'Volumes: {\u00e4} \\ "', "icon": "device:storage"}
SECTION = {"type": "section", "text": "Pipelines", "items": [{"type": "item", "link": "/pipeline/", "text": "a"}]}


def links(*items: Any) -> dict[str, Any]:
    return {"menuLinks": list(items), "externalLinks": [], "quickLinks": [{"text": "menuLinks", "link": "/katib/"}]}


@pytest.mark.parametrize("indent", [None, 1, 2, 4])
@pytest.mark.parametrize(
    ("items", "place"),
    [((), 0), ((VOLUMES,), 1), ((KATIB, VOLUMES), 1), ((VOLUMES, SECTION), 2), ((SECTION, KATIB), 2)],
)
def test_one_entry_is_put_in_and_every_other_letter_stays(
    indent: int | None, items: tuple[Any, ...], place: int
) -> None:
    text = json.dumps(links(*items), indent=indent)
    changed = dashboard_menu.with_entry(text)
    assert json.loads(changed)["menuLinks"] == [*items[:place], ENTRY, *items[place:]]
    # What was there is there, in the same order.
    rest = iter(changed)
    assert all(letter in rest for letter in text)
    if indent and items:
        assert changed == json.dumps(links(*items[:place], ENTRY, *items[place:]), indent=indent)
    assert dashboard_menu.with_entry(changed) == changed


@pytest.mark.parametrize("indent", [None, 2])
def test_an_entry_of_an_earlier_version_is_replaced_where_it_stands(indent: int | None) -> None:
    text = json.dumps(links(KATIB, {**ENTRY, "text": "Old", "more": 1}, VOLUMES), indent=indent)
    assert dashboard_menu.with_entry(text) == json.dumps(links(KATIB, ENTRY, VOLUMES), indent=indent)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is no JSON"),
        ("menuLinks: []", "it is no JSON"),
        ("[]", "it must be there, a list"),
        ('{"menuLinks": {}}', "it must be there, a list"),
        (json.dumps(links(ENTRY, KATIB, ENTRY)), "stands there twice"),
    ],
)
def test_what_is_no_menu_is_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidConfiguration, match=reason):
        dashboard_menu.with_entry(text)


def test_strange_items_of_others_do_no_harm() -> None:
    items = [None, "text", 7, {}, {"link": None}, {"link": ["/katib-nas/"]}]
    assert json.loads(dashboard_menu.with_entry(json.dumps(links(*items))))["menuLinks"] == [*items, ENTRY]
