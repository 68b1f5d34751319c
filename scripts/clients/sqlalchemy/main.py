"""SQLAlchemy and Alembic: create, reflect, migrate, ORM, savepoints, server-side cursors."""
import datetime
import decimal
import os
import sys
import traceback

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata, produce_migrations
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy.dialects import mysql
from sqlalchemy.orm import Session, declarative_base, joinedload, relationship, selectinload

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
        for line in [x for x in lines if "Error" in x][-1:] + lines:
            print("    " + line)


def equal(got, want):
    if got != want:
        raise AssertionError(f"got {got!r}, want {want!r}")


url = f"mysql+pymysql://root@{os.environ['CLIENTS_HOST']}:{os.environ['CLIENTS_PORT']}/"
with sa.create_engine(url).connect() as c:
    c.execute(sa.text("DROP DATABASE IF EXISTS c_sqlalchemy"))
    c.execute(sa.text("CREATE DATABASE c_sqlalchemy"))
engine = sa.create_engine(url + "c_sqlalchemy?charset=utf8mb4", future=True, isolation_level="REPEATABLE READ", pool_pre_ping=True)
Base = declarative_base()
tags = sa.Table("post_tags", Base.metadata, sa.Column("post_id", sa.ForeignKey("posts.id"), primary_key=True),
                sa.Column("tag_id", sa.ForeignKey("tags.id"), primary_key=True))


class User(Base):
    __tablename__ = "users"
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String(50), nullable=False, unique=True, comment="who; it's a name")
    age = sa.Column(sa.SmallInteger, sa.CheckConstraint("age >= 0", name="no_negative"), index=True)
    balance = sa.Column(sa.Numeric(12, 2), server_default="0.00")
    kind = sa.Column(sa.Enum("person", "robot"), server_default="person", nullable=False)
    active = sa.Column(sa.Boolean, default=True)
    data = sa.Column(sa.JSON)
    born = sa.Column(sa.Date)
    created = sa.Column(mysql.DATETIME(fsp=6), server_default=sa.text("CURRENT_TIMESTAMP(6)"))
    shout = sa.Column(sa.String(60), sa.Computed("concat(name, '!')", persisted=True))
    posts = relationship("Post", back_populates="author", cascade="all, delete-orphan")
    __table_args__ = (sa.Index("name_age", "name", "age", mysql_length={"name": 10}), {"comment": "people", "mysql_charset": "utf8mb4"})


class Post(Base):
    __tablename__ = "posts"
    id = sa.Column(sa.BigInteger, primary_key=True)
    author_id = sa.Column(sa.ForeignKey("users.id", ondelete="CASCADE", name="posts_author"), nullable=False)
    title = sa.Column(sa.Text)
    body = sa.Column(sa.LargeBinary)
    author = relationship("User", back_populates="posts")
    tags = relationship("Tag", secondary=tags)


class Tag(Base):
    __tablename__ = "tags"
    id = sa.Column(sa.Integer, primary_key=True)
    word = sa.Column(sa.String(30, collation="utf8mb4_bin"), unique=True)


@check
def _():
    "create_all, twice"
    Base.metadata.create_all(engine)
    Base.metadata.create_all(engine)
    with engine.begin() as c:
        c.execute(sa.text("CREATE VIEW adults AS SELECT id, name FROM users WHERE age >= 18"))


@check
def _():
    "inspector: tables, views, columns"
    i = sa.inspect(engine)
    equal(sorted(i.get_table_names()), ["post_tags", "posts", "tags", "users"])
    equal(i.get_view_names(), ["adults"])
    equal("age" in i.get_view_definition("adults"), True)
    columns = {c["name"]: c for c in i.get_columns("users")}
    equal(str(columns["balance"]["type"]), "DECIMAL(12, 2)")
    equal(columns["balance"]["default"], "'0.00'")
    equal(columns["kind"]["default"], "'person'")
    equal(columns["kind"]["type"].enums, ["person", "robot"])
    equal(columns["name"]["comment"], "who; it's a name")
    equal(columns["name"]["nullable"], False)
    equal(columns["created"]["type"].fsp, 6)
    equal(columns["id"]["autoincrement"], True)
    equal(columns["shout"]["computed"]["persisted"], True)
    equal([c["name"] for c in i.get_columns("adults")], ["id", "name"])


@check
def _():
    "inspector: keys, checks, comments, options"
    i = sa.inspect(engine)
    equal(i.get_pk_constraint("post_tags")["constrained_columns"], ["post_id", "tag_id"])
    fk = i.get_foreign_keys("posts")[0]
    equal((fk["name"], fk["referred_table"], fk["options"]), ("posts_author", "users", {"ondelete": "CASCADE"}))
    equal({x["name"]: (x["column_names"], x["unique"]) for x in i.get_indexes("users")},
          {"name": (["name"], True), "name_age": (["name", "age"], False), "ix_users_age": (["age"], False)})
    equal([x["name"] for x in i.get_unique_constraints("users")], ["name"])
    equal([x["name"] for x in i.get_check_constraints("users")], ["no_negative"])
    equal(i.get_table_comment("users"), {"text": "people"})


@check
def _():
    "reflected tables can be created elsewhere"
    m = sa.MetaData()
    m.reflect(engine)
    m2 = sa.MetaData()
    for t in m.sorted_tables:
        t.to_metadata(m2, name="copy_" + t.name)
    equal(sorted(m.tables), ["post_tags", "posts", "tags", "users"])


@check
def _():
    "ORM: insert, query, relationships, cascade"
    with Session(engine) as s:
        python, go = Tag(word="python"), Tag(word="Go")
        s.add(User(name="ann", age=30, data={"k": [1, None, "ä"]}, born=datetime.date(2000, 2, 29), balance=decimal.Decimal("1234567890.12"),
                   posts=[Post(title="one", body=b"\0\xff", tags=[python, go]), Post(title="two", tags=[go])]))
        s.add(User(name="bob", age=17, active=False, kind="robot"))
        s.commit()
    with Session(engine) as s:
        a = s.execute(sa.select(User).options(selectinload(User.posts).selectinload(Post.tags)).where(User.name == "ann")).scalar_one()
        equal((a.data, a.born, a.balance, a.kind, a.active, a.shout), ({"k": [1, None, "ä"]}, datetime.date(2000, 2, 29), decimal.Decimal("1234567890.12"), "person", True, "ann!"))
        equal(sorted((p.title, sorted(t.word for t in p.tags)) for p in a.posts), [("one", ["Go", "python"]), ("two", ["Go"])])
        equal(a.posts[0].body, b"\0\xff")
        equal(isinstance(a.created, datetime.datetime), True)
        rows = s.execute(sa.select(User.name, sa.func.count(Post.id)).outerjoin(Post).group_by(User.id).order_by(User.name)).all()
        equal([tuple(r) for r in rows], [("ann", 2), ("bob", 0)])
        both = s.execute(sa.select(User).options(joinedload(User.posts)).order_by(User.id).limit(1)).unique().scalars().all()
        equal(len(both[0].posts), 2)
        equal(s.execute(sa.select(User.name).where(User.posts.any(Post.tags.any(Tag.word == "Go")))).scalars().all(), ["ann"])
        equal(s.execute(sa.select(User.name).where(User.data["k"][0].as_integer() == 1)).scalars().all(), ["ann"])
        w = sa.select(User.name, sa.func.row_number().over(order_by=User.age)).order_by(User.name)
        equal([tuple(r) for r in s.execute(w)], [("ann", 2), ("bob", 1)])
        equal(s.execute(sa.select(User.name).where(User.name.in_(["ann", "x"])).union(sa.select(Tag.word)).order_by(sa.text("1"))).scalars().all(), ["Go", "ann", "python"])  # utf8mb4_bin wins


@check
def _():
    "begin_nested: savepoints"
    with Session(engine) as s:
        s.add(User(name="carl", age=1))
        s.flush()
        try:
            with s.begin_nested():
                s.add(User(name="ann", age=2))
                s.flush()
            raise AssertionError("a duplicate was inserted")
        except sa.exc.IntegrityError as e:
            equal(e.orig.args[0], 1062)
        with s.begin_nested():
            s.add(User(name="dora", age=3))
        s.commit()
        equal(s.scalar(sa.select(sa.func.count()).select_from(User)), 4)
        try:
            s.add(User(name="neg", age=-1))
            s.commit()
            raise AssertionError("a CHECK was not held")
        except sa.exc.DBAPIError as e:
            equal(e.orig.args[0], 3819)
            s.rollback()


@check
def _():
    "update, delete, upsert, locking, isolation levels"
    with Session(engine) as s:
        equal(s.execute(sa.update(User).where(User.age < 5).values(age=User.age + 1)).rowcount, 2)
        ins = mysql.insert(Tag).values([{"id": 1, "word": "snake"}, {"id": 50, "word": "x"}])
        s.execute(ins.on_duplicate_key_update(word=ins.inserted.word))
        equal(s.scalar(sa.select(Tag.word).where(Tag.id == 1).with_for_update()), "snake")
        s.scalar(sa.select(Tag.word).where(Tag.id == 1).with_for_update(read=True))
        s.scalar(sa.select(Tag.word).where(Tag.id == 1).with_for_update(skip_locked=True))
        s.execute(sa.delete(User).where(User.name == "carl"))
        s.commit()
        for level in ["READ COMMITTED", "SERIALIZABLE", "READ UNCOMMITTED", "AUTOCOMMIT"]:
            with engine.connect().execution_options(isolation_level=level) as c:
                c.execute(sa.text("SELECT 1"))
                if level != "AUTOCOMMIT":
                    equal(c.get_isolation_level(), level)


@check
def _():
    "a server-side cursor"
    with engine.begin() as c:
        c.execute(sa.insert(Tag), [{"word": f"w{i}"} for i in range(2000)])
    with engine.connect() as c:
        r = c.execution_options(stream_results=True, yield_per=100).execute(sa.select(Tag.word).where(Tag.word.like("w%")))
        equal(sum(len(p) for p in r.partitions()), 2000)


@check
def _():
    "alembic: nothing to migrate after create_all"
    with engine.connect() as c:
        diff = compare_metadata(MigrationContext.configure(c, opts={"compare_type": True}), Base.metadata)
        equal(diff, [])


@check
def _():
    "alembic: operations"
    with engine.begin() as c:
        op = Operations(MigrationContext.configure(c))
        op.create_table("m", sa.Column("id", sa.Integer, primary_key=True), sa.Column("a", sa.String(20)))
        op.add_column("m", sa.Column("u", sa.Integer, server_default="5", nullable=False))
        op.alter_column("m", "a", new_column_name="b", existing_type=sa.String(20), type_=sa.Text, comment="now b")
        op.alter_column("m", "u", existing_type=sa.Integer, type_=sa.BigInteger, server_default=None, nullable=True)
        op.create_index("ix_u", "m", ["u"])
        op.create_unique_constraint("uq", "m", ["u", "id"])
        op.create_foreign_key("fk_u", "m", "users", ["id"], ["id"], ondelete="CASCADE")
        op.create_check_constraint("ck", "m", "u > 0")
        op.create_table_comment("m", "migrated")
        op.bulk_insert(sa.table("m", sa.column("id"), sa.column("b"), sa.column("u")), [{"id": 1, "b": "x", "u": 1}])
        i = sa.inspect(c)
        equal([(x["name"], str(x["type"]), x["nullable"], x["default"], x["comment"]) for x in i.get_columns("m")],
              [("id", "INTEGER", False, None, None), ("b", "TEXT", True, None, "now b"), ("u", "BIGINT", True, None, None)])
        op.drop_constraint("fk_u", "m", type_="foreignkey")
        op.drop_constraint("ck", "m", type_="check")
        op.drop_constraint("uq", "m", type_="unique")
        op.drop_index("ix_u", "m")
        op.drop_column("m", "u")
        op.rename_table("m", "m2")
        equal([x["name"] for x in sa.inspect(c).get_columns("m2")], ["id", "b"])
        equal(sa.inspect(c).get_indexes("m2"), [])
        op.drop_table("m2")


@check
def _():
    "every type is reflected, and created again it is the same"
    types = """id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT, ti TINYINT(1), si SMALLINT UNSIGNED, mi MEDIUMINT, i INT DEFAULT -3, f FLOAT, d DOUBLE, dc DECIMAL(20,5) NOT NULL DEFAULT 1.5,
      b BIT(5), y YEAR, da DATE, t TIME(3), dt DATETIME(6) DEFAULT CURRENT_TIMESTAMP(6), ts TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
      c CHAR(4) CHARACTER SET latin1 COLLATE latin1_bin, v VARCHAR(30) NOT NULL DEFAULT 'it''s 100%' COMMENT 'a "note"; 50%', bn BINARY(4), vb VARBINARY(10), tt TINYTEXT, tx TEXT, mt MEDIUMTEXT, lt LONGTEXT,
      tb TINYBLOB, bl BLOB, lb LONGBLOB, e ENUM('a','b,c','d''e') DEFAULT 'b,c', s SET('x','y'), j JSON, g INT GENERATED ALWAYS AS (i + 1) VIRTUAL, gs VARCHAR(40) GENERATED ALWAYS AS (concat(v, 'x')) STORED,
      u VARCHAR(36) DEFAULT (uuid()), PRIMARY KEY (id), UNIQUE KEY vu (v, i), FULLTEXT KEY ft (lt), CONSTRAINT pos CHECK (mi < 100 AND v <> ''),
      CONSTRAINT self FOREIGN KEY (i) REFERENCES other (n) ON UPDATE CASCADE ON DELETE SET NULL"""
    with engine.begin() as c:
        c.exec_driver_sql("CREATE TABLE other (n INT PRIMARY KEY)")
        c.exec_driver_sql(f"CREATE TABLE kinds ({types}) COMMENT='kinds; all'".replace("%", "%%"), ())
        first = c.exec_driver_sql("SHOW CREATE TABLE kinds").fetchone()[1]
        m = sa.MetaData()
        t = sa.Table("kinds", m, autoload_with=c)
        equal([repr(t.c[n].type) for n in ("ti", "si", "dc", "b", "t", "dt", "e", "s", "j", "lb", "vb")],
              ["TINYINT(display_width=1)", "SMALLINT(unsigned=True)", "DECIMAL(precision=20, scale=5)", "BIT(length=5)", "TIME(fsp=3)", "DATETIME(fsp=6)", "ENUM('a', 'b,c', \"d'e\")", "SET('x', 'y')",
               "JSON()", "LONGBLOB()", "VARBINARY(length=10)"])
        equal((t.c.g.computed.persisted, t.c.gs.computed.persisted, t.c.v.comment, t.comment), (False, True, 'a "note"; 50%', "kinds; all"))
        c.exec_driver_sql("DROP TABLE kinds")
        m.tables["kinds"].create(c)
        equal(c.exec_driver_sql("SHOW CREATE TABLE kinds").fetchone()[1], first)
        c.exec_driver_sql("DROP TABLE kinds, other")


@check
def _():
    "alembic: a changed model is migrated, and then nothing is left to do"
    before, after = sa.MetaData(), sa.MetaData()
    sa.Table("p", before, sa.Column("id", sa.Integer, primary_key=True), sa.Column("a", sa.String(10), nullable=False), sa.Column("b", sa.Integer, index=True),
             sa.Column("c", sa.String(5), server_default="x"), sa.Column("gone", sa.Text), sa.UniqueConstraint("a", name="ua"), mysql_charset="utf8mb4")
    sa.Table("r", before, sa.Column("id", sa.Integer, primary_key=True), sa.Column("p_id", sa.ForeignKey("p.id", name="r_p")))
    sa.Table("p", after, sa.Column("id", sa.Integer, primary_key=True), sa.Column("a", sa.String(80), nullable=True, comment="wider"), sa.Column("b", sa.BigInteger),
             sa.Column("c", sa.String(5), server_default="y"), sa.Column("new", sa.Integer, server_default="7", nullable=False), sa.UniqueConstraint("a", "b", name="uab"),
             sa.Index("ic", "c", mysql_length=3), comment="changed")
    sa.Table("q", after, sa.Column("id", sa.Integer, primary_key=True), sa.Column("p_id", sa.ForeignKey("p.id", name="q_p", ondelete="CASCADE")))
    opts = {"compare_type": True, "compare_server_default": True, "include_object": lambda o, name, kind, reflected, to: kind != "table" or name in ("p", "q", "r")}
    before.create_all(engine)
    with engine.begin() as c:
        c.exec_driver_sql("INSERT INTO p (id, a, b) VALUES (1, 'x', 2)")
        context = MigrationContext.configure(c, opts=opts)
        script = produce_migrations(context, after)
        op = Operations(context)

        def apply(ops):
            for x in ops:
                apply(x.ops) if hasattr(x, "ops") else op.invoke(x)

        equal(len(script.upgrade_ops.as_diffs()) >= 10, True)
        apply(script.upgrade_ops.ops)
        equal(compare_metadata(MigrationContext.configure(c, opts=opts), after), [])
        equal([tuple(r) for r in c.exec_driver_sql("SELECT id, a, b, c, new FROM p")], [(1, "x", 2, "x", 7)])
        apply(script.downgrade_ops.ops)
        i = sa.inspect(c)
        equal([(x["name"], str(x["type"]), x["nullable"], x["default"], x["comment"]) for x in i.get_columns("p")],
              [("id", "INTEGER", False, None, None), ("a", "VARCHAR(10)", False, None, None), ("b", "INTEGER", True, None, None), ("c", "VARCHAR(5)", True, "'x'", None), ("gone", "TEXT", True, None, None)])
        equal(sorted(x["name"] for x in i.get_indexes("p")), ["ix_p_b", "ua"])
        equal((i.has_table("q"), i.get_foreign_keys("r")[0]["name"]), (False, "r_p"))
    before.drop_all(engine)


@check
def _():
    "drop_all"
    with engine.begin() as c:
        c.execute(sa.text("DROP VIEW adults"))
    Base.metadata.drop_all(engine)
    equal(sa.inspect(engine).get_table_names(), [])


sys.exit(failed)
