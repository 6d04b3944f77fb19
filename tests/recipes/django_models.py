"""An order and its event in one transaction, with Django: django_models.py ITEM PIECES"""
import os
import sys
import uuid

import django
from django.conf import settings
from django.db import models, transaction

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": os.environ["PGDATABASE"]}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField", USE_TZ=True)
django.setup()


class Order(models.Model):
    item = models.TextField()
    pieces = models.IntegerField()

    class Meta:
        app_label, db_table, managed = "shop", "orders", False


class Outbox(models.Model):
    outbox_id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    channel_id = models.TextField()
    type = models.TextField()
    data = models.JSONField(null=True)
    expires_at = models.DateTimeField(null=True)

    class Meta:
        app_label, db_table, managed = "shop", '"pgevents"."outbox"', False


@transaction.atomic
def place_order(item, pieces):
    order = Order.objects.create(item=item, pieces=pieces)
    event = Outbox.objects.create(channel_id="orders", type="order_placed",
                                  data={"id": order.id, "item": item, "pieces": pieces})
    return event.outbox_id


print(place_order(sys.argv[1], int(sys.argv[2])))
