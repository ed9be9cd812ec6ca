package show

import "testing"

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1: "1 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 30 << 20: "30.0 MiB", 42909696: "40.9 MiB",
		1<<20 - 1: "1.0 MiB", 1 << 30: "1.0 GiB", 5 << 40: "5.0 TiB", 1<<63 - 1: "8.0 EiB", -1: "-1 B",
	} {
		if got := Size(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

func TestPrintable(t *testing.T) {
	for s, want := range map[string]string{
		"plain": "plain", "ü 漢": "ü 漢", "\x1b[31m": "\uFFFD[31m", "a\nb": "a\uFFFDb", "\u009b": "\uFFFD", "\u202e": "\uFFFD", "\xff": "\uFFFD",
	} {
		if got := Printable(s); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
}
