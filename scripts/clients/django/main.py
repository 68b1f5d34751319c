"""Django with mysqlclient: migrations of its own applications and of one here, inspectdb,
queries with functions, JSON, locks, upserts, aggregates, transactions."""
import datetime
import decimal
import hashlib
import importlib.machinery
import io
import os
import sys
import traceback
import types
import uuid

import MySQLdb
import django
from django.conf import settings

NAME = "c_django"
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


def equal(got, want):
    if got != want:
        raise AssertionError(f"got {got!r}, want {want!r}")


def fails(f, kind, number):
    try:
        f()
    except kind as e:
        equal(e.args[0], number)
        return
    raise AssertionError(f"no error {number}")


where = {"host": os.environ["CLIENTS_HOST"], "port": int(os.environ["CLIENTS_PORT"]), "user": "root"}
c = MySQLdb.connect(**where)
c.cursor().execute(f"DROP DATABASE IF EXISTS {NAME}")
c.cursor().execute(f"CREATE DATABASE {NAME}")
c.close()

shop = types.ModuleType("shop")
shop.__path__, shop.__file__ = [os.path.dirname(os.path.abspath(__file__))], __file__
sys.modules["shop"], sys.modules["shop.models"] = shop, types.ModuleType("shop.models")
sys.modules["shop.models"].__spec__ = importlib.machinery.ModuleSpec("shop.models", None)
database = {"ENGINE": "django.db.backends.mysql", "NAME": NAME, "HOST": where["host"], "PORT": where["port"], "USER": "root", "OPTIONS": {"charset": "utf8mb4"}}
settings.configure(
    DATABASES={"default": database, "other": {**database, "OPTIONS": {"isolation_level": "repeatable read", "charset": "utf8mb4"}}}, USE_TZ=True, TIME_ZONE="UTC", SECRET_KEY="x", DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=["django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "django.contrib.messages",
                    "django.contrib.sites", "django.contrib.redirects", "django.contrib.flatpages", "shop"],
    MIGRATION_MODULES={"shop": None}, SITE_ID=1, SILENCED_SYSTEM_CHECKS=["admin.E403", "admin.E408", "admin.E409", "admin.E410"])
django.setup()

from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.db import IntegrityError, OperationalError, DataError, connection, connections, models, transaction
from django.db.models import Avg, Case, Count, Exists, F, Max, OuterRef, Q, StdDev, Subquery, Sum, Value, When, Window
from django.db.models import functions as fn
from django.db.migrations.executor import MigrationExecutor


class Author(models.Model):
    name = models.CharField(max_length=100, unique=True)
    email = models.EmailField(null=True, blank=True, db_index=True)
    friends = models.ManyToManyField("self")

    class Meta:
        app_label = "shop"


class Book(models.Model):
    title = models.CharField(max_length=200)
    author = models.ForeignKey(Author, on_delete=models.CASCADE, related_name="books")
    price = models.DecimalField(max_digits=10, decimal_places=2, default=1)
    pages = models.PositiveIntegerField(default=0)
    published = models.DateTimeField(null=True)
    data = models.JSONField(default=dict)

    class Meta:
        app_label = "shop"
        unique_together = [("title", "author")]
        indexes = [models.Index(fields=["-price", "title"], name="price_title")]
        constraints = [models.CheckConstraint(check=Q(pages__lt=100000), name="pages_small"), models.UniqueConstraint(fields=["author", "published"], name="author_published")]


class Every(models.Model):
    binary = models.BinaryField(null=True)
    flag = models.BooleanField(null=True)
    char = models.CharField(max_length=50)
    day = models.DateField(null=True)
    moment = models.DateTimeField(null=True)
    dec = models.DecimalField(max_digits=30, decimal_places=10, null=True)
    dur = models.DurationField(null=True)
    file = models.FileField(null=True)
    real = models.FloatField(null=True)
    num = models.IntegerField(null=True)
    big = models.BigIntegerField(null=True)
    ip = models.GenericIPAddressField(null=True)
    json = models.JSONField(null=True)
    upos = models.PositiveBigIntegerField(null=True)
    slug = models.SlugField(null=True)
    small = models.SmallIntegerField(null=True)
    text = models.TextField(null=True)
    time = models.TimeField(null=True)
    url = models.URLField(null=True)
    uid = models.UUIDField(default=uuid.uuid4)
    one = models.OneToOneField(Author, null=True, on_delete=models.SET_NULL)

    class Meta:
        app_label = "shop"


UTC = datetime.timezone.utc


@check
def _():
    "migrate creates the tables of contrib applications and of the models"
    call_command("migrate", run_syncdb=True, verbosity=0)
    if not {"auth_user", "django_admin_log", "django_migrations", "shop_book", "shop_author_friends"} <= set(connection.introspection.table_names()):
        raise AssertionError(connection.introspection.table_names())
    equal(MigrationExecutor(connection).migration_plan(MigrationExecutor(connection).loader.graph.leaf_nodes()), [])
    call_command("migrate", "auth", "0003", verbosity=0)
    call_command("migrate", verbosity=0)
    call_command("check", verbosity=0)


@check
def _():
    "the schema editor alters, renames and drops columns, tables, indexes and constraints"
    field = models.CharField(max_length=20, default="d")
    field.set_attributes_from_name("extra")
    with connection.schema_editor() as e:
        e.add_field(Author, field)
    wider = models.TextField(null=True)
    wider.set_attributes_from_name("extra2")
    with connection.schema_editor() as e:
        e.alter_field(Author, field, wider)
    number = models.IntegerField(default=7, db_index=True)
    number.set_attributes_from_name("extra3")
    with connection.schema_editor() as e:
        e.remove_field(Author, wider)
        e.add_field(Author, number)
    big = models.BigIntegerField(unique=True, null=True)
    big.set_attributes_from_name("extra3")
    with connection.schema_editor() as e:
        e.alter_field(Author, number, big)
        e.remove_field(Author, big)
    with connection.schema_editor() as e:
        e.alter_db_table(Author, "shop_author", "shop_writer")
        e.alter_db_table(Author, "shop_writer", "shop_author")
        index = models.Index(fields=["pages"], name="i_pages")
        e.add_index(Book, index)
        e.remove_index(Book, index)
        constraint = models.CheckConstraint(check=Q(price__gte=0), name="price_positive")
        e.add_constraint(Book, constraint)
        e.remove_constraint(Book, constraint)
        e.alter_unique_together(Book, [("title", "author")], [("title", "author"), ("title", "pages")])
        e.alter_unique_together(Book, [("title", "author"), ("title", "pages")], [("title", "author")])
        index = models.Index(fn.Lower("name"), "email", name="lower_name")
        e.add_index(Author, index)
        e.remove_index(Author, index)


@check
def _():
    "inspectdb and introspection give the models back"
    out = io.StringIO()
    call_command("inspectdb", "shop_book", "shop_every", stdout=out)
    text = out.getvalue()
    for part in ["price = models.DecimalField(max_digits=10, decimal_places=2)", "author = models.ForeignKey", "unique_together = (", "('title', 'author')", "('author', 'published')",
                 "data = models.JSONField()", "pages = models.PositiveIntegerField()", "id = models.BigAutoField(primary_key=True)", "uid = models.CharField(max_length=32)", "one = models.OneToOneField"]:
        if part not in text:
            raise AssertionError(f"no {part} in\n{text}")
    with connection.cursor() as k:
        got = connection.introspection.get_constraints(k, "shop_book")
        relations = connection.introspection.get_relations(k, "shop_book")
        key = connection.introspection.get_primary_key_column(k, "shop_book")
        sequences = connection.introspection.get_sequences(k, "shop_book")
    equal((got["price_title"]["columns"], got["price_title"]["orders"], got["price_title"]["unique"]), (["price", "title"], ["DESC", "ASC"], False))
    equal((got["pages_small"]["check"], got["pages_small"]["columns"]), (True, ["pages"]))
    equal(got["PRIMARY"]["columns"], ["id"])
    equal([c["foreign_key"] for c in got.values() if c["foreign_key"]], [("shop_author", "id")])
    equal((relations, key), ({"author_id": ("id", "shop_author")}, "id"))
    equal([s["column"] for s in sequences], ["id"])


@check
def _():
    "fields of every type come back as they went"
    author = Author.objects.create(name="one")
    want = dict(binary=bytes(range(256)), flag=True, char="ä'\"\\😀", day=datetime.date(2024, 2, 29), moment=datetime.datetime(2026, 1, 2, 3, 4, 5, 678901, UTC),
                dec=decimal.Decimal("12345678901234567890.0123456789"), dur=datetime.timedelta(days=400, microseconds=1), file="a/b.txt", real=0.1, num=-2**31, big=-2**63, ip="2001:db8::1",
                json={"a": [1, 2.5, None, "ü"], "b": {"c": True}}, upos=2**63 - 1, slug="s-l", small=-32768, text="x" * 70000, time=datetime.time(23, 59, 58, 999999), url="http://x/y", uid=uuid.UUID(int=7))
    made = Every.objects.create(**want, one=author)
    got = Every.objects.get(pk=made.pk)
    for k, v in want.items():
        equal((k, getattr(got, k)), (k, v))
    for k, v in want.items():
        if k not in ("binary", "json"):
            equal((k, Every.objects.filter(**{k: v}).count()), (k, 1))
    equal(Every.objects.filter(json={"b": {"c": True}, "a": [1, 2.5, None, "ü"]}).count(), 1)
    Every.objects.create(char="nulls")
    equal(Every.objects.filter(json__isnull=True).count(), 1)


@check
def _():
    "rows are made in bulk, upserted, updated by F, got or created"
    authors = Author.objects.bulk_create([Author(name=f"author {i}", email=f"a{i}@x") for i in range(5)])
    authors = list(Author.objects.filter(name__startswith="author").order_by("name"))
    Book.objects.bulk_create([Book(title=f"Book {i}", author=authors[i % 5], price=i, pages=10 * i, published=datetime.datetime(2020 + i % 5, 1 + i % 12, 3, 4, 5, 6, tzinfo=UTC) + datetime.timedelta(hours=i),
                                   data={"n": i, "tags": ["a", "b"] if i % 2 else [], "deep": {"x": [i, {"y": "z"}]}, "s": f"text {i}", "nil": None}) for i in range(60)], batch_size=25)
    Book.objects.bulk_create([Book(title="Book 1", author=authors[1])], ignore_conflicts=True)
    equal(Book.objects.count(), 60)
    if django.VERSION >= (4, 1):
        Book.objects.bulk_create([Book(title="Book 1", author=authors[1], pages=77)], update_conflicts=True, update_fields=["pages"])
        equal(Book.objects.get(title="Book 1").pages, 77)
    equal(Book.objects.filter(price__lt=10).update(price=F("price") * 2 + 1, pages=F("pages") + 1), 10)
    books = list(Book.objects.order_by("id")[:10])
    for b in books:
        b.pages += 1000
    Book.objects.bulk_update(books, ["pages", "published"])
    equal(Book.objects.filter(pages__gte=1000).count(), 10)
    equal(Author.objects.get_or_create(name="author 1")[1], False)
    equal(Author.objects.update_or_create(name="new", defaults={"email": "e"})[1], True)
    authors[0].friends.add(*authors[1:])
    equal(authors[2].friends.count(), 1)
    authors[0].friends.set(authors[3:4])
    equal(Book.objects.filter(author=authors[4]).delete()[0], 12)


@check
def _():
    "lookups of every kind"
    b = Book.objects
    equal(b.filter(title__contains="ook").count(), 48)
    equal(b.filter(title__contains="ook 1%").count(), 0)
    equal(b.filter(title__regex=r"^Book \d$").count(), 8)
    equal(b.filter(title__iexact="book 11").count(), 1)
    equal(b.filter(title__exact="book 11").count(), 1)
    equal(b.filter(title__startswith="Book 1").count(), 9)
    equal(b.filter(title__iendswith="K 11").count(), 1)
    equal(b.filter(title__iregex=r"^BOOK 1\d$").count(), 8)
    equal(b.filter(published__year=2021).count(), 12)
    equal(b.filter(published__month=3).count() > 0, True)
    equal(b.filter(published__date__gte=datetime.date(2021, 1, 1)).count(), 36)
    equal(b.filter(published__week_day=1).count() >= 0, True)
    equal(b.filter(published__hour__lt=12, published__week__gt=1, published__quarter=1, published__iso_year__gt=2000).count() > 0, True)
    equal(b.filter(author__name__in=["author 1", "author 2"]).count(), 24)
    equal(b.filter(author__in=Author.objects.filter(name="author 1")).count(), 12)
    equal(b.exclude(author__friends__isnull=False).count() > 0, True)
    equal(b.filter(Q(price__range=(20, 30)) & ~Q(pages=250)).count() > 0, True)
    equal(b.filter(title__gt=F("author__name")).count(), 48)
    equal(list(b.dates("published", "year")), [datetime.date(2020 + i, 1, 1) for i in range(4)])
    equal(len(b.datetimes("published", "month")) > 3, True)
    equal(b.in_bulk([2])[2].title, "Book 1")
    equal(b.order_by(F("published").desc(nulls_last=True)).first().title != "", True)
    equal(b.only("title").defer("data").earliest("published").title != "", True)
    equal(len(b.select_related("author").prefetch_related("author__friends").order_by("?")[:5]), 5)
    equal(b.filter(pk__in=[]).exists(), False)
    equal(b.values("author").distinct().count(), 4)
    equal(len(b.filter(pages=30).union(b.filter(pages=1031), all=True).order_by("title")), 1)
    equal(next(iter(b.order_by("id").iterator(chunk_size=10))).title, "Book 0")


@check
def _():
    "JSON is searched by path, containment and key"
    b = Book.objects
    for want, q in [(1, dict(data__n=7)), (24, dict(data__n__lt=30)), (1, dict(data__deep__x__0=7)), (48, dict(data__deep__x__1__y="z")), (24, dict(data__tags=[])), (1, dict(data__s="text 7")),
                    (48, dict(data__s__startswith="text")), (48, dict(data__has_key="tags")), (48, dict(data__has_keys=["tags", "n"])), (48, dict(data__has_any_keys=["tags", "zz"])), (0, dict(data__has_key="zz")),
                    (24, dict(data__contains={"tags": ["a"]})), (0, dict(data__contained_by={"n": 7})), (48, dict(data__nil=None)), (48, dict(data__zz__isnull=True)), (2, dict(data__n__in=[1, 2, 99])),
                    (48, dict(data__s__icontains="TEXT")), (1, dict(data__s__iexact="TEXT 7"))]:
        equal((q, b.filter(**q).count()), (q, want))
    equal(b.order_by("-data__n").first().data["n"], 58)
    equal(b.filter(data__n=7).values_list("data__s", flat=True)[0], "text 7")
    equal(b.exclude(data__n=7).count(), 47)


@check
def _():
    "database functions"
    b = Book.objects.filter(title="Book 7")

    def value(e, want):
        equal((str(e), b.annotate(v=e).values_list("v", flat=True)[0]), (str(e), want))
    value(fn.Concat("title", Value(" "), "author__name"), "Book 7 author 2")
    value(fn.ConcatPair(Value("a"), Value("b")), "ab")
    value(fn.Coalesce("author__email", Value("none")), "a2@x")
    value(fn.Upper("title"), "BOOK 7")
    value(fn.Length(Value("ä")), 1)
    value(fn.Substr("title", 2, 3), "ook")
    value(fn.Left("title", 2), "Bo")
    value(fn.LPad("title", 8, Value("x")), "xxBook 7")
    value(fn.Repeat("title", 2), "Book 7Book 7")
    value(fn.Replace("title", Value("ook"), Value("a")), "Ba 7")
    value(fn.Reverse("title"), "7 kooB")
    value(fn.StrIndex("title", Value("ok")), 3)
    value(fn.Trim(Value("  x ")), "x")
    value(fn.MD5("title"), hashlib.md5(b"Book 7").hexdigest())
    value(fn.SHA256("title"), hashlib.sha256(b"Book 7").hexdigest())
    value(fn.SHA512("title"), hashlib.sha512(b"Book 7").hexdigest())
    value(fn.Chr(Value(65), output_field=models.CharField()), "A")
    value(fn.Ord("title"), 66)
    value(fn.Greatest("pages", Value(3)), 1071)
    value(fn.Least("pages", Value(3)), 3)
    value(fn.NullIf("title", Value("Book 7")), None)
    value(fn.Cast("pages", models.CharField()), "1071")
    value(fn.Cast("pages", models.FloatField()), 1071.0)
    value(fn.Cast(Value("12"), models.IntegerField()), 12)
    value(fn.Cast(Value("2020-01-02"), models.DateField()), datetime.date(2020, 1, 2))
    value(fn.Cast(Value("12.345"), models.DecimalField(max_digits=8, decimal_places=2)), decimal.Decimal("12.35"))
    value(fn.Collate("title", "utf8mb4_bin"), "Book 7")
    value(fn.Round(Value(2.5)), 2.0)  # of a DOUBLE to even, as in MySQL
    value(fn.Mod("pages", Value(10)), 1.0)
    value(fn.Power("pages", Value(2)), 1071.0 ** 2)
    value(fn.Sqrt(Value(16)), 4.0)
    value(fn.Sign("pages"), 1)
    value(fn.Log(Value(10), Value(100)), 2.0)
    value(fn.ATan2(Value(1.0), Value(1.0)), 0.7853981633974483)
    value(fn.Pi(), 3.141593) if hasattr(fn, "Pi") else None
    value(fn.Extract("published", "week"), 31)
    value(fn.ExtractYear("published"), 2022)
    value(fn.ExtractIsoWeekDay("published"), 3)
    value(fn.TruncMonth("published"), datetime.datetime(2022, 8, 1, tzinfo=UTC))
    value(fn.TruncDay("published"), datetime.datetime(2022, 8, 3, tzinfo=UTC))
    value(fn.TruncQuarter("published"), datetime.datetime(2022, 7, 1, tzinfo=UTC))
    value(fn.TruncWeek("published"), datetime.datetime(2022, 8, 1, tzinfo=UTC))
    value(fn.TruncSecond("published"), datetime.datetime(2022, 8, 3, 11, 5, 6, tzinfo=UTC))
    value(fn.TruncDate("published"), datetime.date(2022, 8, 3))
    value(fn.TruncTime("published"), datetime.time(11, 5, 6))
    value(fn.TruncHour("published", tzinfo=datetime.timezone(datetime.timedelta(hours=2))), datetime.datetime(2022, 8, 3, 13, 0, tzinfo=datetime.timezone(datetime.timedelta(hours=2))))
    value(fn.JSONObject(t="title", n=F("pages") + 1), {"t": "Book 7", "n": 1072})
    value(models.ExpressionWrapper(F("published") + datetime.timedelta(days=1, microseconds=5), models.DateTimeField()), datetime.datetime(2022, 8, 4, 11, 5, 6, 5, tzinfo=UTC))
    value(models.ExpressionWrapper(F("published") - F("published"), models.DurationField()), datetime.timedelta(0))
    value(F("pages").bitand(15), 1071 & 15)
    value(F("pages").bitxor(15), 1071 ^ 15)
    value(F("pages").bitleftshift(2), 1071 << 2)
    value(Case(When(pages__gt=1000, then=Value("long")), default=Value("short"), output_field=models.CharField()), "long")
    equal(b.annotate(v=fn.Now()).first().v.utcoffset(), datetime.timedelta(0))
    equal(0 <= b.annotate(v=fn.Random()).first().v < 1, True)


@check
def _():
    "aggregates, subqueries and windows"
    b = Book.objects
    got = b.aggregate(n=Count("id"), s=Sum("pages"), a=Avg("pages"), m=Max("price"), d=StdDev("pages"), e=Count("author", distinct=True), f=Count("id", filter=Q(price__gt=30)), k=Sum(F("price") * F("pages")))
    equal((got["n"], got["e"], got["m"], type(got["s"]).__name__, type(got["a"]).__name__), (48, 4, decimal.Decimal("58.00"), "int", "float"))
    got = list(Author.objects.annotate(n=Count("books"), total=fn.Coalesce(Sum("books__price"), Value(0), output_field=models.DecimalField())).filter(n__gt=1).order_by("-total", "id").values_list("name", "n"))
    equal([n for _, n in got], [12, 12, 12, 12])
    newest = b.filter(author=OuterRef("pk")).order_by("-published")
    got = Author.objects.annotate(t=Subquery(newest.values("title")[:1]), has=Exists(newest)).filter(has=True).order_by("name")
    equal([a.t for a in got], ["Book 35", "Book 11", "Book 47", "Book 23"])
    got = b.annotate(r=Window(fn.Rank(), partition_by=[F("author")], order_by=F("price").desc()), total=Window(Sum("price"), partition_by=[F("author")]),
                     previous=Window(fn.Lag("title"), partition_by=[F("author")], order_by=F("id").asc()), first=Window(fn.FirstValue("title"), partition_by=[F("author")], order_by=F("id").asc()),
                     cume=Window(fn.CumeDist(), order_by=F("id").asc()), tile=Window(fn.Ntile(4), order_by=F("id").asc())).order_by("id")
    equal((got[1].previous, got[4].previous, got[4].first, got[0].tile), (None, "Book 0", "Book 0", 1))
    equal(len(b.values("published__year", "author__name").annotate(n=Count("*"), m=Max("pages")).order_by("published__year")) > 3, True)
    equal(b.annotate(x=Exists(Author.objects.filter(name="nobody"))).filter(x=True).count(), 0)
    equal(b.filter(pages__gt=Subquery(b.values("author").filter(author=OuterRef("author")).annotate(m=Avg("pages")).values("m"))).count() > 0, True)
    equal(len(b.filter(pages=1).explain()) > 0, True)


@check
def _():
    "transactions, savepoints, on_commit, integrity errors"
    done = []
    with transaction.atomic():
        a = Author.objects.create(name="t1")
        transaction.on_commit(lambda: done.append(1))
        try:
            with transaction.atomic():
                Author.objects.create(name="t2")
                Author.objects.create(name="t1")
        except IntegrityError as e:
            equal(e.args, (1062, "Duplicate entry 't1' for key 'shop_author.name'"))
        Author.objects.create(name="t3")
    equal(done, [1])
    equal(sorted(Author.objects.filter(name__regex="^t[0-9]").values_list("name", flat=True)), ["t1", "t3"])
    fails(lambda: Book.objects.create(title="x", author_id=99999), IntegrityError, 1452)
    fails(lambda: Book.objects.create(title="x", author=a, pages=100000), IntegrityError, 3819)
    fails(lambda: Book.objects.create(title="x" * 201, author=a), DataError, 1406)
    fails(lambda: connection.cursor().execute("SELECT * FROM nothing"), django.db.ProgrammingError, 1146)


@check
def _():
    "select_for_update with nowait, skip_locked and of"
    with transaction.atomic():
        first = Book.objects.select_for_update().order_by("id").first()
        with transaction.atomic(using="other"):
            fails(lambda: list(Book.objects.using("other").select_for_update(nowait=True).filter(id=first.id)), OperationalError, 3572)
        with transaction.atomic(using="other"):
            equal(Book.objects.using("other").select_for_update(skip_locked=True).order_by("id").filter(id__in=[first.id, first.id + 1]).count(), 2)
            equal([b.id for b in Book.objects.using("other").select_for_update(skip_locked=True).order_by("id").filter(id__in=[first.id, first.id + 1])], [first.id + 1])
        with transaction.atomic(using="other"):
            equal(len(Book.objects.using("other").select_related("author").select_for_update(of=("author",)).filter(id=first.id)), 1)


@check
def _():
    "users, groups, permissions, sessions, generic relations"
    from django.contrib.sessions.backends.db import SessionStore
    u = User.objects.create_user("ann", "ann@x", "pw")
    g = Group.objects.create(name="staff")
    g.permissions.add(*Permission.objects.filter(codename__startswith="add_"))
    u.groups.add(g)
    equal(User.objects.get(username="ann").has_perm("shop.add_book"), True)
    s = SessionStore()
    s["k"] = "v"
    s.save()
    equal(SessionStore(s.session_key)["k"], "v")
    call_command("clearsessions")
    call_command("flush", interactive=False, verbosity=0)
    equal(User.objects.count(), 0)


@check
def _():
    "dumpdata and loaddata; a raw query, a procedure, executemany"
    a = Author.objects.create(name="raw")
    Book.objects.create(title="raw", author=a, data={"x": 1})
    path = f"/tmp/{NAME}_{os.getpid()}.json"
    call_command("dumpdata", "shop", output=path, verbosity=0)
    Author.objects.all().delete()
    call_command("loaddata", path, verbosity=0)
    os.remove(path)
    equal(Book.objects.raw("SELECT * FROM shop_book WHERE title = %s", ["raw"])[0].data, {"x": 1})
    with connection.cursor() as k:
        k.execute("CREATE PROCEDURE twice (IN a INT) SELECT a * 2")
        k.callproc("twice", [21])
        equal(k.fetchone()[0], 42)
        while k.nextset():
            pass
        equal(k.executemany("INSERT INTO shop_author (name) VALUES (%s)", [("m1",), ("m2",)]), 2)


sys.exit(1 if failed else 0)
