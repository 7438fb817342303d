"""Documents: every character accounted for, sections followed, and a sentence instead of a traceback for the rest."""

import json
import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.documents import Document, parse, read
from shoal.documents.numbering import Numbering, find_mark, to_letters, to_roman
from shoal.errors import EnvironmentProblem, InputError, NotFoundError, ShoalError

EXAMPLE = Path(__file__).parents[2] / "examples" / "compliance" / "data"
ODD = [
    "\r\n",
    "\n",
    "\n\n",
    "\r",
    "\t",
    " ",
    "\u200b",
    "\ufeff",
    "\u00a0",
    "\u2028",
    "\x0c",
    "שלום",
    "مرحبا",
    "👩‍👩‍👧 ",
    "é",
]
WORDS = [
    "We may change this. ",
    "1.1 ",
    "(a) ",
    "2. ",
    "Article IV. ",
    "§ 3 ",
    "- ",
    "• ",
    "TERMS",
    "====",
    "A1. ",
    "x" * 700,
]
TEXTS = st.lists(st.one_of(st.sampled_from(ODD + WORDS), st.text(max_size=12)), max_size=60).map("".join)


def accounted(document: Document) -> None:
    """Verbatim, in order, nothing twice, nothing lost."""
    text = document.text
    position = 0
    for segment in document.segments:
        assert text[segment.start : segment.end] == segment.text
        assert segment.text.strip() == segment.text != ""
        assert position <= segment.start < segment.end <= len(text)
        position = segment.end
    position = 0
    left = [True] * len(text)
    for block in document.blocks:
        assert position <= block.start <= block.body < block.end
        position = block.end
        for at in range(block.start, block.end if block.kind == "heading" else block.body):
            left[at] = False
    for segment in document.segments:
        for at in range(segment.start, segment.end):
            assert left[at], "in a heading or a number and in a segment, or in two segments"
            left[at] = False
    assert not [at for at, still in enumerate(left) if still and not text[at].isspace()]


@settings(deadline=None)
@given(TEXTS, st.sampled_from([600, 0, None]))
def test_every_character_of_a_text_is_in_a_segment_a_heading_or_a_number(text: str, longest: int | None) -> None:
    document = parse("any.txt", text, longest=longest)
    assert document.text == text
    accounted(document)


@settings(deadline=None)
@given(TEXTS.filter(lambda text: "\x00" not in text), st.sampled_from([".md", ".html"]))
def test_markup_of_any_kind_is_accounted_for(text: str, suffix: str) -> None:
    from shoal.documents import markup, web
    from shoal.documents.outline import outline

    found = (markup if suffix == ".md" else web).read(text.encode(errors="replace").decode())
    accounted(outline("any", found.text, found.pieces))


def sections(document: Document) -> list[tuple[str, str]]:
    return [(segment.section, segment.text) for segment in document.segments]


CLAUSES = """\
THE AGREEMENT

ARTICLE IV

Termination

(a) Either of us may end it.
(b) After that,
  (i) the fee is due; and
  (ii) files are
erased under clause
4.9 of the annex.
(c) Nothing else follows.

5. Fees

Fees are due at once.

5.1 They rise
    every year, by:
    (a) the index, or
    (b) ten percent.
5.2 No refund.

§ 6 Courts

(1) Those of Ellerby.
(2) Or none.

SCHEDULE 2

A. The Let
A1. The flat is let.
A2. Pets are not.
- no dogs
- no cats.
Section 7.3 Survives.
"""


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_sections_of_a_plain_text(ends: str) -> None:
    document = parse("plain.txt", CLAUSES.replace("\n", ends))
    assert [(section, " ".join(text.split())) for section, text in sections(document)] == [
        ("Article IV(a)", "Either of us may end it."),
        ("Article IV(b)", "After that,"),
        ("Article IV(b)(i)", "the fee is due; and"),
        ("Article IV(b)(ii)", "files are erased under clause 4.9 of the annex."),
        ("Article IV(c)", "Nothing else follows."),
        ("5", "Fees are due at once."),
        ("5.1", "They rise every year, by:"),
        ("5.1(a)", "the index, or"),
        ("5.1(b)", "ten percent."),
        ("5.2", "No refund."),
        ("§ 6(1)", "Those of Ellerby."),
        ("§ 6(2)", "Or none."),
        ("A1", "The flat is let."),
        ("A2", "Pets are not."),
        ("A2", "no dogs"),
        ("A2", "no cats."),
        ("7.3", "Survives."),
    ]
    headings = [segment.heading for segment in document.segments]
    assert headings[0] == "Termination" and headings[5] == "Fees" and headings[-1] == "The Let"


def test_markdown_is_read_as_it_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "terms.md"
    path.write_text(
        "---\ntitle: x\n---\n# Terms\n\n## 2. Your **account**\n\n1. One [link](http://x.example) &amp; `code`\n"
        "2. Two\n   - inner *word*\n\n   second paragraph\n\n> 2.9 quoted\n\n"
        "| Plan | Price |\n|---|---|\n| Basic | 5 |\n"
        "| 3.1 | In a table |\n\n<div>raw <b>html</b></div>\n\n2.10 One.  \n2.11 Two.\n\n![picture](p.png)\n",
        encoding="utf-8",
    )
    assert sections(read(path)) == [
        ("2.1", "One link & code"),
        ("2.2", "Two"),
        ("2.2", "inner word"),
        ("2.2", "second paragraph"),
        ("2.9", "quoted"),
        ("2.9", "Plan | Price"),
        ("2.9", "Basic | 5"),
        ("3.1", "In a table"),
        ("3.1", "raw html"),
        ("2.10", "One."),
        ("2.11", "Two."),
        ("2.11", "picture"),
    ]
    accounted(read(path))


def test_html_shows_what_a_browser_shows(tmp_path: Path) -> None:
    path = tmp_path / "terms.html"
    path.write_text(
        "<html><head><title>T</title><style>p{}</style><script>var x='no';</script></head><body><h1>Terms</h1>"
        "<h2>3. Fees &amp; taxes</h2><p>All <b>fees</b>\n are&nbsp;due<!-- not --> at&#32;once.<br>Or later.</p>"
        "<ol type='a'><li>first<ol type=i><li>deep</li></ol></li><li value=5>fifth</li></ol>"
        "<p hidden>no</p><div style='display: none'>no</div><noscript>no</noscript>after<p>unclosed"
        "<table><tr><th>Plan<th>Price<tr><td><p>Basic</p><p>one</p><td>5 &euro;</table>"
        "<table><tr><td><ul><li>in a layout</ul></table><dl><dt>Term<dd>It means this.</dl>"
        "<pre>4.1 One.\n\n4.2 Two.</pre>"
        "</body></html>",
        encoding="utf-8",
    )
    assert sections(read(path)) == [
        ("3", "All fees are\u00a0due at once. Or later."),
        ("3(a)", "first"),
        ("3(a)(i)", "deep"),
        ("3(e)", "fifth"),
        ("3(e)", "after"),
        ("3(e)", "unclosed"),
        ("3(e)", "Plan | Price"),
        ("3(e)", "Basic one | 5 €"),
        ("3(e)", "in a layout"),
        ("3(e)", "It means this."),
        ("4.1", "One."),
        ("4.2", "Two."),
    ]
    accounted(read(path))


def test_html_says_its_own_charset(tmp_path: Path) -> None:
    path = tmp_path / "old.html"
    path.write_bytes("<meta charset=windows-1252><p>caf\u00e9 \u2019".encode("cp1252"))
    assert read(path).segments[0].text == "café \u2019"
    path.write_bytes(b"<meta charset=klingon><p>caf\xe9")
    with pytest.raises(InputError, match="declares klingon"):
        read(path)


def test_long_paragraphs_are_cut_into_sentences() -> None:
    text = "4.2 " + "We may change prices, e.g. in May. " * 40
    document = parse("long.txt", text)
    assert len(document.segments) == 40
    assert {segment.text for segment in document.segments} == {"We may change prices, e.g. in May."}
    assert {segment.section for segment in document.segments} == {"4.2"}
    assert len(parse("long.txt", text, longest=None).segments) == 1
    assert len(parse("short.txt", "One. Two.", longest=0).segments) == 2
    endless = parse("endless.txt", "x" * 5000 + " " + "word " * 1000)
    assert max(len(segment.text) for segment in endless.segments) <= 2000


def test_every_clause_of_the_example_is_a_passage_under_its_number() -> None:
    rows = [json.loads(line) for line in (EXAMPLE / "clauses.jsonl").read_text(encoding="utf-8").splitlines()]
    passages = {}
    for name in {row["document"] for row in rows}:
        document = read(EXAMPLE / "documents" / name)
        accounted(document)
        for segment in document.segments:
            section = segment.section.removeprefix("Article ") or segment.heading
            passages[name, section, " ".join(segment.text.split())] = segment
    assert not [row for row in rows if (row["document"], row["section"], " ".join(row["text"].split())) not in passages]


@pytest.mark.parametrize(
    ("text", "style", "label"),
    [
        ("4.2.1 x", "dotted", "4.2.1"),
        ("(iv) x", "paren", "(iv)"),
        ("b) x", "paren", "(b)"),
        ("Article IV. x", "word", "Article IV"),
        ("SECTION 3 x", "word", "Section 3"),
        ("Section 3.2: x", "dotted", "3.2"),
        ("§ 12a x", "word", "§ 12a"),
        ("Schedule 2 \u2014 x", "word", "Schedule 2"),
        ("C3. x", "mixed", "C3"),
        ("• x", "bullet", ""),
    ],
)
def test_marks(text: str, style: str, label: str) -> None:
    mark = find_mark(text)
    assert mark is not None and (mark.style, mark.label) == (style, label) and text[mark.end :] == "x"


@pytest.mark.parametrize(
    "text", ["14 days after", "1.5", "Section four", "(see) x", "I am", "e.g. x", "2021. x", "a.b x"]
)
def test_what_is_no_mark(text: str) -> None:
    assert find_mark(text) is None


def test_letters_and_roman_numbers_are_told_apart_by_what_came_before() -> None:
    numbering = Numbering()
    said = []
    for label in [*"abcdefghi", "j"]:
        mark = find_mark(f"({label}) x")
        assert mark is not None
        said.append(numbering.take(mark))
    assert said[-2:] == ["(i)", "(j)"]
    inner = find_mark("(i) x")
    assert inner is not None and numbering.take(inner) == "(j)(i)"


def test_numbers_are_written_as_they_are_read() -> None:
    assert [to_roman(number) for number in (4, 9, 14, 1994)] == ["iv", "ix", "xiv", "mcmxciv"]
    assert [to_letters(number) for number in (1, 26, 27, 53)] == ["a", "z", "aa", "aaa"]


BAD = {
    "empty.txt": (b"  \n", "is empty"),
    "terms.rtf": (b"{}", r"documents of .rtf are not read; give .txt, .md"),
    "terms": (b"x", "no suffix"),
    "binary.txt": (b"ab\x00\x01\x02" * 50, "control character 0x00"),
    "picture.txt": (b"\x89PNG\r\n\x1a\n\x00\x00\xff\xfe", "is not text"),
    "latin.txt": ("eins\nzwei \u20ac f\u00fcr".encode("cp1252"), r"0x80 in line 2.*'€' in Windows-1252.*iconv"),
    "utf16.txt": ("Terms".encode("utf-16"), "it is UTF-16.*iconv -f UTF-16"),
    "damaged.pdf": (b"%PDF-1.7 nothing of it", "damaged, or is no PDF"),
    "text.pdf": (b"just words", "damaged, or is no PDF"),
    "damaged.docx": (b"PK\x03\x04 nothing of it", "damaged, or is no DOCX"),
    "old.docx": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 old", "old .doc"),
    "bare.html": (b"<html><head><script>var words = 1;</script></head><body><!-- x --></body></html>", "no text"),
    "bare.md": (b"<!-- a comment -->", "no text"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_get_a_sentence(name: str, tmp_path: Path) -> None:
    content, said = BAD[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=re.compile(said, re.S)) as raised:
        read(tmp_path / name)
    assert name in str(raised.value) and len(str(raised.value).removeprefix(str(tmp_path))) < 300


def test_what_is_not_there_or_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotFoundError, match="no file"):
        read(tmp_path / "none.txt")
    (tmp_path / "folder.txt").mkdir()
    with pytest.raises(EnvironmentProblem, match="cannot read"):
        read(tmp_path / "folder.txt")
    (tmp_path / "terms.pdf").write_bytes(b"x")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EnvironmentProblem, match=r"needs pypdf.*shoal\[documents\]"):
        read(tmp_path / "terms.pdf")
    monkeypatch.setattr("shoal.documents.reading.MOST_BYTES", 3)
    (tmp_path / "large.txt").write_text("four")
    with pytest.raises(InputError, match="at most"):
        read(tmp_path / "large.txt")


@pytest.mark.parametrize("suffix", [".txt", ".md", ".html"])
def test_large_documents_are_read_at_once(suffix: str, tmp_path: Path) -> None:
    clause = "4.2 We may change the terms, and you agree to that. No refund is given.\n\n"
    body = clause * 15_000 if suffix != ".html" else f"<p>{clause}</p>" * 60_000
    (tmp_path / f"large{suffix}").write_text(body)
    begun = time.process_time()
    document = read(tmp_path / f"large{suffix}")
    assert len(document.segments) == (60_000 if suffix == ".html" else 15_000)
    assert time.process_time() - begun < 20  # 1 s for a MB and 3 s for 5 MB where nothing else runs


@pytest.mark.parametrize("body", ["<div>" * 20_000 + "deep", "<ul><li>" * 5_000 + "deep", "<b" * 50_000, "&" * 50_000])
def test_hostile_html_is_read_or_refused(body: str, tmp_path: Path) -> None:
    (tmp_path / "hostile.html").write_text(body)
    try:
        accounted(read(tmp_path / "hostile.html"))
    except ShoalError as error:
        assert "hostile.html" in str(error)


@pytest.mark.parametrize(
    "body", ["> " * 5_000 + "deep", "- " * 2_000 + "deep", "[" * 20_000, "*a " * 20_000, "`" * 9_999]
)
def test_hostile_markdown_is_read_or_refused(body: str, tmp_path: Path) -> None:
    (tmp_path / "hostile.md").write_text(body)
    begun = time.process_time()
    try:
        accounted(read(tmp_path / "hostile.md"))
    except InputError as error:
        assert "holds no text" in str(error)
    assert time.process_time() - begun < 20
