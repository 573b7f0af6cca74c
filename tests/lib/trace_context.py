# SPDX-License-Identifier: MIT
"""A reference parser of W3C Trace Context level 2 (traceparent), written from the text of the standard, section 3.2;
and a generator of values, good and bad."""
import random
from dataclasses import dataclass

HEX = set("0123456789abcdef")


@dataclass(frozen=True)
class Parent:
    trace_id: str
    span_id: str
    flags: int  # the bits that are known: 0 sampled, 1 random


def parse_traceparent(value):
    """What a header value says; None: invalid, so a new trace is to be started."""
    text = value.decode("latin-1").strip(" \t")  # RFC 9110 section 5.5: white space around a value is not part of it
    if len(text) < 55 or "," in text:  # a comma: two headers joined, RFC 9110 section 5.3
        return None
    version, dash1, trace_id, dash2, span_id, dash3, flags = (
        text[0:2], text[2], text[3:35], text[35], text[36:52], text[52], text[53:55])
    if dash1 != "-" or dash2 != "-" or dash3 != "-":
        return None
    if not all(set(part) <= HEX for part in (version, trace_id, span_id, flags)):
        return None
    if version == "ff" or trace_id == "0" * 32 or span_id == "0" * 16:
        return None
    if version == "00" and len(text) != 55:
        return None
    if len(text) > 55 and text[55] != "-":
        return None
    return Parent(trace_id, span_id, int(flags, 16) & 3)


class Generator:
    """Seeded: the same values on every run."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def hex(self, digits):
        return f"{self.random.getrandbits(4 * digits):0{digits}x}"

    def valid(self, version="00"):
        return f"{version}-{self.hex(32)}-{self.hex(16)}-{self.hex(2)}"

    def value(self):
        """Bytes that can stand in a header: no NUL, CR or LF."""
        kind = self.random.randrange(12)
        text = self.valid()
        if kind <= 2:
            return text.encode()
        if kind == 3:  # white space
            spaces = ["", " ", "\t", "  \t "]
            return (self.random.choice(spaces) + text + self.random.choice(spaces)).encode()
        if kind == 4:  # a later version
            tail = self.random.choice(["", "-", "-what-the-future-will-be", "--", "x", ".x", "0", "-a b", "-a,b", ","])
            return (self.valid(self.hex(2)) + tail).encode()
        if kind == 5:  # version 00 with more, or ff
            return (self.valid(self.random.choice(["00", "ff"])) + self.random.choice(["-", "-00", "0", ""])).encode()
        if kind == 6:  # zeros
            return self.random.choice([text[:3] + "0" * 32 + text[35:], text[:36] + "0" * 16 + text[52:],
                                       "00-" + "0" * 32 + "-" + "0" * 16 + "-00"]).encode()
        if kind == 7:  # upper case somewhere
            return "".join(self.random.choice([c, c.upper()]) for c in text).encode()
        if kind == 8:  # one byte changed
            place = self.random.randrange(len(text))
            return text[:place].encode() + self.byte() + text[place + 1:].encode()
        if kind == 9:  # one byte more
            place = self.random.randrange(len(text) + 1)
            return text[:place].encode() + self.byte() + text[place:].encode()
        if kind == 10:  # cut
            return text[:self.random.randrange(len(text))].encode()
        return b"".join(self.byte() for _ in range(self.random.randrange(0, 200)))

    def byte(self):
        """A byte of a header value: seldom a strange one."""
        if self.random.random() < 0.7:
            return self.random.choice("0123456789abcdefABCDEFgz-,._ \t").encode()
        return bytes([self.random.choice([b for b in range(1, 256) if b not in b"\r\n"])])
