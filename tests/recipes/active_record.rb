# An order and its event in one transaction, with ActiveRecord: active_record.rb ITEM PIECES
require "active_record"

ActiveRecord::Base.establish_connection(adapter: "postgresql", database: ENV.fetch("PGDATABASE"))

class Order < ActiveRecord::Base
end

class Outbox < ActiveRecord::Base
  self.table_name = "pgevents.outbox"
  self.primary_key = "outbox_id"
  self.inheritance_column = nil # `type` is the event's type, not a class
end

def place_order(item, pieces)
  Order.transaction do
    order = Order.create!(item: item, pieces: pieces)
    Outbox.create!(channel_id: "orders", type: "order_placed", data: order.as_json).outbox_id
  end
end

puts place_order(ARGV[0], Integer(ARGV[1]))
