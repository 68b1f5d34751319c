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

	"sextant/server/gms/syntax"
	"sextant/server/protocol"
)

// changeAccounts executes CREATE USER, ALTER USER and SET PASSWORD, and returns the
// passwords that it made up.
func (s *Session) changeAccounts(ctx *sql.Context, verb string, optional bool, changes []accountChange, set *accountSettings) ([]sql.Row, error) {
	create := verb == "CREATE USER"
	changes = slices.Clone(changes) // of the parsed statement
	admin := s.may(ctx, sql.PrivilegeType_CreateUser)
	for i := range changes {
		c := &changes[i]
		own := c.self || c.name == s.account
		if c.self {
			c.name = s.account
		}
		onlyPassword := set.require == nil && set.lock == nil && set.attributes == nil && set.comment == nil && len(set.options) == 0
		switch {
		case (create || !own || !onlyPassword) && !admin:
			return nil, errPrivilege("CREATE USER")
		case (c.retain || c.discard) && !admin && !s.mayDynamic(ctx, "application_password_admin"):
			return nil, errPrivilege("CREATE USER or APPLICATION_PASSWORD_ADMIN")
		case c.old != nil && !own:
			return nil, mysql.NewSQLError(3893, "HY000", "Do not specify the current password while changing it for other users.")
		}
	}
	all, err := s.accountOptions(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := s.hashPasswords(ctx, verb, changes, all, admin)
	if err != nil {
		return nil, err
	}
	var todo []accountChange
	return rows, s.editAccounts(ctx, func(e *accountEdit) error {
		var failed []string
		for _, c := range changes {
			_, there := e.GetUser(c.name.Key())
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
		for i, c := range todo {
			u, err := c.apply(e, set)
			if err != nil {
				return err
			}
			if old, there := e.GetUser(c.name.Key()); there {
				todo[i].known = old.AuthString
			}
			todo[i].plugin = u.Plugin
			e.put(u)
		}
		return nil
	}, func(all map[string]accountOptions) {
		for _, c := range todo {
			o := all[c.name.String()]
			if create {
				o = accountOptions{}
			}
			for _, f := range set.options {
				f(&o)
			}
			if c.auth != nil {
				if o.use(ctx, usedPassword{c.plugin, *c.auth, time.Now().UTC()}); !set.expire {
					o.Expired = false
				}
			}
			switch {
			case c.retain:
				o.Second = c.known
			case c.discard || c.changesPlugin || c.auth != nil && *c.auth == "":
				o.Second = ""
			}
			if set.lock != nil && !*set.lock {
				o.Unlocks++
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
// users are locked. Returns the passwords that it made up.
func (s *Session) hashPasswords(ctx *sql.Context, verb string, changes []accountChange, all map[string]accountOptions, admin bool) (rows []sql.Row, err error) {
	for i := range changes {
		c := &changes[i]
		rd := s.b.users.Reader()
		found, ok := rd.GetUser(c.name.Key())
		plugin, auth := string(mysql.CachingSha2Password), ""
		if ok {
			plugin, auth = found.Plugin, found.AuthString
		}
		rd.Close()
		if !ok && verb == "SET PASSWORD" {
			return nil, mysql.NewSQLError(1133, "42000", "Can't find any matching row in the user table")
		}
		if c.random {
			password, err := randomPassword(ctx)
			if err != nil {
				return nil, err
			}
			c.password = &password
			rows = append(rows, sql.Row{c.name.User, c.name.Host, password, int64(1)})
		}
		o := all[c.name.String()]
		if verb == "CREATE USER" {
			o = accountOptions{}
		}
		_, _, current := o.policy(ctx)
		switch {
		case c.old != nil && ok:
			if !protocol.PasswordFits(plugin, auth, *c.old) {
				return nil, errWrongPassword()
			}
			c.known = auth
		case ok && current && !admin && c.password != nil:
			return nil, mysql.NewSQLError(3892, "HY000", "Current password needs to be specified in the REPLACE clause in order to change it.")
		}
		c.changesPlugin = c.plugin != "" && c.plugin != plugin
		if c.plugin != "" {
			plugin = c.plugin
		}
		switch {
		case c.retain && c.changesPlugin:
			return nil, errRetain(c.name, "authentication plugin is being changed")
		case c.retain && c.password != nil && *c.password == "":
			return nil, errRetain(c.name, "new password is empty")
		case c.retain && auth == "":
			return nil, mysql.NewSQLError(3878, "HY000", "Empty password can not be retained as second password for user '%s'@'%s'.", c.name.User, c.name.Host)
		case c.password != nil && len(*c.password) > protocol.PasswordBytesMax:
			return nil, mysql.NewSQLError(1470, "HY000", "String '<secret>' is too long for password (should be no longer than %d)", protocol.PasswordBytesMax)
		case c.password != nil:
			if err := o.mayUse(ctx, c.name, *c.password, time.Now()); err != nil {
				return nil, err
			}
			hash := hashPassword(plugin, *c.password)
			c.auth = &hash
		case c.auth != nil && !protocol.ValidHash(plugin, *c.auth):
			return nil, mysql.NewSQLError(1827, "HY000", "The password hash doesn't have the expected format.")
		}
	}
	return rows, nil
}

// errRetain is the error of a password that cannot be kept as the second one.
func errRetain(n syntax.AccountName, why string) error {
	number := 3894
	if strings.HasPrefix(why, "new") {
		number = 3895
	}
	return mysql.NewSQLError(number, "HY000", "Current password can not be retained for user '%s'@'%s' because %s.", n.User, n.Host, why)
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
		u = &mysql_db.User{User: c.name.User, Host: c.name.Host, PrivilegeSet: mysql_db.NewPrivilegeSet(), PasswordLastChanged: time.Now().UTC().Truncate(time.Second)}
		if len([]rune(u.User)) > 32 || len(u.Host) > 255 {
			return nil, mysql.NewSQLError(1470, "HY000", "String '%s' is too long for user name (should be no longer than 32)", u.User)
		}
	} else if c.old != nil && u.AuthString != c.known {
		return nil, errWrongPassword() // it was changed in between
	}
	if c.auth != nil {
		u.PasswordLastChanged = time.Now().UTC().Truncate(time.Second)
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
func createUser(u *mysql_db.User, n syntax.AccountName, o accountOptions) string {
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
	with := " WITH"
	for _, x := range []struct {
		name string
		n    int
	}{
		{"MAX_QUERIES_PER_HOUR", o.MaxQueries}, {"MAX_UPDATES_PER_HOUR", o.MaxUpdates},
		{"MAX_CONNECTIONS_PER_HOUR", o.MaxConnections}, {"MAX_USER_CONNECTIONS", o.MaxUserConnections},
	} {
		if x.n > 0 {
			fmt.Fprintf(&b, "%s %s %d", with, x.name, x.n)
			with = ""
		}
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
	b.WriteString(o.passwordText())
	if u.Attributes != nil {
		b.WriteString(" ATTRIBUTE " + quote(*u.Attributes))
	}
	return b.String()
}

// passwordText returns the options of an account's password as SHOW CREATE USER has them.
func (o accountOptions) passwordText() string {
	text := func(n *int, unit string) string {
		if n == nil {
			return " DEFAULT"
		}
		return " " + strconv.Itoa(*n) + unit
	}
	out := " PASSWORD HISTORY" + text(o.History, "") + " PASSWORD REUSE INTERVAL" + text(o.ReuseDays, " DAY") + " PASSWORD REQUIRE CURRENT"
	switch {
	case o.RequireCurrent == nil:
		out += " DEFAULT"
	case !*o.RequireCurrent:
		out += " OPTIONAL"
	}
	if o.FailedLoginAttempts != 0 || o.PasswordLockDays != 0 {
		out += fmt.Sprintf(" FAILED_LOGIN_ATTEMPTS %d PASSWORD_LOCK_TIME ", o.FailedLoginAttempts)
		if o.PasswordLockDays == lockUnbounded {
			return out + "UNBOUNDED"
		}
		out += strconv.Itoa(o.PasswordLockDays)
	}
	return out
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
func quotedAccount(n syntax.AccountName) string { return "'" + n.User + "'@'" + n.Host + "'" }

func errAccountOperation(verb string, accounts []string) error {
	return mysql.NewSQLError(1396, "HY000", "Operation %s failed for %s", verb, strings.Join(accounts, ","))
}
