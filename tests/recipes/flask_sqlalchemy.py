"""POST /orders writes an order and its event in one transaction, with Flask and SQLAlchemy."""
import os

from flask import Flask, jsonify, request
from sqlalchemy import Column, DateTime, FetchedValue, Integer, Text, create_engine
from sqlalchemy.dialects.postgresql import JSON, UUID
from sqlalchemy.orm import Session, declarative_base

Base = declarative_base()


class Order(Base):
    __tablename__ = "orders"
    id = Column(Integer, primary_key=True)
    item = Column(Text, nullable=False)
    pieces = Column(Integer, nullable=False)


class Outbox(Base):
    __tablename__ = "outbox"
    __table_args__ = {"schema": "pgevents"}
    outbox_id = Column(UUID(as_uuid=True), primary_key=True, server_default=FetchedValue())
    channel_id = Column(Text, nullable=False)
    type = Column(Text, nullable=False)
    data = Column(JSON)
    expires_at = Column(DateTime(timezone=True))


app = Flask(__name__)
engine = create_engine("postgresql+psycopg2://")


@app.post("/orders")
def place_order():
    with Session(engine) as session, session.begin():
        order = Order(item=request.json["item"], pieces=request.json["pieces"])
        session.add(order)
        session.flush()  # gives order.id
        event = Outbox(channel_id="orders", type="order_placed",
                       data={"id": order.id, "item": order.item, "pieces": order.pieces})
        session.add(event)
        session.flush()
        key = event.outbox_id  # now: after the COMMIT SQLAlchemy would read the row again, which is not there
    return jsonify(key=key), 201


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(os.environ["PORT"]))
