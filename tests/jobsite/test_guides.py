"""The guides call each button, page and field by the name that it has on the pages, in both languages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import django.contrib.admin
import django.contrib.auth
import polib
import pytest

from tests.conftest import ROOT

#: How each guide writes names: bold, and in italics or quotation marks.
NAMES = {
    "guide.md": re.compile(r"\*\*?([^*]+?)\*\*?(?!\*)"),
    "guide.zh.md": re.compile(r"\*\*?([^*]+?)\*\*?(?!\*)|“([^”]+)”"),
}
#: Written like names, but they stress a thought, begin a paragraph or quote what somebody says.
STRESSED = {
    "guide.md": {"no scheduler is running", "Jitter and spread", "Start, end", "Zone and clock changes", "roll back",
                 "run again with other parameters", "all that match", "resume", "enable"},
    "guide.zh.md": {"没有调度器在运行", "开始、结束", "时区与夏令时", "这台服务器上最多同时三个",
                    "每季度最后一个星期五", "每小时", "谁能写这个数据库", "回滚"},
}  # fmt: skip


def read(guide: str) -> str:
    return (ROOT / "docs" / guide).read_text(encoding="utf-8")


def names(guide: str, text: str = "") -> list[str]:
    """Without "→ +" (its page's button), and without a full stop."""
    text = " ".join((text or read(guide)).split())
    found = ["".join(each) for each in NAMES[guide].findall(text)]
    return [name.strip("。.").removesuffix(" → +") for name in found]


def sections(guide: str) -> list[tuple[str, str]]:
    """Level and text of each, the heading within."""
    parts = re.split(r"^(#+) ", re.sub(r"```.*?```", "", read(guide), flags=re.DOTALL), flags=re.MULTILINE)
    return list(zip(parts[1::2], parts[2::2], strict=True))


def catalogue() -> Iterator[polib.POEntry]:
    """Our texts, our translations of the look's, and those of Django's admin."""
    for path in ROOT.glob("locale/**/*.po"):
        yield from polib.pofile(str(path))
    for package in (django.contrib.admin, django.contrib.auth):
        folder = Path(str(package.__file__)).parent / "locale" / "zh_Hans" / "LC_MESSAGES"
        for path in folder.glob("*.mo"):
            yield from polib.mofile(str(path))


def bare(text: str) -> str:
    """A label without its unit and its dots: "jitter (seconds)", "Cancel all that match …"."""
    return re.sub(r"( \(.*\)|（.*）| …|……)$", "", text).casefold()


@pytest.mark.parametrize("guide", NAMES)
def test_what_is_named_exists(guide: str) -> None:
    said = set()
    for entry in catalogue():
        chinese = [entry.msgstr, *entry.msgstr_plural.values()]
        said |= {
            bare(text) for text in (chinese if guide == "guide.zh.md" else [entry.msgid, entry.msgid_plural])
        }
    named = names(guide)
    assert len(named) > 40
    assert [name for name in named if name.casefold() not in said and name not in STRESSED[guide]] == []


@pytest.mark.parametrize("guide", NAMES)
def test_no_exception_is_left_that_nobody_needs(guide: str) -> None:
    assert STRESSED[guide] <= set(names(guide))


def test_both_guides_tell_the_same_section_by_section() -> None:
    """Pictures, tables, and whatever has a name on the pages."""
    chinese_of: dict[str, set[str]] = {}
    for entry in catalogue():
        said = {bare(text) for text in (entry.msgstr, *entry.msgstr_plural.values()) if text}
        chinese_of.setdefault(bare(entry.msgid), set()).update(said)
    english, chinese = sections("guide.md"), sections("guide.zh.md")
    assert [level for level, _text in english] == [level for level, _text in chinese]
    apart = []
    for (_level, text), (_same, other) in zip(english, chinese, strict=True):
        head = text.partition("\n")[0]
        pictures = [path.replace("-en-", "-zh-") for path in re.findall(r"\(pictures/([^)]*)\)", text)]
        if pictures != re.findall(r"\(pictures/([^)]*)\)", other):
            apart.append(f"{head}: pictures")
        if text.count("\n|") != other.count("\n|"):
            apart.append(f"{head}: tables")
        for name in names("guide.md", text):
            words = chinese_of.get(name.casefold())
            if words and not any(word in " ".join(other.split()).casefold() for word in words):
                apart.append(f"{head}: {name}")
    assert apart == []
