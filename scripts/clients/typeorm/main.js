// TypeORM on mysql2: synchronize, migrations, reflection, repositories, query builder, locks, trees.
require('reflect-metadata')
const assert = require('assert/strict')
const mysql = require('mysql2/promise')
const {DataSource, EntitySchema, In, IsNull, Not, Raw, Table, TableColumn, TableForeignKey, TableIndex} = require('typeorm')

const at = {host: process.env.CLIENTS_HOST, port: Number(process.env.CLIENTS_PORT)}

async function check(name, f) {
  try {
    await f()
    console.log('ok', name)
  } catch (e) {
    process.exitCode = 1
    console.log('FAIL', name + '\n    ' + (e.query || '') + '\n    ' + String(e.stack).split('\n').join('\n    '))
  }
}

const User = new EntitySchema({
  name: 'User', tableName: 'user',
  columns: {
    id: {type: 'int', primary: true, generated: true},
    name: {type: 'varchar', length: 100, unique: true},
    email: {type: 'varchar', nullable: true},
    role: {type: 'enum', enum: ['admin', 'user'], default: 'user'},
    tags: {type: 'simple-array', nullable: true},
    tagset: {type: 'set', enum: ['a', 'b'], nullable: true},
    meta: {type: 'json', nullable: true},
    created: {type: 'datetime', createDate: true},
    updated: {type: 'datetime', updateDate: true},
    deleted: {type: 'datetime', deleteDate: true},
    version: {type: 'int', version: true},
    big: {type: 'bigint', unsigned: true, default: 0},
    dec: {type: 'decimal', precision: 20, scale: 5, default: 1.5},
    dbl: {type: 'double', nullable: true},
    blob: {type: 'longblob', nullable: true},
    ts: {type: 'timestamp', precision: 3, nullable: true},
    tm: {type: 'time', nullable: true},
    dt: {type: 'date', nullable: true},
    yr: {type: 'year', nullable: true},
    txt: {type: 'text', nullable: true},
    flag: {type: 'tinyint', default: 0},
    full: {type: 'varchar', length: 250, generatedType: 'VIRTUAL', asExpression: "concat(`name`,'!')"},
    pt: {type: 'point', nullable: true},
  },
  indices: [{name: 'IDX_E', columns: ['email', 'role']}, {columns: ['txt'], fulltext: true}],
  relations: {posts: {type: 'one-to-many', target: 'Post', inverseSide: 'author'}, groups: {type: 'many-to-many', target: 'Group', joinTable: true, cascade: true}},
})
const Post = new EntitySchema({
  name: 'Post',
  columns: {id: {type: 'varchar', length: 36, primary: true, generated: 'uuid'}, title: {type: 'varchar'}, n: {type: 'int', default: 0}},
  relations: {author: {type: 'many-to-one', target: 'User', inverseSide: 'posts', onDelete: 'CASCADE', joinColumn: true}},
})
const Group = new EntitySchema({name: 'Group', columns: {id: {type: 'int', primary: true, generated: true}, name: {type: 'varchar'}}})
const Cat = new EntitySchema({
  name: 'Cat', columns: {id: {type: 'int', primary: true, generated: true}, name: {type: 'varchar'}}, trees: [{type: 'closure-table'}],
  relations: {parent: {type: 'many-to-one', target: 'Cat', treeParent: true, inverseSide: 'children'}, children: {type: 'one-to-many', target: 'Cat', treeChildren: true, inverseSide: 'parent'}},
})
const Names = new EntitySchema({name: 'Names', type: 'view', expression: 'SELECT `id`, `name` FROM `user`', columns: {id: {type: 'int'}, name: {type: 'varchar'}}})

class Made1700000000001 {
  name = 'Made1700000000001'
  async up(q) {
    await q.createTable(new Table({name: 'mig', columns: [
      {name: 'id', type: 'int', isPrimary: true, isGenerated: true, generationStrategy: 'increment'}, {name: 'a', type: 'varchar', length: '20', isNullable: true}, {name: 'u', type: 'int', isNullable: true},
    ]}), true)
    await q.addColumn('mig', new TableColumn({name: 'b', type: 'int', default: 5}))
    await q.createIndex('mig', new TableIndex({name: 'IX', columnNames: ['b']}))
    await q.createForeignKey('mig', new TableForeignKey({columnNames: ['u'], referencedTableName: 'user', referencedColumnNames: ['id'], onDelete: 'SET NULL'}))
    await q.renameColumn('mig', 'a', 'aa')
    await q.changeColumn('mig', 'aa', new TableColumn({name: 'aa', type: 'varchar', length: '50', isNullable: false, default: "'x'", comment: 'com'}))
    await q.renameTable('mig', 'mig2')
    await q.dropIndex('mig2', 'IX')
  }
  async down(q) {
    await q.dropTable('mig2')
  }
}

async function main() {
  const c = await mysql.createConnection({...at, user: 'root'})
  await c.query('DROP DATABASE IF EXISTS c_typeorm')
  await c.query('CREATE DATABASE c_typeorm')
  await c.end()
  const ds = new DataSource({type: 'mysql', ...at, username: 'root', database: 'c_typeorm', entities: [User, Post, Group, Cat, Names], migrations: [Made1700000000001], charset: 'utf8mb4', legacySpatialSupport: false})
  await ds.initialize()
  const users = ds.getRepository('User'), posts = ds.getRepository('Post')

  await check('synchronize, and then nothing is to do', async () => {
    await ds.synchronize()
    assert.deepEqual((await ds.driver.createSchemaBuilder().log()).upQueries.map(q => q.query), [])
  })
  await check('migrations', async () => {
    await ds.runMigrations()
    await ds.undoLastMigration()
    await ds.runMigrations()
  })
  await check('save and find: every type', async () => {
    const a = await users.save({name: 'ann', email: 'e', meta: {a: [1, {b: null}]}, tags: ['x', 'y'], tagset: ['a', 'b'], blob: Buffer.from([0, 255]), ts: new Date('2026-01-02T03:04:05.678Z'),
      tm: '10:11:12', dt: '2024-02-29', yr: 2026, dbl: 0.1, txt: 'some text here', pt: 'POINT(1 2)', groups: [{name: 'g1'}, {name: 'g2'}]})
    assert.deepEqual([a.id, a.version], [1, 1])
    const b = await users.findOne({where: {id: 1}, relations: ['groups', 'posts']})
    assert.deepEqual([b.full, b.dec, b.tagset, b.meta, b.ts.toISOString(), b.pt, b.groups.length, b.tm, b.dt, b.yr, b.dbl], ['ann!', '1.50000', ['a', 'b'], {a: [1, {b: null}]}, '2026-01-02T03:04:05.678Z', 'POINT(1 2)', 2, '10:11:12', '2024-02-29', 2026, 0.1])
    b.email = 'f'
    await users.save(b)
    assert.equal(b.version, 2)
  })
  await check('the query builder', async () => {
    await users.insert([{name: 'bob'}, {name: 'cat', email: 'z'}])
    for (let i = 0; i < 5; i++) await posts.save({title: 't' + i, author: {id: 1 + i % 2}, n: i})
    assert.equal((await users.createQueryBuilder('u').leftJoinAndSelect('u.posts', 'p').where('p.n > :n', {n: 0}).orderBy('p.n', 'DESC').take(1).skip(0).getManyAndCount())[1], 2)
    const g = await posts.createQueryBuilder('p').select('p.authorId', 'a').addSelect('SUM(p.n)', 's').groupBy('p.authorId').having('SUM(p.n) > 1').orderBy('a').getRawMany()
    assert.deepEqual(g, [{a: 1, s: '6'}, {a: 2, s: '4'}])
    const h = await users.createQueryBuilder('u').innerJoin('u.posts', 'p').select('u.name', 'name').addSelect('MAX(p.n)', 'm').groupBy('u.id').having('COUNT(p.id) > 2').getRawMany()
    assert.deepEqual(h, [{name: 'ann', m: 4}])
    await users.createQueryBuilder().insert().values({name: 'bob', email: 'up'}).orUpdate(['email'], ['name']).execute()
    await users.upsert([{name: 'bob', email: 'up2'}], ['name'])
    assert.equal((await users.findOneBy({name: 'bob'})).email, 'up2')
    await users.increment({name: 'bob'}, 'big', 5)
    await users.softDelete({name: 'cat'})
    assert.equal(await users.count(), 2)
    await users.restore({name: 'cat'})
    assert.equal(await users.countBy({name: In(['ann', 'bob'])}), 2)
    assert.equal(await users.countBy({email: Not(IsNull())}), 3)
    assert.equal(await users.countBy({txt: 'some text here'}), 1)
    assert.equal(await users.countBy({meta: Raw(a => `JSON_EXTRACT(${a}, '$.a[0]') = 1`)}), 1)
    assert.equal(await users.createQueryBuilder('u').where('MATCH(u.txt) AGAINST (:q)', {q: 'text'}).getCount(), 1)
    await posts.createQueryBuilder().update().set({n: () => 'n + 1'}).where('n < :x', {x: 3}).execute()
    await posts.createQueryBuilder().delete().where('n = 4').execute()
    assert.equal(await posts.createQueryBuilder('p').where(q => 'p.authorId IN ' + q.subQuery().select('u.id').from('User', 'u').where('u.name = :name').getQuery()).setParameter('name', 'ann').getCount(), 2)
  })
  await check('transactions and locks', async () => {
    await ds.transaction('SERIALIZABLE', async m => { await m.save('Group', {name: 'x'}) })
    await assert.rejects(ds.transaction(async m => {
      await m.save('Group', {name: 'y'})
      await m.transaction(async n => { await n.save('Group', {name: 'z'}) })
      throw new Error('no')
    }), /no/)
    assert.equal(await ds.getRepository('Group').count(), 3)
    for (const mode of ['pessimistic_read', 'pessimistic_write', 'pessimistic_partial_write', 'pessimistic_write_or_fail']) {
      await ds.transaction(async m => { assert.equal((await m.createQueryBuilder('User', 'u').setLock(mode).where('u.id = 1').getOne()).id, 1) })
    }
  })
  await check('a tree, a view, a stream', async () => {
    const t = ds.getTreeRepository('Cat')
    const a = await t.save({name: 'a'}), b = await t.save({name: 'b', parent: a})
    await t.save({name: 'c', parent: b})
    assert.equal((await t.findDescendants(a)).length, 3)
    assert.equal((await t.findAncestorsTree(b)).parent.name, 'a')
    assert.equal((await t.findTrees()).length, 1)
    assert.equal((await ds.getRepository('Names').find()).length, 3)
    let n = 0
    for await (const _ of await users.createQueryBuilder('u').stream()) n++
    assert.equal(n, 3)
  })
  await check('errors', async () => {
    await assert.rejects(users.insert({name: 'ann'}), e => e.code === 'ER_DUP_ENTRY' && e.errno === 1062)
    await assert.rejects(posts.insert({title: 'x', author: {id: 99}}), e => e.errno === 1452)
  })
  await check('reflection', async () => {
    const q = ds.createQueryRunner()
    const t = await q.getTable('user')
    assert.equal(t.columns.find(x => x.name === 'full').generatedType, 'VIRTUAL')
    assert.deepEqual(t.indices.map(i => i.columnNames.join()).sort(), ['email,role', 'name', 'txt'])
    assert.equal((await q.getTable('post')).foreignKeys[0].onDelete, 'CASCADE')
    await q.clearTable('cat_closure')
    await q.release()
  })
  await check('drop', () => ds.dropDatabase())
  await ds.destroy()
}

main().catch(e => { process.exitCode = 1; console.log('FAIL the program\n    ' + String(e.stack).split('\n').join('\n    ')) })
