# shellcheck shell=bash disable=SC2154 # work and others: set by run.sh
# Watched tables in dumps, and rows that transactions change at the same time.

# A dump contains the triggers with the application's tables; restoring it publishes nothing.
watched_dump() {
  local source copy
  fresh_database source
  q "$source" "CREATE SCHEMA shop; CREATE TABLE shop.orders (id int PRIMARY KEY, item text);
    CREATE TABLE shop.parts (id int) PARTITION BY LIST (id); CREATE TABLE shop.part PARTITION OF shop.parts DEFAULT;
    SELECT pgevents.watch('shop.orders', channel => 'order:{id}', columns => '{item}'),
      pgevents.watch('shop.parts', channel => 'parts', columns => '{id}');
    INSERT INTO shop.orders VALUES (1, 'Brie'); INSERT INTO shop.parts VALUES (1)" >/dev/null
  pg_dump -Fc -f "$work/watched.custom" -d "$source"
  empty_database copy "TEMPLATE template0"
  pg_restore --exit-on-error -j 2 -d "$copy" "$work/watched.custom"
  install_schema "$copy" >/dev/null
  is "$(q "$copy" "SELECT count(*) FROM pgevents.log")" 2 "events of the dump, and no more"
  q "$copy" "UPDATE shop.orders SET item = 'Edam'; INSERT INTO shop.part VALUES (2); TRUNCATE shop.orders"
  is "$(q "$copy" "SELECT string_agg(channel_id || ' ' || type, ', ' ORDER BY id) FROM pgevents.log
    WHERE id > $(newest "$copy")")" \
    "order:1 orders_updated, parts parts_created, order:1 orders_deleted" "changes of the copy"
  is "$(q "$copy" "SELECT pgevents.unwatch('shop.orders') || ' ' || pgevents.unwatch('shop.parts', 'parts')")" "1 1" "ended"
}
if [[ $(pg_dump --version | tr -dc '0-9.' | cut -d. -f1) -ge $(($(q postgres "SHOW server_version_num") / 10000)) ]]; then
  it "a restored dump has the watches of the tables, and restoring it publishes none of their rows" watched_dump
fi

# The statements that watch() executes are those of watch_statements(): a role without the right to create functions can
# give them to one that has it.
watched_by_statements() {
  local database
  fresh_database database
  q "$database" "CREATE TABLE orders (id int PRIMARY KEY)"
  q "$database" "SELECT string_agg(s, E';\n') FROM unnest(pgevents.watch_statements('orders', 'order:{id}', '{id}')) s" |
    sql -d "$database" -f -
  q "$database" "INSERT INTO orders VALUES (1)"
  is "$(q "$database" "SELECT channel_id FROM pgevents.log")" order:1 "event"
  is "$(q "$database" "SELECT pgevents.unwatch('orders')")" 1 "ended"
}
it "the statements of watch_statements() do what watch() does" watched_by_statements

# The second call drops triggers, for which it waits for the transaction that has read the table. That one writes the
# table next: no deadlock, and no change is lost.
watched_in_use() {
  local database channel
  fresh_database database
  q "$database" "CREATE TABLE orders (id int PRIMARY KEY, n int); INSERT INTO orders VALUES (1, 0)"
  session writer "$database"
  session owner "$database"
  for channel in first first second; do
    run_in writer "BEGIN; SELECT n FROM orders;"
    send owner "SELECT pgevents.watch('orders', channel => '$channel:{id}', columns => '{n}');"
    wait_for "$database" t "SELECT coalesce(bool_or(wait_event_type = 'Lock' OR state = 'idle'), false)
      FROM pg_stat_activity WHERE query ~ '^SELECT pgevents.watch'"
    run_in writer "UPDATE orders SET n = n + 1; COMMIT;"
    await owner
  done
  is "$(output writer)$(output owner)" "$(printf '0\n1\n2')" "answers"
  is "$(q "$database" "SELECT string_agg(channel_id || data, ' ' ORDER BY channel_id, id) FROM pgevents.log")" \
    'first:1{"new":{"n":1}} first:1{"new":{"n":2}} first:1{"new":{"n":3}} second:1{"new":{"n":3}}' "events"
}
it "a table can be watched, and watched again, while transactions use it" watched_in_use

# The row is committed while TRUNCATE, or LOCK TABLE, waits for its lock. The transaction's snapshot must be newer.
truncated_after_waiting() {
  local database isolation=$1 lock=$2
  fresh_database database
  q "$database" "CREATE TABLE orders (id int PRIMARY KEY);
    SELECT pgevents.watch('orders', channel => 'order:{id}', columns => '{id}')" >/dev/null
  session writer "$database"
  session owner "$database"
  run_in writer "BEGIN; INSERT INTO orders VALUES (1);"
  send owner "BEGIN ISOLATION LEVEL $isolation; $lock TRUNCATE orders; COMMIT;"
  is_waiting "$database"
  run_in writer "COMMIT;"
  await owner
  is "$(output owner)" "" "answers"
  is "$(q "$database" "SELECT string_agg(type, ' ' ORDER BY id) FROM pgevents.log")" \
    "orders_created orders_deleted" "events"
}
truncated_read_committed() { truncated_after_waiting "READ COMMITTED" ""; }
it "TRUNCATE of a watched table publishes the rows that were committed while it waited" truncated_read_committed
truncated_locked() {
  truncated_after_waiting "REPEATABLE READ" "LOCK TABLE orders;"
  close_sessions
  truncated_after_waiting "SERIALIZABLE" "LOCK TABLE orders;"
}
it "with a snapshot of its own it does so too, if the transaction begins by locking the table" truncated_locked

# Roles belong to the whole cluster.
watch_left() {
  local database seller=${prefix}_seller buyer=${prefix}_buyer
  fresh_database database
  q "$database" "CREATE ROLE $seller; CREATE ROLE $buyer; GRANT pgevents_publisher TO $seller, $buyer;
    GRANT CREATE ON SCHEMA public TO $seller; SET ROLE $seller; CREATE TABLE orders (id int PRIMARY KEY);
    SELECT pgevents.watch('orders', 'order:{id}', '{id}'); RESET ROLE; ALTER TABLE orders OWNER TO $buyer" >/dev/null
  q "$database" "SET ROLE $buyer; SELECT pgevents.unwatch('orders')" >/dev/null 2>"$work/notice"
  q "$database" "DROP OWNED BY $seller, $buyer; DROP ROLE $seller, $buyer"
  is "$(cat "$work/notice")" "NOTICE:  The function public.pgevents_watch_orders() is left: must be owner of function \
public.pgevents_watch_orders
HINT:  $seller may drop it; it is no longer a trigger of public.orders." "notice"
}
it "unwatch() names the function that it may not drop, and the role that may" watch_left
