package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

func TestReport(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want string
		code int
	}{
		{"an error is one line", errors.New("what failed: why"), "p: what failed: why\n", 2},
		{"a hint is a second line", WithHint(errors.New("what failed"), "do %s", "this"), "p: what failed\nhint: do this\n", 2},
		{"findings exit with 1", Findings(errors.New("wrong")), "p: wrong\n", 1},
		{"findings keep their hint", Findings(WithHint(errors.New("wrong"), "look")), "p: wrong\nhint: look\n", 1},
		{"a hint keeps the code", WithHint(Findings(errors.New("wrong")), "look"), "p: wrong\nhint: look\n", 1},
		{"a wrapped error keeps both", fmt.Errorf("more: %w", WithHint(Findings(errors.New("wrong")), "look")), "p: more: wrong\nhint: look\n", 1},
		{"line breaks inside become spaces", errors.New("a\nb\r\nc"), "p: a b  c\n", 2},
		{"escape sequences do not reach the terminal", errors.New("a\x1b[31mb\u009b"), "p: a\uFFFD[31mb\uFFFD\n", 2},
		{"writing is not turned around", errors.New("a\u202eb ü 漢"), "p: a\uFFFDb ü 漢\n", 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b bytes.Buffer
			Report(&b, "p", tt.err)
			if diff := cmp.Diff(tt.want, b.String()); diff != "" {
				t.Error(diff)
			}
			if got := Code(tt.err); got != tt.code {
				t.Errorf("code %d, want %d", got, tt.code)
			}
		})
	}
}

func TestNilStaysNil(t *testing.T) {
	if WithHint(nil, "x") != nil || Findings(nil) != nil || Code(nil) != ExitOK {
		t.Error("a nil error became one")
	}
}

func TestWrappedErrorsAreFound(t *testing.T) {
	if err := Findings(WithHint(fmt.Errorf("x: %w", fs.ErrExist), "y")); !errors.Is(err, fs.ErrExist) {
		t.Error("fs.ErrExist was lost")
	}
}

func TestExecute(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		args       []string
	}{
		{"no command", "p: a command is missing\nhint: p --help shows how it is used\n", nil},
		{"an unknown command", "p: unknown command \"x\" for \"p\"\nhint: p --help shows how it is used\n", []string{"x"}},
		{"an unknown flag", "p: unknown flag: --x\nhint: p do --help shows how it is used\n", []string{"do", "--x"}},
		{"too few arguments", "p: B is missing\nhint: p do --help shows how it is used\n", []string{"do", "a"}},
		{"too many arguments", "p: an argument too many: \"c\"\nhint: p do --help shows how it is used\n", []string{"do", "a", "b", "c"}},
		{"the right ones", "", []string{"do", "a", "b"}},
		{"an option with an empty value", "p: --out: its value is empty\nhint: p do --help shows how it is used\n", []string{"do", "a", "b", "--out", ""}},
		{"an option with an empty value among others", "p: --add: its value is empty\nhint: p do --help shows how it is used\n", []string{"do", "a", "b", "--add=x", "--add="}},
		{"options with values", "", []string{"do", "a", "b", "--out", " ", "--add=x"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := &cobra.Command{Use: "p", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return Usage(cmd, "a command is missing") }}
			do := &cobra.Command{Use: "do A B", Args: Args("A", "B"), RunE: func(*cobra.Command, []string) error { return nil }}
			do.Flags().String("out", "", "")
			do.Flags().StringArray("add", nil, "")
			root.AddCommand(do)
			root.SetArgs(append([]string{}, tt.args...))
			var b bytes.Buffer
			if err := Execute(context.Background(), root); err != nil {
				Report(&b, "p", err)
			}
			if diff := cmp.Diff(tt.want, b.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// full is a standard output whose disk is full.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

var errFull = errors.New("no space left on device")

func TestWhatCannotBePrintedIsAnError(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"help"}, {"--version"}, {"completion", "bash"}, {"completion", "zsh"}, {"completion", "fish"}, {"completion", "powershell"},
		{"do", "--help"}, {"help", "do"}, {"__complete", ""}} {
		root := &cobra.Command{Use: "p", Version: "1", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error { return nil }}
		root.AddCommand(&cobra.Command{Use: "do", RunE: func(*cobra.Command, []string) error { return nil }})
		root.SetArgs(args)
		root.SetOut(full{})
		root.SetErr(io.Discard)
		if err := Execute(context.Background(), root); !errors.Is(err, errFull) || Code(err) != ExitFailure || !strings.HasPrefix(err.Error(), "writing to standard output: ") {
			t.Errorf("%q: %v", args, err)
		}
	}
}
