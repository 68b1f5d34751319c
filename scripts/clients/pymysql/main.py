"""PyMySQL: types, parameters, errors, transactions, cursors, stored procedures."""
import datetime
import decimal
import os
import sys
import traceback

import pymysql
import pymysql.cursors

failed = False


def check(f):
    """Run f as a check that is named by its docstring."""
    global failed
    try:
        f()
        print("ok", f.__doc__)
    except Exception:
        failed = True
        lines = traceback.format_exc().strip().split("\n")
        print("FAIL", f.__doc__)
        for line in lines[-1:] + lines[:-1]:
            print("    " + line)


def connect(**more):
    return pymysql.connect(host=os.environ["CLIENTS_HOST"], port=int(os.environ["CLIENTS_PORT"]),
                           **{"user": "root", "charset": "utf8mb4", "connect_timeout": 20, **more})


def equal(got, want):
    if got != want:
        raise AssertionError(f"got {got!r}, want {want!r}")


def number(f, want):
    """Require that f fails with an error of this number."""
    try:
        f()
    except pymysql.MySQLError as e:
        equal(e.args[0], want)
        return e
    raise AssertionError(f"no error {want}")


with connect() as c, c.cursor() as k:
    k.execute("DROP DATABASE IF EXISTS c_pymysql")
    k.execute("CREATE DATABASE c_pymysql")
db = connect(database="c_pymysql")
cur = db.cursor()


@check
def _():
    "values of every type come back as they went"
    cur.execute("CREATE TABLE v (id INT PRIMARY KEY AUTO_INCREMENT, i BIGINT, u BIGINT UNSIGNED, d DECIMAL(20,5), f DOUBLE, s VARCHAR(50), b BLOB,"
                " da DATE, dt DATETIME(6), t TIME, y YEAR, j JSON, e ENUM('a','b'), st SET('x','y'), bi BIT(9))")
    row = (-2**63, 2**64 - 1, decimal.Decimal("123456789012345.67890"), 0.1, "ä'\"\\😀\0", bytes(range(256)), datetime.date(2024, 2, 29),
           datetime.datetime(2026, 1, 2, 3, 4, 5, 678901), datetime.timedelta(hours=100, seconds=1), 2026, '{"a": [1, null]}', "b", "x,y", b"\x01\x55")
    cur.execute("INSERT INTO v (i,u,d,f,s,b,da,dt,t,y,j,e,st,bi) VALUES (" + ",".join(["%s"] * 13) + ",_binary %s)", row)
    equal(cur.lastrowid, 1)
    cur.execute("SELECT i,u,d,f,s,b,da,dt,t,y,j,e,st,bi FROM v")
    equal(cur.fetchone(), row)
    db.commit()


@check
def _():
    "executemany inserts many, rowcount counts"
    cur.execute("CREATE TABLE m (id INT PRIMARY KEY, n INT)")
    equal(cur.executemany("INSERT INTO m VALUES (%s, %s)", [(i, i % 7) for i in range(1000)]), 1000)
    equal(cur.execute("UPDATE m SET n = 0 WHERE n < 2"), 143)
    equal(cur.executemany("INSERT INTO m VALUES (%s, %s) ON DUPLICATE KEY UPDATE n = VALUES(n)", [(1, 9), (1000, 9)]), 3)
    db.commit()


@check
def _():
    "errors have classes and numbers"
    equal(type(number(lambda: cur.execute("INSERT INTO m VALUES (1, 1)"), 1062)), pymysql.IntegrityError)
    equal(type(number(lambda: cur.execute("SELECT * FROM nothing"), 1146)), pymysql.ProgrammingError)
    equal(type(number(lambda: cur.execute("SELEC"), 1064)), pymysql.ProgrammingError)
    equal(type(number(lambda: cur.execute("INSERT INTO m VALUES (2000, 'x')"), 1366)), pymysql.DataError)
    number(lambda: cur.execute("INSERT INTO m VALUES (2000, '')"), 1366)
    number(lambda: cur.execute("INSERT INTO m VALUES (2000, 3000000000)"), 1264)
    number(lambda: cur.execute("INSERT INTO m VALUES (2000, 1 DIV 0)"), 1365)
    number(lambda: cur.execute("SELECT 9223372036854775807 + 1"), 1690)
    db.rollback()


@check
def _():
    "transactions: rollback, savepoints, autocommit"
    cur.execute("DELETE FROM m WHERE id < 10")
    db.rollback()
    cur.execute("SELECT COUNT(*) FROM m WHERE id < 10")
    equal(cur.fetchone(), (10,))
    cur.execute("SAVEPOINT a")
    cur.execute("DELETE FROM m")
    cur.execute("ROLLBACK TO SAVEPOINT a")
    db.commit()
    cur.execute("SELECT COUNT(*) FROM m")
    equal(cur.fetchone(), (1001,))
    equal(db.get_autocommit(), False)


@check
def _():
    "an unbuffered cursor, a DictCursor"
    with db.cursor(pymysql.cursors.SSCursor) as s:
        s.execute("SELECT id FROM m ORDER BY id")
        equal(sum(r[0] for r in s), sum(range(1001)))
    with db.cursor(pymysql.cursors.DictCursor) as d:
        d.execute("SELECT id, n FROM m WHERE id = 1")
        equal(d.fetchall(), [{"id": 1, "n": 9}])


@check
def _():
    "callproc, OUT parameters, every result set"
    cur.execute("CREATE PROCEDURE p(IN a INT, INOUT b INT) BEGIN SELECT a; SELECT a + b AS s; SET b = a * b; END")
    cur.callproc("p", (6, 7))
    sets = []
    while True:
        if cur.description:
            sets.append(cur.fetchall())
        if not cur.nextset():
            break
    cur.execute("SELECT @_p_1")
    equal(cur.fetchone(), (42,))
    equal(sets, [((6,),), ((13,),)])


@check
def _():
    "several statements at once"
    with connect(database="c_pymysql", client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS) as c, c.cursor() as k:
        k.execute("SELECT 1; INSERT INTO m VALUES (5000, 1); SELECT 2")
        equal(k.fetchall(), ((1,),))
        k.nextset()
        equal(k.rowcount, 1)
        k.nextset()
        equal(k.fetchall(), ((2,),))


@check
def _():
    "ping, select_db, kill, reconnect, warnings"
    with connect() as c, c.cursor() as k:
        c.select_db("c_pymysql")
        c.ping()
        k.execute("INSERT IGNORE INTO m VALUES (1, 1)")
        k.execute("SHOW WARNINGS")
        equal(k.fetchall()[0][:2], ("Warning", 1062))
        cur.execute("KILL %d" % c.thread_id())
        try:
            k.execute("SELECT 1")
            raise AssertionError("a killed connection answers")
        except pymysql.MySQLError:
            pass
        c.ping(reconnect=True)
        k.execute("SELECT 1")


@check
def _():
    "a user with a password, with and without a database"
    cur.execute("DROP USER IF EXISTS py@'127.0.0.1'")
    cur.execute("CREATE USER py@'127.0.0.1' IDENTIFIED WITH mysql_native_password BY 'p w'")
    cur.execute("GRANT SELECT ON c_pymysql.* TO py@'127.0.0.1'")
    with connect(user="py", password="p w", database="c_pymysql") as c, c.cursor() as k:
        k.execute("SELECT COUNT(*) FROM v")
        number(lambda: k.execute("DELETE FROM v"), 1142)
    number(lambda: connect(user="py", password="wrong"), 1045)


@check
def _():
    "literals and comparisons as the manual says"
    cur.execute("SELECT 'a' = 'A ', @@collation_connection")
    equal(cur.fetchone(), (1, "utf8mb4_general_ci"))  # which it greets with, and which does not see blanks at the end
    cur.execute("SET NAMES utf8mb4")
    cur.execute("SELECT 'a' = 'A ', 'a' = 'A', 1/3, 7 DIV 2, -7 % 3, 0x41, b'11'+0, '1e2'+0, NULL <=> NULL, CONCAT('a', NULL), 'x' LIKE 'X', DATE '2024-02-29' + INTERVAL 1 YEAR")
    equal(cur.fetchone(), (0, 1, decimal.Decimal("0.3333"), 3, -1, b"A", 3, 100.0, 1, None, 1, datetime.date(2025, 2, 28)))


sys.exit(failed)
