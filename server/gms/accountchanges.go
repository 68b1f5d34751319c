package gms

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/mysql_db"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/server/protocol"
)

// changeAccounts executes CREATE USER, ALTER USER and SET PASSWORD.
func (s *Session) changeAccounts(ctx *sql.Context, verb string, optional bool, changes []accountChange, set *accountSettings) error {
	create := verb == "CREATE USER"
	changes = slices.Clone(changes) // of the parsed statement
	for i := range changes {
		c := &changes[i]
		own := c.self || c.name == s.account
		if c.self {
			c.name = s.account
		}
		onlyPassword := set.require == nil && set.lock == nil && set.attributes == nil && set.comment == nil && len(set.options) == 0
		if create || !own || !onlyPassword {
			if !s.may(ctx, sql.PrivilegeType_CreateUser) {
				return errPrivilege("CREATE USER")
			}
		}
	}
	if err := s.hashPasswords(verb, changes); err != nil {
		return err
	}
	var todo []accountChange
	return s.editAccounts(ctx, func(e *accountEdit) error {
		var failed []string
		for _, c := range changes {
			_, there := e.GetUser(c.name.key())
			switch {
			case there != create:
				todo = append(todo, c)
			case optional:
				code, what := 3162, "Authorization ID %s does not exist."
				if create {
					code, what = 3163, "Authorization ID %s already exists."
				}
				s.Warn(&sql.Warning{Level: "Note", Code: code, Message: fmt.Sprintf(what, quotedAccount(c.name))})
			default:
				failed = append(failed, quotedAccount(c.name))
			}
		}
		if failed != nil {
			return errAccountOperation(verb, failed)
		}
		for _, c := range todo {
			u, err := c.apply(e, set)
			if err != nil {
				return err
			}
			e.put(u)
		}
		return nil
	}, func(all map[string]accountOptions) {
		for _, c := range todo {
			o := all[c.name.String()]
			if create {
				o = accountOptions{}
			}
			if c.auth != nil {
				o.Expired = false
			}
			for _, f := range set.options {
				f(&o)
			}
			all[c.name.String()] = o
			if c.name == s.account && c.auth != nil {
				s.mustChangePassword = o.Expired
			}
		}
	})
}

// hashPasswords makes the authentication_strings of passwords, checks those that are
// given, and looks whether old passwords fit. It takes its time, so it comes before the
// users are locked.
func (s *Session) hashPasswords(verb string, changes []accountChange) error {
	for i := range changes {
		c := &changes[i]
		rd := s.b.users.Reader()
		found, ok := rd.GetUser(c.name.key())
		plugin, auth := string(mysql.CachingSha2Password), ""
		if ok {
			plugin, auth = found.Plugin, found.AuthString
		}
		rd.Close()
		if !ok && verb == "SET PASSWORD" {
			return mysql.NewSQLError(1133, "42000", "Can't find any matching row in the user table")
		}
		if c.old != nil && ok {
			if !protocol.PasswordFits(plugin, auth, *c.old) {
				return errWrongPassword()
			}
			c.known = auth
		}
		if c.plugin != "" {
			plugin = c.plugin
		}
		switch {
		case c.password != nil && len(*c.password) > protocol.PasswordBytesMax:
			return mysql.NewSQLError(1470, "HY000", "String '<secret>' is too long for password (should be no longer than %d)", protocol.PasswordBytesMax)
		case c.password != nil:
			hash := hashPassword(plugin, *c.password)
			c.auth = &hash
		case c.auth != nil && !protocol.ValidHash(plugin, *c.auth):
			return mysql.NewSQLError(1827, "HY000", "The password hash doesn't have the expected format.")
		}
	}
	return nil
}

func errWrongPassword() error {
	return mysql.NewSQLError(3891, "HY000", "Incorrect current password. Specify the correct password which has to be replaced.")
}

// apply returns an account as the statement changes it; what is in the tables now
// stays as it is, for the statement may fail.
func (c accountChange) apply(e *accountEdit, set *accountSettings) (*mysql_db.User, error) {
	u, err := e.account(c.name)
	if err != nil {
		return nil, err
	}
	if u == nil {
		u = &mysql_db.User{User: c.name.User, Host: c.name.Host, PrivilegeSet: mysql_db.NewPrivilegeSet(), PasswordLastChanged: time.Now().UTC()}
		if len([]rune(u.User)) > 32 || len(u.Host) > 255 {
			return nil, mysql.NewSQLError(1470, "HY000", "String '%s' is too long for user name (should be no longer than 32)", u.User)
		}
	} else if c.old != nil && u.AuthString != c.known {
		return nil, errWrongPassword() // it was changed in between
	}
	if c.auth != nil {
		u.PasswordLastChanged = time.Now().UTC()
		if c.plugin != "" {
			u.Plugin = c.plugin
		}
		u.AuthString = *c.auth
	}
	if set.require != nil {
		set.require(u)
	}
	if set.lock != nil {
		u.Locked = *set.lock
	}
	return u, set.describe(u)
}

// describe applies COMMENT and ATTRIBUTE, which are merged into the attributes.
func (set *accountSettings) describe(u *mysql_db.User) error {
	if set.comment == nil && set.attributes == nil {
		return nil
	}
	merged := map[string]any{}
	if u.Attributes != nil {
		if err := jsonObject(*u.Attributes, merged); err != nil {
			return err
		}
	}
	if set.attributes != nil {
		if err := jsonObject(*set.attributes, merged); err != nil {
			return err
		}
	}
	if set.comment != nil {
		merged["comment"] = *set.comment
	}
	data, err := json.Marshal(merged)
	text := string(data)
	u.Attributes = &text
	return err
}

// createUser returns the statement that makes an account.
func createUser(u *mysql_db.User, n accountName, o accountOptions) string {
	var b strings.Builder
	quote := func(s string) string { return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'" }
	fmt.Fprintf(&b, "CREATE USER %s IDENTIFIED WITH %s", n, quote(u.Plugin))
	if u.AuthString != "" {
		b.WriteString(" AS " + quote(u.AuthString))
	}
	if len(o.DefaultRoles) > 0 {
		var names []string
		for _, r := range o.DefaultRoles {
			names = append(names, r.String())
		}
		b.WriteString(" DEFAULT ROLE " + strings.Join(names, ","))
	}
	b.WriteString(" REQUIRE " + map[string]string{"": "NONE", "ANY": "SSL", "X509": "X509"}[u.SslType])
	for _, x := range [][2]string{{"CIPHER", u.SslCipher}, {"ISSUER", u.X509Issuer}, {"SUBJECT", u.X509Subject}} {
		if u.SslType == "SPECIFIED" && x[1] != "" {
			b.WriteString(" " + x[0] + " " + quote(x[1]))
		}
	}
	if o.MaxUserConnections > 0 {
		b.WriteString(" WITH MAX_USER_CONNECTIONS " + strconv.Itoa(o.MaxUserConnections))
	}
	b.WriteString(" PASSWORD EXPIRE")
	switch {
	case o.Expired:
	case o.Lifetime == nil:
		b.WriteString(" DEFAULT")
	case *o.Lifetime == 0:
		b.WriteString(" NEVER")
	default:
		fmt.Fprintf(&b, " INTERVAL %d DAY", *o.Lifetime)
	}
	b.WriteString(map[bool]string{true: " ACCOUNT LOCK", false: " ACCOUNT UNLOCK"}[u.Locked])
	b.WriteString(" PASSWORD HISTORY DEFAULT PASSWORD REUSE INTERVAL DEFAULT PASSWORD REQUIRE CURRENT DEFAULT")
	if u.Attributes != nil {
		b.WriteString(" ATTRIBUTE " + quote(*u.Attributes))
	}
	return b.String()
}

// changeUsers begins a change of the users: if the statement fails they are read
// again from the volume.
func (s *Session) changeUsers(ctx *sql.Context) error {
	if _, _, err := writer(ctx); err != nil {
		return err
	}
	s.tx.wroteUsers = true
	return nil
}

// jsonObject adds the members of a JSON object to m; null takes one away.
func jsonObject(text string, m map[string]any) error {
	add := map[string]any{}
	if err := json.Unmarshal([]byte(text), &add); err != nil {
		return mysql.NewSQLError(3140, "22032", "Invalid JSON text in argument 1 to function user_attributes: %q.", err.Error())
	}
	for k, v := range add {
		if m[k] = v; v == nil {
			delete(m, k)
		}
	}
	return nil
}

// may reports whether the session has a global privilege.
func (s *Session) may(ctx *sql.Context, p sql.PrivilegeType) bool {
	return s.b.users.UserHasPrivileges(ctx, sql.NewPrivilegedOperation(sql.PrivilegeCheckSubject{}, p))
}

func errPrivilege(name string) error {
	return mysql.NewSQLError(1227, "42000",
		"Access denied; you need (at least one of) the %s privilege(s) for this operation", name)
}

// quotedAccount returns an account's name as errors have it.
func quotedAccount(n accountName) string { return "'" + n.User + "'@'" + n.Host + "'" }

func errAccountOperation(verb string, accounts []string) error {
	return mysql.NewSQLError(1396, "HY000", "Operation %s failed for %s", verb, strings.Join(accounts, ","))
}
