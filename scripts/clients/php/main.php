<?php
// PHP: mysqli and PDO, prepared statements with and without emulation, several
// statements at once, stored procedures, transactions, error modes.

$failed = false;

function check(string $name, callable $f): void {
    global $failed;
    try {
        $f();
        echo "ok $name\n";
    } catch (Throwable $e) {
        $failed = true;
        echo "FAIL $name\n    ", str_replace("\n", "\n    ", $e->getMessage() . " (line " . $e->getLine() . ")"), "\n";
    }
}

function equal($got, $want): void {
    if ($got !== $want) {
        throw new Exception("got " . json_encode($got) . "\nwant " . json_encode($want));
    }
}

function fails(callable $f, int $number): void {
    try {
        $f();
    } catch (mysqli_sql_exception | PDOException $e) {
        equal((int)($e instanceof PDOException ? $e->errorInfo[1] : $e->getCode()), $number);
        return;
    }
    throw new Exception("no error $number");
}

mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
$host = getenv('CLIENTS_HOST');
$port = (int)getenv('CLIENTS_PORT');
$m = new mysqli($host, 'root', '', '', $port);
$m->set_charset('utf8mb4');
$m->query('DROP DATABASE IF EXISTS c_php');
$m->query('CREATE DATABASE c_php');
$m->select_db('c_php');

check('mysqli: query, insert_id, affected_rows, info', function () use ($m) {
    $m->query("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, s VARCHAR(50), n DECIMAL(10,2), d DATETIME)");
    $m->query("INSERT INTO t (s, n, d) VALUES ('a', 1.5, '2026-01-02 03:04:05'), ('b', NULL, NULL)");
    equal($m->insert_id, 1);
    equal($m->affected_rows, 2);
    equal($m->info, 'Records: 2  Duplicates: 0  Warnings: 0');
    $m->query("UPDATE t SET s = 'c' WHERE id = 2");
    equal($m->info, 'Rows matched: 1  Changed: 1  Warnings: 0');
    equal($m->query("SELECT * FROM t ORDER BY id")->fetch_all(MYSQLI_ASSOC), [
        ['id' => '1', 's' => 'a', 'n' => '1.50', 'd' => '2026-01-02 03:04:05'], ['id' => '2', 's' => 'c', 'n' => null, 'd' => null]]);
});
check('mysqli: metadata of a result', function () use ($m) {
    $f = $m->query("SELECT id AS x, s FROM t AS tt LIMIT 1")->fetch_fields();
    equal([$f[0]->name, $f[0]->orgname, $f[0]->table, $f[0]->orgtable, $f[0]->db], ['x', 'id', 'tt', 't', 'c_php']);
    equal([$f[0]->type, (bool)($f[0]->flags & MYSQLI_PRI_KEY_FLAG), (bool)($f[0]->flags & MYSQLI_NOT_NULL_FLAG)], [MYSQLI_TYPE_LONG, true, true]);
});
check('mysqli: prepared statements', function () use ($m) {
    $s = $m->prepare("INSERT INTO t (s, n) VALUES (?, ?)");
    $text = "ä'\\\0"; $n = 2.25;
    $s->bind_param('sd', $text, $n);
    $s->execute();
    equal($s->affected_rows, 1);
    $id = $s->insert_id;
    $s = $m->prepare("SELECT s, n, id FROM t WHERE id = ?");
    $s->execute([$id]);
    equal($s->get_result()->fetch_row(), [$text, '2.25', $id]);
    $s->execute([1]);
    $s->bind_result($a, $b, $c);
    equal($s->fetch(), true);
    equal([$a, $b, $c], ['a', '1.50', 1]);
    $s->close();
    fails(fn() => $m->prepare("SELECT * FROM nothing WHERE id = ?"), 1146);
});
check('mysqli: long data', function () use ($m) {
    $m->query("CREATE TABLE l (b LONGBLOB)");
    $s = $m->prepare("INSERT INTO l VALUES (?)");
    $null = null;
    $s->bind_param('b', $null);
    for ($i = 0; $i < 100; $i++) $s->send_long_data(0, str_repeat(chr($i), 10000));
    $s->execute();
    equal($m->query("SELECT LENGTH(b), HEX(SUBSTR(b, 10000, 2)) FROM l")->fetch_row(), ['1000000', '0001']);
});
check('mysqli: a cursor of the server', function () use ($m) {
    $s = $m->prepare("SELECT id FROM t ORDER BY id");
    $s->attr_set(MYSQLI_STMT_ATTR_CURSOR_TYPE, MYSQLI_CURSOR_TYPE_READ_ONLY);
    $s->execute();
    $s->bind_result($id);
    $ids = [];
    while ($s->fetch()) $ids[] = $id;
    equal($ids, [1, 2, 3]);
});
check('mysqli: multi_query', function () use ($m) {
    $m->multi_query("SELECT 1; UPDATE t SET n = 3 WHERE id = 2; SELECT 2, 3");
    $sets = [];
    do {
        $r = $m->store_result();
        $sets[] = $r ? $r->fetch_all() : $m->affected_rows;
    } while ($m->more_results() && $m->next_result());
    equal($sets, [[['1']], 1, [['2', '3']]]);
    fails(function () use ($m) {
        $m->multi_query("SELECT 1; SELECT * FROM nothing");
        do { if ($r = $m->store_result()) $r->free(); } while ($m->more_results() && $m->next_result());
    }, 1146);
});
check('mysqli: result sets of a stored procedure', function () use ($m) {
    $m->query("CREATE PROCEDURE p(IN a INT) BEGIN SELECT a; SELECT a + 1, 'x'; END");
    $m->multi_query("CALL p(4)");
    $sets = [];
    do {
        if ($r = $m->store_result()) $sets[] = $r->fetch_all();
    } while ($m->more_results() && $m->next_result());
    equal($sets, [[['4']], [['5', 'x']]]);
});
check('mysqli: a prepared CALL', function () use ($m) {
    $s = $m->prepare("CALL p(?)");
    $s->execute([7]);
    $sets = [];
    do {
        if ($r = $s->get_result()) $sets[] = $r->fetch_all();
    } while ($s->more_results() && $s->next_result());
    equal($sets, [[[7]], [[8, 'x']]]);
});
check('mysqli: transactions and savepoints', function () use ($m) {
    $m->begin_transaction(MYSQLI_TRANS_START_READ_ONLY);
    fails(fn() => $m->query("DELETE FROM t"), 1792);
    $m->rollback();
    $m->autocommit(false);
    $m->query("DELETE FROM t WHERE id = 1");
    $m->savepoint('s');
    $m->query("DELETE FROM t");
    $m->query("ROLLBACK TO s");
    $m->rollback();
    $m->autocommit(true);
    equal($m->query("SELECT COUNT(*) FROM t")->fetch_row(), ['3']);
});
check('mysqli: errors', function () use ($m) {
    fails(fn() => $m->query("INSERT INTO t (id) VALUES (1)"), 1062);
    equal([$m->errno, $m->sqlstate, $m->error], [1062, '23000', "Duplicate entry '1' for key 't.PRIMARY'"]);
    mysqli_report(MYSQLI_REPORT_OFF);
    equal($m->query("SELECT nothing"), false);
    equal([$m->errno, $m->sqlstate, $m->error], [1054, '42S22', "Unknown column 'nothing' in 'field list'"]);
    mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
});
check('mysqli: change_user', function () use ($m, $host, $port) {
    $x = new mysqli($host, 'root', '', 'c_php', $port);
    $x->query("SET @a = 1");
    $x->change_user('root', '', 'c_php');
    equal($x->query("SELECT @a, DATABASE()")->fetch_row(), [null, 'c_php']);
});
check('mysqli: stat, server_info, thread_id, real_escape_string', function () use ($m) {
    equal(str_starts_with($m->server_info, '8.0.'), true);
    equal((string)$m->thread_id, $m->query("SELECT CONNECTION_ID()")->fetch_row()[0]);
    equal($m->real_escape_string("a'\"\\\n"), "a\\'\\\"\\\\\\n");
    equal(str_contains($m->stat(), 'Uptime: '), true);
});

foreach ([true, false] as $emulate) {
    $how = $emulate ? 'emulated' : 'native';
    check("PDO ($how): insert, select, types", function () use ($host, $port, $emulate) {
        $p = new PDO("mysql:host=$host;port=$port;dbname=c_php;charset=utf8mb4", 'root', '', [PDO::ATTR_EMULATE_PREPARES => $emulate]);
        $p->exec("DROP TABLE IF EXISTS o");
        $p->exec("CREATE TABLE o (id BIGINT UNSIGNED PRIMARY KEY AUTO_INCREMENT, s TEXT, f DOUBLE, j JSON, b BLOB, t TIMESTAMP NULL)");
        $s = $p->prepare("INSERT INTO o (s, f, j, b, t) VALUES (:s, :f, :j, :b, :t)");
        foreach ([['ä😀', 0.1, '{"a": 1}', "\x00\xff", '2026-01-02 03:04:05'], [null, null, null, null, null]] as [$x, $f, $j, $b, $t]) {
            $s->bindValue(':s', $x);
            $s->bindValue(':f', $f);
            $s->bindValue(':j', $j);
            $s->bindValue(':b', $b, PDO::PARAM_LOB);
            $s->bindValue(':t', $t);
            equal($s->execute(), true);
            equal($s->rowCount(), 1);
        }
        equal($p->lastInsertId(), '2');
        $s = $p->prepare("SELECT * FROM o WHERE id IN (?, ?) ORDER BY id LIMIT ?");
        $s->bindValue(1, 1, PDO::PARAM_INT);
        $s->bindValue(2, 2, PDO::PARAM_INT);
        $s->bindValue(3, 1, PDO::PARAM_INT);
        $s->execute();
        equal($s->fetchAll(PDO::FETCH_ASSOC), [['id' => 1, 's' => 'ä😀', 'f' => 0.1, 'j' => '{"a": 1}', 'b' => "\x00\xff", 't' => '2026-01-02 03:04:05']]);
    });
    check("PDO ($how): transactions and errors", function () use ($host, $port, $emulate) {
        $p = new PDO("mysql:host=$host;port=$port;dbname=c_php", 'root', '', [PDO::ATTR_EMULATE_PREPARES => $emulate]);
        $p->beginTransaction();
        $p->exec("DELETE FROM o");
        equal($p->inTransaction(), true);
        $p->rollBack();
        equal($p->query("SELECT COUNT(*) FROM o")->fetchColumn(), 2);
        fails(fn() => $p->prepare("INSERT INTO o (id) VALUES (?)")->execute([1]), 1062);
        $p->setAttribute(PDO::ATTR_ERRMODE, PDO::ERRMODE_SILENT);
        equal($p->query("SELECT nothing FROM o"), false);
        equal(array_slice($p->errorInfo(), 0, 2), ['42S22', 1054]);
    });
    check("PDO ($how): result sets of a procedure, nextRowset", function () use ($host, $port, $emulate) {
        $p = new PDO("mysql:host=$host;port=$port;dbname=c_php", 'root', '', [PDO::ATTR_EMULATE_PREPARES => $emulate]);
        $s = $p->prepare("CALL p(?)");
        $s->execute([1]);
        $sets = [];
        do {
            if ($s->columnCount()) $sets[] = array_map(fn($r) => array_map('strval', $r), $s->fetchAll(PDO::FETCH_NUM));
        } while ($s->nextRowset());
        if (!$emulate) equal(array_pop($sets), []); // the status of the CALL is a row set of its own, with the columns of the one before
        equal($sets, [[['1']], [['2', 'x']]]);
    });
    check("PDO ($how): unbuffered query", function () use ($host, $port, $emulate) {
        $p = new PDO("mysql:host=$host;port=$port;dbname=c_php", 'root', '', [PDO::ATTR_EMULATE_PREPARES => $emulate, PDO::MYSQL_ATTR_USE_BUFFERED_QUERY => false]);
        $n = 0;
        foreach ($p->query("WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 900) SELECT n FROM r") as $row) $n += $row[0];
        equal($n, 900 * 901 / 2);
    });
}
exit($failed ? 1 : 0);
