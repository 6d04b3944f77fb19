<?php
// An order and its event in one transaction, with PDO: pdo.php ITEM PIECES
$db = new PDO('pgsql:dbname=' . getenv('PGDATABASE'), options: [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);

function place_order(PDO $db, string $item, int $pieces): string
{
    $db->beginTransaction();
    try {
        $order = $db->prepare('INSERT INTO orders (item, pieces) VALUES (?, ?) RETURNING id, item, pieces');
        $order->execute([$item, $pieces]);
        $event = $db->prepare('INSERT INTO pgevents.outbox (channel_id, type, data) VALUES (?, ?, ?) RETURNING outbox_id');
        $event->execute(['orders', 'order_placed', json_encode($order->fetch(PDO::FETCH_ASSOC), JSON_THROW_ON_ERROR)]);
        $db->commit();
        return $event->fetchColumn();
    } catch (Throwable $error) {
        if ($db->inTransaction()) $db->rollBack();
        throw $error;
    }
}

echo place_order($db, $argv[1], (int) $argv[2]), "\n";
