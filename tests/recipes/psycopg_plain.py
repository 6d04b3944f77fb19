"""An order and its event in one transaction, with psycopg: psycopg_plain.py ITEM PIECES"""
import sys

import psycopg
from psycopg.types.json import Jsonb


def place_order(connection, item, pieces):
    with connection.transaction():
        (order_id,) = connection.execute(
            "INSERT INTO orders (item, pieces) VALUES (%s, %s) RETURNING id", (item, pieces)).fetchone()
        (key,) = connection.execute(
            "INSERT INTO pgevents.outbox (channel_id, type, data) VALUES (%s, %s, %s) RETURNING outbox_id",
            ("orders", "order_placed", Jsonb({"id": order_id, "item": item, "pieces": pieces}))).fetchone()
        return key


with psycopg.connect(autocommit=True) as connection:
    print(place_order(connection, sys.argv[1], int(sys.argv[2])))
