// Node mysql2: queries, prepared statements, types, several statements, streams, pools.
const assert = require('assert/strict')
const mysql = require('mysql2/promise')

const at = {host: process.env.CLIENTS_HOST, port: Number(process.env.CLIENTS_PORT), user: 'root'}

async function check(name, f) {
  try {
    await f()
    console.log('ok', name)
  } catch (e) {
    process.exitCode = 1
    console.log('FAIL', name + '\n    ' + String(e.stack).split('\n').join('\n    '))
  }
}

async function main() {
  const c = await mysql.createConnection({...at, multipleStatements: true, supportBigNumbers: true, timezone: 'Z'})
  await c.query('DROP DATABASE IF EXISTS c_node; CREATE DATABASE c_node; USE c_node')

  await check('query: insertId, affectedRows, changedRows, info', async () => {
    await c.query('CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, s VARCHAR(50), n INT)')
    const [r] = await c.query('INSERT INTO t (s, n) VALUES ?', [[['a', 1], ['b', 2], ['c', 3]]])
    assert.deepEqual([r.insertId, r.affectedRows], [1, 3])
    assert.equal(r.info, 'Records: 3  Duplicates: 0  Warnings: 0')
    const [u] = await c.query('UPDATE t SET n = 3 WHERE n > 1')
    assert.deepEqual([u.affectedRows, u.changedRows], [2, 1])
    assert.deepEqual((await c.query('SELECT ?? FROM ?? WHERE s = ?', ['n', 't', 'b']))[0], [{n: 3}])
  })
  await check('columns of a result: names, origin, types, flags', async () => {
    const [, f] = await c.query('SELECT id AS x, s, n + 1 AS e FROM t AS tt')
    assert.deepEqual(f.map(x => x.name), ['x', 's', 'e'])
    assert.deepEqual([f[0].orgName, f[0].orgTable, f[0].table, f[0].schema], ['id', 't', 'tt', 'c_node'])
    assert.ok(f[0].flags & 1 && f[0].flags & 2, 'NOT NULL and PRIMARY KEY of id')
  })
  await check('execute: every type', async () => {
    await c.query('CREATE TABLE v (i BIGINT, u BIGINT UNSIGNED, d DECIMAL(30,5), f DOUBLE, s TEXT, b BLOB, dt DATETIME(3), da DATE, t TIME, y YEAR, j JSON, e ENUM("x","y"), bi BIT(9))')
    const row = [-5, '18446744073709551615', '1234567890123456789012345.67890', 0.1, 'ä😀\'\\', Buffer.from([0, 1, 255]), new Date('2026-01-02T03:04:05.678Z'), '2024-02-29', '-12:34:56', 2026, {a: [1, null]}, 'y', Buffer.from([1, 0x55])]
    await c.execute('INSERT INTO v VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)', row)
    for (const how of ['query', 'execute']) {
      const [rows] = await c[how]({sql: 'SELECT * FROM v', rowsAsArray: true, dateStrings: ['DATE']})
      assert.deepEqual(rows[0], row, how)
    }
  })
  await check('execute again after an ALTER, with LIMIT ?, with NULL', async () => {
    const q = 'SELECT * FROM t WHERE n >= ? OR ? IS NULL ORDER BY id LIMIT ?'
    assert.equal((await c.execute(q, [3, 1, '1']))[0].length, 1)
    await c.query('ALTER TABLE t ADD COLUMN extra INT DEFAULT 7')
    assert.deepEqual((await c.execute(q, [0, null, '1']))[0], [{id: 1, s: 'a', n: 1, extra: 7}])
  })
  await check('several statements, several results', async () => {
    const [r] = await c.query('SELECT 1 AS a; UPDATE t SET n = 9 WHERE id = 1; SELECT 2 AS b; SELECT s FROM t WHERE false')
    assert.deepEqual([r[0], r[1].affectedRows, r[2], r[3]], [[{a: 1}], 1, [{b: 2}], []])
  })
  await check('CALL: every result set', async () => {
    await c.query('CREATE PROCEDURE p(IN a INT) BEGIN SELECT a; SELECT a * 2 AS twice, "x" AS x; END')
    const [r] = await c.query('CALL p(4)')
    assert.deepEqual([r[0], r[1], r[2].affectedRows], [[{a: 4}], [{twice: 8, x: 'x'}], 0])
    const [e] = await c.execute('CALL p(?)', [5])
    assert.deepEqual([e[0], e[1]], [[{a: 5}], [{twice: 10, x: 'x'}]])
  })
  await check('transactions', async () => {
    await c.beginTransaction()
    await c.query('DELETE FROM t')
    await c.rollback()
    assert.deepEqual((await c.query('SELECT COUNT(*) AS n FROM t'))[0], [{n: 3}])
  })
  await check('errors', async () => {
    await assert.rejects(c.query('INSERT INTO t (id) VALUES (1)'), {code: 'ER_DUP_ENTRY', errno: 1062, sqlState: '23000', sqlMessage: "Duplicate entry '1' for key 't.PRIMARY'"})
    await assert.rejects(c.execute('SELECT nothing FROM t'), {code: 'ER_BAD_FIELD_ERROR', errno: 1054})
    await assert.rejects(c.query("INSERT INTO t (n) VALUES ('')"), {errno: 1366})
    await assert.rejects(c.query('SELECT 9223372036854775807 + 1'), {errno: 1690})
  })
  await check('a stream of 20000 rows', async () => {
    await c.query('CREATE TABLE big (n INT PRIMARY KEY, s VARCHAR(100))')
    for (let i = 0; i < 4; i++) await c.query('INSERT INTO big VALUES ?', [Array.from({length: 5000}, (_, k) => [i * 5000 + k, 'x'.repeat(100)])])
    let n = 0
    for await (const row of c.connection.query('SELECT * FROM big').stream()) n += row.s.length
    assert.equal(n, 2000000)
  })
  await check('a pool: 20 connections at once, changeUser, ping', async () => {
    const p = mysql.createPool({...at, database: 'c_node', connectionLimit: 20})
    const ids = await Promise.all(Array.from({length: 20}, () => p.query('SELECT CONNECTION_ID() AS id, SLEEP(0.05)').then(([r]) => r[0].id)))
    assert.equal(new Set(ids).size, 20)
    const x = await p.getConnection()
    await x.ping()
    await x.changeUser({database: 'c_node'})
    x.release()
    await p.end()
  })
  await check('compression', async () => {
    const x = await mysql.createConnection({...at, database: 'c_node', compress: true})
    assert.equal((await x.query('SELECT COUNT(*) AS n FROM big'))[0][0].n, 20000)
    await x.end()
  })
  await c.end()
}

main().then(() => process.exit(), e => { console.error(e); process.exit(1) })
