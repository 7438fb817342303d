"""DOCX and PDF: written here, read back."""

import io
import random
import zipfile
from collections.abc import Sequence
from pathlib import Path

import docx
import pypdf
import pytest
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls

from shoal.documents import read
from shoal.errors import InputError

NUMBERING = f"""<w:numbering {nsdecls("w")}><w:abstractNum w:abstractNumId="0">
<w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1."/></w:lvl>
<w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1.%2"/></w:lvl>
<w:lvl w:ilvl="2"><w:start w:val="1"/><w:numFmt w:val="lowerLetter"/><w:lvlText w:val="(%3)"/></w:lvl>
<w:lvl w:ilvl="3"><w:start w:val="1"/><w:numFmt w:val="lowerRoman"/><w:lvlText w:val="(%4)"/></w:lvl>
</w:abstractNum><w:abstractNum w:abstractNumId="1">
<w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="bullet"/><w:lvlText w:val="o"/></w:lvl></w:abstractNum>
<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num><w:num w:numId="2"><w:abstractNumId w:val="1"/></w:num>
<w:num w:numId="3"><w:abstractNumId w:val="0"/><w:lvlOverride w:ilvl="0"><w:startOverride w:val="7"/></w:lvlOverride>
</w:num></w:numbering>"""


def contract(path: Path) -> Path:
    """A contract as lawyers write them: numbers counted by Word, a tracked change, a table, a content control."""
    made = docx.Document()
    part = made.part.numbering_part
    for child in list(part.element):
        part.element.remove(child)
    part.element.extend(list(parse_xml(NUMBERING)))

    def numbered(text: str, level: int, number: int = 1, style: str | None = None) -> None:
        paragraph = made.add_paragraph(text, style)
        properties = paragraph._p.get_or_add_pPr()
        properties.append(
            parse_xml(
                f'<w:numPr {nsdecls("w")}><w:ilvl w:val="{level}"/><w:numId w:val="{number}"/></w:numPr>',
            )
        )

    made.add_heading("Master Services Agreement", 0)
    made.add_paragraph("Between the parties named below.")
    numbered("Fees", 0, style="Heading 1")
    numbered("Fees are due at once.", 1)
    numbered("They rise with:", 1)
    numbered("the index; and", 2)
    numbered("whatever we think fit.", 2)
    numbered("Deeper still.", 3)
    numbered("Term", 0, style="Heading 1")
    numbered("One year.", 1)
    numbered("a bullet", 0, number=2)
    table = made.add_table(rows=2, cols=2)
    for cell, text in zip([*table.rows[0].cells, *table.rows[1].cells], ["Plan", "Price", "Basic", "5"], strict=True):
        cell.text = text
    numbered("Schedule", 0, number=3, style="Heading 1")
    changed = made.add_paragraph("Notice is ")
    changed._p.append(
        parse_xml(f'<w:del {nsdecls("w")} w:id="1" w:author="a"><w:r><w:delText>ten</w:delText></w:r></w:del>')
    )
    changed._p.append(
        parse_xml(f'<w:ins {nsdecls("w")} w:id="2" w:author="a"><w:r><w:t>thirty days.</w:t></w:r></w:ins>')
    )
    made.element.body.insert(
        len(made.element.body) - 1,
        parse_xml(
            f"<w:sdt {nsdecls('w')}><w:sdtContent><w:p><w:r><w:t>In a content control.</w:t></w:r></w:p>"
            "</w:sdtContent></w:sdt>"
        ),
    )
    made.save(str(path))
    return path


def test_a_contract_in_word(tmp_path: Path) -> None:
    document = read(contract(tmp_path / "contract.docx"))
    assert [(segment.section, segment.text) for segment in document.segments] == [
        ("", "Between the parties named below."),
        ("1.1", "Fees are due at once."),
        ("1.2", "They rise with:"),
        ("1.2(a)", "the index; and"),
        ("1.2(b)", "whatever we think fit."),
        ("1.2(b)(i)", "Deeper still."),
        ("2.1", "One year."),
        ("2.1", "a bullet"),
        ("2.1", "Plan | Price"),
        ("2.1", "Basic | 5"),
        ("7", "Notice is thirty days."),
        ("7", "In a content control."),
    ]
    assert [segment.heading for segment in document.segments][-1] == "Schedule"
    assert document.text.startswith(
        "Master Services Agreement\n\nBetween the parties named below.\n\n1. Fees\n\n1.1 Fees"
    )
    for segment in document.segments:
        assert document.text[segment.start : segment.end] == segment.text


def repacked(path: Path, name: str, content: bytes) -> Path:
    """The same archive with one part replaced."""
    made = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.namelist():
            new.writestr(part, content if part == name else old.read(part))
    path.write_bytes(made.getvalue())
    return path


def test_word_files_that_are_not_what_they_seem(tmp_path: Path) -> None:
    whole = contract(tmp_path / "half.docx").read_bytes()
    (tmp_path / "half.docx").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="damaged, or is no DOCX"):
        read(tmp_path / "half.docx")
    with pytest.raises(InputError, match="damaged, or is no DOCX"):
        read(repacked(contract(tmp_path / "xml.docx"), "word/document.xml", b"<w:document>"))
    with zipfile.ZipFile(tmp_path / "zip.docx", "w") as archive:
        archive.writestr("hello.txt", "no document")
    with pytest.raises(InputError, match="damaged, or is no DOCX"):
        read(tmp_path / "zip.docx")


def test_word_bombs_are_not_unpacked(tmp_path: Path) -> None:
    bomb = repacked(contract(tmp_path / "bomb.docx"), "word/document.xml", b" " * 120_000_000)
    assert bomb.stat().st_size < 1_000_000
    with pytest.raises(InputError, match=r"unpacks to 1\d\d MB"):
        read(bomb)
    laughs = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    body = (
        f'<!DOCTYPE w [<!ENTITY a0 "ha">{laughs}]><w:document {nsdecls("w")}><w:body><w:p><w:r><w:t>&a9;</w:t></w:r>'
        "</w:p></w:body></w:document>"
    )
    with pytest.raises(InputError, match=r"laughs\.docx"):
        read(repacked(contract(tmp_path / "laughs.docx"), "word/document.xml", body.encode()))


@pytest.mark.parametrize("part", ["word/document.xml", "word/numbering.xml", "word/styles.xml"])
def test_damage_anywhere_in_a_word_file_is_read_over_or_told(tmp_path: Path, part: str) -> None:
    whole = contract(tmp_path / "contract.docx")
    with zipfile.ZipFile(whole) as archive:
        content = archive.read(part)
    drawn = random.Random(part)
    for _ in range(20):
        broken = damaged(content, drawn)
        try:
            read(repacked(contract(tmp_path / "broken.docx"), part, broken))
        except InputError as error:
            assert "broken.docx is damaged" in str(error)


def damaged(content: bytes, drawn: random.Random) -> bytes:
    """The same bytes with some of them changed, and a part cut out or doubled."""
    changed = bytearray(content)
    for _ in range(drawn.choice([1, 5, 40])):
        changed[drawn.randrange(len(changed))] = drawn.randrange(256)
    at, size = drawn.randrange(len(changed)), drawn.randrange(40)
    changed[at : at + size] = changed[at : at + size] * drawn.randrange(3)
    return bytes(changed)


def pdf(path: Path, pages: Sequence[Sequence[str]]) -> Path:
    """Write a PDF by hand: Helvetica, one line of text under the other."""
    objects: list[bytes] = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    kids: list[str] = []
    for lines in pages:
        shown = "".join(f"({line.translate({40: chr(92) + '(', 41: chr(92) + ')'})}) Tj T* " for line in lines)
        stream = f"BT /F1 11 Tf 14 TL 60 780 Td {shown}ET".encode("latin-1") if lines else b"q Q"
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >> "
            b"/Contents %d 0 R >>" % len(objects)
        )
        kids.append(f"{len(objects)} 0 R")
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>".encode()
    made, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(made))
        made += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    end = b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
    path.write_bytes(made + end % (len(objects) + 1, table, len(objects) + 1, len(made)))
    return path


PAGES = [
    [
        *(
            "Example Ltd",
            "MASTER AGREEMENT",
            "1. Fees",
            "1.1 Fees are due at once and are paid by bank transfer to the ac-",
        ),
        *("count named in the invoice, unless the parties have agreed in writ-", "ing on another way."),
        *("1.2 They are non-refundable.", "(a) This holds for fees of every kind that are named in the schedule to"),
        *("this agreement, whether they were paid in advance or", "Page 1 of 3"),
    ],
    ["Example Ltd", "afterwards.", "2. Term", "2.1 One year.", "We are a non-", "refundable kind.", "Page 2 of 3"],
    ["Example Ltd", "Signed by the parties on the day that stands above.", "Page 3 of 3"],
]


def test_a_contract_in_pdf(tmp_path: Path) -> None:
    document = read(pdf(tmp_path / "contract.pdf", PAGES))
    assert document.pages == 3
    assert [(segment.section, segment.page, segment.text) for segment in document.segments] == [
        (
            *("1.1", 1),
            "Fees are due at once and are paid by bank transfer to the account named in the invoice, unless the "
            "parties have agreed in writing on another way.",
        ),
        ("1.2", 1, "They are non-refundable."),
        (
            *("1.2(a)", 1),
            "This holds for fees of every kind that are named in the schedule to this agreement, whether they were "
            "paid in advance or afterwards.",
        ),
        ("2.1", 2, "One year."),
        ("2.1", 2, "We are a non-refundable kind."),
        ("2.1", 3, "Signed by the parties on the day that stands above."),
    ]
    assert "Example Ltd" not in document.text and "Page 2" not in document.text


def test_lines_that_were_broken_on_purpose_are_paragraphs(tmp_path: Path) -> None:
    """A list whose bullets are drawn, not written; capitals are broader than small letters."""
    lines = [
        *("How this works", "You order and we deliver.", "Tips go to the rider.", "2.1 One clause."),
        "2.2 WE ARE NOT LIABLE FOR ANYTHING THAT MAY BE SAID TO HAVE",
        "HAPPENED WHILE YOU WERE WAITING FOR SOMETHING TO HAPPEN AND",
        "FOR NOTHING THAT DID.",
        "This line of small letters is as long as a full line is in this document and",
        "no longer.",
    ]
    document = read(pdf(tmp_path / "list.pdf", [[*lines, "1/2"], [*lines, "2/2"]]))
    begun = ["You order and we deliver", "Tips go to the rider.", "One clause.", "WE ARE NOT LIABLE FOR AN"]
    page = [*begun, "This line of small lette"]
    # The first line is the document's title, the same words on the second page are a passage.
    assert [segment.text[:24] for segment in document.segments] == [*page, "How this works", *page]
    assert "/2" not in document.text


def test_scanned_pages_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"scan\.pdf holds 0 characters on 4 pages.*OCR"):
        read(pdf(tmp_path / "scan.pdf", [[], [], [], []]))


def test_encrypted_and_damaged_pdf(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = pdf(tmp_path / "whole.pdf", PAGES)
    writer = pypdf.PdfWriter(clone_from=str(whole))
    writer.encrypt("secret", algorithm="RC4-128")
    writer.write(str(tmp_path / "locked.pdf"))
    with pytest.raises(InputError, match=r"locked\.pdf is encrypted.*without a password"):
        read(tmp_path / "locked.pdf")
    content = whole.read_bytes()
    drawn = random.Random(0)
    for _ in range(60):
        (tmp_path / "broken.pdf").write_bytes(damaged(content, drawn))
        try:
            read(tmp_path / "broken.pdf")
        except InputError as error:
            assert "broken.pdf" in str(error)
    for cut in (20, 400, 900, len(content) - 300):
        (tmp_path / "cut.pdf").write_bytes(content[:cut])
        try:
            read(tmp_path / "cut.pdf")
        except InputError as error:
            assert "cut.pdf" in str(error)
    for broken in (
        content.replace(b"/Kids", b"/Kid"),
        content.replace(b"/Length", b"/Lengthy"),
        content.replace(b"obj", b""),
    ):
        (tmp_path / "broken.pdf").write_bytes(broken)
        try:
            read(tmp_path / "broken.pdf")
        except InputError as error:
            assert "broken.pdf" in str(error)
    assert capsys.readouterr() == ("", "")
