"""Writes down whom the processes of this network namespace talk to, until its input ends.

    egress.py INTERFACE > JSON

A line for each (protocol, address, port) to which packets left on the interface: the bytes of TCP's streams, by their sequence
numbers, so that what is sent again counts once; for others, packets. Only the standard library.
"""

import json
import select
import socket
import struct
import sys

PACKET_OUTGOING, IPV4, IPV6, TCP, UDP = 4, 0x0800, 0x86DD, 6, 17

line = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0003))
line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 20)
line.bind((sys.argv[1], 0))
print("listening", flush=True)

streams, others = {}, {}


def look(packet):
    header = (packet[0] & 15) * 4
    length, protocol = struct.unpack("!H", packet[2:4])[0], packet[9]
    to, rest = socket.inet_ntoa(packet[16:20]), packet[header:]
    if protocol == TCP:
        source, port, sequence = struct.unpack("!HHI", rest[:8])
        flags, offset = rest[13], (rest[12] >> 4) * 4
        stream = streams.setdefault((to, port, source), [])
        if flags & 2:
            stream.append([sequence + 1, sequence + 1, False])
        end = sequence + max(length, len(packet)) - header - offset
        if stream and not stream[-1][2]:
            known = stream[-1][1]
            if (end - known) % (1 << 32) < 1 << 31:
                stream[-1][1] = known + (end - known) % (1 << 32)
            # What comes after it has a number more, and no byte.
            stream[-1][2] = bool(flags & 1)
    else:
        port = struct.unpack("!H", rest[2:4])[0] if protocol == UDP else 0
        others[(protocol, to, port)] = others.get((protocol, to, port), 0) + 1


ended = False
while True:
    ready, _, _ = select.select([line] + ([] if ended else [sys.stdin]), [], [], 0.2 if ended else None)
    if line in ready:
        packet, (_, kind, direction, *_) = line.recvfrom(1 << 18)
        if direction == PACKET_OUTGOING and kind == IPV4:
            look(packet)
        elif direction == PACKET_OUTGOING and kind == IPV6:
            others[("ipv6", "", 0)] = others.get(("ipv6", "", 0), 0) + 1
    elif ended:
        break
    if not ended and sys.stdin in ready:
        ended = not sys.stdin.read(1)

tcp = {}
for (to, port, _), connections in streams.items():
    known = tcp.setdefault(f"{to}:{port}", {"connections": 0, "bytes": 0})
    known["connections"] += len(connections)
    known["bytes"] += sum(end - begun for begun, end, _ in connections)
print(json.dumps({"tcp": tcp, "others": [list(key) + [n] for key, n in sorted(others.items(), key=str)]}))
