# SPDX-License-Identifier: MIT
"""Judges that what many parts need is written once: a line of C that looks like a second slice, codec, thread or table
of names is told where the first one is. Exits 1 with a line per fault."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "fcgi/tel/examples"  # programs of others: they have nothing of ours but the library

# What it is, how a copy of it looks, the files that may have it, below fcgi/.
PRIMITIVES = (
    ("a slice of a text",
     r"struct \w+ \{\n\t(?:const )?(?:char|uint8_t|unsigned char|void) \*\w+;[^\n]*\n\tsize_t \w+;[^\n]*\n\}",
     ("base/slice.h",)),
    ("protobuf's varints", r"& 0x7f\)|0x7f\) <<|>>= 7", ("base/protobuf.c",)),
    ("nanoseconds of a second or a millisecond",
     r"(?:_ns|_NS|tv_n?sec|_ms|_MS)\b[^\n;]*\b1000000(?:000)?\b|\b1000000(?:000)?\b[^\n;]*(?:_ns|tv_n?sec)\b",
     ("base/clock.h",)),
    ("FNV-1a", r"cbf29ce484222325|100000001b3\b", ("base/hash.h",)),
    ("SplitMix64", r"bf58476d1ce4e5b9|94d049bb133111eb|9e3779b97f4a7c15", ("base/hash.h",)),
    ("a thread", r"\bpthread_create\(", ("base/thread.c",)),
    ("a wait with a deadline", r"\bpthread_cond_timedwait\(|\bpthread_condattr_setclock\(", ("base/clock.c",)),
    ("a handle of libcurl", r"\bcurl_easy_init\(", ("base/curl_handle.h",)),
    ("hexadecimal digits", r"0123456789abcdef|'a' \+ 10|- 'a' \+ 10", ("base/hex.c", "base/hex.h")),
    ("names of HTTP methods", r'"OPTIONS"', ("semconv/http_names.c",)),
    ("names of span kinds", r'"SPAN_KIND_CLIENT"|"SPAN_KIND_" "CLIENT"', ("trace_store/schema.c",)),
    ("the characters of an HTTP token", r'\(\),/:;<=>\?@\[|!#\$%&\'\*\+', ("base/slice.h",)),
    ("UTF-8's replacement character", r"\\xef\\xbf\\xbd", ("base/utf8.c", "base/utf8.h")),
)


def faults():
    for path in sorted((ROOT / "fcgi").rglob("*.[ch]")):
        if EXAMPLES in path.parents:
            continue
        text = path.read_text()
        for what, look, homes in PRIMITIVES:
            if str(path.relative_to(ROOT / "fcgi")) in homes:
                continue
            for found in re.finditer(look, text):
                number = text.count("\n", 0, found.start()) + 1
                yield f"{path.relative_to(ROOT)}:{number}: {what} once more: it is in fcgi/{homes[0]}"


found = list(faults())
print("\n".join(found) or "primitives: each is written once")
sys.exit(bool(found))
