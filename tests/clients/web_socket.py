"""Python's websockets as a program: web_socket.py URL [SUBPROTOCOL…]. See lines() in tests/lib/web_socket_clients.mjs.

It is open when its ping was answered. Compression is offered, as the library does unless told otherwise.
"""

import asyncio
import json
import sys

import websockets


def report(what, value):
    print(json.dumps({what: value}), flush=True)


async def obey(socket):
    """Reads commands, one in each line of the standard input."""
    reader = asyncio.StreamReader(limit=1 << 26)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        [(what, value)] = json.loads(line).items()
        if what == "close":
            await socket.close(*value)
        else:
            await socket.send(value)  # a list goes in fragments


async def main(url, protocols):
    try:
        socket = await websockets.connect(url, subprotocols=protocols or None)
        await (await socket.ping("p" * 125))
    except (OSError, websockets.WebSocketException) as error:
        return report("failed", str(error))
    extensions = ", ".join(extension.name for extension in socket.extensions)
    report("opened", {"protocol": socket.subprotocol or "", "extensions": extensions})
    commands = asyncio.create_task(obey(socket))
    try:
        async for message in socket:
            report("message", message)
    except websockets.ConnectionClosed:
        pass
    report("closed", {"code": socket.close_code, "reason": socket.close_reason})
    commands.cancel()


asyncio.run(main(sys.argv[1], sys.argv[2:]))
