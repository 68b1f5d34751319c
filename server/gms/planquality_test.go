package gms_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

// planQuery is a query and the most rows that its plan may read from tables and indexes
// when there are statistics.
type planQuery struct {
	name, query string
	most        int
}

// planQueries are of the shapes of sysbench and TPC-H, on the tables of makeShop.
var planQueries = []planQuery{
	{"point", "select note from orders where id = 77", 1},
	{"range of the primary key", "select sum(total) from orders where id between 100 and 199", 100},
	{"rare value", "select count(total) from orders where status = 'returned'", 13},
	{"common value and rare one", "select count(note) from orders where status = 'done' and clerk = 17", 45},
	{"two indexes, one narrow", "select count(note) from orders where status = 'done' and day = 55", 13},
	{"prefix of an index", "select count(note) from orders where customer = 9 and day > 300", 2},
	{"narrow day beside a wide total", "select count(note) from orders where day = 3 and total > 10", 16},
	{"in", "select count(note) from orders where customer in (1, 2, 3) and status = 'done'", 15},
	{"join by key", "select count(*) from customers c join orders o on o.customer = c.id where c.id = 5", 10},
	{"join from the rare side", `select count(i.qty) from orders o join items i on i.order_id = o.id
		where o.status = 'returned'`, 60},
	{"three tables", `select count(i.qty) from customers c join orders o on o.customer = c.id
		join items i on i.order_id = o.id where c.nation = 3 and o.day < 10`, 460},
	{"three tables, from the end", `select c.name from items i join orders o on o.id = i.order_id
		join customers c on c.id = o.customer where i.part = 11`, 39},
	{"exists", `select count(*) from customers c where nation = 1 and exists
		(select 1 from orders o where o.customer = c.id and o.status = 'returned')`, 26},
	{"aggregate of one customer", `select day, sum(total) from orders where customer = 42 group by day order by day`, 11},
	{"join from a unique key", `select c.email, b.id from members c join bills b on b.cid = c.id
		where c.email = 'u7@x' and b.st = 'paid'`, 20},
	{"left join from a unique key", `select c.email, b.id from members c left join bills b on b.cid = c.id and b.st = 'paid'
		where c.email = 'u7@x'`, 20},
	{"left join, all of one member", `select c.email, b.id from members c left join bills b on b.cid = c.id
		where c.email = 'u7@x'`, 70},
	{"three tables from a unique key", `select c.email, p.note from members c join bills b on b.cid = c.id
		join payments p on p.bill = b.id where c.email = 'u7@x' and b.st = 'paid'`, 70},
	{"three tables, two left joins", `select c.email, p.note from members c left join bills b on b.cid = c.id and b.st = 'paid'
		left join payments p on p.bill = b.id where c.email = 'u7@x'`, 70},
	{"all of both", "select count(b.note) from members c join bills b on b.cid = c.id", 3000},
	{"rare value to a table by its key", "select c.name from orders o join customers c on c.id = o.customer where o.status = 'returned'", 26},
	{"rare value, the other table first", "select c.name from customers c join orders o on c.id = o.customer where o.status = 'returned'", 26},
	{"rare value, left join", "select c.name from orders o left join customers c on c.id = o.customer where o.status = 'returned'", 26},
	{"narrow range, join by key", "select c.name from orders o join customers c on c.id = o.customer where o.id between 100 and 120", 42},
	{"group of a rare value, join by key", `select d.n, c.name from (select customer, count(*) n from orders where status = 'returned'
		group by customer) d join customers c on c.id = d.customer`, 26},
	{"sides of a UNION", "select note from orders where id = 5 union all select note from orders where id = 6", 2},
	{"last of an index", "select id from orders order by day desc limit 3", 3},
	{"LIKE with a prefix", "select id from members where email like 'u7%'", 11},
	{"MAX of an index", "select max(day) from orders", 1},
	{"two indexes joined by OR", "select count(note) from orders where day = 3 or clerk = 17", 70},
	{"three indexes joined by OR, with an alias", "select count(o.note) from orders o where o.day = 3 or o.clerk = 17 or o.customer = 5", 80},
	{"a rare and a common value joined by OR", "select count(note) from orders where day = 3 or status = 'done'", 4000},
	{"rows behind a row of a key", "select line from items where (order_id, line) > (3990, 1) order by order_id, line limit 3", 3},
	{"rows behind a row of a key, sorted downwards", "select line from items where (order_id, line) < (3990, 1) order by order_id desc, line desc limit 3", 3},
	{"rows behind a row of a key, below a value", "select id from orders where customer = 3 and (day, id) > (100, 5) order by day, id limit 2", 2},
	{"members of an IN in the order of an index", "select id from orders where customer in (3, 4, 5) order by customer, day limit 2", 2},
	{"rows before a row of an index", "select id from orders where (customer, day) < (3, 100) order by customer desc, day desc limit 2", 20},
	{"MIN and MAX of an index", "select min(day), max(day) from orders", 2},
	{"MIN and MAX of several indexes", "select max(id), min(day), max(status) from orders", 3},
	{"MIN and MAX of an index's second column", "select min(day), max(day) from orders where customer = 9", 2},
	{"EXISTS with another condition", "select c.name from customers c where c.id < 5 and exists (select 1 from orders o where o.customer = c.id and o.status = 'done')", 30},
	{"first rows of an order that ends with the primary key", "select note from orders order by day desc, id desc limit 3", 3},
	{"first rows of a join", "select o.note, c.name from customers c join orders o on o.customer = c.id order by o.day desc limit 3", 6},
	{"first rows of a left join", "select o.note, c.name from orders o left join customers c on o.customer = c.id where o.status = 'open' order by o.id limit 3", 6},
	{"first rows of three tables", `select o.note, c.name from orders o join customers c on o.customer = c.id join items i on i.order_id = o.id
		order by o.id limit 3`, 7},
	{"first rows with EXISTS", "select c.name from customers c where exists (select 1 from orders o where o.customer = c.id) order by c.id limit 3", 8},
	{"first groups of an index", "select customer, count(*), max(total) from orders group by customer limit 3", 50},
	{"first groups of an index, sorted downwards", "select customer, count(*) from orders group by customer order by customer desc limit 3", 50},
	{"first groups of a join", "select c.id, c.name, sum(o.total) from customers c join orders o on o.customer = c.id group by c.id, c.name order by c.id limit 3", 50},
	{"a subquery's value before an order", "select note from orders where customer = (select id from customers where id = 7) order by day limit 3", 30},
	{"DELETE of the first rows", "delete from payments order by id limit 3", 3},
	{"UPDATE of the first rows", "update orders set note = 'm' where status = 'open' order by id desc limit 3", 3},
	{"rows before another, of an index without the key", "select note from orders where day < 300 or day = 300 and id < 2000 order by day desc, id desc limit 3", 15},
	{"rows behind another, below a value", "select note from orders where customer > 9 and (day > 300 or day = 300 and id > 20) and clerk = 7 order by id limit 3", 40},
	{"rows behind a row that an index has not", "select note from orders where (day, clerk) > (300, 4) order by day limit 3", 15},
	{"first rows below a value", "select note from orders where day < 300 order by day desc limit 3", 3},
	{"the index with fewer rows", "select note from orders where status = 'done' and customer > 490 and clerk = 5", 50},
	{"an integer beside a text that begins with one and an exponent", "select note from orders where id = '77e'", 1},
	{"the index of an alias with fewer rows", "select o.note from orders o where o.status = 'done' and o.customer > 490 and o.clerk = 5", 50},
	{"a common value and a narrow range of an alias", "select o.note from orders o where o.status = 'done' and o.day between 55 and 56", 30},
	{"two indexes of an alias with a correlated subquery", `select count(*) from orders o where o.customer < 9 and o.day < 200 and o.id = (select p.id from orders p where p.customer = o.customer and p.status = 'returned')`, 900},
	{"different values of an index", "select distinct status from orders", 3},
	{"groups of an index", "select status from orders group by status", 3},
	{"count of the different values of an index", "select count(distinct status) from orders", 3},
	{"greatest of each group of an index", "select status, max(id) from orders group by status", 6},
	{"least and greatest of each group of an index", "select st, min(cid), max(cid) from bills group by st", 4},
	{"greatest of each group of an index, below a value", "select status, max(id) from orders where id < 3000 group by status", 6},
	{"least and greatest of some groups of an index, within bounds", "select st, min(cid), max(cid) from bills where st <= 'open' and cid between 5 and 90 group by st", 3},
	{"last row of each group", "select c.id, (select o.note from orders o where o.customer = c.id order by o.day desc limit 1) from customers c where c.id < 10", 21},
	{"first row of each group", "select c.id, (select o.note from orders o where o.customer = c.id order by o.day, o.id limit 1) from customers c where c.id < 10", 21},
	{"last row of each group, joined", `select c.id, o.note from customers c join orders o on o.id = (select p.id from orders p where p.customer = c.id
		order by p.day desc limit 1) where c.id < 10`, 31},
	{"last row of each group, or none", `select c.id, o.note from customers c left join orders o on o.id = (select p.id from orders p where p.customer = c.id
		order by p.day desc limit 1) where c.id < 10`, 31},
	{"last row of each group, LATERAL", "select c.id, l.note from customers c join lateral (select note from orders where customer = c.id order by day desc limit 1) l where c.id < 10", 21},
	{"greatest value of each group", "select c.id, (select max(o.day) from orders o where o.customer = c.id) from customers c where c.id < 10", 21},
	{"rows of the greatest value of each group", `select c.id, o.note from customers c join orders o on o.customer = c.id
		and o.day = (select max(p.day) from orders p where p.customer = c.id) where c.id < 10`, 35},
	{"values of an outer row rather than a common value", `select c.id, (select max(o.total) from orders o where o.customer = c.id and o.status = 'done')
		from customers c where c.id < 10`, 120},
	{"a subquery's value in a join", "select c.name from orders o join customers c on c.id = o.customer where o.id = (select max(id) from orders where status = 'returned')", 3},
	{"a subquery's value in a join's condition", "select c.name from customers c join orders o on c.id = o.customer and o.id = (select max(id) from orders where status = 'returned')", 4},
	{"a subquery's value to many rows", "select i.qty from orders o join items i on i.order_id = o.id where o.day = (select max(day) from orders)", 60},
	{"first rows of a common value by the index of the order", "select note from orders where status = 'done' order by day desc limit 3", 10},
	{"first rows of a common value in a join", "select o.note, c.name from orders o join customers c on c.id = o.customer where o.status = 'open' order by o.day desc limit 3", 120},
	{"MIN of an index's second column", "select min(day) from orders where customer = 9", 1},
	{"a partition of a window, of a derived table", `select id from (select id, customer c, row_number() over (partition by customer order by day) n from orders) d
		where c = 9 and n = 1`, 30},
	{"partitions of several windows, of a CTE in a join", `with d as (select o.*, rank() over w n, sum(total) over (partition by day, customer) s from orders o
		window w as (partition by customer order by day)) select d.id from d join customers c on c.id = d.customer where d.customer in (9, 10) and n = 1`, 80},
	{"a partition of a window, with the value of another table's column", `select d.id from customers c join (select id, customer, row_number() over (partition by customer order by day) n from orders) d
		on d.customer = c.id where c.id = 9 and n = 1`, 31},
	{"a group of a CTE, with the value of another table's column", `with d as (select customer, sum(total) s from orders group by customer)
		select c.name, d.s from customers c, d where d.customer = c.id and c.id = 9`, 31},
}

// makeShop makes customers, orders and items: 500, 4000 and 12000 rows, skewed.
func makeShop(t *testing.T, c execer) {
	t.Helper()
	must(t, c, "create database shop", "use shop",
		`create table customers (id int primary key, nation int not null, name varchar(20) not null, key nation (nation))`,
		`create table orders (id int primary key, customer int not null, day int not null, status varchar(10) not null,
			clerk int not null, total decimal(10,2) not null, note varchar(20),
			key customer_day (customer, day), key day (day), key status (status), key clerk (clerk))`,
		`create table items (order_id int not null, line int not null, part int not null, qty int not null,
			primary key (order_id, line), key part (part))`,
		"create table members (id int primary key, email varchar(40) not null, unique (email))",
		"create table bills (id int primary key, cid int not null, st varchar(10) not null, note varchar(10), key (cid, st), key (st, cid))",
		"create table payments (id int primary key, bill int not null, note varchar(10), key (bill))")
	r := rand.New(rand.NewPCG(3, 4))
	var customers, orders, items []string
	for id := range 500 {
		customers = append(customers, fmt.Sprintf("(%d,%d,'c%d')", id, r.IntN(10), id))
	}
	for id := range 4000 {
		status := "done"
		switch n := r.IntN(200); {
		case n == 0:
			status = "returned"
		case n < 20:
			status = "open"
		}
		orders = append(orders, fmt.Sprintf("(%d,%d,%d,'%s',%d,%d.5,'n%d')", id, r.IntN(500), r.IntN(365), status, r.IntN(100), r.IntN(1000), id))
		for line := range 3 {
			items = append(items, fmt.Sprintf("(%d,%d,%d,%d)", id, line, r.IntN(1000), r.IntN(50)))
		}
	}
	var members, bills, payments []string
	for id := range 100 {
		members = append(members, fmt.Sprintf("(%d,'u%d@x')", id, id))
	}
	for id := range 2800 {
		st := "open"
		if id/100%2 == 0 {
			st = "paid"
		}
		bills = append(bills, fmt.Sprintf("(%d,%d,'%s','n')", id, id%100, st))
		payments = append(payments, fmt.Sprintf("(%d,%d,'n'),(%d,%d,'n')", 2*id, id, 2*id+1, id))
	}
	must(t, c, "insert into members values "+strings.Join(members, ","),
		"insert into bills values "+strings.Join(bills, ","), "insert into payments values "+strings.Join(payments, ","))
	must(t, c, "insert into customers values "+strings.Join(customers, ","),
		"insert into orders values "+strings.Join(orders, ","), "insert into items values "+strings.Join(items, ","))
}

// rowsRead returns how many rows a query reads.
func rowsRead(t *testing.T, c execer, query string) int {
	t.Helper()
	read := func() int {
		n, err := strconv.Atoi(one(t, c, "select variable_value from performance_schema.global_status where variable_name = 'Innodb_rows_read'"))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := read()
	must(t, c, query)
	return read() - before
}

// TestPlansWithStatistics runs queries with and without statistics and counts the rows
// that are read: with them no plan reads more than is stated.
func TestPlansWithStatistics(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	makeShop(t, c)
	without := make([]int, len(planQueries))
	for n, q := range planQueries {
		without[n] = rowsRead(t, c, q.query)
	}
	must(t, c, "analyze table customers, orders, items, members, bills, payments")
	for n, q := range planQueries {
		with := rowsRead(t, c, q.query)
		t.Logf("%-32s %6d without, %6d with", q.name, without[n], with)
		if with > q.most {
			t.Errorf("%s: %d rows read with statistics, not at most %d: %s", q.name, with, q.most, q.query)
		}
	}
}
