// Sequelize: sync, migrations, associations, transactions, bulk upserts, JSON.
const assert = require('assert/strict')
const {Sequelize, DataTypes, Op, Transaction, UniqueConstraintError, ForeignKeyConstraintError} = require('sequelize')

async function check(name, f) {
  try {
    await f()
    console.log('ok', name)
  } catch (e) {
    process.exitCode = 1
    console.log('FAIL', name + '\n    ' + [...(e.sql ? [e.sql] : []), ...String(e.stack).split('\n')].join('\n    '))
  }
}

async function main() {
  const options = {host: process.env.CLIENTS_HOST, port: Number(process.env.CLIENTS_PORT), dialect: 'mysql', logging: false}
  const admin = new Sequelize('', 'root', '', options)
  await admin.query('DROP DATABASE IF EXISTS c_sequelize')
  await admin.query('CREATE DATABASE c_sequelize')
  await admin.close()
  const db = new Sequelize('c_sequelize', 'root', '', options)
  const User = db.define('User', {
    name: {type: DataTypes.STRING(50), allowNull: false, unique: true, comment: "it's a name"},
    kind: {type: DataTypes.ENUM('person', 'robot'), defaultValue: 'person'},
    settings: DataTypes.JSON,
    balance: {type: DataTypes.DECIMAL(12, 2), defaultValue: 0},
    born: DataTypes.DATEONLY,
    uuid: {type: DataTypes.UUID, defaultValue: DataTypes.UUIDV4},
    blob: DataTypes.BLOB,
  }, {paranoid: true, indexes: [{fields: ['kind', {name: 'born', order: 'DESC'}]}]})
  const Post = db.define('Post', {title: {type: DataTypes.STRING, validate: {len: [1, 50]}}, views: {type: DataTypes.INTEGER, defaultValue: 0}}, {version: true})
  const Tag = db.define('Tag', {word: {type: DataTypes.STRING(30), primaryKey: true}}, {timestamps: false})
  User.hasMany(Post, {foreignKey: {name: 'authorId', allowNull: false}, onDelete: 'CASCADE'})
  Post.belongsTo(User, {as: 'author', foreignKey: 'authorId'})
  Post.belongsToMany(Tag, {through: 'PostTags'})
  Tag.belongsToMany(Post, {through: 'PostTags'})

  await check('sync, and again with alter', async () => {
    await db.sync({force: true})
    await db.sync({alter: true})
  })
  await check('create, find, JSON, DECIMAL, BLOB', async () => {
    const u = await User.create({name: 'ann', settings: {theme: 'dark', list: [1, 2]}, balance: '1234567890.12', born: '2000-02-29', blob: Buffer.from([0, 255])})
    const v = await User.findByPk(u.id)
    assert.deepEqual([v.settings, v.balance, v.born, v.kind, v.uuid, v.blob], [{theme: 'dark', list: [1, 2]}, '1234567890.12', '2000-02-29', 'person', u.uuid, Buffer.from([0, 255])])
    assert.equal((await User.findAll({where: {'settings.theme': 'dark'}})).length, 1)
    const [w, created] = await User.findOrCreate({where: {name: 'bob'}, defaults: {kind: 'robot'}})
    assert.ok(created && w.kind === 'robot')
  })
  await check('associations: nested create, include, through', async () => {
    const u = await User.findOne({where: {name: 'ann'}})
    const p = await u.createPost({title: 'one'})
    await u.createPost({title: 'two'})
    await Tag.bulkCreate([{word: 'go'}, {word: 'js'}])
    await p.addTags(['go', 'js'])
    const a = await User.findOne({where: {name: 'ann'}, include: [{model: Post, include: [Tag]}], order: [[Post, 'id', 'ASC'], [Post, Tag, 'word', 'ASC']]})
    assert.deepEqual(a.Posts.map(x => [x.title, x.Tags.map(t => t.word)]), [['one', ['go', 'js']], ['two', []]])
    const counted = await User.findAll({attributes: ['name', [db.fn('COUNT', db.col('Posts.id')), 'n']], include: [{model: Post, attributes: []}], group: ['User.id'], order: ['name'], raw: true})
    assert.deepEqual(counted, [{name: 'ann', n: 2}, {name: 'bob', n: 0}])
    const limited = await User.findAndCountAll({include: [{model: Post, required: true}], limit: 1, distinct: true})
    assert.deepEqual([limited.count, limited.rows[0].Posts.length], [1, 2])
  })
  await check('bulkCreate with updateOnDuplicate, upsert, increment', async () => {
    await Post.bulkCreate([{id: 1, title: 'ONE', authorId: 1}, {id: 77, title: 'new', authorId: 1}], {updateOnDuplicate: ['title', 'updatedAt']})
    assert.deepEqual((await Post.findAll({where: {id: [1, 77]}, order: ['id']})).map(p => p.title), ['ONE', 'new'])
    await User.upsert({name: 'ann', kind: 'robot'})
    assert.equal((await User.findOne({where: {name: 'ann'}})).kind, 'robot')
    await Post.increment({views: 5}, {where: {id: {[Op.gt]: 1}}})
    assert.equal(await Post.sum('views'), 10)
  })
  await check('transactions with isolation levels, savepoints, locks', async () => {
    for (const isolationLevel of Object.values(Transaction.ISOLATION_LEVELS)) {
      await db.transaction({isolationLevel}, async transaction => {
        const u = await User.findByPk(1, {transaction, lock: transaction.LOCK.UPDATE})
        await u.update({balance: '5.00'}, {transaction})
        await User.findByPk(1, {transaction, lock: transaction.LOCK.SHARE, skipLocked: true})
      })
    }
    await assert.rejects(db.transaction(async transaction => {
      await Post.destroy({where: {}, transaction})
      await db.transaction({transaction}, async t2 => Tag.create({word: 'inner'}, {transaction: t2}))
      throw new Error('back')
    }), /back/)
    assert.equal(await Post.count(), 3)
  })
  await check('errors are told apart', async () => {
    await assert.rejects(User.create({name: 'ann'}), UniqueConstraintError)
    const e = await Post.create({title: 'x', authorId: 999}).then(() => null, x => x)
    assert.ok(e instanceof ForeignKeyConstraintError, String(e))
    assert.deepEqual([e.table, e.fields], ['Users', ['authorId']])
  })
  await check('paranoid delete, restore, truncate', async () => {
    const u = await User.findOne({where: {name: 'bob'}})
    await u.destroy()
    assert.equal(await User.count(), 1)
    await u.restore()
    assert.equal(await User.count(), 2)
    await db.models.PostTags.truncate()
  })
  await check('query with replacements and with bind', async () => {
    const [r] = await db.query('SELECT name FROM Users WHERE name IN (:names) ORDER BY id', {replacements: {names: ['ann', 'bob']}})
    assert.equal(r.length, 2)
    const [b] = await db.query('SELECT $x AS a, $y AS b', {bind: {x: 7, y: 'ä'}})
    assert.deepEqual(b, [{a: 7, b: 'ä'}])
  })
  await check('migrations: the query interface', async () => {
    const q = db.getQueryInterface()
    await q.createTable('m', {id: {type: DataTypes.INTEGER, primaryKey: true, autoIncrement: true}, a: DataTypes.STRING})
    await q.addColumn('m', 'userId', {type: DataTypes.INTEGER, references: {model: 'Users', key: 'id'}, onDelete: 'SET NULL', after: 'id'})
    await q.changeColumn('m', 'a', {type: DataTypes.TEXT, allowNull: false})
    await q.renameColumn('m', 'a', 'b')
    await q.addIndex('m', ['userId', 'id'], {unique: true, name: 'ux'})
    await q.addConstraint('m', {fields: ['b'], type: 'check', name: 'ck', where: {b: {[Op.ne]: ''}}})
    const d = await q.describeTable('m')
    assert.deepEqual(Object.keys(d), ['id', 'userId', 'b'])
    assert.deepEqual([d.id.primaryKey, d.id.autoIncrement, d.b.type, d.b.allowNull], [true, true, 'TEXT', false])
    const i = (await q.showIndex('m')).find(x => x.name === 'ux')
    assert.deepEqual([i.unique, i.fields.map(f => f.attribute)], [true, ['userId', 'id']])
    const fk = await q.getForeignKeyReferencesForTable('m')
    assert.deepEqual(fk.map(f => [f.columnName, f.referencedTableName, f.referencedColumnName]), [['userId', 'Users', 'id']])
    await q.removeConstraint('m', fk[0].constraintName)
    await db.query('ALTER TABLE m DROP CHECK ck')
    await q.removeIndex('m', 'ux')
    await q.removeColumn('m', 'userId')
    await q.renameTable('m', 'm2')
    assert.ok((await q.showAllTables()).includes('m2'))
    await q.dropTable('m2')
  })
  await db.close()
}

main().then(() => process.exit(), e => { console.error(e); process.exit(1) })
