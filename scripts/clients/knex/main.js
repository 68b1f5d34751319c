// Knex on mysql2: migrations, the schema builder, queries, JSON, upserts, transactions, streams.
const assert = require('assert/strict')
const Knex = require('knex')

const connection = {host: process.env.CLIENTS_HOST, port: Number(process.env.CLIENTS_PORT), user: 'root'}

async function check(name, f) {
  try {
    await f()
    console.log('ok', name)
  } catch (e) {
    process.exitCode = 1
    console.log('FAIL', name + '\n    ' + String(e.stack).split('\n').join('\n    '))
  }
}

const steps = {
  first: {
    up: k => k.schema.createTable('users', t => {
      t.increments()
      t.string('name', 100).notNullable().unique().comment('who')
      t.integer('age').unsigned().index()
      t.json('j')
      t.enu('e', ['a', 'b']).defaultTo('a')
      t.timestamps(true, true)
      t.decimal('d', 10, 3)
      t.binary('bin')
      t.boolean('flag').defaultTo(true)
      t.uuid('uid')
      t.bigInteger('big')
      t.text('txt', 'longtext')
      t.specificType('pt', 'POINT')
      t.dateTime('dtm', {precision: 6}).defaultTo(k.fn.now(6))
      t.timestamp('ts', {precision: 3}).nullable()
      t.time('tm')
    }),
    down: k => k.schema.dropTable('users'),
  },
  second: {
    up: async k => {
      await k.schema.createTable('posts', t => {
        t.increments('id')
        t.integer('user_id').unsigned().references('id').inTable('users').onDelete('CASCADE')
        t.string('title')
        t.unique(['user_id', 'title'], {indexName: 'ut'})
      })
      await k.schema.alterTable('posts', t => {
        t.string('extra').after('user_id').defaultTo('x')
        t.renameColumn('title', 'heading')
        t.index(['heading', 'extra'], 'he')
      })
      await k.schema.alterTable('posts', t => {
        t.string('extra', 50).notNullable().defaultTo('y').alter()
        t.dropIndex(['heading', 'extra'], 'he')
        t.setNullable('extra')
      })
      await k.schema.alterTable('posts', t => { t.dropForeign('user_id') })
      await k.schema.alterTable('posts', t => { t.foreign('user_id', 'posts_user').references('users.id').onDelete('CASCADE') })
      await k.schema.createView('v', v => { v.columns(['id', 'name']); v.as(k('users').select('id', 'name')) })
      await k.schema.createViewOrReplace('v', v => { v.columns(['id', 'name']); v.as(k('users').select('id', 'name').where('id', '>', 0)) })
      await k.schema.renameTable('posts', 'articles')
      await k.schema.renameTable('articles', 'posts')
      await k.schema.createTableLike('copies', 'posts')
    },
    down: async k => {
      await k.schema.dropView('v')
      await k.schema.dropTable('copies')
      await k.schema.dropTable('posts')
    },
  },
}
const migrationSource = {getMigrations: async () => Object.keys(steps), getMigrationName: m => m, getMigration: async m => steps[m]}

async function main() {
  const first = Knex({client: 'mysql2', connection})
  await first.raw('DROP DATABASE IF EXISTS c_knex')
  await first.raw('CREATE DATABASE c_knex')
  await first.destroy()
  const k = Knex({client: 'mysql2', connection: {...connection, database: 'c_knex'}})

  await check('migrations up, down and up again', async () => {
    await k.migrate.latest({migrationSource})
    await k.migrate.rollback({migrationSource}, true)
    assert.equal(await k.schema.hasTable('users'), false)
    await k.migrate.latest({migrationSource})
    assert.equal(await k.schema.hasColumn('posts', 'heading'), true)
    assert.deepEqual((await k('users').columnInfo()).name, {defaultValue: null, type: 'varchar', maxLength: 100, nullable: false})
  })
  await check('insert, onConflict, increment, update', async () => {
    const [id] = await k('users').insert({name: 'ann', age: 3, j: JSON.stringify({a: {b: [1, 2]}}), bin: Buffer.from([0, 255]), d: 1.5, uid: 'x', big: '9223372036854775807', pt: k.raw('POINT(1,2)')})
    assert.equal(id, 1)
    await k('users').insert([{name: 'bob'}, {name: 'cat', age: 7}])
    await k('users').insert({name: 'bob', age: 9}).onConflict('name').merge()
    await k('users').insert({name: 'bob', age: 10}).onConflict().ignore()
    await k('users').insert({name: 'bob', age: 5}).onConflict('name').merge({age: k.raw('VALUES(age)+?', [1])})
    assert.equal((await k('users').where({name: 'bob'}).first()).age, 6)
    await k('users').where('id', 1).increment('age', 5).decrement('d', 1)
    await k('users').update({age: k.ref('id')}).where('name', 'cat')
    const ann = await k('users').where({id: 1}).first()
    assert.deepEqual([ann.age, ann.d, ann.flag, ann.j, ann.bin, ann.pt], [8, '0.500', 1, {a: {b: [1, 2]}}, Buffer.from([0, 255]), {x: 1, y: 2}])
  })
  await check('JSON', async () => {
    const [r] = await k('users').jsonExtract('j', '$.a.b[1]', 'x').whereJsonPath('j', '$.a.b[0]', '=', 1)
    assert.equal(Number(r.x), 2)
    await k('users').where({id: 1}).update({j: k.jsonSet('j', '$.a.c', '7')})
    assert.equal((await k('users').whereJsonSupersetOf('j', {a: {b: [1]}})).length, 1)
  })
  await check('CTEs, windows, unions, subqueries', async () => {
    assert.deepEqual(await k.withRecursive('t', ['n'], k.raw('select 1 union all select n + 1 from t where n < ?', [5])).from('t').sum('n as s'), [{s: '15'}])
    const w = await k('users').select('name').rowNumber('rn', function () { this.orderBy('name', 'desc').partitionBy('flag') }).orderBy('name')
    assert.deepEqual(w.map(x => x.rn), [3, 2, 1])
    const total = await k('users').select('name', k.raw('SUM(id) OVER (ORDER BY name DESC) AS s')).orderBy('name')
    assert.deepEqual(total.map(x => x.s), ['6', '5', '3'])
    await k('posts').insert([{user_id: 1, heading: 'h1'}, {user_id: 1, heading: 'h2'}, {user_id: 2, heading: 'h1'}])
    const r = await k('users as u').leftJoin('posts as p', 'p.user_id', 'u.id').groupBy('u.id').having(k.raw('count(p.id)'), '>', 1).select('u.id', k.raw("group_concat(p.heading order by p.id separator '-') h"), k.raw('max(p.heading) m'))
    assert.deepEqual(r, [{id: 1, h: 'h1-h2', m: 'h2'}])
    assert.equal((await k.union([k('users').select('name').where('id', 1), k('users').select('name').where('id', 2)], true).orderBy('name')).length, 2)
    assert.equal((await k('users').whereExists(k('posts').whereRaw('posts.user_id = users.id')).whereBetween('id', [1, 5]).whereILike('name', 'AN%')).length, 1)
  })
  await check('update and delete with joins, batches', async () => {
    await k('posts as p').join('users as u', 'u.id', 'p.user_id').where('u.name', 'bob').update({'p.extra': 'upd'})
    await k('posts').join('users as u', 'u.id', 'posts.user_id').where('u.name', 'bob').del()
    assert.deepEqual(await k('posts').count('* as c'), [{c: 2}])
    await k.batchInsert('posts', Array.from({length: 500}, (_, i) => ({user_id: 3, heading: 'b' + i})), 100)
    assert.equal((await k('posts').where('user_id', 3).orderBy('id', 'desc').limit(1).offset(1))[0].heading, 'b498')
  })
  await check('transactions, savepoints, locks, isolation, read-only', async () => {
    await assert.rejects(k.transaction(async t => {
      await t('users').insert({name: 'zz'})
      await t.transaction(async s => { await s('users').insert({name: 'yy'}); throw new Error('inner') }).catch(() => {})
      await t('users').where('id', 1).forUpdate().noWait().first()
      await t('users').where('id', 1).forUpdate().skipLocked().first()
      throw new Error('outer')
    }), /outer/)
    assert.equal((await k('users').whereIn('name', ['zz', 'yy'])).length, 0)
    await k.transaction(async t => { await t('users').where({id: 1}).first() }, {isolationLevel: 'read committed'})
    await assert.rejects(k.transaction(t => t('users').insert({name: 'q'}), {readOnly: true}), e => e.errno === 1792 && e.sqlState === '25006')
  })
  await check('a stream', async () => {
    let n = 0
    for await (const _ of k('posts').stream()) n++
    assert.equal(n, 502)
  })
  await check('errors, a timeout that cancels', async () => {
    await assert.rejects(k('users').insert({name: 'ann'}), e => e.errno === 1062 && e.sqlState === '23000')
    await assert.rejects(k('users').timeout(100, {cancel: true}).select(k.raw('sleep(20)')), /timeout/)
  })
  await check('truncate, drop', async () => {
    await k('posts').truncate()
    await k.migrate.rollback({migrationSource}, true)
    assert.equal(await k.schema.hasTable('posts'), false)
  })
  await k.destroy()
}

main().catch(e => { process.exitCode = 1; console.log('FAIL the program\n    ' + String(e.stack).split('\n').join('\n    ')) })
