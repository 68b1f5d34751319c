# mysql2 and ActiveRecord: migrations, reflection, schema dump, types, associations, queries,
# upserts, locks, transactions, errors.
require 'active_record'
require 'mysql2'
require 'stringio'

NAME = 'c_ruby'
WHERE = { host: ENV['CLIENTS_HOST'], port: ENV['CLIENTS_PORT'].to_i, username: 'root' }
$failed = false

def check(name)
  yield
  puts "ok #{name}"
rescue Exception => e
  $failed = true
  puts "FAIL #{name}", *e.message.lines.map { |l| "    #{l.chomp}" }
  puts(*e.backtrace.grep(/main\.rb/).map { |l| "    #{l}" })
end

def equal(got, want)
  raise "got #{got.inspect}, want #{want.inspect}" unless got == want
end

def fails(kind, number)
  begin
    yield
  rescue kind => e
    cause = e.is_a?(Mysql2::Error) ? e : e.cause
    return equal(cause.error_number, number)
  end
  raise "no error #{number}"
end

client = Mysql2::Client.new(**WHERE, encoding: 'utf8mb4', flags: Mysql2::Client::MULTI_STATEMENTS)
client.query("DROP DATABASE IF EXISTS #{NAME}")
client.query("CREATE DATABASE #{NAME}")
client.query("USE #{NAME}")

check 'mysql2: casts, prepared statements, streaming, several results' do
  row = client.query("SELECT 1 a, 1.5 d, 2e0 f, NULL n, CAST('2024-02-29' AS DATE) day, CAST('2026-01-02 03:04:05.678901' AS DATETIME(6)) t, CAST('10:11:12' AS TIME) h, 'ä😀' s, x'00ff' b, 18446744073709551615 u").first
  equal(row['a'], 1)
  equal(row['d'], BigDecimal('1.5'))
  equal(row['f'], 2.0)
  equal([row['n'], row['day'], row['s'], row['u']], [nil, Date.new(2024, 2, 29), 'ä😀', 2**64 - 1])
  equal(row['t'].usec, 678901)
  equal([row['h'].hour, row['b'].bytes], [10, [0, 255]])
  client.query('CREATE TABLE p (id INT AUTO_INCREMENT PRIMARY KEY, n BIGINT UNSIGNED, s VARCHAR(20), d DATETIME(6), f TINYINT(1), c DECIMAL(20,5))')
  insert = client.prepare('INSERT INTO p (n, s, d, f, c) VALUES (?, ?, ?, ?, ?)')
  insert.execute(2**64 - 1, 'x', Time.utc(2026, 1, 2, 3, 4, 5, 678901), true, BigDecimal('123456789012345.67890'))
  insert.execute(nil, nil, nil, nil, nil)
  equal([insert.last_id, insert.affected_rows], [2, 1])
  select = client.prepare('SELECT * FROM p WHERE id >= ? ORDER BY id')
  got = select.execute(1, cast_booleans: true, symbolize_keys: true, database_timezone: :utc).first
  equal([got[:n], got[:s], got[:f], got[:c], got[:d].usec], [2**64 - 1, 'x', true, BigDecimal('123456789012345.67890'), 678901])
  equal(client.query('SELECT f FROM p ORDER BY id', cast_booleans: true).map { |r| r['f'] }, [true, nil])
  equal(client.query('SELECT * FROM p', stream: true, cache_rows: false).each { }.nil?, false)
  client.query('SELECT 1 a; SELECT 2 b')
  equal(client.next_result, true)
  equal(client.store_result.first, { 'b' => 2 })
  client.query('UPDATE p SET s = s')
  equal(client.affected_rows, 0)
  fails(Mysql2::Error, 1064) { client.query('SELEC') }
end

ActiveRecord::Base.establish_connection(adapter: 'mysql2', database: NAME, encoding: 'utf8mb4', **WHERE)
ActiveRecord::Migration.verbose = false
B = ActiveRecord::Base
C = ActiveRecord::Base.connection

class First < ActiveRecord::Migration[6.1]
  def change
    create_table :authors, comment: 'who writes' do |t|
      t.string :name, null: false, limit: 100, index: { unique: true }
      t.string :email, comment: 'mail'
      t.integer :books_count, default: 0, null: false
      t.integer :lock_version, default: 0
      t.timestamps
    end
    create_table :books do |t|
      t.references :author, foreign_key: { on_delete: :cascade }
      t.string :title, default: 'untitled'
      t.text :body, size: :long
      t.decimal :price, precision: 10, scale: 2
      t.float :rating
      t.boolean :sold, default: false
      t.binary :cover, limit: 1_000_000
      t.json :data
      t.date :day
      t.datetime :moment, precision: 6
      t.time :hour
      t.bigint :big
      t.integer :tiny, limit: 1
      t.integer :natural, unsigned: true
      t.virtual :upper, type: :string, as: 'UPPER(`title`)', stored: true
      t.index %i[author_id title], unique: true, length: { title: 50 }
      t.index [:price, :title], order: { price: :desc }, name: 'by_price'
      t.index :title, type: :fulltext, name: 'words'
      t.check_constraint 'price >= 0', name: 'price_positive'
    end
    create_join_table :books, :tags do |t|
      t.index :tag_id
    end
    create_table :tags, id: false do |t|
      t.primary_key :id
      t.string :name
    end
    create_table :composed, primary_key: %i[a b] do |t|
      t.integer :a
      t.integer :b
    end
  end
end

class Second < ActiveRecord::Migration[6.1]
  def up
    add_column :authors, :age, :integer, after: :name
    rename_column :authors, :age, :years
    change_column :authors, :years, :bigint, null: false, default: 1
    change_column_default :authors, :years, from: 1, to: 2
    change_column_null :authors, :years, true
    change_column_comment :authors, :years, 'how old'
    change_table_comment :authors, 'writers'
    add_index :authors, :years
    rename_index :authors, 'index_authors_on_years', 'years'
    remove_index :authors, name: 'years'
    remove_foreign_key :books, :authors
    add_foreign_key :books, :authors, on_delete: :cascade, name: 'books_author'
    remove_check_constraint :books, name: 'price_positive'
    add_check_constraint :books, 'price > -1', name: 'price_positive'
    rename_table :composed, :pairs
    change_table(:pairs, bulk: true) do |t|
      t.string :c
      t.integer :d, default: 5
      t.index :c
    end
    remove_column :pairs, :c
    execute 'CREATE VIEW cheap AS SELECT id, title FROM books WHERE price < 10'
  end

  def down
    execute 'DROP VIEW cheap'
    rename_table :pairs, :composed
    remove_column :authors, :years
  end
end

class Author < ActiveRecord::Base
  has_many :books, dependent: :destroy
  validates :name, uniqueness: { case_sensitive: true }
end

class Book < ActiveRecord::Base
  belongs_to :author, optional: true, counter_cache: true
  has_and_belongs_to_many :tags
end

class Tag < ActiveRecord::Base
  has_and_belongs_to_many :books
end

check 'migrations up, down and up again' do
  equal(C.supports_check_constraints? && C.supports_expression_index? && C.supports_common_table_expressions?, true)
  [First, Second].each { |m| m.migrate(:up) }
  Second.migrate(:down)
  First.migrate(:down)
  [First, Second].each { |m| m.migrate(:up) }
  equal(C.tables.sort, %w[authors books books_tags p pairs tags])
  equal(C.views, ['cheap'])
end

check 'reflection' do
  equal(C.columns('books').map { |c| [c.name, c.sql_type, c.null, c.default] }.values_at(1, 2, 4, 6, 13), [
    ['author_id', 'bigint', true, nil], ['title', 'varchar(255)', true, 'untitled'], ['price', 'decimal(10,2)', true, nil], ['sold', 'tinyint(1)', true, '0'], ['tiny', 'tinyint', true, nil]
  ])
  equal(C.primary_keys('pairs'), %w[a b])
  equal(C.indexes('books').map { |i| [i.name, i.columns, i.unique, i.type, i.lengths, i.orders] }.sort, [
    ['by_price', %w[price title], false, nil, {}, { 'price' => :desc }],
    ['index_books_on_author_id', ['author_id'], false, nil, {}, {}],
    ['index_books_on_author_id_and_title', %w[author_id title], true, nil, { 'title' => 50 }, {}],
    ['words', ['title'], false, :fulltext, {}, {}]
  ])
  f = C.foreign_keys('books').first
  equal([f.name, f.to_table, f.column, f.primary_key, f.on_delete], ['books_author', 'authors', 'author_id', 'id', :cascade])
  equal(C.check_constraints('books').map(&:name), ['price_positive'])
  equal([C.table_comment('authors'), C.columns('authors').find { |c| c.name == 'years' }.comment], ['writers', 'how old'])
  equal(C.charset, 'utf8mb4')
  equal(C.collation, 'utf8mb4_0900_ai_ci')
end

check 'the dumped schema loads, and dumps the same' do
  C.execute('DROP VIEW cheap')
  dump = lambda do
    out = StringIO.new
    ActiveRecord::SchemaDumper.dump(C, out)
    out.string
  end
  text = dump.call
  raise text unless text.include?('t.virtual "upper", type: :string, as: "upper(`title`)", stored: true') && text.include?('t.check_constraint')
  C.tables.each { |t| C.execute('SET FOREIGN_KEY_CHECKS = 0'); C.drop_table(t, force: :cascade) }
  C.execute('SET FOREIGN_KEY_CHECKS = 1')
  ActiveRecord::Schema.verbose = false
  eval(text)
  equal(dump.call, text)
  C.schema_cache.clear!
  [Author, Book, Tag].each(&:reset_column_information)
end

check 'values of every type' do
  a = Author.create!(name: 'ann')
  want = { title: "ä'\"\\😀", body: 'x' * 100_000, price: BigDecimal('12345678.91'), rating: 0.5, sold: true, cover: (0..255).map(&:chr).join.b, data: { 'a' => [1, 2.5, nil, 'ü'] },
           day: Date.new(2024, 2, 29), moment: Time.utc(2026, 1, 2, 3, 4, 5, 678901), big: -2**63, tiny: -128, natural: 2**32 - 1 }
  b = Book.create!(author: a, **want).reload
  want.each { |k, v| equal([k, b[k]], [k, v]) }
  equal(b.upper, "Ä'\"\\😀")
  equal(Author.find(a.id).books_count, 1)
  want.except(:cover, :data, :rating).each { |k, v| equal([k, Book.where(k => v).count], [k, 1]) }
  b.update!(hour: '10:11:12', data: nil)
  equal(Book.find(b.id).hour.strftime('%T'), '10:11:12')
  equal(Book.where(data: nil).count, 1)
end

check 'associations, eager loading, queries' do
  3.times { |i| Author.create!(name: "author #{i}").books.create!((0..4).map { |j| { title: "book #{j}", price: i * 5 + j, day: Date.new(2020 + j, 1, 1) } }) }
  tags = %w[x y].map { |n| Tag.create!(name: n) }
  Book.order(:id).limit(4).each { |b| b.tags = tags }
  equal(Book.joins(:tags).where(tags: { name: 'x' }).distinct.count, 4)
  equal(Author.includes(:books).where(books: { title: 'book 1' }).references(:books).map(&:name).sort, ['author 0', 'author 1', 'author 2'])
  equal(Author.preload(books: :tags).to_a.size, 4)
  equal(Author.left_joins(:books).group('authors.id').having('COUNT(books.id) > 1').order('authors.name').pluck(:name, Arel.sql('SUM(books.price)')), [['author 0', 10], ['author 1', 35], ['author 2', 60]])
  equal(Book.where(price: 3..6).order(price: :desc, id: :asc).pluck(:price).map(&:to_i), [6, 5, 4, 3])
  equal(Book.group(:day).count.values.sum, 16)
  equal(Book.group(Arel.sql('YEAR(day)')).average(:price)[2020], 5)
  equal(Book.where.not(author_id: Author.where(name: 'ann').select(:id)).or(Book.where(title: 'nothing')).count, 15)
  equal(Book.where("data->>'$.a' IS NULL").count, 16)
  equal(Book.from(Book.where('price > 5'), :b).count, 10)
  equal(Book.where('MATCH(title) AGAINST (?)', 'book').count, 15)
  equal(Book.find_each(batch_size: 3).to_a.size, 16)
  equal(Book.in_batches(of: 5).update_all('price = price + 1'), 16)
  equal(Author.where('name LIKE ?', 'author%').exists?, true)
  equal(Author.find_by('name = ?', 'AUTHOR 1').name, 'author 1')
  equal(Author.new(name: 'AUTHOR 1').valid?, true)
  equal(Book.optimizer_hints('NO_INDEX_MERGE(books)').annotate('from the test').first.id, Book.minimum(:id))
  equal(Book.where(id: 1).explain.include?('EXPLAIN'), true)
  equal(Book.joins(:author).where(authors: { name: 'author 2' }).update_all(sold: true), 5)
  equal(Book.joins(:author).where(authors: { name: 'author 2' }).limit(2).delete_all, 2)
end

check 'insert_all, upsert_all, counters, optimistic locks' do
  Author.insert_all([{ name: 'ins', created_at: Time.now, updated_at: Time.now }, { name: 'ann', created_at: Time.now, updated_at: Time.now }])
  equal(Author.where(name: %w[ins ann]).count, 2)
  Author.upsert_all([{ name: 'ins', email: 'e', created_at: Time.now, updated_at: Time.now }])
  equal(Author.find_by(name: 'ins').email, 'e')
  fails(ActiveRecord::RecordNotUnique, 1062) { Author.insert_all!([{ name: 'ins', created_at: Time.now, updated_at: Time.now }]) }
  one, two = Author.find_by(name: 'ins'), Author.find_by(name: 'ins')
  one.update!(email: 'f')
  begin
    two.update!(email: 'g')
    raise 'no StaleObjectError'
  rescue ActiveRecord::StaleObjectError
  end
  Author.increment_counter(:books_count, one.id)
  equal(one.reload.books_count, 1)
  equal(Author.find_or_create_by!(name: 'ins').id, one.id)
  one.touch
end

check 'transactions, savepoints, isolation' do
  Author.transaction do
    Author.create!(name: 't1')
    Author.transaction(requires_new: true) do
      Author.create!(name: 't2')
      raise ActiveRecord::Rollback
    end
  end
  equal(Author.where(name: %w[t1 t2]).pluck(:name), ['t1'])
  %i[read_uncommitted read_committed repeatable_read serializable].each { |l| Author.transaction(isolation: l) { Author.first } }
  begin
    Author.transaction { Author.connection.execute('SET TRANSACTION READ ONLY') }
    raise 'no error 1568'
  rescue ActiveRecord::StatementInvalid => e
    equal(e.cause.error_number, 1568)
  end
end

check 'locks: with_lock, NOWAIT, SKIP LOCKED, a timeout, a deadlock, an advisory lock' do
  a = Author.order(:id).first
  other = Mysql2::Client.new(**WHERE, database: NAME)
  a.with_lock do
    fails(Mysql2::Error, 3572) { other.query("SELECT * FROM authors WHERE id = #{a.id} FOR UPDATE NOWAIT") }
    equal(other.query("SELECT id FROM authors WHERE id <= #{a.id + 1} ORDER BY id FOR UPDATE SKIP LOCKED").map { |r| r['id'] }.include?(a.id), false)
    other.query('SET innodb_lock_wait_timeout = 1')
    fails(Mysql2::Error, 1205) { other.query("UPDATE authors SET email = 'x' WHERE id = #{a.id}") }
  end
  equal([C.get_advisory_lock('l'), other.query("SELECT GET_LOCK('l', 0) g").first['g'], C.release_advisory_lock('l')], [true, 0, true])
end

check 'errors are ActiveRecord’s classes' do
  fails(ActiveRecord::InvalidForeignKey, 1452) { Book.insert({ author_id: 99_999 }); Book.insert_all!([{ author_id: 99_999 }]) }
  fails(ActiveRecord::NotNullViolation, 1048) { C.execute("INSERT INTO authors (name, created_at, updated_at) VALUES (NULL, NOW(), NOW())") }
  fails(ActiveRecord::ValueTooLong, 1406) { C.execute("INSERT INTO authors (name, created_at, updated_at) VALUES (REPEAT('x', 101), NOW(), NOW())") }
  fails(ActiveRecord::RangeError, 1264) { C.execute('UPDATE authors SET books_count = 99999999999') }
  fails(ActiveRecord::StatementInvalid, 3819) { C.execute('UPDATE books SET price = -5') }
  fails(ActiveRecord::StatementInvalid, 1146) { C.execute('SELECT * FROM nothing') }
  fails(ActiveRecord::StatementInvalid, 3024) { C.execute('SELECT /*+ MAX_EXECUTION_TIME(100) */ SLEEP(20) FROM authors') }
  fails(ActiveRecord::NoDatabaseError, 1049) { ActiveRecord::Base.establish_connection(adapter: 'mysql2', database: 'c_nothing', **WHERE).connection }
end

exit($failed ? 1 : 0)
