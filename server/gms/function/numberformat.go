package function

import (
	"strconv"
	"strings"
	"sync"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/expr"
	"sextant/server/gms/value"
)

// numberForm is how a locale writes numbers: the sign before the fraction, the one between groups of digits and how many
// digits all groups but the last have, which has three.
type numberForm struct {
	point, separator string
	group            int
}

// numberForms are those of the locales in lower case that do not write them as en_US does.
var numberForms = sync.OnceValue(func() map[string]numberForm {
	out := map[string]numberForm{}
	for form, names := range map[numberForm]string{
		{".", "", 3}:  "ar_SA sr_RS",
		{".", ",", 2}: "en_IN ta_IN te_IN",
		{".", "'", 3}: "de_CH",
		{",", "'", 3}: "it_CH rm_CH",
		{",", ".", 3}: "be_BY da_DK de_BE de_DE de_LU es_AR es_BO es_CL es_CO es_EC es_ES es_PY es_UY es_VE fo_FO hu_HU id_ID is_IS lt_LT " +
			"mn_MN nb_NO no_NO ro_RO ru_UA sq_AL tr_TR uk_UA vi_VN",
		{",", "\x00", 3}: "bg_BG",
		{",", "", 3}:     "ca_ES de_AT el_GR eu_ES fr_BE fr_CA fr_CH fr_FR fr_LU gl_ES hr_HR it_IT nl_BE nl_NL pl_PL pt_BR pt_PT sl_SI",
		{",", " ", 3}:    "cs_CZ es_CR et_EE fi_FI lv_LV mk_MK ru_RU sk_SK sv_FI sv_SE",
	} {
		for _, name := range strings.Fields(strings.ToLower(names)) {
			out[name] = form
		}
	}
	return out
})

// formatDigitsMax are the most digits of FORMAT behind the point.
const formatDigitsMax = 30

// formatNumber is FORMAT(number, digits) and FORMAT(number, digits, locale): exact numbers stay exact.
func formatNumber(ctx *sql.Context, args []any) (any, error) {
	if len(args) < 2 || len(args) > 3 {
		return nil, sql.ErrInvalidArgumentNumber.New("format", "2 or 3", len(args))
	}
	if args[0] == nil || args[1] == nil {
		return nil, nil
	}
	digits, err := expr.WholeOf(ctx, args[1])
	if err != nil {
		return nil, err
	}
	digits = min(max(int64(int32(digits)), 0), formatDigitsMax) // of 32 bits in MySQL
	form := numberForm{".", ",", 3}
	if len(args) == 3 {
		name := "NULL"
		if args[2] != nil {
			name = value.Shown(args[2])
		}
		if value.Locales()[strings.ToLower(name)] == nil {
			ctx.Warn(1649, "Unknown locale: '%s'", name)
		} else if f, ok := numberForms()[strings.ToLower(name)]; ok {
			form = f
		}
	}
	var text string
	switch x := args[0].(type) {
	case float32, float64, string, []byte:
		f, err := expr.DoubleOf(ctx, x)
		if err != nil {
			return nil, err
		}
		if f = expr.RoundDouble(f, digits); !value.Finite(f) {
			return strconv.FormatFloat(f, 'f', -1, 64), nil
		}
		text = string(value.AppendFixed(nil, f, int(digits)))
	default:
		v, _, err := types.InternalDecimalType.Convert(ctx, x)
		d, ok := v.(*apd.Decimal)
		if err != nil || !ok {
			return nil, err
		}
		if d, err = sql.DecimalRound(d, int32(digits)); err != nil {
			return nil, err
		}
		if d.IsZero() {
			d = new(apd.Decimal).Abs(d)
		}
		text = d.Text('f')
	}
	sign := ""
	if strings.HasPrefix(text, "-") {
		sign, text = "-", text[1:]
	}
	whole, fraction, _ := strings.Cut(text, ".")
	out := ""
	for size := 3; len(whole) > size && form.separator != ""; size = form.group {
		out = form.separator + whole[len(whole)-size:] + out
		whole = whole[:len(whole)-size]
	}
	if out = sign + whole + out; digits > 0 {
		out += form.point + fraction + strings.Repeat("0", max(int(digits)-len(fraction), 0))
	}
	return out, nil
}
