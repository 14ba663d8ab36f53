"""An S3 server that keeps nothing but the lengths of what it is sent: for pushes of more than a disk holds.

Prints a line of shell with what uses it, as the example `bucket` of the testkit does, and runs until its input ends.
"""

import sys
import threading
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

lengths = {}  # of objects, by path
uploads = {}  # lengths of parts, by upload and number


class Sink(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def swallow(self):
        left = length = int(self.headers.get("Content-Length", 0))
        while left:
            left -= len(self.rfile.read(min(left, 1 << 20)))
        return length

    def answer(self, status, body="", length=None):
        data = body.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data) if length is None else length))
        self.send_header("Last-Modified", formatdate(usegmt=True))
        self.send_header("ETag", '"x"')
        self.end_headers()
        self.wfile.write(data)

    def asked(self):
        url = urlsplit(self.path)
        return url.path, parse_qs(url.query, keep_blank_values=True)

    def do_PUT(self):
        path, query = self.asked()
        length = self.swallow()
        if "uploadId" in query:
            uploads[query["uploadId"][0]][int(query["partNumber"][0])] = length
        else:
            lengths[path] = length
        self.answer(200)

    def do_POST(self):
        path, query = self.asked()
        self.swallow()
        if "uploads" in query:
            name = str(len(uploads))
            uploads[name] = {}
            tag, inner = "InitiateMultipartUploadResult", f"<UploadId>{name}</UploadId>"
        else:
            lengths[path] = sum(uploads[query["uploadId"][0]].values())
            tag, inner = "CompleteMultipartUploadResult", "<ETag>x</ETag>"
        self.answer(200, f"<{tag}><Bucket>sink</Bucket><Key>x</Key>{inner}</{tag}>")

    def do_HEAD(self):
        length = lengths.get(self.asked()[0])
        self.answer(404 if length is None else 200, length=length)

    def do_GET(self):
        found = "list-type" in self.asked()[1]
        self.answer(200 if found else 404, "<ListBucketResult></ListBucketResult>" if found else "")

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Sink)
threading.Thread(target=server.serve_forever, daemon=True).start()
port = server.server_address[1]
print(
    f"export BUCKET=s3://sink AWS_ENDPOINT_URL=http://127.0.0.1:{port} AWS_ALLOW_HTTP=true"
    " AWS_REGION=us-east-1 AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x",
    flush=True,
)
sys.stdin.read()
