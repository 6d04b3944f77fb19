"""A client on a slow link: python3 narrow_client.py PORT SECONDS. What comes on stdin it sends at once.

Its socket takes little at once, so that what it has not read waits on the server's side, and it reads 4 KB after each
pause of SECONDS. What it has read goes to stdout, until the server closes the connection.
"""
import os
import socket
import sys
import threading
import time

client = socket.socket()
client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
client.connect(('127.0.0.1', int(sys.argv[1])))


def send():
    while given := os.read(0, 65536):
        client.sendall(given)


threading.Thread(target=send, daemon=True).start()
while received := client.recv(4096):
    os.write(1, received)
    time.sleep(float(sys.argv[2]))
