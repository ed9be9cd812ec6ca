package netenv

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAVariablesNameTellsItsKind(t *testing.T) {
	want := map[string]Kind{
		"WIFI_SSID": SSID, "HOME_SSID": SSID, "ssid": SSID, "wlan0Ssid": SSID, "SSID_2": SSID,
		"WIFI_PSK": PSK, "psk": PSK, "HOME_PSK_2": PSK,
		"HOME_SSID_PSK": PSK, "PSK_OF_SSID": SSID,
		"TOKEN": Plain, "EAP_PASSWORD": Plain, "": Plain, "SSI_D": Plain,
	}
	got := make(map[string]Kind)
	for name := range want {
		got[name] = KindOf(name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAVariableIsCheckedAsItsKind(t *testing.T) {
	for _, tt := range []struct {
		v    Var
		want error
	}{
		{Var{"HOME_SSID", "home"}, nil},
		{Var{"HOME_SSID", ""}, ErrSSID},
		{Var{"HOME_SSID", strings.Repeat("x", 33)}, ErrSSID},
		{Var{"HOME_SSID", "home\n"}, ErrSSID},
		{Var{"HOME_SSID_PSK", "12345678"}, nil},
		{Var{"HOME_SSID_PSK", "1234567"}, ErrPSK},
		{Var{"TOKEN", ""}, nil},
		{Var{"TOKEN", strings.Repeat("x", 100)}, nil},
	} {
		if err := tt.v.Check(); !errors.Is(err, tt.want) {
			t.Errorf("%s=%q: %v, want %v", tt.v.Name, tt.v.Value, err, tt.want)
		}
	}
}
