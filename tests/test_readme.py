"""The README's tree names the folders that there are, and its table the pages."""

import re

from tests.support.paths import ROOT

README = (ROOT / "README.md").read_text()


def test_the_tree_names_every_package_and_nothing_else():
    [tree] = re.findall(r"```\n(contracts/ .*?)```", README, flags=re.S)
    named = re.findall(r"^(\w+)/ ", tree, flags=re.M)
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert set(named) == packages | {"benchmarks", "docs", "scripts"}


def test_the_table_names_every_page():
    linked = set(re.findall(r"\(docs/(\w+\.md)\)", README))
    assert linked == {path.name for path in (ROOT / "docs").glob("*.md")}
