"""Personal data are found by form and checksum; what only looks like them is not."""

import time

import pytest

from genwright.data.personal import NAMES, count, find, mask

YES = {
    "mail": ["a.b+c@mail.example.org", "x_1%y@sub.example.co.uk"],
    "iban": ["DE89 3704 0044 0532 0130 00", "GB82WEST12345698765432", "FR1420041010050500013M02606"],
    "id": ["11010519491231002X", "11010519491231002x", "34052419800101001X", "123-45-6789"],
    "card": ["4111 1111 1111 1111", "4111-1111-1111-1111", "378282246310005", "5555555555554444"],
    "ip": ["192.168.0.1", "8.8.8.8", "2001:db8::8a2e:370:7334", "fe80::1"],
    "phone": ["+44 20 7946 0958", "+1 (212) 555-0123", "(212) 555-0123", "212-555-0123", "030 1234567", "13812345678"],
}
NO = [
    "a@b", "@name", "user at mail", "a@b..org", "DE89 3704 0044 0532 0130 01", "110105194912310021", "4111 1111 1111 1112",
    "192.168.0.300", "1.2.3", "12:30:45", "2020-12-24", "24.12.2020", "3.14159265358979", "1,000,000,000", "1990-2000",
    "order 113542617735902", "page 12345678", "0000 0000 0000", "11111111111111111111", "std::vector", "a::b",
    "10 20 30 40 50", "912-34-5678", "666-12-3456", "123-00-4567", "1123-45-67890",
]  # fmt: skip


@pytest.mark.parametrize(("kind", "item"), [(kind, item) for kind, items in YES.items() for item in items])
def test_found_and_masked_wherever_it_stands(kind, item):
    for text in (item, f"see {item}.", f"({item})", f"“{item}”, yes", f"联系{item}，谢谢", f"a\n{item}\nb"):
        assert dict(count(text)) == {kind: 1}, text
        assert mask(text) == text.replace(item, f"[{kind}]")


@pytest.mark.parametrize("item", NO)
def test_what_only_looks_like_it_stays(item):
    assert mask(f"see {item} there") == f"see {item} there"


def test_places_are_exact_and_in_order():
    text = "a@b.org, then 8.8.8.8\nand +44 20 7946 0958; a@b.org"
    assert [text[item.start : item.end] for item in find(text)] == ["a@b.org", "8.8.8.8", "+44 20 7946 0958", "a@b.org"]
    assert sum(count(text).values()) == 4
    assert set(count(text)) <= set(NAMES)
    assert mask("nothing") == "nothing"


@pytest.mark.parametrize("text", ["1", "12 34 ", "a@", "a.", "A", ":", "1.", "(1) ", "+1-", "4111 "])
def test_hostile_lines_take_linear_time(text):
    started = time.monotonic()
    count(text * (400_000 // len(text)))
    assert time.monotonic() - started < 10
