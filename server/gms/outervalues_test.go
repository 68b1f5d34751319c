package gms_test

import (
	"fmt"
	"strconv"
	"testing"
)

// A subquery is evaluated once for rows with the same values of the columns that it uses, and gives
// each what it would have given.
func TestSubqueriesAreRemembered(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "create database d", "use d",
		"create table t (id int primary key, g int, s varchar(10), n decimal(8,3), f double, d date, at datetime(3), e enum('x','y'), j json)",
		"create table u (id int primary key, g int, s varchar(10), n decimal(8,2))", "set cte_max_recursion_depth = 5000",
		`insert into t with recursive r as (select 0 n union all select n+1 from r where n < 299)
			select n, if(n%7=0,null,n%5), elt(1+n%8,'a','A','a ','á','',null,'b','ab'), n%6/2, n%4/3, date'2024-01-01' + interval n%3 day,
			timestamp'2024-01-01 00:00:00' + interval n%4 hour, elt(1+n%3,'x','y',null), json_array(n%4) from r`,
		"insert into u select id, g, s, n from t where id < 40")
	for _, q := range []string{
		"exists (select 1 from u where u.g=t.g and u.s=t.s%s)", "t.g in (select u.g from u where length(u.s)=length(t.s)%s)",
		"t.g not in (select u.g from u where u.n>t.n%s)", "t.n > (select avg(u.n) from u where u.s<=binary t.s%s)",
		"t.g >= all (select u.g from u where u.id=t.f*3%s)", "(select max(u.s) from u where day(t.d)=u.g%s) = 'b'",
		"(select count(*) from u where hour(t.at)=u.g%s) > 3", "(select sum(u.n) from u where t.e='x' or u.g is null%s) < 40",
		"(select count(*) from u where json_extract(t.j, '$[0]')=u.g%s) > 3",
		"exists (select 1 from u where u.g=t.g and u.n in (select v.n from u v where v.s=t.s and v.id>u.id)%s)",
		"exists (select 1 from u left join u v on u.g=v.g and v.s=t.s where v.g is null and u.id<>t.g%s)",
		"exists (select u.g from u where u.s>t.s group by u.g having count(*)>t.g%s)",
		"exists (select 1 from (select u.g from u where u.s=t.s) x where x.g=t.g%s)",
	} {
		remembered := rowsOf(t.Context(), c, "select id from t where "+fmt.Sprintf(q, "")+" order by id")
		each := rowsOf(t.Context(), c, "select id from t where "+fmt.Sprintf(q, " and rand() < 2")+" order by id")
		if remembered != each || each == "no rows" {
			t.Errorf("%s: %s, each for itself %s", q, remembered, each)
		}
	}
	read := func() int {
		n, err := strconv.Atoi(one(t, c, "select variable_value from performance_schema.global_status where variable_name = 'Innodb_rows_read'"))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := read()
	if n := one(t, c, "select count(*) from t a join t b on b.id<30 where a.g in (select u.g from u where exists (select 1 from u v where v.n=u.n+b.g and a.s>='a'))"); n == "0" {
		t.Error("nothing found")
	}
	if n := read() - before; n > 50000 { // of 9000 rows, times 40, times 40
		t.Errorf("%d rows are read", n)
	}
	must(t, c, "create table w (g int)", "create table x (g int)", "create trigger tr before insert on x for each row begin "+
		"if exists (select 1 from w where w.g=new.g) then set new.g = new.g + 100; end if; insert into w values (new.g); end",
		"insert into x values (1), (1), (2), (1)")
	if got := rowsOf(t.Context(), c, "select g from x"); got != "(1) (101) (2) (101)" {
		t.Errorf("a trigger reads what it writes: %s", got)
	}
}
