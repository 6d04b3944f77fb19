// An order and its event in one transaction, with Prisma: prisma.mjs ITEM PIECES
import { PrismaPg } from '@prisma/adapter-pg';

import { PrismaClient } from './prisma/generated/index.js';

const prisma = new PrismaClient({ adapter: new PrismaPg({}) });

const placeOrder = (item, pieces) => prisma.$transaction(async (tx) => {
  const order = await tx.order.create({ data: { item, pieces } });
  const event = await tx.outbox.create({ data: { channelId: 'orders', type: 'order_placed', data: order } });
  return event.outboxId;
});

try {
  console.log(await placeOrder(process.argv[2], Number(process.argv[3])));
} finally {
  await prisma.$disconnect();
}
