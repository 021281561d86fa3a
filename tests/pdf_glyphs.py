"""What a PDF shows, as its bytes have it: the glyphs of its texts, and whether the fonts inside draw them. Written without compression."""

import io
import re
from collections.abc import Iterator

import weasyprint
from fontTools.ttLib import TTFont

SHOWN = re.compile(rb"/([A-Z]{6}) [\d.]+ Tf|\[([^\[\]]*)\]\s*TJ")
PIECE = re.compile(rb"<([0-9A-Fa-f]+)>")
DESCRIPTOR = re.compile(rb"/FontName /([A-Z]{6})\+[^>]*?/FontFile\d? ?(\d+) 0 R", re.DOTALL)
SPACES = ("space", "uni00A0", "uni3000")


def glyphs(pdf: bytes) -> Iterator[tuple[str, int]]:
    """(font, number) of each glyph shown, in order."""
    font = ""
    for found in SHOWN.finditer(pdf):
        font = found[1].decode() if found[1] else font
        for piece in PIECE.finditer(found[2] or b""):
            yield from ((font, int(piece[1][at : at + 4], 16)) for at in range(0, len(piece[1]), 4))


def boxes(pdf: bytes) -> int:
    """How many of the glyphs shown their font does not have, or has as the box of what is missing."""
    count: dict[str, int] = {}
    for name, number in DESCRIPTOR.findall(pdf):
        begin = re.search(rb"(?:^|\n)%s 0 obj\n<<.*?/Length (\d+).*?>>\nstream\n" % number, pdf, re.DOTALL)
        assert begin is not None
        count[name.decode()] = TTFont(io.BytesIO(pdf[begin.end() : begin.end() + int(begin[1])]), fontNumber=0)["maxp"].numGlyphs
    return sum(number == 0 or number >= count[font] for font, number in glyphs(pdf))


def pages(pdf: bytes) -> int:
    return len(re.findall(rb"/Type /Page\b", pdf))


def cut_off(page: str) -> list[str]:
    """The texts of a page of HTML that end beyond the right margin of the paper (14 mm)."""
    found = []
    for sheet in weasyprint.HTML(string=page).render().pages:
        end = sheet.width - 14 / 25.4 * 96
        texts = (box for box in sheet._page_box.descendants() if isinstance(box, weasyprint.formatting_structure.boxes.TextBox))
        found += [box.text for box in texts if box.position_x + box.width > end + 0.5]
    return found
