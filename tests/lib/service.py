# SPDX-License-Identifier: MIT
"""A service that the programs call, byte by byte: it can be slow, silent, wrong, or close what it said it kept."""
import socket
import threading
import time

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Service:
    """
    answer: what every request gets after `seconds`; None: nothing, ever. closes: "after" an answer, without a word;
    "before" the answer of every second request of a connection.
    """

    def __init__(self, answer=OK, seconds=0, closes=None, host="127.0.0.1"):
        self.answer, self.seconds, self.closes = answer, seconds, closes
        self.asked = threading.Semaphore(0)  # released for each request
        self.requests = []  # (number of the connection, head, body)
        self.connections = []
        self.listener = socket.create_server((host, 0), backlog=64,
                                             family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.port = self.listener.getsockname()[1]
        self.url = f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.listener.shutdown(socket.SHUT_RDWR)  # close() alone would not wake accept()
        self.listener.close()
        for connection in self.connections:
            connection.close()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self.serve, args=(connection, len(self.connections)), daemon=True).start()

    def serve(self, connection, number):
        data, served = b"", 0
        try:
            while True:
                piece = connection.recv(65536)
                if not piece:
                    return
                data += piece
                head, end, body = data.partition(b"\r\n\r\n")
                length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n")
                               if line.lower().startswith(b"content-length:")), 0)
                if not end or len(body) < length:
                    continue
                data = body[length:]
                served += 1
                if not self.reply(connection, number, served, (head.decode("ascii"), body[:length])):
                    connection.close()
                    return
        except OSError:
            return

    def reply(self, connection, number, served, request):
        """False: close now."""
        if self.closes == "before" and served == 2:
            return False
        self.requests.append((number, *request))
        self.asked.release()
        if self.answer is None:
            return True
        time.sleep(self.seconds)
        connection.sendall(self.answer)
        return self.closes != "after"
