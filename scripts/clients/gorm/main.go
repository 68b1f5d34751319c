// Command gorm uses the ORM gorm. It is a module of its own, so that gorm is no
// dependency of Sextant's.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"gorm.io/driver/mysql"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"
)

type User struct {
	gorm.Model
	Name    string     `gorm:"size:50;uniqueIndex;not null;comment:it's a name"`
	Age     uint8      `gorm:"index:age_born,priority:1;check:age_ok,age < 200"`
	Born    *time.Time `gorm:"index:age_born,priority:2,sort:desc"`
	Kind    string     `gorm:"type:enum('person','robot');default:person"`
	Balance float64    `gorm:"type:decimal(12,2);default:0"`
	Tags    []string   `gorm:"serializer:json;type:json"`
	Posts   []Post     `gorm:"constraint:OnUpdate:CASCADE,OnDelete:CASCADE"`
	Groups  []Group    `gorm:"many2many:user_groups"`
}

type Post struct {
	ID     uint64
	UserID uint
	Title  string
	Body   []byte
}

type Group struct {
	ID   uint
	Name string `gorm:"size:30;unique"`
}

var failed bool

func run(name string, f func() error) {
	if err := f(); err != nil {
		failed = true
		fmt.Printf("FAIL %s\n    %s\n", name, strings.ReplaceAll(err.Error(), "\n", "\n    "))
		return
	}
	fmt.Println("ok", name)
}

func equal(got, want any) error {
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		return fmt.Errorf("got:  %s\nwant: %s", g, w)
	}
	return nil
}

func open(database string) *gorm.DB {
	dsn := fmt.Sprintf("root@tcp(%s:%s)/%s?charset=utf8mb4&parseTime=True&loc=UTC", os.Getenv("CLIENTS_HOST"), os.Getenv("CLIENTS_PORT"), database)
	db, err := gorm.Open(mysql.Open(dsn), &gorm.Config{Logger: logger.Discard, TranslateError: true})
	if err != nil {
		panic(err)
	}
	return db
}

func main() {
	admin := open("")
	run("a database", func() error {
		return errors.Join(admin.Exec("DROP DATABASE IF EXISTS c_gorm").Error, admin.Exec("CREATE DATABASE c_gorm").Error)
	})
	db := open("c_gorm")
	models := []any{&User{}, &Post{}, &Group{}}
	run("AutoMigrate", func() error { return db.AutoMigrate(models...) })
	run("AutoMigrate again changes nothing", func() error {
		var before, after struct{ Table, Create string }
		if err := db.Raw("SHOW CREATE TABLE users").Row().Scan(&before.Table, &before.Create); err != nil {
			return err
		}
		if err := db.AutoMigrate(models...); err != nil {
			return err
		}
		if err := db.Raw("SHOW CREATE TABLE users").Row().Scan(&after.Table, &after.Create); err != nil {
			return err
		}
		return equal(after.Create, before.Create)
	})
	run("the migrator sees tables, columns, indexes, constraints", func() error {
		m := db.Migrator()
		types, err := m.ColumnTypes(&User{})
		if err != nil {
			return err
		}
		var names []string
		for _, t := range types {
			names = append(names, t.Name()+" "+t.DatabaseTypeName())
		}
		return errors.Join(
			equal(names, "[id bigint created_at datetime updated_at datetime deleted_at datetime name varchar age tinyint born datetime kind enum balance decimal tags json]"),
			equal([]bool{m.HasTable("users"), m.HasColumn(&User{}, "age"), m.HasIndex(&User{}, "age_born"), m.HasConstraint(&User{}, "Posts"), m.HasConstraint(&User{}, "age_ok"), m.HasTable("nothing")},
				"[true true true true true false]"))
	})
	run("the migrator alters", func() error {
		m := db.Migrator()
		return errors.Join(db.Exec("CREATE TABLE m (id INT PRIMARY KEY, a VARCHAR(5))").Error, m.RenameColumn("m", "a", "b"), m.RenameTable("m", "m2"),
			db.Exec("ALTER TABLE m2 ADD COLUMN c INT NOT NULL DEFAULT 3 AFTER id, ADD INDEX ci (c)").Error, m.DropIndex("m2", "ci"), m.DropColumn("m2", "c"), m.DropTable("m2"))
	})
	run("create with associations, preload, joins", func() error {
		born := time.Date(2000, 2, 29, 1, 2, 3, 0, time.UTC)
		ann := User{Name: "ann", Age: 30, Born: &born, Balance: 12.34, Tags: []string{"ä", "b"}, Posts: []Post{{Title: "one", Body: []byte{0, 255}}, {Title: "two"}}, Groups: []Group{{Name: "x"}, {Name: "y"}}}
		if err := db.Create(&ann).Error; err != nil {
			return err
		}
		if err := db.Create(&[]User{{Name: "bob", Age: 10}, {Name: "eve", Age: 20}}).Error; err != nil {
			return err
		}
		var got User
		if err := db.Preload("Posts", func(d *gorm.DB) *gorm.DB { return d.Order("id") }).Preload(clause.Associations).First(&got, "name = ?", "ann").Error; err != nil {
			return err
		}
		var counts []struct {
			Name string
			N    int
		}
		err := db.Model(&User{}).Select("users.name, COUNT(posts.id) AS n").Joins("LEFT JOIN posts ON posts.user_id = users.id").Group("users.id").Having("n >= ?", 0).Order("users.name").Scan(&counts).Error
		return errors.Join(err, equal([]any{got.Kind, got.Balance, got.Tags, got.Born.Equal(born), len(got.Posts), got.Posts[0].Body, len(got.Groups)}, []any{"person", 12.34, []string{"ä", "b"}, true, 2, []byte{0, 255}, 2}),
			equal(counts, "[{ann 2} {bob 0} {eve 0}]"))
	})
	run("associations: append, replace, count, delete", func() error {
		var ann User
		if err := db.First(&ann, "name = ?", "ann").Error; err != nil {
			return err
		}
		groups := func() *gorm.Association { return db.Model(&ann).Association("Groups") }
		return errors.Join(groups().Append(&Group{Name: "z"}), equal(groups().Count(), 3), groups().Replace(&Group{Name: "w"}), equal(groups().Count(), 1),
			groups().Clear(), equal(groups().Count(), 0))
	})
	run("transactions: nested, rolled back, SavePoint", func() error {
		err := db.Transaction(func(tx *gorm.DB) error {
			if err := tx.Create(&Group{Name: "outer"}).Error; err != nil {
				return err
			}
			tx.Transaction(func(tx *gorm.DB) error {
				tx.Create(&Group{Name: "inner"})
				return errors.New("back")
			})
			tx.SavePoint("s")
			tx.Where("1 = 1").Delete(&Group{})
			return tx.RollbackTo("s").Error
		})
		var names []string
		db.Model(&Group{}).Where("name IN ?", []string{"outer", "inner"}).Pluck("name", &names)
		return errors.Join(err, equal(names, "[outer]"))
	})
	run("upsert: OnConflict", func() error {
		e1 := db.Clauses(clause.OnConflict{DoUpdates: clause.AssignmentColumns([]string{"age"})}).Create(&User{Name: "bob", Age: 99}).Error
		e2 := db.Clauses(clause.OnConflict{DoNothing: true}).Create(&User{Name: "bob", Age: 1}).Error
		e3 := db.Clauses(clause.OnConflict{UpdateAll: true}).Create(&[]Group{{ID: 1, Name: "one"}, {ID: 700, Name: "new"}}).Error
		var bob User
		e4 := db.First(&bob, "name = ?", "bob").Error
		return errors.Join(e1, e2, e3, e4, equal(bob.Age, 99))
	})
	run("locking clauses", func() error {
		var us []User
		return db.Transaction(func(tx *gorm.DB) error {
			return errors.Join(tx.Clauses(clause.Locking{Strength: "UPDATE"}).Find(&us).Error, tx.Clauses(clause.Locking{Strength: "SHARE"}).Find(&us).Error,
				tx.Clauses(clause.Locking{Strength: "UPDATE", Options: "NOWAIT"}).Where("age > ?", 1).Find(&us).Error,
				tx.Clauses(clause.Locking{Strength: "UPDATE", Options: "SKIP LOCKED"}).Limit(1).Find(&us).Error,
				tx.Clauses(clause.Locking{Strength: "UPDATE", Table: clause.Table{Name: "users"}}).Limit(1).Find(&us).Error)
		})
	})
	run("update, expressions, batches, soft delete, scopes", func() error {
		var n int64
		r := db.Model(&User{}).Where("age >= ?", 20).Updates(map[string]any{"age": gorm.Expr("age - ?", 1), "balance": 7})
		var seen int
		var batch []User
		b := db.FindInBatches(&batch, 2, func(tx *gorm.DB, _ int) error { seen += len(batch); return nil })
		d := db.Where("name = ?", "eve").Delete(&User{})
		db.Model(&User{}).Count(&n)
		var all int64
		db.Unscoped().Model(&User{}).Count(&all)
		return errors.Join(r.Error, b.Error, d.Error, equal([]any{r.RowsAffected, seen, n, all}, "[3 3 2 3]"))
	})
	run("errors are told apart", func() error {
		dup := db.Create(&User{Name: "ann"}).Error
		fk := db.Create(&Post{UserID: 9999}).Error
		none := db.First(&User{}, 9999).Error
		return equal([]bool{errors.Is(dup, gorm.ErrDuplicatedKey), errors.Is(fk, gorm.ErrForeignKeyViolated), errors.Is(none, gorm.ErrRecordNotFound)}, "[true true true]")
	})
	run("prepared statements in a cache", func() error {
		s := db.Session(&gorm.Session{PrepareStmt: true})
		for i := range 50 {
			if err := s.Create(&Post{UserID: 1, Title: fmt.Sprint(i)}).Error; err != nil {
				return err
			}
		}
		var n int64
		return errors.Join(s.Model(&Post{}).Where("user_id = ?", 1).Count(&n).Error, equal(n, 52))
	})
	migrations(db)
	if failed {
		os.Exit(1)
	}
}
