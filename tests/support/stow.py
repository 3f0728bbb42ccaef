"""Stores files by STOW-RS and prints status and answer, or why there is none.

    stow.py PORT CA (CERTIFICATE KEY | - -) FILE...

In chunks, as servers do that do not know how long it will be. Only the standard library.
"""

import http.client
import ssl
import sys

port, ca, certificate, key, *files = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
if certificate != "-":
    context.load_cert_chain(certificate, key)


def parts():
    for file in files:
        with open(file, "rb") as stream:
            yield b"--one boundary\r\nContent-Type: application/dicom\r\n\r\n" + stream.read() + b"\r\n"
    yield b"--one boundary--\r\n"


try:
    connection = http.client.HTTPSConnection("127.0.0.1", int(port), context=context, timeout=60)
    media = 'multipart/related; type="application/dicom"; boundary="one boundary"'
    headers = {"Content-Type": media, "Accept": "application/dicom+json", "Transfer-Encoding": "chunked"}
    connection.request("POST", "/studies", body=parts(), headers=headers, encode_chunked=True)
    answer = connection.getresponse()
    print(answer.status, answer.read().decode())
except OSError as error:
    print("refused", type(error).__name__)
