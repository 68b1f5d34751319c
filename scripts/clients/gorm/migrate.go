package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// altering records the ALTER statements that gorm sends.
type altering struct {
	logger.Interface
	sent []string
}

// LogMode implements logger.Interface.
func (a *altering) LogMode(logger.LogLevel) logger.Interface { return a }

// Trace implements logger.Interface.
func (a *altering) Trace(_ context.Context, _ time.Time, f func() (string, int64), _ error) {
	if text, _ := f(); strings.HasPrefix(text, "ALTER") || strings.HasPrefix(text, "CREATE") {
		a.sent = append(a.sent, text)
	}
}

// Shop has columns of every kind that a migration compares.
type Shop struct {
	ID       uint    `gorm:"primaryKey"`
	Code     string  `gorm:"size:20;not null;unique"`
	City     string  `gorm:"size:30;default:it's;index:place,priority:2;comment:where it is"`
	Zip      *string `gorm:"type:char(5);index:place,priority:1"`
	Open     bool    `gorm:"default:true"`
	Rating   float64 `gorm:"type:decimal(4,2);default:1.50"`
	Kind     string  `gorm:"type:enum('big','small');default:small"`
	Visits   int64   `gorm:"default:0;check:visits_ok,visits >= 0"`
	Seen     time.Time
	Exact    time.Time `gorm:"precision:6;default:CURRENT_TIMESTAMP(6)"`
	Data     []byte    `gorm:"type:mediumblob"`
	Bits     uint8     `gorm:"type:bit(3)"`
	Note     string    `gorm:"type:text"`
	OwnerID  *uint
	Owner    *Owner `gorm:"constraint:OnUpdate:CASCADE,OnDelete:SET NULL"`
	ParentID *uint
	Children []Shop `gorm:"foreignKey:ParentID"`
}

// Owner is what a shop belongs to.
type Owner struct {
	ID   uint
	Name string `gorm:"uniqueIndex"`
}

// shopLater is Shop as a later version of a program has it.
type shopLater struct {
	ID      uint    `gorm:"primaryKey;comment:the number"`
	Code    string  `gorm:"size:40;not null"`
	City    *string `gorm:"size:30;comment:the town"`
	Zip     string  `gorm:"type:char(6);not null;default:'-';uniqueIndex"`
	Open    int16   `gorm:"default:2"`
	Rating  float64 `gorm:"type:decimal(6,3);default:2.250"`
	Kind    string  `gorm:"type:enum('big','small','huge');default:huge"`
	Visits  uint32  `gorm:"not null;default:7"`
	Exact   time.Time
	Note    string `gorm:"type:varchar(200);unique"`
	Email   string `gorm:"size:60;index:,unique,expression:(lower(email))"`
	OwnerID uint
}

// TableName implements schema.Tabler.
func (shopLater) TableName() string { return "shops" }

// migrations checks what gorm's migrator asks and changes.
func migrations(db *gorm.DB) {
	a := &altering{Interface: logger.Discard}
	db = db.Session(&gorm.Session{Logger: a})
	m := db.Migrator()
	run("migrate: a second AutoMigrate alters nothing", func() error {
		err := errors.Join(m.DropTable(&Shop{}, &Owner{}), db.AutoMigrate(&Owner{}, &Shop{}))
		made := len(a.sent)
		a.sent = nil
		return errors.Join(err, equal(made >= 2, true), db.AutoMigrate(&Owner{}, &Shop{}), equal(a.sent, "[]"))
	})
	run("migrate: columns as they are", func() error {
		types, err := m.ColumnTypes(&Shop{})
		if err != nil {
			return err
		}
		var got []string
		for _, t := range types {
			kind, _ := t.ColumnType()
			null, _ := t.Nullable()
			value, has := t.DefaultValue()
			unique, _ := t.Unique()
			note, _ := t.Comment()
			if !has {
				value = "-"
			}
			got = append(got, strings.Join([]string{t.Name(), kind, map[bool]string{true: "null", false: "not null"}[null], value, map[bool]string{true: "unique"}[unique], note}, "|"))
		}
		return equal(strings.Join(got, "\n"), `id|bigint unsigned|not null|-||
code|varchar(20)|not null|-|unique|
city|varchar(30)|null|it's||where it is
zip|char(5)|null|-||
open|tinyint(1)|null|1||
rating|decimal(4,2)|null|1.50||
kind|enum('big','small')|null|small||
visits|bigint|null|0||
seen|datetime(3)|null|-||
exact|datetime(6)|null|CURRENT_TIMESTAMP(6)||
data|mediumblob|null|-||
bits|bit(3)|null|-||
note|text|null|-||
owner_id|bigint unsigned|null|-||
parent_id|bigint unsigned|null|-||`)
	})
	run("migrate: indexes, constraints, tables, the database", func() error {
		indexes, err := m.GetIndexes(&Shop{})
		var names []string
		for _, ix := range indexes {
			unique, _ := ix.Unique()
			names = append(names, ix.Name()+" "+strings.Join(ix.Columns(), ",")+map[bool]string{true: " unique"}[unique])
		}
		tables, err2 := m.GetTables()
		kind, err3 := m.TableType(&Shop{})
		if err := errors.Join(err, err2, err3); err != nil {
			return err
		}
		return errors.Join(
			equal(strings.Join(names, "; "), "fk_shops_children parent_id; fk_shops_owner owner_id; place zip,city; PRIMARY id unique; uni_shops_code code unique"),
			equal([]bool{m.HasConstraint(&Shop{}, "visits_ok"), m.HasConstraint(&Shop{}, "Owner"), m.HasConstraint(&Shop{}, "fk_shops_children"), m.HasIndex(&Shop{}, "place")}, "[true true true true]"),
			equal(strings.Contains(strings.Join(tables, " "), "shops"), true), equal(kind.Type(), "BASE TABLE"), equal(m.CurrentDatabase(), "c_gorm"))
	})
	run("migrate: a model that changed, twice", func() error {
		if err := errors.Join(db.Create(&Owner{ID: 1, Name: "o"}).Error, db.Create(&Shop{Code: "x", Zip: new(string), OwnerID: ptr(1), Seen: time.Unix(1e9, 0)}).Error); err != nil {
			return err
		}
		a.sent = nil
		if err := db.AutoMigrate(&shopLater{}); err != nil {
			return err
		}
		if len(a.sent) < 9 {
			return equal(a.sent, "more statements")
		}
		a.sent = nil
		if err := db.AutoMigrate(&shopLater{}); err != nil {
			return err
		}
		var s shopLater
		err := db.First(&s).Error
		return errors.Join(err, equal(a.sent, "[]"), equal([]any{s.Code, *s.City, s.Open, s.Rating, s.Kind, s.Visits}, []any{"x", "it's", 1, 1.5, "small", 0}))
	})
	run("migrate: one by one", func() error {
		return errors.Join(m.AlterColumn(&shopLater{}, "Note"), m.RenameColumn(&shopLater{}, "note", "remark"), m.RenameColumn(&shopLater{}, "remark", "note"),
			m.RenameIndex(&shopLater{}, "place", "places"), m.DropIndex(&shopLater{}, "places"), m.DropConstraint(&Shop{}, "Owner"), m.CreateConstraint(&Shop{}, "Owner"),
			m.DropConstraint(&Shop{}, "visits_ok"), m.DropColumn(&shopLater{}, "visits"), m.AddColumn(&shopLater{}, "Visits"),
			m.CreateView("shop_codes", gorm.ViewOption{Query: db.Model(&shopLater{}).Select("id, code"), Replace: true}), m.DropView("shop_codes"),
			m.RenameTable("shops", "stores"), m.RenameTable("stores", "shops"), m.DropTable(&Shop{}, &Owner{}))
	})
}

func ptr(n uint) *uint { return &n }
