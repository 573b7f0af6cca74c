# SPDX-License-Identifier: MIT
"""The documents keep their word: links lead somewhere, files and make targets that they name are there, the two
READMEs have one structure. Asks the files alone: nothing is built or started."""
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "stack/native"))
from apm import settings  # noqa: E402

MADE = ("build", "run", "logs", "db/data", "db/backups")  # directories that a clone does not have
DOCUMENTS = sorted(path for path in ROOT.rglob("*.md")
                   if not path.relative_to(ROOT).as_posix().startswith(tuple(f"{name}/" for name in MADE)))
FOLDERS = "|".join(path.name for path in ROOT.iterdir() if path.is_dir() and path.name not in (".git", *MADE))
RULES = "".join((ROOT / name).read_text() for name in ("Makefile", "fcgi/tel/tel.mk", "stack/stack.mk"))
TARGETS = set(re.findall(r"^([a-z][a-z-]*)(?=[a-z -]*:(?!=))", RULES, re.M))
TARGETS |= set(re.search(r"^COMMANDS := (.*)", RULES, re.M)[1].split())

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def prose(text):
    """The text without the blocks of code, in which # begins a comment and ( may follow ]."""
    return re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)


def anchors(path):
    """Of its headings, as GitHub makes them."""
    found = re.findall(r"^#+ (.*)", prose(path.read_text()), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


@each_document
def test_links_lead_somewhere(document):
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", prose(document.read_text())):
        path, _, anchor = target.partition("#")
        file = document.parent / path if path else document
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


@each_document
def test_files_that_are_named_are_there(document):
    """A path from the root in code style; NAME stands for any name, and a line of a shell may have other words."""
    for code in re.findall(r"`([^`\n]+)`", prose(document.read_text())):
        for path in re.findall(rf"(?:^|\s)((?:{FOLDERS})/[\w./*@-]*)", code):
            name = re.sub(r"NAME|TIME", "*", path).rstrip("/.")
            assert path.startswith(MADE) or any(ROOT.glob(name)), code


@each_document
def test_make_targets_that_are_named_are_there(document):
    text = document.read_text()
    commands = re.findall(r"`([^`\n]*)`", text) + re.findall(r"^(?:\$ )?((?:make|sudo make)\b.*)", text, re.M)
    named = {word for command in commands for words in re.findall(r"\bmake((?: +[\w=./-]+)+)", command)
             for word in words.split() if re.fullmatch("[a-z][a-z-]*", word)}
    assert named <= TARGETS, named - TARGETS


def test_the_targets_are_those_of_the_makefiles():
    assert {"run", "stop", "status", "check", "tel-dist", "stack-up", "doctor", "dashboards"} <= TARGETS
    assert "anything" not in TARGETS and "MODE" not in TARGETS


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_a_readme_is_short(name):
    lines = (ROOT / name).read_text().splitlines()
    assert len(lines) <= 120
    # a character of Chinese takes two columns
    assert [line for line in lines if not line.startswith(("|", "!["))
            and sum(2 if ord(char) > 0x2e80 else 1 for char in line) > 120] == []


def test_the_readmes_have_one_structure():
    """As many headings of each level, the same code but for comments, and the same links, in one order."""
    def structure(name):
        text = (ROOT / name).read_text()
        code = [re.sub(r" *#.*", "", block) for block in re.findall(r"^```.*?^```", text, re.M | re.S)]
        links = [link for link in re.findall(r"\]\(([^)]+)\)", prose(text)) if not link.startswith("README")]
        return [len(level) for level in re.findall(r"^(#+) ", prose(text), re.M)], code, links
    assert structure("README.md") == structure("README.zh-CN.md")


def test_every_document_can_be_found():
    """Each page of docs/ is linked from its index."""
    index = ROOT / "docs/README.md"
    linked = {(index.parent / target).resolve() for target in re.findall(r"\]\(([^)#:]+)\)", index.read_text())}
    assert set((ROOT / "docs").rglob("*.md")) - linked == {index}


def test_every_setting_is_described():
    """docs/operations.md has a row for each setting, with its default."""
    page = (ROOT / "docs/operations.md").read_text()
    table = re.search(r"<!-- settings -->\n(.*?)<!-- /settings -->", page, re.S)[1]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()[2:]]
    described = {name: defaults for names, defaults, _ in cells for name in re.findall(r"`(\w+)`", names)}
    for setting in settings.table():
        assert setting.name in described, setting.name
        assert setting.default in described[setting.name], setting.name


def test_nginx_takes_the_example_of_the_drop_in(tmp_path):
    """With the files that it includes alone beside it."""
    page = (ROOT / "docs/gateway-drop-in.md").read_text()
    example = re.search(r"^```nginx\n(events.*?)^```", page, re.M | re.S)[1]
    assert (included := re.findall(r"include (\w+[.]conf);", example))
    for name in included:
        shutil.copy(ROOT / "nginx" / name, tmp_path)
    (tmp_path / "nginx.conf").write_text("pid nginx.pid;\n" + example)
    done = subprocess.run(["nginx", "-e", "stderr", "-p", f"{tmp_path}/", "-c", "nginx.conf", "-t", "-q"],
                          capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
