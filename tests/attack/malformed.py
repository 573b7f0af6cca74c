# SPDX-License-Identifier: MIT
"""A seeded generator of requests that are wrong in every way that bytes can be."""
import json
import random
from dataclasses import dataclass

ANSWERED, CUT, RESET, UNKNOWN = "answered", "cut", "reset", "unknown"
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "BREW", "get"]
PATHS = ["/api/v1/users", "/api/v1/users/9", "/api/v1/orders", "/api/v1/orders/1", "/api/v1/notifications",
         "/api/v1/notifications/1", "/healthz", "/readyz", "/", "/metrics", "/stub_status", "/api/v1/nothing"]
STRANGE = [b"\0", b"\r", b"\n", b"\t", b" ", b"\x7f", b"\x80", b"\xff", b"\xc0\xaf", b"\xed\xa0\x80",
           b"\xf4\x90\x80\x80", b"\xe6\xb5\x8b", b"%", b"%00", b"%0d%0a", b"%ff", b"%2e%2e%2f", b"%zz", b"\"", b"\\",
           b"{", b"}", b";", b"#", b"?", b"&", b"=", b"/", b"//", b"..", b"\r\n", b"${jndi}", b"'--",
           b"\xef\xbb\xbf"]
USER = {"name": "Ada", "email": "ada@example.com"}
ORDER = {"user_id": 1, "product": "\u6d4b\u8bd5\u5546\u54c1", "amount": 99.99}
VALUES = [None, True, 0, -1, 1, 0.001, 1e308, 10**400, 2**63, -2**63, 1.005, "", "x", "x" * 3000, "\0", "\u0085",
          "a\nb", "\U0001f600" * 90, [], {}, [[]], {"a": {"b": []}}, "1", "NaN", "a@b@c", "@", "cancelled", "created"]
HEADERS = ["Host", "Content-Length", "Content-Type", "Transfer-Encoding", "Connection", "Expect", "Upgrade", "Range",
           "If-Match", "If-Modified-Since", "Accept-Encoding", "Content-Encoding", "TE", "Trailer", "Cookie", "Via",
           "Authorization", "X-Forwarded-For", "Proxy", "X-Apm-Route", "Trace-Valid", "Apm-Gateway", "User-Agent",
           "traceparent", "tracestate", "baggage", "Idempotency-Key", "X", "X_Y", ""]


@dataclass
class Attack:
    kind: str
    pieces: list  # bytes, each sent by itself
    ending: str  # ANSWERED: the server owes an answer; CUT, RESET: the client goes; UNKNOWN: who can tell


class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.kinds = [self.lines, self.headers, self.contexts, self.keys, self.chunks, self.uris, self.queries,
                      self.bodies, self.mutated_bodies, self.lengths, self.pipelines, self.cuts, self.mutations,
                      self.noise]

    def attack(self):
        return self.random.choice(self.kinds)()

    # ---- parts

    def pick(self, *choices):
        return self.random.choice(choices)

    def bytes(self, most):
        return self.random.randbytes(self.random.randrange(most))

    def value(self, most=60):
        """Bytes of a header or a URI that do not end the line."""
        kind = self.random.randrange(4)
        if kind == 0:
            data = self.bytes(most)
        elif kind == 1:
            data = b"".join(self.random.choices(STRANGE, k=self.random.randrange(1, 6)))
        elif kind == 2:
            data = str(self.random.choice(VALUES)).encode("utf-8", "replace")[:most]
        else:
            data = b"a" * self.pick(0, 1, 255, 256, 1000, 8000, 8192, 9000, 33000)
        return data.replace(b"\r", b"").replace(b"\n", b"")

    def request(self, method="GET", path="/api/v1/users/1", headers=(), body=None, content_type="application/json"):
        """A request that ends its connection, so that the end of the answers can be seen."""
        if isinstance(path, str):
            path = path.encode()
        lines = [method.encode() + b" " + path + b" HTTP/1.1", b"Host: a", b"Connection: close", *headers]
        if body is not None:
            lines += [b"Content-Type: " + content_type.encode(), b"Content-Length: %d" % len(body)]
        return b"\r\n".join(lines) + b"\r\n\r\n" + (body or b"")

    def valid(self):
        """One that is well-formed, whatever its fields say."""
        path = self.random.choice(PATHS)
        if self.random.random() < 0.5:
            return self.request("GET", path)
        return self.request(self.pick("POST", "PATCH"), path, body=json.dumps(self.pick(USER, ORDER)).encode())

    def answered(self, data):
        """Whole, or in pieces that arrive one by one."""
        if self.random.random() < 0.8 or len(data) < 3:
            return [data]
        cuts = sorted(self.random.sample(range(1, len(data)), min(3, len(data) - 1)))
        return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)])]

    # ---- kinds

    def lines(self):
        method = self.pick(self.random.choice(METHODS).encode(), self.bytes(10), b"G" * 5000, b"")
        target = self.pick(self.random.choice(PATHS).encode(), self.value(), b"*", b"http://a/healthz", b"a:80", b"",
                           b"/" + b"a" * 9000)
        version = self.pick(b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/9.9", b"HTTP/1.", b"HTTP/1.12345",
                            b"http/1.1", b"HTTP/-1.1", b"", self.bytes(9))
        end = self.pick(b"\r\n", b"\n", b"\r", b"\r\r\n")
        return Attack("line", [method + b" " + target + b" " + version + end + b"Host: a\r\nConnection: close\r\n\r\n"],
                      UNKNOWN)

    def headers(self):
        lines = []
        for _ in range(self.pick(1, 1, 2, 5, 120)):
            name = self.pick(self.random.choice(HEADERS).encode(), self.value(20).replace(b":", b""), b"A" * 9000)
            lines.append(name + self.pick(b": ", b":", b" : ", b"", b":\t") + self.value())
        if self.random.random() < 0.1:
            lines.append(b" folded")
        return Attack("header", [self.request(self.pick("GET", "POST"), self.random.choice(PATHS), lines)], UNKNOWN)

    def contexts(self):
        """Trace context and baggage: nothing in them is the client's fault, so the answer is that of the resource."""
        good = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        value = self.pick(good, good[:self.random.randrange(60)], good + self.value(), self.value(), good.upper(),
                          good.replace(b"0", self.random.choice(STRANGE)), b"ff" + good[2:], b"cc" + good[2:] + b"-x")
        name = self.pick(b"traceparent", b"tracestate", b"baggage")
        list_of = self.pick(b"a=1", b"a=" + self.value(), b",".join(b"k%d=v" % i for i in range(70)), b"=",
                            b"a=1;b=2;c")
        lines = [name + b": " + value.replace(b"\r\n", b"").replace(b"\r", b"").replace(b"\n", b""),
                 self.pick(b"tracestate", b"baggage") + b": " + list_of]
        return Attack("context", [self.request("GET", "/api/v1/users/1", lines * self.pick(1, 2))], UNKNOWN)

    def keys(self):
        key = self.pick(b'"' + self.value(300), b'"' + self.value(300) + b'"', self.value(300), b"", b'""', b'"\\x"')
        body = json.dumps(ORDER).encode()
        return Attack("key", [self.request("POST", "/api/v1/orders", [b"Idempotency-Key: " + key], body)], UNKNOWN)

    def chunks(self):
        parts = []
        for _ in range(self.random.randrange(1, 5)):
            data = self.pick(json.dumps(ORDER).encode(), self.bytes(300), b"a" * 20000)
            size = self.pick(b"%x" % len(data), b"%X" % len(data), b"%x;ext=\"a\"" % len(data), b"0x%x" % len(data),
                             b"-1", b"zz", b"ffffffffffffffffff", b"", b"7fffffffffffffff", b"%x " % len(data))
            parts.append(size + self.pick(b"\r\n", b"\r\n", b"\n", b"") + data + self.pick(b"\r\n", b"\r\n", b"", b"x"))
        parts.append(self.pick(b"0\r\n\r\n", b"0\r\n\r\n", b"0\r\nX: y\r\n\r\n", b"0\r\n", b""))
        coding = self.pick(b"chunked", b"chunked", b"Chunked", b"chunked, chunked", b"gzip, chunked", b"br",
                           b" chunked ", b"identity", b"\x0bchunked")
        head = self.request("POST", self.pick("/api/v1/orders", "/api/v1/users", "/nothing"),
                            [b"Content-Type: application/json", b"Transfer-Encoding: " + coding])
        return Attack("chunk", self.answered(head + b"".join(parts)), UNKNOWN)

    def uris(self):
        path = self.random.choice(PATHS).encode()
        for _ in range(self.random.randrange(1, 4)):
            place = self.random.randrange(len(path) + 1)
            path = path[:place] + self.random.choice(STRANGE + [b"%%%02x" % self.random.randrange(256)]) + path[place:]
        path = path.replace(b"\r", b"").replace(b"\n", b"")
        return Attack("uri", [self.request(self.random.choice(METHODS[:8]), path)], UNKNOWN)

    def queries(self):
        names = [b"limit", b"cursor", b"user_id", b"order_id", b"status", b"", b"x", b"limit%00", b"lim%69t"]
        values = [b"1", b"0", b"-1", b"101", b"99999999999999999999", b"1e3", b"%31", b"", b"%ff", b"%0d%0a",
                  b"a" * 2000, b"created", b"cancelled", b"\xe6\xb5\x8b", b"%", b"%4", b"+1", b" 1", b"0x1"]
        pairs = [self.random.choice(names) + self.pick(b"=", b"=", b"", b"==") + self.random.choice(values).strip()
                 for _ in range(self.pick(1, 1, 2, 3, 40))]
        path = self.pick(b"/api/v1/users", b"/api/v1/orders", b"/api/v1/notifications", b"/api/v1/users/9")
        return Attack("query", [self.request("GET", path + b"?" + self.pick(b"&", b"&&", b";").join(pairs))], UNKNOWN)

    def fields(self):
        fields = dict(self.pick(USER, ORDER, {"status": "cancelled"}))
        for _ in range(self.random.randrange(3)):
            fields[self.pick(*fields, "id", "", "\0", "x" * 500)] = self.random.choice(VALUES)
        if self.random.random() < 0.2:
            del fields[self.random.choice(list(fields))]
        return json.dumps(fields, ensure_ascii=self.random.random() < 0.5).encode("utf-8", "surrogatepass")

    def bodies(self):
        """Well-formed HTTP whose body is JSON with wrong fields, or no JSON, of any size."""
        body = self.pick(self.fields(), self.fields(), self.bytes(200), b"[" * 30000, b'{"a":' * 5000,
                         b"\xff\xfe{\0}\0", b"1" * 60000, b'"' + b"\\u0000" * 8000 + b'"',
                         b'{"name":"' + b"x" * self.pick(65525, 65526) + b'"}')  # one fits, one is a byte too large
        path = self.pick("/api/v1/users", "/api/v1/orders", "/api/v1/users/9", "/api/v1/orders/1",
                         "/api/v1/notifications", "/healthz")
        media = self.pick("application/json", "application/json", "application/json; charset=utf-16", "text/plain",
                          "application/x-www-form-urlencoded", "multipart/form-data", "application/json" * 100)
        method = self.pick("POST", "PATCH", "PUT", "GET", "DELETE")
        return Attack("body", self.answered(self.request(method, path, (), body, media)), ANSWERED)

    def mutated_bodies(self):
        body = bytearray(self.fields())
        for _ in range(self.random.randrange(1, 6)):
            body[self.random.randrange(len(body))] = self.random.randrange(256)
        path = self.pick("/api/v1/users", "/api/v1/orders", "/api/v1/users/9", "/api/v1/orders/1")
        return Attack("mutated body", [self.request(self.pick("POST", "PATCH"), path, (), bytes(body))], ANSWERED)

    def lengths(self):
        """Content-Length that lies, is none, or comes twice."""
        body = json.dumps(ORDER).encode()
        length = self.pick(b"-1", b"+5", b"0", b"5", b"99999999999999999999999", b"65537", b"1e3", b"0x10", b"", b"1 2",
                           b"%d" % (len(body) + 10), b"%d" % (len(body) - 10), b"18446744073709551615")
        lines = [b"Content-Type: application/json", b"Content-Length: " + length]
        if self.random.random() < 0.3:
            lines.append(self.pick(b"Content-Length: %d" % len(body), b"Transfer-Encoding: chunked"))
        return Attack("length", [self.request("POST", "/api/v1/orders", lines) + body], UNKNOWN)

    def pipelines(self):
        """Several at once; all but the last keep the connection."""
        parts = [self.valid().replace(b"Connection: close", b"Connection: keep-alive")
                 for _ in range(self.random.randrange(1, 5))]
        return Attack("pipeline", self.answered(b"".join(parts) + self.pick(self.valid, self.valid, self.garbage)()),
                      UNKNOWN)

    def cuts(self):
        data = self.pick(self.valid(), self.bodies().pieces[0], b"".join(self.chunks().pieces))
        return Attack("cut", [data[:self.random.randrange(len(data) + 1)]], self.pick(CUT, RESET))

    def mutations(self):
        data = bytearray(self.valid())
        for _ in range(self.pick(1, 1, 2, 5, 20)):
            place = self.random.randrange(len(data) + 1)
            kind = self.random.randrange(3)
            if kind == 0 and place < len(data):
                data[place] = self.random.randrange(256)
            elif kind == 1:
                data[place:place] = self.random.choice(STRANGE)
            else:
                del data[place:place + self.random.randrange(1, 4)]
        return Attack("mutation", [bytes(data)], UNKNOWN)

    def garbage(self):
        return self.pick(self.random.randbytes(self.random.randrange(1, 500)), bytes(100), b"\r\n" * 30,
                         bytes.fromhex("16030100a5010000a10303") + self.random.randbytes(160),
                         b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET /healthz\r\n", b"\x80\x01\x00\x02", b"{}\r\n\r\n")

    def noise(self):
        return Attack("noise", [self.garbage()], UNKNOWN)
