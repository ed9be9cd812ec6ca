package netenv

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEncodeWritesOneQuotedLineForEachVariable(t *testing.T) {
	tests := []struct {
		name string
		vars []Var
		want string
	}{
		{"nothing", nil, ""},
		{"plain credentials, in the order given", []Var{{"WIFI_SSID", "home"}, {"WIFI_PSK", "correct horse"}}, "WIFI_SSID=\"home\"\nWIFI_PSK=\"correct horse\"\n"},
		{"what systemd unescapes has a backslash", []Var{{"WIFI_PSK", "a\"b$c`d'e"}}, "WIFI_PSK=\"a\\\"b\\$c\\`d'e\"\n"},
		{"a backslash is doubled by the keyfile and again by systemd", []Var{{"WIFI_PSK", `a\b`}}, `WIFI_PSK="a\\\\b"` + "\n"},
		{"blanks at the ends are escaped", []Var{{"WIFI_PSK", " a b "}}, `WIFI_PSK="\\sa b\\s"` + "\n"},
		{"a semicolon in a PSK stays", []Var{{"WIFI_PSK", "a;b"}}, `WIFI_PSK="a;b"` + "\n"},
		{"a semicolon in an SSID has a backslash", []Var{{"WIFI_SSID", "a;b"}}, `WIFI_SSID="a\\;b"` + "\n"},
		{"an SSID that is no text is a list of numbers", []Var{{"WIFI_SSID", "\xff\x00A"}}, `WIFI_SSID="255;0;65;"` + "\n"},
		{"an SSID of digits and semicolons is none", []Var{{"WIFI_SSID", "65;66;"}}, `WIFI_SSID="65\\;66\\;"` + "\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Encode(tt.vars)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestEncodeRefusesWhatCannotArrive(t *testing.T) {
	tests := []struct {
		name string
		vars []Var
		want error
	}{
		{"an empty name", []Var{{"", "x"}}, ErrName},
		{"a name that begins with a digit", []Var{{"1A", "x"}}, ErrName},
		{"a name with a space", []Var{{"A B", "x"}}, ErrName},
		{"a name with a line break", []Var{{"A\nB", "x"}}, ErrName},
		{"a name outside ASCII", []Var{{"É", "x"}}, ErrName},
		{"one name twice", []Var{{"A", "x"}, {"A", "y"}}, ErrName},
		{"NUL", []Var{{"WIFI_PSK", "sesame\x00street"}}, ErrValue},
		{"invalid UTF-8", []Var{{"WIFI_PSK", "sesame\xffstreet"}}, ErrValue},
		{"a Unicode noncharacter", []Var{{"WIFI_PSK", "sesame\ufdd0street"}}, ErrValue},
		{"an escape character", []Var{{"WIFI_PSK", "sesame\x1bstreet"}}, ErrValue},
		{"more than a process can be given", []Var{{"WIFI_PSK", "sesame" + strings.Repeat("x", maxString)}}, ErrValue},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Encode(tt.vars)
			if !errors.Is(err, tt.want) || got != nil {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if strings.Contains(err.Error(), "sesame") || strings.Contains(err.Error(), "street") {
				t.Errorf("the error quotes the value: %v", err)
			}
		})
	}
}

func TestDecodeSaysWhatNetworkManagerWouldNotGet(t *testing.T) {
	tests := []struct {
		name, file string
		want       error
	}{
		{"a line break in the value", "WIFI_PSK=\"sesame\nstreet\"\n", ErrValue},
		{"an unknown escape in a PSK", `WIFI_PSK="sesame\\qstreet"`, ErrValue},
		{"a backslash at the end of a PSK", `WIFI_PSK="sesamestreet\\"`, ErrValue},
		{"NUL", "WIFI_PSK=\"sesame\x00street\"", ErrSyntax},
		{"invalid UTF-8", "WIFI_PSK=\"sesame\xffstreet\"", ErrSyntax},
		{"a file of megabytes", "WIFI_PSK=sesamestreet" + strings.Repeat("x", maxFile), ErrSyntax},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Decode([]byte(tt.file))
			if !errors.Is(err, tt.want) || got != nil {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if strings.Contains(err.Error(), "sesame") {
				t.Errorf("the error quotes the value: %v", err)
			}
		})
	}
}

func TestIgnoredNamesTheLinesThatSystemdPassesOver(t *testing.T) {
	got, err := Ignored([]byte("A=b\nexport B=c\n\n# D\nE\n1F=g\nH=\"x\ny\"\nI-J=k\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"line 2: what stands before the = is not the name of a variable (systemd knows no export)",
		"line 5: it has no =",
		"line 6: what stands before the = is not the name of a variable",
		"line 9: what stands before the = is not the name of a variable",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSSIDsHave1To32Bytes(t *testing.T) {
	for ssid, want := range map[string]error{
		"": ErrSSID, "x": nil, strings.Repeat("x", 32): nil, strings.Repeat("x", 33): ErrSSID,
		strings.Repeat("ü", 16): nil, strings.Repeat("ü", 17): ErrSSID, "\x00": nil, "\xff": nil,
	} {
		if err := CheckSSID(ssid); !errors.Is(err, want) {
			t.Errorf("CheckSSID(%q) = %v, want %v", ssid, err, want)
		}
	}
}

func TestPSKsAre8To63CharactersOr64HexDigits(t *testing.T) {
	for psk, want := range map[string]error{
		"": ErrPSK, "1234567": ErrPSK, "12345678": nil, "        ": nil, "~~~~~~~~": nil,
		strings.Repeat("x", 63): nil, strings.Repeat("x", 64): ErrPSK, strings.Repeat("x", 65): ErrPSK,
		strings.Repeat("0", 64): nil, strings.Repeat("aF", 32): nil, strings.Repeat("0", 63) + "g": ErrPSK, strings.Repeat("0", 65): ErrPSK,
		"1234567ü": ErrPSK, "12345678\n": ErrPSK, "\t12345678": ErrPSK, "12345678\x7f": ErrPSK, "1234567\x00": ErrPSK,
	} {
		err := CheckPSK(psk)
		if !errors.Is(err, want) {
			t.Errorf("CheckPSK(%q) = %v, want %v", psk, err, want)
		}
		if err != nil && psk != "" && strings.Contains(err.Error(), psk) {
			t.Errorf("CheckPSK quotes the PSK: %v", err)
		}
	}
}

func FuzzEncodeDecode(f *testing.F) {
	for i, ssid := range awkward {
		f.Add(ssid, awkwardPSKs[i%len(awkwardPSKs)])
	}
	f.Fuzz(func(t *testing.T, ssid, text string) {
		vars := []Var{{"WIFI_SSID", ssid}, {"TEXT", text}}
		file, err := Encode(vars)
		if err != nil {
			// An SSID always arrives unless it is too long; a text that is refused has a reason.
			if _, err := Encode(vars[:1]); err != nil && len(ssid) < 1024 {
				t.Fatalf("SSID %q refused: %v", ssid, err)
			}
			return
		}
		if n := bytes.Count(file, []byte("\n")); n != 2 {
			t.Fatalf("%d lines: %q", n, file)
		}
		got, err := Decode(file)
		if err != nil {
			t.Fatalf("%q: %v", file, err)
		}
		if diff := cmp.Diff(vars, got); diff != "" {
			t.Fatalf("%q (-want +got):\n%s", file, diff)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, file := range byHand {
		f.Add([]byte(file))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		vars, err := Parse(data)
		if err != nil {
			if vars != nil || !errors.Is(err, ErrSyntax) {
				t.Fatalf("got %v and %v", vars, err)
			}
			return
		}
		if _, err := Ignored(data); err != nil {
			t.Fatal(err)
		}
		// What was read, quoted again, reads the same.
		var again strings.Builder
		for _, v := range vars {
			again.WriteString(v.Name + `="` + quoteSystemd(v.Value) + "\"\n")
		}
		got, err := Parse([]byte(again.String()))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(vars, got); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}
