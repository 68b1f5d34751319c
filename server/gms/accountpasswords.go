package gms

import (
	"crypto/rand"
	"fmt"
	"math/big"
	"sync"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/server/gms/syntax"
	"sextant/server/protocol"
)

// usedPassword is a password that an account has, or had, while a history was kept.
type usedPassword struct {
	Plugin, Auth string
	Since        time.Time
}

// lockUnbounded is PASSWORD_LOCK_TIME UNBOUNDED.
const lockUnbounded = -1

// passwordLockMax bounds FAILED_LOGIN_ATTEMPTS and PASSWORD_LOCK_TIME.
const passwordLockMax = 32767

// policy returns how many passwords and how many days back an account's passwords must
// not be used again, and whether a change of its own needs the current one.
func (o accountOptions) policy(ctx *sql.Context) (history, days int, current bool) {
	history, days, current = int(globalInt(ctx, "password_history")), int(globalInt(ctx, "password_reuse_interval")), globalInt(ctx, "password_require_current") != 0
	if o.History != nil {
		history = *o.History
	}
	if o.ReuseDays != nil {
		days = *o.ReuseDays
	}
	if o.RequireCurrent != nil {
		current = *o.RequireCurrent
	}
	return history, days, current
}

// globalInt returns the value of a global variable that is a number or a boolean.
func globalInt(_ *sql.Context, name string) int64 {
	_, v, _ := sql.SystemVariables.GetGlobal(name)
	switch v := v.(type) {
	case int8:
		return int64(v)
	case int64:
		return v
	case uint64:
		return int64(v)
	case bool:
		if v {
			return 1
		}
	}
	return 0
}

// kept returns those of an account's passwords, the newest last, that must not be used again.
func (o accountOptions) kept(history, days int, now time.Time) []usedPassword {
	from := max(len(o.Passwords)-history, 0)
	for from > 0 && days > 0 && now.Sub(o.Passwords[from-1].Since) < time.Duration(days)*24*time.Hour {
		from--
	}
	return o.Passwords[from:]
}

// mayUse returns the error of a password that its history forbids.
func (o accountOptions) mayUse(ctx *sql.Context, n syntax.AccountName, password string, now time.Time) error {
	history, days, _ := o.policy(ctx)
	for _, p := range o.kept(history, days, now) {
		if password != "" && protocol.PasswordFits(p.Plugin, p.Auth, password) {
			return mysql.NewSQLError(3638, "HY000", "Cannot use these credentials for '%s@%s' because they contradict the password history policy", n.User, n.Host)
		}
	}
	return nil
}

// use notes an account's new password.
func (o *accountOptions) use(ctx *sql.Context, p usedPassword) {
	history, days, _ := o.policy(ctx)
	if o.Passwords = o.kept(history, days, p.Since); (history > 0 || days > 0) && p.Auth != "" {
		o.Passwords = append(o.Passwords, p)
	}
}

// randomSigns are what random passwords are of.
const randomSigns = "1234567890ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz,.-;:_+*!%&/(){}[]<>@"

// randomPassword returns a password for IDENTIFIED BY RANDOM PASSWORD.
func randomPassword(ctx *sql.Context) (string, error) {
	length, err := ctx.Session.GetSessionVariable(ctx, "generated_random_password_length")
	if err != nil {
		return "", err
	}
	n, _ := length.(int64)
	out := make([]byte, n)
	for i := range out {
		at, err := rand.Int(rand.Reader, big.NewInt(int64(len(randomSigns))))
		if err != nil {
			return "", fmt.Errorf("random password: %w", err)
		}
		out[i] = randomSigns[at.Int64()]
	}
	return string(out), nil
}

// failedLogins are the wrong passwords in a row by account, of those that are locked for
// too many of them. They are this instance's and not kept, as in MySQL.
type failedLogins struct {
	mu sync.Mutex
	of map[syntax.AccountName]failures
}

type failures struct {
	n       int
	unlocks int // accountOptions.Unlocks when they were counted
	locked  time.Time
}

// attempt counts a login with a right or wrong password, and returns the error of an
// account that is locked by now.
func (f *failedLogins) attempt(n syntax.AccountName, o accountOptions, user, host string, right bool, now time.Time) *protocol.Error {
	if o.FailedLoginAttempts == 0 || o.PasswordLockDays == 0 {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.of == nil {
		f.of = map[syntax.AccountName]failures{}
	}
	x := f.of[n]
	left := time.Duration(o.PasswordLockDays)*24*time.Hour - now.Sub(x.locked)
	if x.unlocks != o.Unlocks || !x.locked.IsZero() && o.PasswordLockDays != lockUnbounded && left <= 0 {
		x = failures{unlocks: o.Unlocks}
	}
	switch {
	case !x.locked.IsZero():
	case right:
		delete(f.of, n)
		return nil
	default:
		if x.n++; x.n >= o.FailedLoginAttempts {
			x.locked = now
			left = time.Duration(o.PasswordLockDays) * 24 * time.Hour
		}
		f.of[n] = x
	}
	if x.locked.IsZero() {
		return nil
	}
	days, remain := "unlimited", "unlimited"
	if o.PasswordLockDays != lockUnbounded {
		days, remain = fmt.Sprint(o.PasswordLockDays), fmt.Sprint(int((left+24*time.Hour-1)/(24*time.Hour)))
	}
	return &protocol.Error{Number: 3955, State: "HY000", Message: fmt.Sprintf(
		"Access denied for user '%s'@'%s'. Account is blocked for %s day(s) (%s day(s) remaining) due to %d consecutive failed logins.",
		user, host, days, remain, o.FailedLoginAttempts)}
}

// forget lets everybody try again (FLUSH PRIVILEGES).
func (f *failedLogins) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.of = nil
}
