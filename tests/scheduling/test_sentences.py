"""Rows hold English sentences; each is found again in a row's text and said in the reader's language."""

from __future__ import annotations

import re
import time
from string import Formatter

import pytest
from django.utils.translation import gettext, override

from scheduling.sentences import in_words, joined, of_names, of_nodes, of_promises, of_runs
from scheduling.sentences.base import Sentence, recognised
from scheduling.text import DETAIL_CHARACTERS

#: What foreign words may look like: other scripts, quotes, braces, a template's own, HTML, what separates sentences.
AWKWARD = "任务 “ä” 'it''s' {said} {0} %s <b onclick=\"x\">&amp;</b>; and: more, (so) 100 % #7."
#: Of values that are no text but of a kind.
VALUES = {
    **dict.fromkeys(("id", "number", "most", "least", "free", "code"), "17"),
    **dict.fromkeys(("at", "first", "last"), "2026-06-01T12:00:00.000+00:00"),
    "load": "2.1", "seconds": "-31", "key": "täsk-1:a", "queue": "default", "function": "'a.b_c'", "executor": "thread",
    "setting": "JOBSITE_ALLOW_COMMANDS", "index": "one_idx", "table": "some_table", "signal": "SIGSEGV",
    "state": "timed_out", "reason": "a later run took its place", "kind": "missing",
    "ending": "SIGKILL (killed by signal 9)",
}  # fmt: skip
DECLARED = {
    f"{module.__name__.rpartition('.')[2]}.{name}": value
    for module in (of_names, of_nodes, of_promises, of_runs)
    for name, value in vars(module).items()
    if isinstance(value, Sentence)
}
all_declared = pytest.mark.parametrize("sentence", DECLARED.values(), ids=DECLARED)


def values_of(sentence: Sentence, **others: str) -> dict[str, str]:
    return {name: VALUES.get(name, AWKWARD) for name in sentence.names} | others


def fixed_parts(template: str) -> list[str]:
    """The words of the sentence itself."""
    return [text.strip() for text, *_rest in Formatter().parse(template) if re.search(r"[a-z]{2}", text)]


def test_all_of_them_are_looked_at() -> None:
    assert len(Sentence.known) == len(DECLARED) == len({sentence.template for sentence in Sentence.known})


@all_declared
def test_each_is_found_again_with_its_values_and_taken_for_no_other(sentence: Sentence) -> None:
    values = values_of(sentence)
    assert recognised(sentence(**values)) == (sentence, values)


@all_declared
def test_each_is_said_in_chinese_with_all_its_values(sentence: Sentence) -> None:
    values = values_of(sentence)
    text = sentence(**values)
    assert in_words(text) == text  # the reader's language is English
    with override("zh-hans"):
        template, said = gettext(sentence.template), in_words(text)
        assert sorted(name for _text, name, *_rest in Formatter().parse(template) if name) == sorted(
            sentence.names
        )
        assert template != sentence.template
        shown = {
            "state": "超时",
            "reason": "被较晚的一次取代",
            "kind": "缺失",
            "ending": "SIGKILL（被信号 9 终止）",
        }
        for name, value in values.items():
            assert shown.get(name, value) in said
        for part in fixed_parts(sentence.template):
            assert part not in said


@all_declared
def test_what_is_too_long_for_the_column_loses_of_the_value_not_of_the_sentence(sentence: Sentence) -> None:
    for name in set(sentence.names) - VALUES.keys():
        text = sentence(**values_of(sentence, **{name: AWKWARD * 20}))
        assert len(text) == DETAIL_CHARACTERS
        found = recognised(text)
        assert found is not None
        assert found[0] is sentence
        assert AWKWARD * 5 in found[1][name] or len(sentence.names) > 1
        assert found[1][name].endswith("…")


def test_a_nul_or_half_a_character_is_replaced() -> None:
    assert of_nodes.BROKER_AWAY(cause="a\x00b\ud800").endswith(": a\ufffdb\ufffd")


ENDED = of_runs.PROGRAM_ENDED(program="sh", ending=of_runs.EXIT_CODE(code=3))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            of_runs.TRIED(number=1, most=3, said=ENDED),
            "第 1 次尝试（共 3 次）已结束：sh 结束：退出码 3。",
        ),
        (
            of_runs.NOT_AGAIN(said=f"scheduling.exceptions.ProgramFailed: {ENDED}", name="OSError"),
            "scheduling.exceptions.ProgramFailed: sh 结束：退出码 3。（不再重试：任务对 OSError 如此规定）",
        ),
        (
            of_runs.TRIED(number=1, most=3, said="OSError: no; none"),
            "第 1 次尝试（共 3 次）已结束：OSError: no; none",
        ),
        (
            of_runs.WAITS_BEHIND(
                ahead=joined(of_runs.AHEAD(id=id, state=state) for id, state in ((7, "running"), (8, "queued")))
            ),
            "排在其后：#7（运行中）；#8（排队中）",
        ),
        (
            of_runs.OTHERWISE_ENDED(
                ends=joined(
                    [
                        of_runs.END(id=7, key="a", state="timed out"),
                        of_runs.END_WITH_REASON(id=8, key="b", state="skipped", reason="a reason of its own"),
                    ]
                )
            ),
            "其上游没有以所等待的方式结束：#7（a：超时）；#8（b：已跳过，a reason of its own）",
        ),
        (
            of_runs.FUNCTION_MISSING(function="'ehco'", hint=of_names.NEAREST(name="'echo'")),
            "没有已注册的函数 'ehco'。您是否想用 'echo'？",
        ),
        (joined([of_nodes.DRAINING(), "", "words of somebody's"]), "已请求排空；words of somebody's"),
        (f"a.Failed: {of_runs.NO_PROCESS()}", "a.Failed: 派生服务没有给出进程。"),
        # What rows held before there were declared sentences.
        ("waits behind #7 (running), #8 (queued)", "排在其后：#7 (running), #8 (queued)"),
    ],
)  # fmt: skip
def test_sentences_within_sentences_are_translated_too(text: str, said: str) -> None:
    with override("zh-hans"):
        assert in_words(text) == said


@pytest.mark.parametrize(
    "text", ["", "ValueError: no", "a; b", "{said}", "asked to drain the pond", "try 1 of", "x" * 9_000]
)
def test_words_that_are_not_ours_stay_as_they_are(text: str) -> None:
    with override("zh-hans"):
        assert in_words(text) == text


def test_what_looks_like_many_sentences_is_looked_at_in_no_time() -> None:
    """A task's words may be made so that they take long to be told apart."""
    began = time.perf_counter()
    with override("zh-hans"):
        for sentence in Sentence.known:
            for part in (text for text, *_rest in Formatter().parse(sentence.template) if text):
                in_words((sentence.beginning + part * 1_000)[:1_000])
    # A second, or for ever: this tells the two apart on any machine.
    assert time.perf_counter() - began < 60
